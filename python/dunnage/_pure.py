"""The answers where there is no native part: the affinity mask, and what the user states.

It exists so that what a container imports can be imported on a laptop too. It reads no cgroup files: a half of
``dunnage-cgroup`` in Python would be a second opinion.
"""

import math
import os
import re
import sys
from typing import TYPE_CHECKING, TypeVar

from dunnage._types import Confidence, Hierarchy

if TYPE_CHECKING:
    from collections.abc import Callable

_Number = TypeVar("_Number", int, float)

_UNITS = {
    "": 1,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}
_QUANTITY = re.compile(r"([0-9]*)(?:\.([0-9]{0,9}))?(.*)", re.DOTALL)
_NO_CGROUP = "this build of dunnage reads no cgroup: limits other than the affinity mask are not seen"

_Stalls = tuple[None, None]
_Cpu = tuple[float, float | None, int, str, Confidence, None]
_MemoryLimits = tuple[int | None, str | None, Confidence, None, None]


class Source:
    """As ``dunnage._native.Source``, without a kernel to ask."""

    def __init__(
        self,
        root: str = "/",
        cpu_limit: str | None = None,
        memory_limit: str | None = None,
    ) -> None:
        del root  # nothing is read below it
        self._notes = [_NO_CGROUP]
        self._cpus = self._parse("DUNNAGE_CPU_LIMIT", cpu_limit, _parse_cpus)
        self._bytes = self._parse("DUNNAGE_MEMORY_LIMIT", memory_limit, _parse_bytes)

    def cpu_limit(self) -> float | None:
        return self._cpus

    def cpu_count(self, policy: str, workers: int) -> int:
        affinity, _ = _affinity()
        cpus = float(affinity) if self._cpus is None else min(self._cpus, affinity)
        # the arithmetic of crates/dunnage-policy/src/plan/count.rs, which says why
        if policy == "latency":
            count = math.floor(cpus / workers + 1e-6)
        elif policy == "throughput":
            count = math.ceil((cpus - 0.01) / workers - 1e-6)
        else:
            raise ValueError(f'policy: "{policy[:40]}" is not a policy; write one of latency, throughput')
        return min(max(count, 1), affinity)

    def plan_pools(
        self, policy: str, workers: int | None, environment: dict[str, str]
    ) -> tuple[int | None, str, list[tuple[str, int, str | None]]]:
        del environment
        self.cpu_count(policy, workers or 1)  # refuses another policy
        return None, _NO_CGROUP, []

    def limits(self) -> tuple[Hierarchy, _Cpu, _MemoryLimits, list[str]]:
        affinity, source = _affinity()
        cpu: _Cpu = (float(affinity), None, affinity, source, "affinity", None)
        if (stated := self.cpu_limit()) is not None:
            effective = min(stated, float(affinity))
            cpu = (effective, stated, affinity, "--cpu-limit", "override", None)
        memory: _MemoryLimits = (None, None, "unknown", None, None)
        if self._bytes is not None:
            memory = (self._bytes, "--memory-limit", "override", None, None)
        return "none", cpu, memory, list(self._notes)

    def memory(self) -> tuple[int | None, ...]:
        return (self._bytes, *[None] * 10)

    def throttling(self) -> tuple[int, int, float] | None:
        return None

    def pressure(self) -> tuple[_Stalls, _Stalls, _Stalls]:
        unknown = (None, None)
        return unknown, unknown, unknown

    def bounds(self) -> tuple[float | None, int, int | None]:
        return self.cpu_limit(), _affinity()[0], self._bytes

    def _parse(self, variable: str, text: str | None, parse: "Callable[[str], _Number]") -> "_Number | None":
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self._notes.insert(0, f"{variable} is passed over: {error}")
            return None


class Span:
    """A stretch of time that ends with its ``with`` block; made by ``dunnage.span()``."""

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, kind: object, error: object, traceback: object, /) -> None:
        pass


_SPAN = Span()


def mark(name: str, id: int = 0) -> None:
    """Marks a moment, for ``dunnage record``; without the native part it does nothing."""


def span(name: str, id: int = 0, since: float | None = None) -> Span:
    """Marks how long a ``with`` block took, for ``dunnage record``; without the native part it does nothing."""
    return _SPAN


def _affinity() -> tuple[int, str]:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)), "sched_getaffinity"
    return os.cpu_count() or 1, "os.cpu_count"


def _split(text: str, unit: int) -> tuple[int, str]:
    """A number times ``unit``, cut off below, and the suffix that follows it."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or not (found[1] or found[2]):
        raise ValueError(f"{text[:40]!r} is no number with a unit")
    whole, fraction, suffix = found.groups(default="")
    unit *= _UNITS.get(suffix, 1)
    return int(whole or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction), suffix


def _parse_cpus(text: str) -> float:
    billionths, suffix = _split(text, 1)
    if suffix not in ("", "m"):
        raise ValueError(f"{text[:40]!r}: a number of CPUs is written as 1.5 or 1500m")
    billionths, _ = _split(text, 10**6 if suffix else 10**9)
    if not 0 < billionths <= 10**15:
        raise ValueError(f"{text[:40]!r}: it must be more than 0 and at most a million CPUs")
    return billionths / 1e9


def _parse_bytes(text: str) -> int:
    size, suffix = _split(text, 1)
    if suffix not in _UNITS:
        raise ValueError(f"{text[:40]!r}: the unit is unknown; write Ki, Mi, Gi, Ti, k, M, G or T")
    if not 0 < size < 1 << 64:
        raise ValueError(f"{text[:40]!r}: it must be more than 0 and at most 16 EiB")
    return size
