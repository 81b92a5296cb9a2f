"""Watching the container's memory from inside, for programs that run without the supervisor."""

import os
import sys
from typing import TYPE_CHECKING

from dunnage import _resources
from dunnage._hooks import MemoryPressure, News

if TYPE_CHECKING:
    from types import TracebackType

    from dunnage._news import Listener


class Guard:
    """A watcher of memory; it ends with :meth:`stop` or at the end of a ``with`` block."""

    active: bool
    """Whether it watches."""
    reason: str
    """What is watched, or why nothing is."""

    def __init__(self, warn: float, high: float, critical: float) -> None:
        self.active = False
        self._listener: Listener | None = None
        if not _resources.NATIVE:
            if not 0 < warn < high < critical <= 1:
                raise ValueError("thresholds are shares of the limit that rise: 0 < warn < high < critical <= 1")
            self.reason = "this build of dunnage reads no cgroup"
            return
        from dunnage._native import Watcher

        watcher = Watcher("/", os.environ.get("DUNNAGE_MEMORY_LIMIT"), warn, high, critical)
        limit, _ = watcher.look()
        if limit is None:
            self.reason = "no memory limit can be seen, so nothing can be short"
            return
        if _threads_are_replaced():
            self.reason = "threads are greenlets here (gevent, eventlet), and native waiting would stop all of them"
            return
        from dunnage import _news

        class MemoryListener(_news.Listener):
            """Its thread spends its time in native code, without the GIL."""

            name = "dunnage-guard"

            def start(self) -> None:
                if not self.is_running():
                    watcher.restart()
                super().start()

            def wait(self) -> list[News] | None:
                level = watcher.wait()
                return None if level is None else [MemoryPressure(level)]

            def interrupt(self) -> None:
                watcher.stop()

        self.reason = f"the working set against a limit of {limit} bytes"
        self.active = True
        self._listener = MemoryListener()
        _news.add(self._listener)

    def __enter__(self) -> "Guard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Guard {'active' if self.active else 'inactive'}: {self.reason}>"

    def stop(self) -> None:
        """Ends the watching; a hook that is running ends by itself. A second time does nothing."""
        from dunnage import _news

        if self._listener is not None:
            _news.remove(self._listener)
            self._listener = None
        if self.active:
            self.active, self.reason = False, "stopped"


def _threads_are_replaced() -> bool:
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    return (gevent is not None and gevent.is_module_patched("threading")) or (
        eventlet is not None and eventlet.is_monkey_patched("thread")
    )


def guard(*, warn: float = 0.7, high: float = 0.8, critical: float = 0.9) -> Guard:
    """Watches the container's memory and calls the hooks of :func:`on_memory_pressure`, without ``dunnage run``.

    The thresholds are shares of the limit (``limits().memory.limit``); what is compared is the working set of the whole
    container (``memory().working_set``), so that page cache does not count. A level is reached by growing to it: what
    has stood there since it began is not told, and after a level was told memory must fall 5 points below it before it
    is told again. One thread looks, in native code without the GIL, the more often the less is left: every 1 to 100 ms
    (the time in which 20 GB/s would fill what is left), which costs less than 0.1 % of a CPU while memory is calm.
    Where no limit can be seen, and below gevent or eventlet, there is no thread, and ``reason`` says so. It stands
    still during a fork and lives on in parent and child.

    Raises ``ValueError`` for thresholds that do not rise from above 0 to at most 1. It returns at once, a context
    manager and an object with ``active``, ``reason`` and ``stop()``.

    >>> import dunnage
    >>> with dunnage.guard(warn=0.75) as guard:
    ...     assert guard.reason
    >>> guard.active
    False
    """
    return Guard(warn, high, critical)
