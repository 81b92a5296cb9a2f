"""The guard under a real limit."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import interpreters
import pytest
from conftest import Make

import dunnage
from dunnage import _resources

GUARDED = Path(__file__).with_name("guarded.py")


def tasks() -> set[str]:
    """The process's threads. pytest's own watchdog of the test before may still be among them, on its way out."""
    return set(os.listdir("/proc/self/task"))


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("version", interpreters.VERSIONS)
def test_levels_are_told_as_memory_rises_alone_and_in_parent_and_child(cgroup: Make, version: str) -> None:
    python = interpreters.find(version)
    if python is None:
        pytest.skip(f"no CPython {version} here")
    leaf = cgroup("memory", f"guard-{version}")
    leaf.set("memory.limit_in_bytes", 160 << 20)
    done = subprocess.run(
        [python, GUARDED, leaf.folder],
        env=interpreters.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    # parent and child are told at the same time
    assert sorted(lines[1:3]) == ["child high dunnage-guard", "parent high dunnage-guard"]
    assert [lines[0], *lines[3:]] == ["alone warn dunnage-guard", "alone critical dunnage-guard"]


def test_thresholds_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="0 < warn < high < critical <= 1"):
        dunnage.guard(warn=0.9)


def test_without_a_limit_there_is_no_thread_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUNNAGE_MEMORY_LIMIT", raising=False)
    if dunnage.limits().memory.limit is not None:
        pytest.skip("this machine itself has a memory limit")
    before = tasks()
    with dunnage.guard() as guard:
        assert not guard.active
        assert ("no memory limit" if _resources.NATIVE else "no cgroup") in guard.reason
        assert tasks() <= before


@pytest.mark.skipif(not _resources.NATIVE, reason="needs the native part")
def test_where_threads_are_greenlets_nothing_waits_in_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNAGE_MEMORY_LIMIT", "1Ti")

    class Monkey(types.ModuleType):
        def is_module_patched(self, name: str) -> bool:
            return name == "threading"

    monkeypatch.setitem(sys.modules, "gevent.monkey", Monkey("gevent.monkey"))
    guard = dunnage.guard()
    assert not guard.active
    assert "greenlets" in guard.reason


@pytest.mark.skipif(not _resources.NATIVE, reason="needs the native part")
def test_a_guard_that_is_stopped_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNNAGE_MEMORY_LIMIT", "1Ti")
    before = tasks()
    for _ in range(50):
        guard = dunnage.guard()
        assert guard.active
        guard.stop()
        guard.stop()
        assert tasks() <= before
