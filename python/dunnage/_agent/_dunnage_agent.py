"""What dunnage does inside a Python process. Standard library only, and of that only what costs next to nothing.

Two doors lead here: `sitecustomize` in the program's zip (by PYTHONPATH) and the wheel's `.pth`. Whichever comes first
starts the agent; the other finds it started. It has no thread and no signal handler, keeps no descriptor, and a failure
of its own is silent unless DUNNAGE_DEBUG is set: the application's stderr is the application's.

Counts. `os.cpu_count()` and (3.13 and newer) `os.process_cpu_count()` say DUNNAGE_CPU_COUNT, never more than they would
have said. ThreadPoolExecutor waits rather than computes, so its default size stays the one it has without dunnage. Both
or neither: where the executor cannot be kept, the counts are given back.
"""

import os
import sys

_EXECUTOR = "concurrent.futures.thread"
_started = False


def start(door):
    """Starts the agent once; `door` is "path" or "pth". Never raises an Exception."""
    global _started
    if _started:
        return
    _started = True
    if sys.flags.ignore_environment or sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        return
    program = os.environ.get("DUNNAGE_AGENT")
    if not program:
        return
    for step in (lambda: _leave_path(program), _tell_counts, lambda: _say_hello(door)):
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


def _leave_path(program):
    """Takes the program off `sys.path`, so that nothing of the application is looked for in it."""
    if program in sys.path:
        sys.path.remove(program)
    sys.path_importer_cache.pop(program, None)


def _tell_counts():
    if os.environ.get("PYTHON_CPU_COUNT") or "cpu_count" in sys._xoptions:
        return  # the user's own word
    text = os.environ.get("DUNNAGE_CPU_COUNT", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return
    # told 1, the common `Pool(cpu_count() - 1)` would raise
    _Counts(max(2, int(text))).tell()


class _Counts:
    """The functions as they were, and as they are told."""

    def __init__(self, count):
        self.count = count
        self.real = {}
        self.told = {}

    def tell(self):
        for name in ("cpu_count", "process_cpu_count"):
            real = getattr(os, name, None)
            if real is not None:
                self.real[name] = real
                self.told[name] = _capped(name, real, self.count)
        executor = sys.modules.get(_EXECUTOR)
        if executor is not None:
            self.keep(executor)
        else:
            sys.meta_path.insert(0, _Watch(self))
        for name, told in self.told.items():
            setattr(os, name, told)

    def keep(self, executor):
        """Lets the executor's module see the real counts. Raises where it is not the module that we know."""
        if executor.os is not os:
            raise RuntimeError(_EXECUTOR + ": its os is not os")
        executor.os = _RealOs(self)

    def give_back(self):
        for name, told in self.told.items():
            if getattr(os, name) is told:
                setattr(os, name, self.real[name])


def _capped(name, real, count):
    def told():
        number = real()
        return number if number is None or number < count else count

    told.__name__ = told.__qualname__ = name
    told.__module__ = "os"  # so that it is pickled by the name under which it is found
    told.__doc__ = real.__doc__
    return told


class _RealOs:
    """`os` with the counts as they were, unless somebody else has replaced them since (a test's mock, say)."""

    def __init__(self, counts):
        self.__dict__["_counts"] = counts

    def __getattr__(self, name):
        counts = self.__dict__["_counts"]
        value = getattr(os, name)
        return counts.real[name] if value is counts.told.get(name, counts) else value

    def __setattr__(self, name, value):
        setattr(os, name, value)

    def __delattr__(self, name):
        delattr(os, name)

    def __dir__(self):
        return dir(os)


class _Watch:
    """Waits on `sys.meta_path` for the application's own import of the executor; importing it here would cost 5 ms."""

    def __init__(self, counts):
        self.counts = counts

    def find_spec(self, name, path=None, target=None):
        if name != _EXECUTOR:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader):
        try:
            run = loader.exec_module

            def exec_module(module):
                del loader.exec_module
                run(module)
                try:
                    self.counts.keep(module)
                except Exception as error:
                    self.counts.give_back()
                    _report(error)

            if isinstance(loader, type):
                raise RuntimeError(_EXECUTOR + ": its loader is shared")
            loader.exec_module = exec_module
        except Exception as error:
            self.counts.give_back()
            _report(error)


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
