"""The functions about limits and usage: documentation and types around one :class:`Source`."""

import os

from dunnage._types import (
    Bandwidth,
    CpuLimits,
    Limits,
    Memory,
    MemoryLimits,
    Policy,
    Pressure,
    Stall,
    Stalls,
    Throttling,
)

try:
    from dunnage._native import Source

    NATIVE = True
    _REFUSAL = None
except ImportError as error:
    from dunnage._pure import Source  # type: ignore[assignment]

    NATIVE = False
    # in the pure wheel there is none; else a sub-interpreter, or an image without what it is linked to, refuses it
    _REFUSAL = None if isinstance(error, ModuleNotFoundError) else f"the native part cannot be loaded: {error}"

_source = Source(
    "/",
    os.environ.get("DUNNAGE_CPU_LIMIT"),
    os.environ.get("DUNNAGE_MEMORY_LIMIT"),
)


def cpu_limit() -> float | None:
    """CPUs that the container may use at most, as a fraction; ``None`` where no quota can be seen.

    The tightest CFS quota over all visible levels of the cgroup hierarchy (``cpu.max``; v1: ``cpu.cfs_quota_us`` over
    ``cpu.cfs_period_us``), read anew at each call: a live resize is seen at once. ``DUNNAGE_CPU_LIMIT`` comes first. It
    is not capped by the affinity mask: see ``limits().cpu.effective``.

    Never raises. What cannot be read is ``None``; ``limits()`` says why.

    >>> import dunnage
    >>> limit = dunnage.cpu_limit()
    >>> limit is None or limit > 0
    True
    """
    return _source.cpu_limit()


def cpu_count(policy: Policy = "latency", workers: int = 1) -> int:
    """Threads for one compute pool in each of ``workers`` processes: the quota as a whole number, at least 1.

    ``latency`` rounds down, so that one pool alone is not throttled by a quota of 1 CPU or more; ``throughput`` rounds
    up, so that one pool alone can use all of it. At most the affinity mask, which is what counts without a quota. It is
    the number that ``dunnage run`` sets, by the same code. Pools that wait (for network, for a database) need not be
    this small.

    Raises ``ValueError`` for another policy and for less than 1 worker.

    >>> import dunnage
    >>> dunnage.cpu_count() <= dunnage.cpu_count("throughput")
    True
    >>> dunnage.cpu_count(workers=1000)
    1
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    # more processes than any kernel has threads for divide to 1 all the same
    return _source.cpu_count(policy, min(workers, 1 << 22))


def limits() -> Limits:
    """Everything that is enforced on this process, each value with its source and how sure it is.

    Reads all files anew (a few hundred microseconds): not for a loop; :func:`cpu_limit`, :func:`memory` and
    :func:`limits_changed` keep their files open. Never raises: what cannot be read is said in ``notes``.

    >>> import dunnage
    >>> found = dunnage.limits()
    >>> found.cpu.effective > 0
    True
    >>> found.cpu.confidence in ("override", "leaf", "ancestor", "affinity", "unknown")
    True
    """
    hierarchy, cpu, memory_limits, notes = _source.limits()
    found = CpuLimits._make(cpu)
    if found.bandwidth is not None:
        found = found._replace(bandwidth=Bandwidth._make(found.bandwidth))
    return Limits(
        hierarchy,
        found,
        MemoryLimits(*memory_limits),
        (*notes,) if _REFUSAL is None else (_REFUSAL, *notes),
        NATIVE,
    )


def limits_changed(known: Limits) -> Limits | None:
    """The limits as they are now if they differ from ``known``, else ``None``.

    For a live resize (Kubernetes ``resizePolicy``), which the kernel announces to nobody. It compares the CPU quota,
    the affinity mask and the memory limit; looking costs microseconds, so that a loop, a timer or a request handler can
    ask each time. It keeps no state: every caller compares with what *it* knows, and none takes a change away from
    another.

    >>> import dunnage
    >>> known = dunnage.limits()
    >>> if changed := dunnage.limits_changed(known):
    ...     known = changed   # and resize what was sized by it
    """
    if _source.bounds() == (known.cpu.limit, known.cpu.affinity, known.memory.limit):
        return None
    now = limits()
    same = now.cpu[:3] == known.cpu[:3] and now.memory.limit == known.memory.limit
    return None if same else now


def memory() -> Memory:
    """Memory charged to the cgroup, by kind, in bytes, and the limit.

    From ``memory.stat``, ``memory.current`` and ``memory.max`` (v1: ``memory.usage_in_bytes`` and the ``total_`` lines
    of ``memory.stat``) of the process's own cgroup: all processes of the container, not this one alone.
    ``DUNNAGE_MEMORY_LIMIT`` comes first as the limit.

    Never raises. What the kernel does not tell is ``None``: outside of a cgroup all fields are.

    >>> import dunnage
    >>> memory = dunnage.memory()
    >>> memory.usage is None or memory.working_set is None or memory.working_set <= memory.usage
    True
    """
    return Memory._make(_source.memory())


def throttling() -> Throttling:
    """How often and how long the CPU quota stopped the container, since its cgroup was made.

    From ``cpu.stat`` of the level whose quota is the tightest. Rates come from two readings. That nothing was throttled
    does not mean that CPUs were free: look at :func:`pressure` too.

    Never raises. Where the kernel does not count all fields are ``None``.

    >>> import dunnage
    >>> ratio = dunnage.throttling().ratio
    >>> ratio is None or 0 <= ratio <= 1
    True
    """
    counted = _source.throttling()
    if counted is None:
        return Throttling(None, None, None, None)
    periods, throttled, seconds = counted
    return Throttling(periods, throttled, seconds, throttled / periods if periods else 0.0)


def pressure() -> Pressure:
    """Pressure stall information of the container's cgroup: how much its tasks wait for CPU, memory and IO.

    From ``cpu.pressure``, ``memory.pressure`` and ``io.pressure`` on the v2 mount (kernel 4.20 with PSI on).

    Never raises. What this kernel does not tell is ``None``.

    >>> import dunnage
    >>> some = dunnage.pressure().memory.some
    >>> some is None or 0 <= some.avg10 <= 100
    True
    """
    return Pressure._make(Stalls._make(line and Stall._make(line) for line in lines) for lines in _source.pressure())
