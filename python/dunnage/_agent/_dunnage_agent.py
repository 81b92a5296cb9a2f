"""What dunnage does inside a Python process. Standard library only, and of that only what costs next to nothing.

Two doors lead here: `sitecustomize` in the program's zip (by PYTHONPATH) and the wheel's `.pth`. Whichever comes first
starts the agent; the other finds it started. It has no thread, keeps no descriptor, has no signal
handler (but see `_dunnage_term`), and a failure
of its own is silent unless DUNNAGE_DEBUG is set: the application's stderr is the application's.

Counts. `os.cpu_count()` and (3.13 and newer) `os.process_cpu_count()` say DUNNAGE_CPU_COUNT, never more than they would
have said. Pools of threads wait rather than compute, so those of the standard library that size themselves by a count
are answered with the real one. Who asks is seen in the caller's frame: nothing of theirs is changed or imported.

This file is compiled at every start, which is most of what the agent costs: it stays short.
"""

import os
import sys

#: By which door the agent was started ("path" or "pth"); None where it was not.
door = None


def start(by):
    """Starts the agent once. Never raises an Exception."""
    global door
    env = os.environ.get
    if door or env("DUNNAGE_AGENT", "")[:1] != "/" or env("DUNNAGE_DISABLE", "0") in ("1", "true", "on", "yes"):
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
            import _dunnage_term

            _dunnage_term.install(env("DUNNAGE_TERM_EXIT"))
        if env("DUNNAGE_SOCKET"):
            _say_hello(env("DUNNAGE_SOCKET"))
    except Exception as error:
        if env("DUNNAGE_DEBUG"):
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
