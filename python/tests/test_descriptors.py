"""Kept descriptors, threads and forks: what an application does around us must harm neither side."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import Make

import dunnage

pytestmark = pytest.mark.usefixtures("native")


def descriptors() -> set[int]:
    # the listing's own descriptor is in it, and closed by now
    return {number for number in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{number}")}


def kept_descriptors() -> set[int]:
    """What reading everything once leaves open."""
    before = descriptors()
    dunnage.memory(), dunnage.cpu_limit(), dunnage.throttling(), dunnage.pressure()
    return descriptors() - before


def test_the_files_of_an_application_that_closed_ours_are_neither_read_nor_closed(cgroup: Make, tmp_path: Path) -> None:
    leaf = cgroup("cpu", "closed")
    leaf.set("cpu.cfs_quota_us", 150_000)
    leaf.enter()
    kept = kept_descriptors()
    assert kept
    for descriptor in kept:
        os.close(descriptor)
    # the application's own files take the numbers, and hold what could be a quota
    theirs: list[int] = []
    while not kept <= set(theirs):
        path = tmp_path / f"user-{len(theirs)}.db"
        path.write_text("70000\n")
        theirs.append(os.open(path, os.O_RDWR))
    assert dunnage.cpu_limit() == pytest.approx(1.5)
    assert dunnage.throttling().periods is not None
    for descriptor in theirs:
        assert os.pread(descriptor, 16, 0) == b"70000\n"
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
        os.close(descriptor)
    assert dunnage.cpu_limit() == pytest.approx(1.5)


def test_a_pipe_in_the_place_of_ours_keeps_its_bytes() -> None:
    kept = kept_descriptors()
    for descriptor in kept:
        os.close(descriptor)
    pipes: list[tuple[int, int]] = []
    while not kept <= {end for pipe in pipes for end in pipe}:
        pipes.append(os.pipe())
    for reading, writing in pipes:
        os.write(writing, b"theirs")
        os.set_blocking(reading, False)
    dunnage.memory(), dunnage.cpu_limit(), dunnage.throttling(), dunnage.pressure()
    for reading, writing in pipes:
        assert os.read(reading, 16) == b"theirs"
        os.close(reading)
        os.close(writing)


def test_nothing_of_ours_is_passed_on_to_a_program() -> None:
    kept = kept_descriptors()
    assert kept
    listed = subprocess.run(
        [sys.executable, "-S", "-c", "import os; print(*os.listdir('/proc/self/fd'))"],
        close_fds=False,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert not kept & {int(number) for number in listed.stdout.split()}


def test_reading_again_and_again_opens_nothing_more() -> None:
    kept_descriptors()
    before = descriptors()
    for _ in range(1000):
        dunnage.memory(), dunnage.cpu_limit(), dunnage.limits_changed(dunnage.limits())
    assert descriptors() == before


@pytest.mark.parametrize("left", [0, 1, 2, 3, 5, 8])
def test_what_could_not_be_opened_for_want_of_descriptors_is_opened_later(cgroup: Make, left: int) -> None:
    leaf = cgroup("cpu", "starved")
    leaf.set("cpu.cfs_quota_us", 150_000)
    leaf.set("cpu.cfs_period_us", 50_000)
    leaf.enter()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open("/dev/null", os.O_RDONLY)
    filler = []
    while True:  # no gaps below
        filler.append(os.dup(spare))
        if filler[-1] > max(descriptors() - set(filler)):
            break
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (filler[-1] + 1 + left, limits[1]))
        dunnage.cpu_limit(), dunnage.memory(), dunnage.throttling(), dunnage.pressure(), dunnage.limits()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in [spare, *filler]:
            os.close(descriptor)
    assert dunnage.cpu_limit() == pytest.approx(3.0)
    assert dunnage.memory().usage is not None
    assert dunnage.throttling().periods is not None


def test_a_forked_child_has_answers_of_its_own(cgroup: Make) -> None:
    one, other = cgroup("cpu", "parent"), cgroup("cpu", "child")
    one.set("cpu.cfs_quota_us", 150_000)
    other.set("cpu.cfs_quota_us", 120_000)
    one.enter()
    assert dunnage.cpu_limit() == pytest.approx(1.5)
    child = os.fork()
    if child == 0:
        code = 2
        try:
            same = dunnage.cpu_limit() == pytest.approx(1.5)
            other.enter()
            # a move is noticed within a second of use
            moved = dunnage.limits().cpu.limit == pytest.approx(1.2)
            code = 0 if same and moved else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert dunnage.cpu_limit() == pytest.approx(1.5)


def test_threads_read_side_by_side_and_a_fork_among_them_does_not_hang(cgroup: Make) -> None:
    leaf = cgroup("cpu", "threads")
    leaf.set("cpu.cfs_quota_us", 150_000)
    leaf.enter()
    wrong: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            if (limit := dunnage.cpu_limit()) != pytest.approx(1.5):
                wrong.append(limit)
            if dunnage.memory().usage is None:
                wrong.append("memory")

    # not os.fork here: 3.12 warns of threads, rightly, and this is about ours
    forks = f"""
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.path[:0] = {sys.path!r}
import dunnage
stop = threading.Event()
def read():
    while not stop.is_set():
        dunnage.cpu_limit(), dunnage.memory()
threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads: thread.start()
for _ in range(50):
    child = os.fork()
    if child == 0:
        os._exit(0 if dunnage.cpu_limit() == 1.5 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
for thread in threads: thread.join()
"""
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        subprocess.run([sys.executable, "-c", forks], check=True, timeout=240)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
