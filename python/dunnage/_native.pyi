# Hand-written; `python -m mypy.stubtest dunnage._native` holds it to the extension.
from collections.abc import Callable
from typing import final

from dunnage._types import Confidence, Hierarchy

__all__ = [
    "Source",
    "allocator_statistics",
    "call_soon",
    "malloc_provider",
    "trim_heap",
]

_Bandwidth = tuple[int, int, int]
_Cpu = tuple[float, float | None, int, str, Confidence, _Bandwidth | None]
_MemoryLimits = tuple[int | None, str | None, Confidence, int | None, int | None]
_Limits = tuple[Hierarchy, _Cpu, _MemoryLimits, list[str]]
_Stall = tuple[float, float, float, float]
_Stalls = tuple[_Stall | None, _Stall | None]

def allocator_statistics() -> str | None: ...
def call_soon(function: Callable[[], bool]) -> bool: ...
def malloc_provider() -> str | None: ...
def trim_heap() -> bool | None: ...

@final
class Source:
    def __new__(
        cls,
        root: str = "/",
        cpu_limit: str | None = None,
        memory_limit: str | None = None,
    ) -> Source: ...
    def cpu_limit(self) -> float | None: ...
    def cpu_count(self, policy: str, workers: int) -> int: ...
    def limits(self) -> _Limits: ...
    def memory(self) -> tuple[int | None, ...]: ...
    def throttling(self) -> tuple[int, int, float] | None: ...
    def pressure(self) -> tuple[_Stalls, _Stalls, _Stalls]: ...
    def bounds(self) -> tuple[float | None, int, int | None]: ...
