"""limit_threads(): what it leaves alone. What it changes is in test_libraries.py, with the real libraries."""

from __future__ import annotations

import os
import sys
import types

import pytest

import dunnage
from dunnage import _resources, _threads


class Pool(types.ModuleType):
    """A library with a pool, under a name that is looked for."""

    def __init__(self, threads: int) -> None:
        super().__init__("pool")
        self.threads = threads

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, threads: int) -> None:
        self.threads = threads


@pytest.fixture
def numexpr(monkeypatch: pytest.MonkeyPatch) -> Pool:
    for name in tuple(os.environ):
        if name.endswith(("_NUM_THREADS", "_MAX_THREADS")) or name == "WEB_CONCURRENCY":
            monkeypatch.delenv(name)
    monkeypatch.setattr(_resources, "_source", type(_resources._source)("/", "1"))
    pool = Pool(40)
    monkeypatch.setitem(sys.modules, "numexpr", pool)
    return pool


def change(limited: dunnage.LimitedThreads, name: str) -> dunnage.PoolChange:
    return next(pool for pool in limited.pools if pool.pool == name)


pytestmark = pytest.mark.usefixtures("native")


def test_a_pool_is_made_smaller_and_given_back(numexpr: Pool) -> None:
    with dunnage.limit_threads() as limited:
        assert (limited.threads, limited.source) == (1, "--cpu-limit")
        assert change(limited, "numexpr")[1:3] == (40, 1)
        assert numexpr.threads == 1
        assert "numexpr: 40 -> 1" in repr(limited)
    assert numexpr.threads == 40
    numexpr.threads = 7
    limited.restore()
    assert numexpr.threads == 7


def test_no_pool_is_made_larger(numexpr: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    numexpr.threads = 1
    limited = dunnage.limit_threads()
    assert change(limited, "numexpr")[1:] == (1, 1, "has no more than that")
    limited.restore()
    assert numexpr.threads == 1


@pytest.mark.parametrize("variable", ["NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS", "NUMEXPR_MAX_THREADS"])
def test_the_users_own_variable_is_kept(numexpr: Pool, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "40")
    assert change(dunnage.limit_threads(), "numexpr")[1:] == (40, 40, f"kept (by {variable})")
    # an empty value is nobody's
    monkeypatch.setenv(variable, "")
    assert change(dunnage.limit_threads(), "numexpr").after == 1


def test_without_a_quota_nothing_is_changed_unless_workers_share(
    numexpr: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_resources, "_source", type(_resources._source)("/proc/self/fdinfo"))
    limited = dunnage.limit_threads()
    assert (limited.threads, limited.pools, numexpr.threads) == (None, (), 40)
    shared = dunnage.limit_threads(workers=10**9)
    assert (shared.threads, numexpr.threads) == (1, 1)


def test_a_library_that_fails_does_not_stop_the_others(numexpr: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Pool):
        def get_num_threads(self) -> int:
            raise OSError("a broken library")

    monkeypatch.setitem(sys.modules, "torch", Broken(1))
    limited = dunnage.limit_threads()
    assert "a broken library" in change(limited, "torch").note
    assert change(limited, "numexpr").after == 1


def test_a_pool_that_does_not_run_is_not_started(numexpr: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", Pool(40))
    assert "not started yet" in change(dunnage.limit_threads(), "numba").note


def test_the_absence_of_threadpoolctl_is_named(numexpr: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", types.ModuleType("numpy"))
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert "threadpoolctl is not installed" in change(dunnage.limit_threads(), "OpenBLAS, OpenMP, MKL").note


def test_wrong_arguments_are_refused(numexpr: Pool) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        dunnage.limit_threads(workers=0)
    with pytest.raises(ValueError, match="latency, throughput"):
        dunnage.limit_threads(policy="fast")  # type: ignore[arg-type]


def test_every_line_of_the_plan_that_is_named_exists() -> None:
    _, _, lines = _resources._source.plan_pools("latency", 1, {})
    known = {line for line, _, _ in lines}
    named = {line for line, *_ in _threads._OWN_CALLS.values() if line is not None} | set(_threads._LINES.values())
    assert named | {"OpenBLAS with OpenMP"} <= known
