"""The answers against a real kernel."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import Make

import dunnage

pytestmark = pytest.mark.usefixtures("native")
MIB = 1 << 20


def spin_until(done: object) -> None:
    """Computes until `done()`; the bound is met by a hang only."""
    assert callable(done)
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < 60


def test_a_quota_is_seen_with_its_source_and_a_resize_at_once(cgroup: Make) -> None:
    leaf = cgroup("cpu", "quota")
    leaf.set("cpu.cfs_quota_us", 150_000)
    leaf.enter()
    assert dunnage.cpu_limit() == pytest.approx(1.5)
    found = dunnage.limits()
    assert found.cpu.limit == pytest.approx(1.5)
    assert (found.cpu.confidence, found.cpu.source) == ("leaf", str(leaf.folder / "cpu.cfs_quota_us"))
    assert found.cpu.bandwidth == dunnage.Bandwidth(quota_usec=150_000, period_usec=100_000, burst_usec=0)
    assert found.native
    assert dunnage.cpu_count() == 1
    assert dunnage.cpu_count("throughput") == min(2, found.cpu.affinity)
    assert dunnage.limits_changed(found) is None

    leaf.set("cpu.cfs_quota_us", 90_000)
    assert dunnage.cpu_limit() == pytest.approx(0.9)
    changed = dunnage.limits_changed(found)
    assert changed is not None
    assert changed.cpu.limit == pytest.approx(0.9)
    assert dunnage.limits_changed(changed) is None

    leaf.set("cpu.cfs_quota_us", -1)
    assert dunnage.cpu_limit() is None
    assert dunnage.cpu_count() == found.cpu.affinity
    lifted = dunnage.limits_changed(changed)
    assert lifted is not None
    assert (lifted.cpu.limit, lifted.cpu.confidence) == (None, "affinity")


def test_two_callers_both_see_a_change(cgroup: Make) -> None:
    leaf = cgroup("cpu", "two")
    leaf.enter()
    one = other = dunnage.limits()
    leaf.set("cpu.cfs_quota_us", 100_000)
    assert dunnage.limits_changed(one) is not None
    assert dunnage.limits_changed(other) is not None


def test_an_ancestors_quota_binds(cgroup: Make) -> None:
    leaf = cgroup("cpu", "pod/container")
    pod = cgroup("cpu", "pod")
    leaf.set("cpu.cfs_quota_us", -1)
    pod.set("cpu.cfs_quota_us", 50_000)
    leaf.enter()
    assert dunnage.cpu_limit() == pytest.approx(0.5)
    found = dunnage.limits().cpu
    assert (found.confidence, found.source) == ("ancestor", str(pod.folder / "cpu.cfs_quota_us"))


def test_throttled_time_is_counted(cgroup: Make) -> None:
    leaf = cgroup("cpu", "throttled")
    leaf.set("cpu.cfs_quota_us", 10_000)
    leaf.enter()
    before = dunnage.throttling()
    assert before.throttled is not None
    assert before.throttled_seconds is not None
    # the kernel counts a period when it is cut short, and its time when that ends
    spin_until(lambda: (dunnage.throttling().throttled_seconds or 0) > before.throttled_seconds)
    after = dunnage.throttling()
    assert after.periods is not None
    assert after.throttled is not None
    assert after.throttled_seconds is not None
    assert after.throttled > before.throttled
    assert after.ratio == pytest.approx(after.throttled / after.periods)
    assert after.ratio is not None
    assert 0 < after.ratio <= 1


def test_memory_is_told_by_kind_and_in_bytes(cgroup: Make) -> None:
    leaf = cgroup("memory", "kinds")
    leaf.set("memory.limit_in_bytes", 512 * MIB)
    leaf.enter()
    before = dunnage.memory()
    ballast = bytearray(64 * MIB)
    after = dunnage.memory()
    assert after.limit == 512 * MIB
    assert before.anon is not None
    assert after.anon is not None
    # the kernel batches what it charges to a cgroup
    assert len(ballast) - 8 * MIB < after.anon - before.anon < len(ballast) + 8 * MIB
    assert after.usage is not None
    assert after.working_set is not None
    assert after.anon - 8 * MIB <= after.working_set <= after.usage
    assert after.headroom == after.limit - after.working_set


def test_a_resize_of_memory_is_seen(cgroup: Make) -> None:
    leaf = cgroup("memory", "resized/container")
    pod = cgroup("memory", "resized")
    leaf.enter()
    pod.set("memory.limit_in_bytes", 512 * MIB)
    found = dunnage.limits()
    assert (found.memory.limit, found.memory.confidence) == (512 * MIB, "ancestor")
    assert dunnage.limits_changed(found) is None
    pod.set("memory.limit_in_bytes", 256 * MIB)
    changed = dunnage.limits_changed(found)
    assert changed is not None
    assert changed.memory.limit == 256 * MIB == dunnage.memory().limit


def test_a_file_in_the_page_cache_is_not_in_the_working_set(cgroup: Make, tmp_path: Path) -> None:
    leaf = cgroup("memory", "cache")
    leaf.enter()
    before = dunnage.memory()
    (tmp_path / "cached").write_bytes(bytes(64 * MIB))
    after = dunnage.memory()
    if before.file is None or after.file is None or after.file - before.file < 32 * MIB:
        pytest.skip("needs a temporary folder whose page cache is charged to the writer")
    assert before.working_set is not None
    assert after.working_set is not None
    if (after.shmem or 0) - (before.shmem or 0) > 32 * MIB:
        # tmpfs is no cache: it stays until it is deleted
        assert after.working_set - before.working_set > 32 * MIB
    else:
        assert after.working_set - before.working_set < 32 * MIB
