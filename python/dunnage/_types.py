"""What the functions return: named tuples: immutable, cheap to make, and they pickle and print by themselves.

A value that the kernel does not tell is ``None``, never 0; "no limit" is ``None`` too, never a huge number.
"""

from typing import Literal, NamedTuple

Policy = Literal["latency", "throughput"]
"""How a fraction of a CPU is rounded: ``latency`` down (at least 1), ``throughput`` up."""

Confidence = Literal["override", "leaf", "ancestor", "affinity", "unknown"]
"""How sure a limit is: stated by the user; read from the process's own cgroup; from a level above, which is tighter; no
quota that can be seen, so that the affinity mask is the bound; levels are hidden, so that there may be one."""

Hierarchy = Literal["v1", "v2", "hybrid", "none"]
"""Which cgroup file systems are mounted."""


class Bandwidth(NamedTuple):
    """The CPU quota as the kernel has it (``cpu.max``; v1: ``cpu.cfs_quota_us`` and others), in microseconds."""

    quota_usec: int
    """CPU time that may be used in a period."""
    period_usec: int
    """Length of a period."""
    burst_usec: int
    """Unused quota that may be carried over; 0 where bursts are off."""


class CpuLimits(NamedTuple):
    """What bounds CPU time."""

    effective: float
    """CPUs that can really be used: the tightest quota, capped by the affinity mask. Above 0, a fraction."""
    limit: float | None
    """The tightest quota over all visible levels as a number of CPUs; ``None`` without one."""
    affinity: int
    """CPUs in the affinity mask, which a cpuset has already cut."""
    source: str
    """The file that ``effective`` was read from, or what else it comes from (``--cpu-limit``)."""
    confidence: Confidence
    """How sure ``effective`` is."""
    bandwidth: Bandwidth | None
    """The quota with its period; ``None`` without a quota, or where the user states a limit."""


class MemoryLimits(NamedTuple):
    """What bounds memory, in bytes."""

    limit: int | None
    """The tightest hard limit over all visible levels (``memory.max``; v1: ``memory.limit_in_bytes``)."""
    source: str | None
    """The file it was read from, or ``--memory-limit``; ``None`` without a limit."""
    confidence: Confidence
    """How sure the presence or absence of a limit is."""
    high: int | None
    """The tightest ``memory.high``, above which the kernel slows allocations down; v2 only."""
    swap: int | None
    """How much swap may be used; 0 is "none"."""


class Limits(NamedTuple):
    """Everything that is enforced on this process, read at one moment."""

    hierarchy: Hierarchy
    """Which cgroup file systems were found."""
    cpu: CpuLimits
    """CPU time."""
    memory: MemoryLimits
    """Memory."""
    notes: tuple[str, ...]
    """What a person should know about how this was read, a sentence each."""
    native: bool
    """Whether the kernel's files were read; False in the build that knows the affinity mask only."""


class Memory(NamedTuple):
    """Memory charged to the cgroup and all below it, in bytes."""

    limit: int | None
    """The tightest hard limit over all visible levels."""
    usage: int | None
    """All that is charged, the page cache included (``memory.current``; v1: ``memory.usage_in_bytes``)."""
    working_set: int | None
    """``usage`` less the page cache that the kernel gives back before it kills."""
    headroom: int | None
    """``limit`` less ``working_set``, at least 0."""
    anon: int | None
    """Anonymous memory: heaps, stacks, arrays."""
    file: int | None
    """Page cache, tmpfs included."""
    shmem: int | None
    """tmpfs and shared memory: counts until it is deleted."""
    kernel: int | None
    """The kernel's own memory for this cgroup."""
    swap: int | None
    """Memory in swap."""
    inactive_file: int | None
    """Page cache not used lately."""
    active_file: int | None
    """Page cache used more than once."""


class Throttling(NamedTuple):
    """What CFS bandwidth control has counted since the cgroup was made (``cpu.stat``)."""

    periods: int | None
    """Periods in which there was something to run."""
    throttled: int | None
    """Periods in which the quota was used up and everything was stopped."""
    throttled_seconds: float | None
    """Time for which it was stopped, summed over CPUs."""
    ratio: float | None
    """``throttled`` of ``periods``, 0 to 1; 0 before the first period."""


class Stall(NamedTuple):
    """Share of time in which tasks waited (kernel: ``Documentation/accounting/psi.rst``)."""

    avg10: float
    """Per cent over the last 10 seconds."""
    avg60: float
    """Per cent over the last minute."""
    avg300: float
    """Per cent over the last five minutes."""
    total_seconds: float
    """Since the cgroup was made."""


class Stalls(NamedTuple):
    """The two lines of a pressure file; ``None`` for a line that this kernel does not write."""

    some: Stall | None
    """Some task waited."""
    full: Stall | None
    """All tasks that were not idle waited at once."""


class Pressure(NamedTuple):
    """Pressure stall information of the cgroup; it is there on cgroup v2 and hybrid."""

    cpu: Stalls
    """Waiting for a CPU."""
    memory: Stalls
    """Waiting for memory."""
    io: Stalls
    """Waiting for IO."""
