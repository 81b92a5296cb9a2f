"""What dunnage does inside a Python process. Standard library only, and of that only what costs next to nothing.

Two doors lead here: `sitecustomize` in the program's zip (by PYTHONPATH) and the wheel's `.pth`. Whichever comes first
starts the agent; the other finds it started. It has no thread, keeps no descriptor, has no signal handler (but see
`_dunnage_term`), and a failure of its own is silent unless DUNNAGE_DEBUG is set: the application's stderr is the
application's.

Counts. `os.cpu_count()` and (3.13 and newer) `os.process_cpu_count()` say DUNNAGE_CPU_COUNT, never more than they would
have said. Pools of threads wait rather than compute, so those of the standard library that size themselves by a count
are answered with the real one. Who asks is seen in the caller's frame: nothing of theirs is changed or imported.

Memory. The supervisor asks for a release by a number in a page, which is looked at whenever the collector has run (see
`_watch`); `_dunnage_release` does it, in the thread of `_dunnage_thread`.

This file is compiled at every start, which is most of what the agent costs, by its tokens and not by its comments: it
stays short, and what is seldom needed has a file of its own.
"""

import os
import sys

# by name, while they are what they were: gevent puts its own in their modules
from _thread import allocate_lock, get_native_id, start_new_thread
from time import monotonic, sleep

#: By which door the agent was started ("path" or "pth"); None where it was not.
door = None


def start(by):
    """Starts the agent once. Never raises an Exception."""
    global door
    env = os.environ.get
    program = env("DUNNAGE_AGENT", "")
    if door or program[:1] != "/" or env("DUNNAGE_DISABLE", "0") in ("1", "true", "on", "yes"):
        return
    door = by
    try:
        count = env("DUNNAGE_CPU_COUNT", "")
        # PYTHON_CPU_COUNT and -X cpu_count are the user's own word
        if count.isdecimal() and not env("PYTHON_CPU_COUNT") and "cpu_count" not in sys._xoptions:
            for name in ("cpu_count", "process_cpu_count"):
                if hasattr(os, name):
                    setattr(os, name, _Told(name, int(count[:6])))
        if env("DUNNAGE_TERM_EXIT"):
            exec(__loader__.get_data(program + "/_dunnage_term.py"), {"TERM_EXIT": env("DUNNAGE_TERM_EXIT")})
        path = env("DUNNAGE_SOCKET")
        if path:
            _say_hello(path)
            if env("DUNNAGE_RELEASE") != "off" and "t" not in sys.abiflags:  # not tried where there is no GIL
                _watch(path, program)
    except Exception as error:
        _say(error)


def _say(error):
    if os.environ.get("DUNNAGE_DEBUG"):
        os.write(2, ("dunnage: agent: %r\n" % error).encode("ascii", "replace"))


class _Told:
    """One of os's two functions, as it is told. An object, since like a built-in function it must not become a method."""

    __module__ = "os"  # where it is found when it is pickled

    def __init__(self, name, count):
        self._real = getattr(os, name)
        self._count = max(2, count)  # told 1, the common `Pool(cpu_count() - 1)` would raise
        self.__name__ = self.__qualname__ = name
        self.__doc__ = self._real.__doc__

    def __call__(self):
        number = self._real()
        if number is None or number <= self._count:
            return number
        caller = sys._getframe().f_back  # None in a bare thread
        module = caller.f_globals if caller else {}
        waits = module.get("__name__") == "concurrent.futures.thread" or (
            module.get("__name__") == "multiprocessing.pool"
            and isinstance(caller.f_locals.get("self"), module["ThreadPool"])
        )
        return number if waits else self._count

    def __reduce__(self):
        return self.__name__


def _say_hello(path):
    """One packet to the supervisor, which knows the sender by SO_PEERCRED. No reply is waited for."""
    import _socket

    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        peer.setblocking(False)
        peer.connect(path)
        hello = '{"op":"hello","python":"%d.%d.%d","door":"%s"}' % (sys.version_info[:3] + (door,))
        peer.send(hello.encode(), _socket.MSG_NOSIGNAL)
    finally:
        peer.close()


def _watch(path, program):
    """From now on compares a byte of the supervisor's page with what is known, whenever the collector has run.

    That look runs no Python code, and neither does what it begins. In such code another thread gets its turn, and a fork of
    that one would leave the child a collector that thinks it is running; and a signal's handler runs there, whose exception
    the collector prints and drops. So: the collector calls `getattr(look, "stop", info)`, a property, which takes the next
    of maps without end: they subscript the page by 0 (`int()` is never 1), and by what they find a dictionary of iterators,
    of which they take the next. A number that is new is given an iterator there, whose one step starts the thread.
    """
    import _signal

    try:
        _signal.signal(0, None)
    except ValueError as error:
        if "range" not in str(error):
            return  # refused before it looked at the number: not the main interpreter, which alone may have our thread
    import atexit
    import gc
    import mmap
    from _collections import defaultdict
    from _functools import partial

    fd = os.open(path[:-7] + "memory", os.O_RDONLY)
    spare = os.dup(fd)
    os.close(spare)
    page = mmap.mmap(fd, 4, prot=mmap.PROT_READ)
    os.close(fd)
    # the mapping has copied the descriptor, to that number, and does not need it
    os.close(spare)
    # it would close the number once more when it is freed: so never. No collector sees what a code object holds
    kept = [page]
    kept.append(_watch.__code__.replace(co_consts=(kept,)))
    names = {"path": path, "program": program, "lock": allocate_lock(), "thread": 0, "left": (0.0, 0)}
    names["later"] = __loader__.get_data(program + "/_dunnage_thread.py")
    names["source"] = __loader__.get_data(program + "/_dunnage_release.py")
    asked = names["asked"] = defaultdict(partial(map, start_new_thread, (_later,), (("_work", names),)))
    asked[page[0]] = iter(())
    found = map(asked.__getitem__, map(page.__getitem__, iter(int, 1)))
    gc.callbacks.append(partial(getattr, _Look(next, found, iter(int, 1))))
    # the interpreter collects once more when it ends, and can start no thread then
    atexit.register(setattr, asked, "default_factory", partial(iter, ()))
    os.register_at_fork(before=partial(_later, "_wait", names), after_in_child=partial(_later, "_forget", names))


class _Look(map):
    stop = property(next)


def _later(name, names):
    """Does what a release needs, which is compiled when the first is asked for. A fork before that has nothing to do."""
    known = globals()
    try:
        if name not in known:
            if len(names["asked"]) == 1:
                return
            exec(names["later"], known)
        known[name](names)
    except Exception as error:
        _say(error)
        _settle(names)


def _settle(names):
    """Nobody is at work. Of the numbers the newest stays, for they come round again."""
    names["thread"] = 0
    for number in list(names["asked"])[:-1]:  # a copy in one step: more may come meanwhile
        names["asked"].pop(number, None)
