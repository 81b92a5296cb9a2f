"""The plan for pools that are loaded already: for notebooks, and for programs that ``dunnage run`` did not start.

What ``dunnage run`` says by variables before a library is loaded is said here by the library's own call. Only libraries
that are imported already are looked at, and only pools that are larger than the plan are changed.
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dunnage import _resources
from dunnage._types import Policy

if TYPE_CHECKING:
    from types import TracebackType


class PoolChange(NamedTuple):
    """What became of one pool."""

    pool: str
    """The library, and for those that are loaded several times the file: ``openblas (libscipy_openblas64_.so)``."""
    before: int | None
    """Threads that it had; ``None`` where that cannot be asked without starting it."""
    after: int | None
    """Threads that it has now."""
    note: str
    """Why it was kept, or what to know; empty where there is nothing to say."""


class _Pool(NamedTuple):
    name: str
    line: str | None
    """Its line in the plan's table; ``None`` where no variable governs it."""
    own: str | None
    """The variable by which a user decides it, where the table has no line for it."""
    get: Callable[[], int]
    set: Callable[[int], object]
    note: str


class LimitedThreads:
    """Pools that were limited; :meth:`restore` or the end of a ``with`` block gives them the sizes that they had."""

    threads: int | None
    """Threads for each compute pool, as ``dunnage run`` would set them; ``None`` where no quota is known."""
    source: str
    """The file that the number comes from, or why there is none."""
    pools: tuple[PoolChange, ...]
    """What became of each pool."""

    def __init__(self, policy: Policy, workers: int | None) -> None:
        environment = {name: os.fsencode(value).decode("utf-8", "replace") for name, value in os.environ.items()}
        self.threads, self.source, lines = _resources._source.plan_pools(policy, workers, environment)
        self._undo: list[Callable[[], object]] = []
        if self.threads is None:
            self.pools = ()
            return
        governed = {line: (threads, kept_by) for line, threads, kept_by in lines}
        changes = [self._limit(pool, self.threads, governed) for pool in _pools()]
        changes += [PoolChange(name, None, None, why) for name, why in _fixed()]
        self.pools = tuple(changes)

    def __enter__(self) -> "LimitedThreads":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        self.restore()

    def __repr__(self) -> str:
        changed = ", ".join(f"{one.pool}: {one.before} -> {one.after}" for one in self.pools if one.before != one.after)
        return f"<LimitedThreads {self.threads} ({self.source}): {changed or 'nothing changed'}>"

    def restore(self) -> None:
        """Gives every pool that was changed the size that it had. A second time does nothing."""
        while self._undo:
            self._undo.pop()()

    def _limit(self, pool: _Pool, threads: int, governed: dict[str, tuple[int, str | None]]) -> PoolChange:
        kept_by = pool.own if pool.own is not None and os.environ.get(pool.own) else None
        if pool.line is not None:
            threads, kept_by = governed[pool.line]
        try:
            before = pool.get()
            if kept_by is not None:
                return PoolChange(pool.name, before, before, f"kept (by {kept_by})")
            if before <= threads:
                return PoolChange(pool.name, before, before, "has no more than that")
            pool.set(threads)
            self._undo.append(lambda: pool.set(before))
            return PoolChange(pool.name, before, pool.get(), pool.note)
        except Exception as error:  # whatever a library raises, the others still have their turn
            return PoolChange(pool.name, None, None, f"failed: {error!r}")


def limit_threads(*, policy: Policy = "latency", workers: int | None = None) -> LimitedThreads:
    """Brings the compute pools of libraries that are imported already down to what ``dunnage run`` would plan.

    Pools that are loaded are changed by their own calls: those that threadpoolctl knows (OpenBLAS, MKL, OpenMP: NumPy,
    SciPy, scikit-learn; it must be installed), numexpr, numba, pyarrow (not its pool for input and output), PyTorch and
    OpenCV. None is imported or started for it, none is made larger, and a pool that you have sized by a variable
    (``OMP_NUM_THREADS``) is kept. ``pools`` tells what became of each, and why those that cannot be changed cannot.
    Without a visible quota nothing is changed, unless ``workers`` says how many processes share the CPUs (default:
    ``WEB_CONCURRENCY``, else 1). OpenMP and numba keep the number for each thread: call it in the thread that computes.

    Raises ``ValueError`` for another policy and for less than 1 worker. The result is a context manager; threads are
    counted, the source of the number is ``source``.

    >>> import dunnage
    >>> with dunnage.limit_threads() as limited:
    ...     sizes = {pool.pool: pool.after for pool in limited.pools}
    >>> limited.threads is None or limited.threads >= 1
    True
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    return LimitedThreads(policy, None if workers is None else min(workers, 1 << 22))


def _pools() -> Iterator[_Pool]:
    if _threadpoolctl() is not None:
        yield from _native_pools()
    for name, (line, own, get, set_, note) in _OWN_CALLS.items():
        module = sys.modules.get(name)
        if module is not None and hasattr(module, get) and (name != "numba" or _numba_runs()):
            yield _Pool(name, line, own, getattr(module, get), getattr(module, set_), note)


_OWN_CALLS = {
    "numexpr": ("numexpr (pandas)", None, "get_num_threads", "set_num_threads", ""),
    "numba": (None, "NUMBA_NUM_THREADS", "get_num_threads", "set_num_threads", "for this thread"),
    "pyarrow": ("pyarrow", None, "cpu_count", "set_cpu_count", "its pool for input and output waits, and was left"),
    "torch": ("PyTorch", None, "get_num_threads", "set_num_threads", ""),
    "cv2": (None, "OPENCV_FOR_THREADS_NUM", "getNumThreads", "setNumThreads", ""),
}
_NOTES = {
    "polars": "fixed at import; it honours the quota itself",
    "duckdb": "belongs to each connection (SET threads); it honours the quota itself",
    "tokenizers": "fixed at first use; it honours the quota itself",
}


def _fixed() -> Iterator[tuple[str, str]]:
    yield from ((name, why) for name, why in _NOTES.items() if name in sys.modules)
    if "numba" in sys.modules and not _numba_runs():
        yield "numba", "not started yet: set NUMBA_NUM_THREADS, or call this again after its first parallel function"
    if _threadpoolctl() is None and _NATIVE_USERS.intersection(sys.modules):
        yield "OpenBLAS, OpenMP, MKL", "not looked at: threadpoolctl is not installed"


_NATIVE_USERS = {"numpy", "scipy", "sklearn", "torch", "lightgbm", "xgboost", "faiss"}


def _numba_runs() -> bool:
    # asking for the number of threads would start them, which a later fork would not survive with every layer
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    return bool(getattr(parallel, "_is_initialized", False))


def _threadpoolctl() -> Any:
    if not _NATIVE_USERS.intersection(sys.modules):
        return sys.modules.get("threadpoolctl")
    from importlib import import_module

    try:
        return import_module("threadpoolctl")
    except ImportError:
        return None


def _native_pools() -> Iterator[_Pool]:
    for library in _threadpoolctl().ThreadpoolController().lib_controllers:
        kind: str = library.internal_api
        line: str | None = _LINES.get(kind)
        if kind == "openblas" and getattr(library, "threading_layer", None) == "openmp":
            line = "OpenBLAS with OpenMP"
        note = "for this thread" if kind == "openmp" else ""
        name = f"{kind} ({os.path.basename(library.filepath)})"
        yield _Pool(name, line, None, library.get_num_threads, library.set_num_threads, note)


_LINES = {"openblas": "OpenBLAS (NumPy, SciPy)", "mkl": "MKL", "openmp": "OpenMP (LightGBM, faiss)"}
