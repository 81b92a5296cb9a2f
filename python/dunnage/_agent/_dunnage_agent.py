"""What dunnage does inside a Python process. Standard library only, and of that only what costs next to nothing.

Two doors lead here: `sitecustomize` in the program's zip (by PYTHONPATH) and the wheel's `.pth`. Whichever comes first
starts the agent; the other finds it started. It has no thread and no signal handler, keeps no descriptor, and a failure
of its own is silent unless DUNNAGE_DEBUG is set: the application's stderr is the application's.

Counts. `os.cpu_count()` and (3.13 and newer) `os.process_cpu_count()` say DUNNAGE_CPU_COUNT, never more than they would
have said. Pools of threads wait rather than compute, so those of the standard library that size themselves by a count
are answered with the real one. Who asks is seen in the caller's frame: nothing of theirs is changed or imported.
"""

import os
import sys

_started = False


def start(door):
    """Starts the agent once; `door` is "path" or "pth". Never raises an Exception."""
    global _started
    if _started:
        return
    _started = True
    program = os.environ.get("DUNNAGE_AGENT", "")
    if not program.startswith("/") or os.environ.get("DUNNAGE_DISABLE", "") in ("1", "true", "on", "yes"):
        return
    for step in (_tell_counts, lambda: _say_hello(door)):
        try:
            step()
        except Exception as error:
            _report(error)


def _report(error):
    if os.environ.get("DUNNAGE_DEBUG"):
        try:
            os.write(2, ("dunnage: agent: %s: %s\n" % (type(error).__name__, error)).encode("utf-8", "replace"))
        except Exception:
            pass


def _tell_counts():
    if os.environ.get("PYTHON_CPU_COUNT") or "cpu_count" in sys._xoptions:
        return  # the user's own word
    text = os.environ.get("DUNNAGE_CPU_COUNT", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return
    # told 1, the common `Pool(cpu_count() - 1)` would raise
    count = max(2, int(text))
    for name in ("cpu_count", "process_cpu_count"):
        real = getattr(os, name, None)
        if real is not None:
            setattr(os, name, _Told(name, real, count))


class _Told:
    """One of os's two functions, as it is told. An object, since like a built-in function it must not become a method."""

    __module__ = "os"  # where it is found when it is pickled

    def __init__(self, name, real, count):
        self.__name__ = self.__qualname__ = name
        self.__doc__ = real.__doc__
        self._real = real
        self._count = count

    def __call__(self):
        number = self._real()
        if number is None or number <= self._count or _is_pool_of_threads(sys._getframe().f_back):
            return number
        return self._count

    def __reduce__(self):
        return self.__name__

    def __repr__(self):
        return "<function %s, told by dunnage>" % self.__name__


def _is_pool_of_threads(frame):
    """Whether the caller's frame (None for a bare thread) is in the constructor of one of the two such pools there are."""
    module = {} if frame is None else frame.f_globals
    if module.get("__name__") == "multiprocessing.pool":
        return isinstance(frame.f_locals.get("self"), module["ThreadPool"])
    return module.get("__name__") == "concurrent.futures.thread"


def _say_hello(door):
    """One packet to the supervisor, which knows the sender by SO_PEERCRED. No reply is waited for."""
    path = os.environ.get("DUNNAGE_SOCKET")
    if not path:
        return
    import _socket

    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        peer.setblocking(False)
        peer.connect(path)
        text = '{"op":"hello","python":"%d.%d.%d","door":"%s"}' % (tuple(sys.version_info[:3]) + (door,))
        peer.send(text.encode("ascii"), _socket.MSG_NOSIGNAL)
    except OSError:
        pass  # nobody listens: nothing to say
    finally:
        peer.close()
