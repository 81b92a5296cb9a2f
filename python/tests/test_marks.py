"""Marks as they lie in memory; how another process reads them is tested in crates/dunnage-record."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import pytest
from interpreters import environment

import dunnage
from dunnage import _pure

SLOTS = 4096


class Mark(NamedTuple):
    name: str
    id: int
    tid: int
    begin: int
    end: int


def ring() -> int:
    from dunnage import _native

    library = ctypes.PyDLL(_native.__file__)
    return ctypes.addressof(ctypes.c_char.in_dll(library, "DUNNAGE_MARKS"))


def written() -> int:
    return ctypes.c_uint64.from_address(ring() + 16).value


def last() -> Mark:
    slot = ring() + 64 + (written() - 1) % SLOTS * 64
    begin, end, number = (ctypes.c_uint64.from_address(slot + at).value for at in (8, 16, 24))
    tid = ctypes.c_int32.from_address(slot + 32).value
    name = ctypes.c_uint32.from_address(slot + 36).value
    text = ctypes.string_at(ring() + 64 + SLOTS * 64 + name * 32, 32).rstrip(b"\0").decode()
    return Mark(text, number, tid, begin, end)


@pytest.mark.usefixtures("native")
def test_a_moment_has_a_name_a_number_a_thread_and_a_time() -> None:
    before = time.monotonic_ns()
    dunnage.mark("cache missed", 2**64 - 1)
    found = last()
    assert found[:3] == ("cache missed", 2**64 - 1, threading.get_native_id())
    assert before <= found.begin <= time.monotonic_ns()
    assert found.end == 0
    dunnage.mark("no number")
    assert last().id == 0


@pytest.mark.usefixtures("native")
def test_a_span_is_written_once_when_its_block_ends() -> None:
    count = written()
    before = time.monotonic_ns()
    with dunnage.span("request", 7) as span:
        assert written() == count
        inside = time.monotonic_ns()
    after = time.monotonic_ns()
    assert written() == count + 1
    found = last()
    assert isinstance(span, dunnage.Span)
    assert found[:2] == ("request", 7)
    assert before <= found.begin <= inside <= found.end <= after


@pytest.mark.usefixtures("native")
def test_a_span_begins_when_it_should_have() -> None:
    arrived = time.monotonic() - 1.5
    with dunnage.span("request", since=arrived):
        pass
    assert last().begin == pytest.approx(arrived * 1e9, abs=1000)
    assert last().end - last().begin > 1_500_000_000
    # what makes no sense begins with the block or is empty, and never reaches the request
    for nonsense in (time.monotonic() + 60, float("nan"), float("-inf"), -1.0, 0.0):
        before = time.monotonic_ns()
        with dunnage.span("request", since=nonsense):
            pass
        assert before <= last().begin <= last().end


@pytest.mark.usefixtures("native")
def test_an_error_in_the_block_comes_through_and_is_marked() -> None:
    count = written()
    with pytest.raises(KeyError), dunnage.span("request"):
        raise KeyError
    assert written() == count + 1


@pytest.mark.usefixtures("native")
def test_the_same_object_can_be_used_again() -> None:
    span = dunnage.span("again")
    with span:
        first = time.monotonic_ns()
    with span:
        pass
    assert last().begin > first


@pytest.mark.usefixtures("native")
def test_names_of_the_application_never_break_it() -> None:
    for name, kept in [
        ("", ""),
        ("é" * 40, "é" * 15),
        ("zero\0byte", "zero"),
        ("new\nline", "new\nline"),
    ]:
        dunnage.mark(name)
        assert last().name == kept
    with pytest.raises(OverflowError):
        dunnage.mark("request", -1)
    with pytest.raises(TypeError):
        dunnage.mark(5)  # type: ignore[arg-type]


TOO_MANY = """
import dunnage
from test_marks import last
for n in range(1000):
    dunnage.mark(f"name {n}", n)
    assert last().name in ("", f"name {n}") and last().id == n
assert last().name == ""
dunnage.mark("name 0")
assert last().name == "name 0"
"""


@pytest.mark.usefixtures("native")
def test_too_many_names_lose_their_names_alone() -> None:
    here = os.path.dirname(__file__)
    found = environment()
    found["PYTHONPATH"] += os.pathsep + here
    subprocess.run([sys.executable, "-c", TOO_MANY], env=found, check=True)


def test_without_a_native_part_nothing_happens() -> None:
    _pure.mark("cache missed", 5)
    with _pure.span("request", 5, since=time.monotonic()) as span, _pure.span("inner"):
        assert isinstance(span, _pure.Span)
    with pytest.raises(KeyError), _pure.span("request"):
        raise KeyError
