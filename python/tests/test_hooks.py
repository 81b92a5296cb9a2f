"""Hooks: who is called, where, and that nothing of ours is in the way of a fork."""

from __future__ import annotations

import asyncio
import os
import pathlib
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import interpreters
import pytest
from supervisor import SECONDS, Supervisor

import dunnage
from dunnage import _hooks, _news, _resources

FORK = pathlib.Path(__file__).with_name("fork.py")
DRAIN = {"op": "drain", "signal": "TERM", "deadline_ms": 2500}


@pytest.fixture
def supervisor(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    with Supervisor(tmp_path) as one:
        monkeypatch.setenv("DUNNAGE_SOCKET", one.path)
        yield one
        if _news._supervisor is not None:
            _news.remove(_news._supervisor)
        # not by monkeypatch, which would bring the old ones back
        _news._supervisor = None
        _hooks._drain = None
        _hooks._hooks.clear()


def pressure(level: str) -> dict[str, str]:
    return {"op": "pressure", "level": level}


def threads_of_ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "dunnage-hooks"]


def test_there_is_no_thread_without_a_hook_or_a_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUNNAGE_SOCKET", raising=False)
    assert threads_of_ours() == []
    with dunnage.on_drain(print):
        assert threads_of_ours() == []


def test_a_supervisor_that_is_gone_is_no_ones_concern(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUNNAGE_SOCKET", str(tmp_path / "gone"))
    with dunnage.on_drain(print):
        assert _news._supervisor is not None
        _news.remove(_news._supervisor)
        _news._supervisor = None
    assert capfd.readouterr() == ("", "")


def test_a_hook_is_called_at_its_level_and_above_in_a_thread_of_ours(supervisor: Supervisor) -> None:
    called: queue.Queue[tuple[str, str, str]] = queue.Queue()

    def noting(name: str) -> Any:
        return lambda event: called.put((name, event.level, threading.current_thread().name))

    dunnage.on_memory_pressure(noting("any"))
    dunnage.on_memory_pressure("high")(noting("high"))
    dunnage.on_memory_pressure("critical", noting("critical"))
    supervisor.await_subscribers(1)
    assert supervisor.requests == [{"op": "subscribe", "to": ["drain", "pressure"]}]
    for level in ("warn", "high", "critical"):
        supervisor.say(pressure(level))
    told = [called.get(timeout=SECONDS) for _ in range(6)]
    assert [(name, level) for name, level, _ in told] == [
        ("any", "warn"),
        ("any", "high"),
        ("high", "high"),
        ("any", "critical"),
        ("high", "critical"),
        ("critical", "critical"),
    ]
    assert {thread for _, _, thread in told} == {"dunnage-hooks"}
    assert len(threads_of_ours()) == 1


def test_a_drain_says_the_signal_and_the_time_that_is_left(supervisor: Supervisor) -> None:
    called: queue.Queue[object] = queue.Queue()
    dunnage.on_drain(called.put)
    supervisor.await_subscribers(1)
    supervisor.say(DRAIN)
    assert called.get(timeout=SECONDS) == dunnage.Drain("TERM", 2.5)
    # who comes after it has begun is told at once
    dunnage.on_drain(called.put)
    assert called.get(timeout=SECONDS) == dunnage.Drain("TERM", 2.5)
    # and nobody twice, as a connection after a fork would be
    supervisor.say(DRAIN)
    dunnage.on_memory_pressure(called.put)
    supervisor.say(pressure("warn"))
    assert called.get(timeout=SECONDS) == dunnage.MemoryPressure("warn")


def test_an_exception_is_reported_and_stops_none_of_the_others(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    called: queue.Queue[object] = queue.Queue()

    @dunnage.on_drain
    def broken(_: object) -> None:
        raise ValueError("broken on purpose")

    @dunnage.on_drain
    def leaving(_: object) -> None:
        sys.exit(3)

    dunnage.on_drain(called.put)
    supervisor.await_subscribers(1)
    supervisor.say(DRAIN)
    called.get(timeout=SECONDS)
    assert "broken on purpose" in caplog.text
    assert "leaving" in caplog.text


def test_what_nobody_understands_is_passed_over(supervisor: Supervisor) -> None:
    called: queue.Queue[object] = queue.Queue()
    dunnage.on_memory_pressure(called.put)
    supervisor.await_subscribers(1)
    for packet in (
        b"\xff",
        b"[" * 60_000,
        b"null",
        b"[1]",
        b'"drain"',
        {"op": "weather"},
        {"op": "pressure"},
        {"op": "pressure", "level": "apocalyptic"},
        {"op": "pressure", "level": ["warn"]},
        {"op": "drain", "signal": 15},
        {"op": "error", "message": "x" * 60_000},
        {"op": ["drain"]},
    ):
        supervisor.say(packet)
    supervisor.say(pressure("warn"))
    assert called.get(timeout=SECONDS) == dunnage.MemoryPressure("warn")


def test_a_removed_hook_is_not_called(supervisor: Supervisor) -> None:
    called: queue.Queue[str] = queue.Queue()
    with dunnage.on_memory_pressure(lambda _: called.put("within")):
        supervisor.await_subscribers(1)
        supervisor.say(pressure("warn"))
        assert called.get(timeout=SECONDS) == "within"
    dunnage.on_memory_pressure(lambda _: called.put("after"))
    supervisor.say(pressure("warn"))
    assert called.get(timeout=SECONDS) == "after"


def test_a_hook_still_calls_like_its_function() -> None:
    with dunnage.on_drain(lambda drain: drain.signal) as hook:
        assert hook(dunnage.Drain("INT", None)) == "INT"
        assert "on Drain" in repr(hook)


def test_hooks_of_a_loop_run_on_it_and_coroutines_are_awaited(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        called: list[object] = []
        done = asyncio.Event()

        @dunnage.on_memory_pressure
        def plain(event: dunnage.MemoryPressure) -> None:
            called.append(threading.current_thread())

        @dunnage.on_memory_pressure
        async def broken(event: dunnage.MemoryPressure) -> None:
            raise ValueError("broken on purpose")

        @dunnage.on_memory_pressure
        async def awaited(event: dunnage.MemoryPressure) -> None:
            await asyncio.sleep(0)
            called.append(event.level)
            done.set()

        await asyncio.to_thread(supervisor.await_subscribers, 1)
        supervisor.say(pressure("high"))
        await asyncio.wait_for(done.wait(), SECONDS)
        assert called == [threading.main_thread(), "high"]
        await asyncio.sleep(0)

    asyncio.run(main())
    assert "broken on purpose" in caplog.text
    # the loop is closed: nobody is there to be told, and nothing breaks
    called: queue.Queue[object] = queue.Queue()
    dunnage.on_memory_pressure(called.put)
    supervisor.say(pressure("high"))
    assert called.get(timeout=SECONDS)


def test_a_coroutine_function_without_a_loop_is_refused_with_a_way_out() -> None:
    async def hook(_: object) -> None: ...

    with pytest.raises(RuntimeError, match="start-up code of the loop"):
        dunnage.on_drain(hook)
    with pytest.raises(ValueError, match="warn, high, critical"):
        dunnage.on_memory_pressure("worse")  # type: ignore[call-overload]
    assert not _hooks.is_wanted()


@pytest.mark.skipif(not _resources.NATIVE, reason="needs the native part")
@pytest.mark.parametrize("version", interpreters.VERSIONS)
@pytest.mark.parametrize("way", ["main", "thread", "logging", "pool"])
def test_forks_are_silent_and_the_hooks_live_on_in_parent_and_child(
    tmp_path: pathlib.Path, version: str, way: str
) -> None:
    python = interpreters.find(version)
    if python is None:
        pytest.skip(f"no CPython {version} here")
    with Supervisor(tmp_path) as supervisor:
        env = interpreters.environment(DUNNAGE_SOCKET=supervisor.path)
        process = subprocess.Popen(
            [python, FORK, way], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            lines = iter(process.stdout.readline, b"")
            assert next(lines) == b"forked\n"
            # whoever connects from here on asks for what is said: say it until both have it
            told: set[bytes] = set()
            stop = threading.Event()
            saying = threading.Thread(target=lambda: say_until(stop, supervisor))
            saying.start()
            while told != {b"parent warn\n", b"child warn\n"}:
                told.add(next(lines))
            stop.set()
            saying.join(SECONDS)
            out, err = process.communicate(b"end\n", timeout=SECONDS)
        finally:
            process.kill()
        assert err == b""
        assert process.returncode == 0, out


def say_until(stop: threading.Event, supervisor: Supervisor) -> None:
    while not stop.wait(0.02):
        supervisor.say(pressure("warn"))


def test_a_number_that_was_given_to_another_file_is_left_alone(supervisor: Supervisor, tmp_path: pathlib.Path) -> None:
    dunnage.on_drain(print)
    supervisor.await_subscribers(1)
    listener = _news._supervisor
    assert listener is not None
    while listener._socket is None:
        threading.Event().wait(0.001)
    number = listener._socket.fileno()
    saved = os.dup(number)
    other = os.open(tmp_path / "user.db", os.O_RDWR | os.O_CREAT)
    os.dup2(other, number)
    # the kernel's wait goes on with the file that it began with: one packet wakes it, and then it looks
    supervisor.say(pressure("warn"))
    assert listener._thread is not None
    listener._thread.join(SECONDS)
    assert os.path.sameopenfile(number, other)
    os.close(saved)
    os.close(number)
    os.close(other)


PROGRAM = os.environ.get("DUNNAGE_TEST_PROGRAM")
APPLICATION = """
import os, signal, threading
import dunnage
told, stopped = threading.Event(), threading.Event()

@dunnage.on_drain
def hook(drain):
    print(drain.signal, drain.seconds is not None and 0 < drain.seconds <= 60, flush=True)
    told.set()

signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print("ready", flush=True)
assert told.wait(60) and stopped.wait(60)
"""


@pytest.mark.skipif(PROGRAM is None, reason="DUNNAGE_TEST_PROGRAM names no program")
def test_the_supervisor_tells_of_its_shutdown(tmp_path: pathlib.Path) -> None:
    assert PROGRAM is not None
    env = interpreters.environment(DUNNAGE_RUNTIME_DIR=str(tmp_path))
    command = [PROGRAM, "run", "--grace", "60s", "--", sys.executable, "-c", APPLICATION]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            process.terminate()
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert out == b"TERM True\n", err
    assert process.returncode == 0, err
