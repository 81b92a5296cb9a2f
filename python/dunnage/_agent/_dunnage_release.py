"""What the agent does when the supervisor asks for memory: in a thread that lives for that long, in any application.

It gives back what the allocators hold (see `_release_rules`, which `dunnage.release_memory` obeys too) and says in one
packet how much that was. Where the application has imported `dunnage` itself, that does it: one cool-down for both.

The agent calls `run` in that thread, one at a time. This file runs with the names that the agent gives it as its own:
`path` of the socket and `program` with the agent's zip.

Finalizers run in the thread that collects, and an application with one thread may have objects that must end in it. So
there the main thread is asked to collect, by the interpreter's own list of pending calls. `ctypes` would make thousands
of objects in our thread, among them a collection; `_ctypes`, its native part, makes next to none.
"""

import _thread
import gc
import sys
import time

#: Seconds between two releases of a process, whatever is asked.
COOL_DOWN = 10.0
#: Seconds in which the main thread must get to a collection.
PATIENCE = 2.0

_RTLD_NOW = 2

_ended = None
_rules = {}


def run():
    # gevent or eventlet, by now: what is patched there must not run in a thread
    if type(_thread.start_new_thread) is type(len):
        _release()


def _release():
    global _ended
    now = time.monotonic()
    if _ended is not None and now - _ended < COOL_DOWN:
        return
    if not _rules:
        from zipimport import zipimporter

        exec(zipimporter(program).get_data(program + "/_release_rules.py"), _rules)  # noqa: F821
    resident = _rules["resident"]
    rss = resident()
    notes = _attempt("gc.collect", lambda: _collect(_rules["why_not_collect"]()))
    by_package = _release_by_package()
    if by_package:
        pinned = by_package[0]
        notes += by_package[1]
    else:
        for name in _rules["POOLS"]:
            if name in sys.modules:
                notes += _attempt(name, _rules["POOLS"][name])
        notes += _attempt("malloc_trim", _trim)
        pinned, words = _measure_pinned()
        notes += words
        notes += [why for name, why in _rules["NO_KEY"].items() if name in sys.modules]
    left = resident()
    _ended = time.monotonic()
    fallen = 0 if rss is None or left is None else rss - left
    _report(path, fallen, pinned, _ended - now, notes)  # noqa: F821


def _attempt(name, act):
    try:
        note = act()
    except Exception as error:  # whatever a library raises, the others still have their turn
        note = "failed: %r" % error
    return ["%s: %s" % (name, note)] if note else []


def _release_by_package():
    """What is pinned and the notes, if the application has imported dunnage."""
    try:
        released = sys.modules["dunnage"].release_memory(cooldown=COOL_DOWN, collect=False)
        small = released.small_objects
    except (KeyError, AttributeError):  # not there, or just being imported
        return None
    notes = [released.skipped] if released.skipped else list(released.notes)
    return (None if small is None else small.pinned), notes


def _collect(why_not):
    if why_not:
        return "left out: " + why_not
    if _thread._count() > 1:  # the application has threads of its own: it may collect in any of them
        gc.collect()
        return ""
    return _collect_in_main_thread()


def _collect_in_main_thread():
    """By a pending call that is C all the way: an exception of a signal's handler would be lost in Python code of ours.

    `PyList_Sort` is a function of the form that such a call must have, and to compare two elements is to collect.
    """
    import _ctypes

    class Pointer(_ctypes._SimpleCData):
        _type_ = "P"

    class Generation(int):
        __lt__ = gc.collect

    two = [Generation(2), Generation(2)]
    _kept.append(two)  # it may be called however late
    python = _ctypes.dlopen(None, _RTLD_NOW)
    names = "Py_AddPendingCall", "PyList_Sort", "PyObject_IsTrue"
    add, sort, is_true = (_ctypes.dlsym(python, name) for name in names)
    before = gc.get_stats()[2]["collections"]
    if _ctypes.call_cdeclfunction(add, (Pointer(sort), Pointer(id(two)))) != 0:
        return "left out: too many calls are waiting"
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        time.sleep(0.05)
        if gc.get_stats()[2]["collections"] != before:
            return ""
        if sys.version_info < (3, 10):  # which may forget to look: a second call, whose 0 says that all is well
            _ctypes.call_cdeclfunction(add, (Pointer(is_true), Pointer(id(None))))
    return "left to the main thread, which was busy for %g s" % PATIENCE


_kept = []


def _trim():
    import _ctypes

    try:
        trim = _ctypes.dlsym(_ctypes.dlopen(None, _RTLD_NOW), "malloc_trim")
    except OSError:
        return "this C library has none"
    _ctypes.call_cdeclfunction(trim, (0,))  # without the GIL
    return ""


def _measure_pinned():
    """Bytes that survivors hold in CPython's heap of small objects, and a sentence where that is much.

    By the text of `_PyObject_DebugMallocStats`, into memory: `sys._debugmallocstats` would print it.
    """
    try:
        text = _read_statistics()
        arenas, bytes_each = _number(text, b" arenas * ", -1), _number(text, b" arenas * ", 1)
        pinned = arenas * bytes_each - _number(text, b"# bytes in allocated blocks", 1)
    except Exception:  # another allocator, or another text
        return None, []
    if pinned < _MUCH_PINNED or pinned * 2 < arenas * bytes_each:
        return max(pinned, 0), []
    return pinned, [
        "%d MiB of the heap for small objects are empty but pinned by survivors: only a new process gives them back "
        "(gunicorn --max-requests, celery --max-tasks-per-child), or PYTHONMALLOC=malloc" % (pinned >> 20)
    ]


_MUCH_PINNED = 16 << 20


def _read_statistics():
    import _ctypes

    class Pointer(_ctypes._SimpleCData):
        _type_ = "P"

    class Text(_ctypes._SimpleCData):
        _type_ = "z"

    class Function(_ctypes.CFuncPtr):
        _flags_ = 1 | 4  # as C calls, without giving the GIL away
        _restype_ = Pointer

    library = _ctypes.dlopen(None, _RTLD_NOW)
    names = "open_memstream", "_PyObject_DebugMallocStats", "fclose", "free"
    open_memstream, print_statistics, close, free = (Function(_ctypes.dlsym(library, name)) for name in names)
    text, size = Pointer(), Pointer()
    stream = Pointer(open_memstream(_ctypes.byref(text), _ctypes.byref(size)))
    if not stream:
        raise MemoryError
    print_statistics(stream)
    close(stream)
    found = Text.from_address(_ctypes.addressof(text)).value
    free(text)
    return found


def _number(text, words, step):
    """The number beside some words: before them (-1), or after them and an equals sign (1)."""
    before, _, after = text.partition(words)
    part = before.split()[-1] if step < 0 else after.lstrip(b" =").split()[0]
    return int(part.replace(b",", b""))


def _report(path, rss, pinned, seconds, notes):
    import _socket

    said = ",".join('"%s"' % _quotable(note) for note in notes[:8])
    packet = '{"op":"released","rss":%d,"pinned":%s,"seconds":%.6f,"notes":[%s]}' % (
        rss,
        "null" if pinned is None else int(pinned),
        seconds,
        said,
    )
    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        peer.settimeout(1.0)
        peer.connect(path)
        peer.send(packet.encode(), _socket.MSG_NOSIGNAL)
    finally:
        peer.close()


def _quotable(text):
    """As it may stand in JSON, within the supervisor's bounds."""
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "'" for letter in text[:240])
