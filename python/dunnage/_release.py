"""Giving memory back to the kernel, and telling how much really went.

``del`` gives objects back to allocators, and those keep the memory. There are three kinds, each with a key of its own:
the C library's heaps (``malloc_trim``), the pools of native libraries (their own calls), and CPython's arenas for small
objects, which nothing in the process opens once they are fragmented (see :mod:`dunnage._pymalloc`).
"""

import gc
import os
import sys
import time
from _thread import LockType, allocate_lock
from collections.abc import Callable
from typing import NamedTuple

from dunnage import _pymalloc, _resources
from dunnage._pymalloc import SmallObjects
from dunnage._release_rules import NO_KEY, POOLS, resident, why_not_collect

if _resources.NATIVE:
    from dunnage._native import allocator_statistics, malloc_provider, trim_heap
else:

    def trim_heap() -> bool | None:
        return None

    def malloc_provider() -> str | None:
        return None

    def allocator_statistics() -> str | None:
        return None


_OTHER_ALLOCATORS = ("jemalloc", "mimalloc", "tcmalloc", "snmalloc")
_MUCH_PINNED = 0.5
_MUCH_PINNED_BYTES = 16 << 20


class ReleaseStep(NamedTuple):
    """One thing that was tried."""

    name: str
    """``gc.collect``, ``pyarrow``, ``malloc_trim``."""
    rss: int | None
    """Bytes that left resident memory meanwhile; negative where it grew."""
    seconds: float
    """How long it took."""
    note: str
    """What it found, or why it was left out; empty where there is nothing to say."""


class Released(NamedTuple):
    """What :func:`release_memory` gave back, and what it could not."""

    rss: int | None
    """Bytes by which the process's resident memory fell (``/proc/self/statm``, which may lag by some pages per CPU)."""
    cgroup: int | None
    """Bytes by which the container's usage fell, all its processes together; ``None`` outside of a cgroup."""
    seconds: float
    """How long all of it took."""
    steps: tuple[ReleaseStep, ...]
    """What was tried, in order."""
    small_objects: SmallObjects | None
    """CPython's arenas as they are now; ``None`` under ``PYTHONMALLOC=malloc`` and where they cannot be read."""
    notes: tuple[str, ...]
    """What a person should know: what is pinned and the two cures, pools that have no key, a loop that was held up."""
    skipped: str | None
    """Why nothing was tried; ``None`` where it was."""


_lock: LockType = allocate_lock()
_ended: float | None = None


def release_memory(*, cooldown: float = 30.0, collect: bool | None = None) -> Released:
    """Gives memory that is free but held by allocators back to the kernel, and tells how much went.

    In order: ``gc.collect`` if it can help; the calls of the native pools among the libraries that are imported already
    (pyarrow's ``release_unused``; none is imported for it); ``malloc_trim(0)`` with the GIL released. Call it when
    memory is short or after a burst, not on every request: a collection holds the GIL for about 0.1 µs an object, the
    trim takes some 100 ms for each few hundred MB of fragments. It may be called from any thread; a second call at the
    same time returns at once and says so, and so does one within ``cooldown`` seconds of the last (0: always do it). On
    an event loop use :func:`release_memory_async`.

    ``collect`` says whether to run ``gc.collect``: always, never, or (``None``) unless the application has switched the
    collector off or next to nothing was allocated since all objects were last looked at (also after ``gc.freeze``).

    Never raises: a step that fails is told as a step. Sizes are in bytes; ``rss`` is from ``/proc/self/statm``,
    ``cgroup`` from ``memory.current`` (v1: ``memory.usage_in_bytes``), ``small_objects`` from CPython's own statistics.

    >>> import dunnage
    >>> released = dunnage.release_memory(cooldown=0)
    >>> [step.name for step in released.steps][-1]
    'malloc_trim'
    >>> dunnage.release_memory().steps   # within the cool-down
    ()
    """
    global _ended
    if not _lock.acquire(blocking=False):
        return _skipped("another thread is releasing memory")
    try:
        now = time.monotonic()
        if _ended is not None and now - _ended < cooldown:
            return _skipped(f"the last release was {now - _ended:.1f} s ago; cooldown={cooldown:g}")
        try:
            return _release(collect)
        finally:
            _ended = time.monotonic()
    finally:
        _lock.release()


async def release_memory_async(*, cooldown: float = 30.0, collect: bool | None = None) -> Released:
    """As :func:`release_memory`, in a thread of its own, so that the event loop runs on during the trim.

    A collection holds the GIL wherever it runs: give ``collect=False`` where a stall of its length is too long.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # not the loop's default executor: that may be full of what made memory short
    with ThreadPoolExecutor(1, thread_name_prefix="dunnage-release") as executor:
        work = executor.submit(release_memory, cooldown=cooldown, collect=collect)
        return await asyncio.wrap_future(work)


def _skipped(why: str) -> Released:
    return Released(0, 0, 0.0, (), None, (), why)


def _release(collect: bool | None) -> Released:
    notes: list[str] = []
    started, rss, usage = time.monotonic(), resident(), _resources.memory().usage
    steps = [_step("gc.collect", lambda: _collect(collect))]
    for name, release in POOLS.items():
        if name in sys.modules:
            steps.append(_step(name, release))
    steps.append(_step("malloc_trim", _trim))
    seconds = time.monotonic() - started
    notes.extend(why for name, why in NO_KEY.items() if name in sys.modules)
    small = _pymalloc.parse_statistics(allocator_statistics() or "")
    if small is not None and small.pinned_share > _MUCH_PINNED and small.pinned > _MUCH_PINNED_BYTES:
        notes.append(
            f"{small.pinned >> 20} MiB ({small.pinned_share:.0%}) of the heap for small objects is empty but pinned by "
            "survivors; what can return it: recycle the process (gunicorn --max-requests, celery "
            "--max-tasks-per-child), or start it with PYTHONMALLOC=malloc, which costs memory"
        )
    if _is_on_a_loop():
        notes.append(f"the event loop stood still for {seconds:.3f} s; await release_memory_async() instead")
    return Released(
        _fallen(rss, resident()),
        _fallen(usage, _resources.memory().usage),
        seconds,
        tuple(steps),
        small,
        tuple(notes),
        None,
    )


def _step(name: str, act: Callable[[], str]) -> ReleaseStep:
    started, rss = time.monotonic(), resident()
    try:
        note = act()
    except Exception as error:  # whatever a library raises, the others still have their turn
        note = f"failed: {error!r}"
    return ReleaseStep(name, _fallen(rss, resident()), time.monotonic() - started, note)


def _collect(collect: bool | None) -> str:
    if collect is None and (why := why_not_collect()):
        return f"left out: {why}" + ("" if gc.isenabled() else "; collect=True runs it all the same")
    if collect is False:
        return "left out: collect=False"
    found = gc.collect()
    return f"found {found} unreachable objects"


def _trim() -> str:
    gave = trim_heap()
    if gave is None:
        return "not available: this C library or this build of dunnage has no malloc_trim"
    provider = malloc_provider()
    if provider is not None and any(name in os.path.basename(provider) for name in _OTHER_ALLOCATORS):
        return f"malloc comes from {provider}, whose memory malloc_trim does not reach"
    return "" if gave else "nothing to give back"


def _fallen(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else before - after


def _is_on_a_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    running = getattr(asyncio, "_get_running_loop", None)
    return running is not None and running() is not None


def _after_fork() -> None:
    global _lock
    # another thread of the parent may have held it
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
