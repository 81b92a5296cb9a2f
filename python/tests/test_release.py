"""What really goes back to the kernel, measured on the workloads that fragment a heap."""

from __future__ import annotations

import asyncio
import gc
import json
import pathlib
import subprocess
import sys
import threading
from typing import Any

import interpreters
import pytest

import dunnage
from dunnage import _pymalloc, _release, _resources

needs_native = pytest.mark.skipif(not _resources.NATIVE, reason="needs the native part")
FRAGMENT = pathlib.Path(__file__).with_name("fragment.py")


def play(version: str, workload: str, way: str, **env: str) -> dict[str, Any]:
    python = interpreters.find(version)
    if python is None:
        pytest.skip(f"no CPython {version} here")
    done = subprocess.run(
        [python, FRAGMENT, workload, way],
        env=interpreters.environment(**env),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@needs_native
@pytest.mark.parametrize("version", interpreters.VERSIONS)
@pytest.mark.parametrize("workload", ["strings of 700, 1 % survive", "blocks of 2 KB, 1 % survive"])
def test_what_malloc_trim_can_open_is_given_back(version: str, workload: str) -> None:
    alone, ours = play(version, workload, "trim"), play(version, workload, "dunnage")
    assert alone["given"] > 0.8 * alone["grown"]
    assert ours["given"] >= 0.9 * alone["given"]
    # what is said is what an exact look finds
    assert abs(ours["rss"] - ours["given"]) < 0.02 * ours["grown"]


@needs_native
@pytest.mark.parametrize("version", interpreters.VERSIONS)
@pytest.mark.parametrize("workload", ["small dicts, 1 % survive", "strings of 100, 1 % survive"])
def test_the_share_that_is_pinned_is_told_within_5_points(version: str, workload: str) -> None:
    ours = play(version, workload, "dunnage")
    assert ours["left"] > 0.8 * ours["grown"], "the workload did not pin its arenas"
    truth = 1 - ours["alive"] / ours["left"]
    assert abs(ours["pinned_share"] - truth) < 0.05
    assert any("PYTHONMALLOC=malloc" in note and "recycle" in note for note in ours["notes"])


@needs_native
def test_the_cure_that_is_named_cures() -> None:
    ours = play("3.11", "small dicts, 1 % survive", "dunnage", PYTHONMALLOC="malloc")
    assert ours["given"] > 0.7 * ours["grown"]
    assert ours["pinned_share"] is None
    assert ours["notes"] == []


@needs_native
def test_cycles_are_found_and_their_memory_goes() -> None:
    script = """
import fragment, gc, dunnage
rings = [fragment.Ring() for _ in range(40_000)]
gc.collect()
for _ in range(3000): rings.append([])   # so that there is something new to look at
del rings
left_alone = dunnage.release_memory(collect=False)
released = dunnage.release_memory(cooldown=0)
assert left_alone.rss < 8 << 20, left_alone
assert released.rss > 60 << 20, released
assert "found" in released.steps[0].note, released
"""
    env = interpreters.environment()
    env["PYTHONPATH"] += f":{FRAGMENT.parent}"
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, timeout=300, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def step(released: dunnage.Released, name: str) -> dunnage.ReleaseStep:
    return next(step for step in released.steps if step.name == name)


def test_no_collection_where_it_can_find_nothing() -> None:
    gc.collect()
    assert "left out: only" in step(dunnage.release_memory(cooldown=0), "gc.collect").note
    assert "found" in step(dunnage.release_memory(cooldown=0, collect=True), "gc.collect").note
    held = [[] for _ in range(5000)]  # type: ignore[var-annotated]
    assert "found" in step(dunnage.release_memory(cooldown=0), "gc.collect").note
    gc.disable()
    try:
        held += [[] for _ in range(5000)]
        assert "switched the collector off" in step(dunnage.release_memory(cooldown=0), "gc.collect").note
    finally:
        gc.enable()
    gc.freeze()
    try:
        assert "left out: only" in step(dunnage.release_memory(cooldown=0), "gc.collect").note
    finally:
        gc.unfreeze()


def test_a_second_call_within_the_cool_down_does_nothing_and_says_so() -> None:
    assert dunnage.release_memory(cooldown=0).skipped is None
    second = dunnage.release_memory()
    assert second.skipped is not None
    assert "cooldown=30" in second.skipped
    assert second.steps == ()


def test_one_thread_releases_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, on = threading.Event(), threading.Event()

    def hang(*_: object) -> str:
        inside.set()
        assert on.wait(60)
        return ""

    monkeypatch.setattr(_release, "_collect", hang)
    results: list[dunnage.Released] = []
    first = threading.Thread(target=lambda: results.append(dunnage.release_memory(cooldown=0)))
    first.start()
    assert inside.wait(60)
    assert dunnage.release_memory(cooldown=0).skipped == "another thread is releasing memory"
    on.set()
    first.join(60)
    assert results[0].skipped is None


def test_a_step_that_fails_is_told_and_the_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise OSError("a broken library")

    monkeypatch.setattr(_release, "_collect", fail)
    released = dunnage.release_memory(cooldown=0)
    assert "a broken library" in step(released, "gc.collect").note
    assert step(released, "malloc_trim")


def test_the_loop_runs_on_during_the_async_variant_and_a_call_on_it_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def note_thread(*_: object) -> str:
        threads.append(threading.current_thread())
        return ""

    monkeypatch.setattr(_release, "_collect", note_thread)

    async def main() -> None:
        released = await dunnage.release_memory_async(cooldown=0)
        assert not any("event loop" in note for note in released.notes)
        blocking = dunnage.release_memory(cooldown=0)
        assert any("release_memory_async" in note for note in blocking.notes)

    asyncio.run(main())
    assert threads[0] is not threading.main_thread()


def test_statistics_of_another_form_are_unknown_not_zero() -> None:
    assert _pymalloc.parse_statistics("") is None
    assert _pymalloc.parse_statistics("3 arenas * 1,048,576 bytes/arena = 9\n") is None
    text = "3 arenas * 1,048,576 bytes/arena     =   3,145,728\n\n# bytes in allocated blocks        =    1,048,576\n"
    small = _pymalloc.parse_statistics(text)
    assert small == (3 << 20, 1 << 20, 2 << 20)
    assert small.pinned_share == pytest.approx(2 / 3)


@needs_native
def test_statistics_are_read_without_a_byte_on_descriptor_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert dunnage.release_memory(cooldown=0).small_objects is not None
    assert capfd.readouterr() == ("", "")
