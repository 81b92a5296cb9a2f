"""What a container may really use, as its kernel enforces it, and what to make of it.

>>> import dunnage
>>> dunnage.cpu_count() >= 1
True

The module answers what the program ``dunnage`` answers: both are one implementation. Where the native part cannot be
had (macOS, Windows, free-threaded interpreters, other processors) the same functions answer from the affinity mask and
``dunnage.limits().native`` is False. No function raises for what the machine is or is not.
"""

from dunnage._guard import Guard, guard
from dunnage._hooks import Drain, Hook, Level, MemoryPressure, on_drain, on_memory_pressure
from dunnage._marks import Span, mark, span
from dunnage._pymalloc import SmallObjects
from dunnage._release import Released, ReleaseStep, release_memory, release_memory_async
from dunnage._resources import (
    cpu_count,
    cpu_limit,
    limits,
    limits_changed,
    memory,
    pressure,
    throttling,
)
from dunnage._threads import LimitedThreads, PoolChange, limit_threads
from dunnage._types import (
    Bandwidth,
    Confidence,
    CpuLimits,
    Hierarchy,
    Limits,
    Memory,
    MemoryLimits,
    Policy,
    Pressure,
    Stall,
    Stalls,
    Throttling,
)

__all__ = [
    "Bandwidth",
    "Confidence",
    "CpuLimits",
    "Drain",
    "Guard",
    "Hierarchy",
    "Hook",
    "Level",
    "LimitedThreads",
    "Limits",
    "Memory",
    "MemoryLimits",
    "MemoryPressure",
    "Policy",
    "PoolChange",
    "Pressure",
    "ReleaseStep",
    "Released",
    "SmallObjects",
    "Span",
    "Stall",
    "Stalls",
    "Throttling",
    "cpu_count",
    "cpu_limit",
    "guard",
    "limit_threads",
    "limits",
    "limits_changed",
    "mark",
    "memory",
    "on_drain",
    "on_memory_pressure",
    "pressure",
    "release_memory",
    "release_memory_async",
    "span",
    "throttling",
]
