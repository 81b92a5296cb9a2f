"""Functions of the application that are called when memory gets short or a shutdown begins.

They are called from a thread of ours or scheduled on the event loop that registered them, never inside a signal
handler. This module holds who wants to be called and how; where the news comes from is :mod:`dunnage._news`.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, get_args, overload

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

Level = Literal["warn", "high", "critical"]
"""How short memory is: time to drop caches; time to give back all that can be had; the next allocation may kill."""

LEVELS: tuple[Level, ...] = get_args(Level)


class MemoryPressure(NamedTuple):
    """What a hook of :func:`on_memory_pressure` is called with."""

    level: Level
    """The level that was reached."""


class Drain(NamedTuple):
    """What a hook of :func:`on_drain` is called with."""

    signal: str
    """The stop signal without ``SIG``: ``TERM``, ``INT``, ``QUIT``."""
    seconds: float | None
    """Time until everything that is left is killed, as it was when the news was sent; ``None`` where nothing is."""


News = MemoryPressure | Drain
_Event = TypeVar("_Event", MemoryPressure, Drain)

_hooks: "list[Hook[Any]]" = []
_tasks: "set[asyncio.Task[object]]" = set()
_drain: Drain | None = None


class Hook(Generic[_Event]):
    """A registered function: calls like the function, ends with :meth:`remove` or at the end of a ``with`` block."""

    def __init__(self, kind: type[_Event], function: Callable[[_Event], object], least: int = 0) -> None:
        self.__wrapped__: Callable[[_Event], object] = function
        self._kind: type[_Event] = kind
        self._least = least
        self._loop = _running_loop()
        if self._loop is None and _is_coroutine_function(function):
            raise RuntimeError(
                f"{_name(function)} is a coroutine function, which runs on the event loop that registers it, and none "
                "is running here: register it in the start-up code of the loop, or make it a plain function"
            )

    def __call__(self, event: _Event) -> object:
        """Calls the function."""
        return self.__wrapped__(event)

    def __enter__(self) -> "Hook[_Event]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<Hook {_name(self.__wrapped__)} on {self._kind.__name__}>"

    def remove(self) -> None:
        """Never called again from now on, except for a call that is under way. A second time does nothing."""
        if self in _hooks:
            _hooks.remove(self)

    def deliver(self, news: News) -> None:
        """Calls it here, or asks its loop to, if this is what it wants to hear. Never raises."""
        if not isinstance(news, self._kind) or not self._wants(news):
            return
        try:
            if self._loop is None:
                result = self.__wrapped__(news)
                if hasattr(result, "__await__"):
                    raise RuntimeError("what it returned has no event loop to be awaited on")
            else:
                self._loop.call_soon_threadsafe(self._run_on_loop, news)
        except RuntimeError as error:
            if self._loop is None or not self._loop.is_closed():
                _report(self, error)
            else:
                self.remove()
        except BaseException as error:  # sys.exit() in a thread ends nothing but the thread
            _report(self, error)

    @property
    def is_bound_to_a_loop(self) -> bool:
        """Whether it is called on an event loop."""
        return self._loop is not None

    def _wants(self, news: News) -> bool:
        return isinstance(news, Drain) or LEVELS.index(news.level) >= self._least

    def _run_on_loop(self, news: _Event) -> None:
        if self not in _hooks or self._loop is None:
            return
        try:
            result: Any = self.__wrapped__(news)
        except Exception as error:
            _report(self, error)
            return
        if hasattr(result, "__await__"):
            task = self._loop.create_task(self._finish(result))
            # the loop keeps a weak reference only
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

    async def _finish(self, awaitable: Any) -> None:
        try:
            await awaitable
        except Exception as error:
            _report(self, error)


@overload
def on_memory_pressure(function: Callable[[MemoryPressure], object], /) -> Hook[MemoryPressure]: ...
@overload
def on_memory_pressure(
    level: Level = "warn", /
) -> Callable[[Callable[[MemoryPressure], object]], Hook[MemoryPressure]]: ...
@overload
def on_memory_pressure(level: Level, function: Callable[[MemoryPressure], object], /) -> Hook[MemoryPressure]: ...
def on_memory_pressure(
    level: Level | Callable[[MemoryPressure], object] = "warn",
    function: Callable[[MemoryPressure], object] | None = None,
    /,
) -> Any:
    """Calls the function when memory pressure rises to ``level`` or above it: a decorator and a context manager.

    Once for each rise, with a :class:`MemoryPressure`. The news comes from ``dunnage run`` or from :func:`guard`;
    without either the function is never called. See :func:`on_drain` for where it runs. Raises ``ValueError`` for
    another level, ``RuntimeError`` for a coroutine function where no event loop runs.

    >>> import dunnage
    >>> cache = {}
    >>> @dunnage.on_memory_pressure
    ... def drop_cache(pressure):
    ...     cache.clear()
    >>> @dunnage.on_memory_pressure("high")
    ... def give_back(pressure):
    ...     dunnage.release_memory()
    >>> with dunnage.on_memory_pressure("critical", lambda pressure: print(pressure.level)):
    ...     pass   # only called meanwhile
    >>> drop_cache.remove(); give_back.remove()
    """
    if callable(level):
        return _register(Hook(MemoryPressure, level))
    if level not in LEVELS:
        raise ValueError(f"level: {level!r} is not a level; write one of {', '.join(LEVELS)}")
    least = LEVELS.index(level)
    if function is not None:
        return _register(Hook(MemoryPressure, function, least))
    return lambda function: _register(Hook(MemoryPressure, function, least))


@overload
def on_drain(function: Callable[[Drain], object], /) -> Hook[Drain]: ...
@overload
def on_drain() -> Callable[[Callable[[Drain], object]], Hook[Drain]]: ...
def on_drain(function: Callable[[Drain], object] | None = None, /) -> Any:
    """Calls the function when the container's shutdown begins: a decorator and a context manager.

    ``dunnage run`` tells it before it passes the stop signal on, so that a service can become unready and finish what
    it has begun; without ``dunnage run`` the function is never called. It is called once in
    each process; registered after the shutdown has begun it is called at once.

    A function that is registered on a running event loop is called on that loop, and awaited if it is a coroutine
    function; any other is called in a thread of ours, one after the other, so that a long one delays those behind it.
    An exception is reported by the logger ``dunnage`` and stops none of the others. There is no thread until the first
    registration and none at a fork; in the child of a fork the hooks live on, without those that belong to an event
    loop of the parent. Raises ``RuntimeError`` for a coroutine function where no event loop runs.

    >>> import dunnage
    >>> @dunnage.on_drain
    ... def stop_taking_jobs(drain):
    ...     print(drain.signal, drain.seconds)
    >>> stop_taking_jobs.remove()
    """
    if function is None:
        return on_drain
    return _register(Hook(Drain, function))


def _register(hook: Hook[_Event]) -> Hook[_Event]:
    from dunnage import _news

    _hooks.append(hook)
    if _drain is not None and hook._kind is Drain:
        _news.tell_later(hook, _drain)
    _news.listen()
    return hook


def is_wanted() -> bool:
    """Whether anybody wants to hear anything."""
    return bool(_hooks)


def tell(news: News) -> None:
    """Calls every hook that wants to hear it. Never raises."""
    global _drain
    if isinstance(news, Drain):
        if _drain is not None:
            return  # each new connection, as after a fork, is told of a shutdown that is under way
        _drain = news
    for hook in tuple(_hooks):
        hook.deliver(news)


def begin_child() -> None:
    """In the child of a fork: the loops of the parent do not run here, and a shutdown is news once more."""
    global _drain
    _drain = None
    _hooks[:] = [hook for hook in _hooks if not hook.is_bound_to_a_loop]
    _tasks.clear()


def _report(hook: Hook[Any], error: BaseException) -> None:
    import logging

    logging.getLogger("dunnage").error("%r raised", hook, exc_info=error)


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    # a loop cannot run where asyncio was never imported
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    loop: asyncio.AbstractEventLoop | None = running() if running is not None else None
    return loop


def _is_coroutine_function(function: object) -> bool:
    import inspect

    return inspect.iscoroutinefunction(function)


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", function))
