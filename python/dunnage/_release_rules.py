"""What holds memory that is free, and which call gives it back: one rule for `dunnage.release_memory` and the agent.

The agent carries this file in its zip and runs it where the package is not installed, on CPython 3.9 and newer, in a
thread that must not import: so it uses what an interpreter has loaded anyway, and nothing of the package.
"""

import gc
import os
import sys

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from collections.abc import Callable

WORTH_A_COLLECTION = 1000
"""Container objects: looking for cycles among fewer that were made since all of them were looked at finds nothing."""

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def why_not_collect() -> "str | None":
    """Why a collection would find nothing or is not wanted; ``None`` where it can help."""
    if not gc.isenabled():
        return "the application has switched the collector off"
    if sys.version_info >= (3, 14):
        return None  # the counts of the incremental collector do not tell when it was last through
    young, middle, old = gc.get_count()
    per_young, per_middle, _ = gc.get_threshold()
    # net allocations of container objects since generation 2 was last collected, or frozen
    allocated = young + per_young * (middle + per_middle * old)
    if allocated < WORTH_A_COLLECTION:
        return f"only {max(allocated, 0)} container objects were made since it last looked at all"
    return None


def _release_pyarrow() -> str:
    pyarrow = sys.modules["pyarrow"]
    pool = pyarrow.default_memory_pool()
    pool.release_unused()
    return f"pool {pool.backend_name}: {pool.bytes_allocated()} bytes still in use"


POOLS: "dict[str, Callable[[], str]]" = {"pyarrow": _release_pyarrow}
"""Libraries with pools of their own, and the call that empties each; only for one that is imported already."""

NO_KEY = {
    "polars": "polars has an allocator of its own and no call that empties it: freed frames leave resident memory "
    "some seconds later, by its decay",
    "torch": "torch: the caches of GPUs are not the container's memory and were left alone; its CPU memory is the C "
    "library's",
}
"""Libraries whose memory no call reaches, and what to know about it."""


def resident() -> "int | None":
    """Bytes of resident memory; ``None`` where the kernel does not tell."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as statm:
            return int(statm.read(200).split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None
