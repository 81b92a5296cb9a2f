"""What all tests share: real cgroups to enter, and a line for whatever could not be done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import interpreters
import pytest
from hypothesis import settings

import dunnage
from dunnage import _resources

# the same examples at each run: what fails in CI fails here; no bound on time, which says more of the machine
settings.register_profile("dunnage", derandomize=True, deadline=None, max_examples=300)
settings.load_profile("dunnage")

TESTS = Path(__file__).parent.glob("test_*.py")
ROOT = Path(__file__).resolve().parent.parent.parent


def _each_python() -> list[Any]:
    found = {version: interpreters.find(version) for version in interpreters.VERSIONS}
    return [
        pytest.param(path, id=version, marks=() if path else pytest.mark.skip(f"needs CPython {version}, as by pyenv"))
        for version, path in found.items()
    ]


EVERY_PYTHON = pytest.mark.parametrize("python", _each_python())


# what tests start in a process of its own is no module whose examples are looked for
collect_ignore = sorted({path.name for path in Path(__file__).parent.glob("*.py")} - {path.name for path in TESTS})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`cargo xtask test` collects lines of this form and repeats them at the end."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        name = report.nodeid.rpartition("::")[2]
        terminalreporter.write_line(f"skipped: {name}: {reason.removeprefix('Skipped: ')}")


class Cgroup:
    """A cgroup of v1 of our own, below the controller's top."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def set(self, file: str, value: int) -> None:
        (self.folder / file).write_text(str(value))

    def enter(self) -> None:
        """Moves this process, with all of its threads."""
        self.set("cgroup.procs", 0)


Make = Callable[[str, str], Cgroup]


def _own_path(controller: str) -> str | None:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return None


def _remove(folder: Path) -> None:
    # a process that has just ended holds its cgroup for a moment
    for _ in range(500):
        try:
            return folder.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.01)
    return None


@pytest.fixture
def cgroup() -> Iterator[Make]:
    """Makes `cgroup("cpu", "pod/container")`; afterwards the process goes back and they are removed."""
    made: list[Path] = []
    homes: list[Path] = []

    def make(controller: str, name: str) -> Cgroup:
        mount = Path("/sys/fs/cgroup") / controller
        own = _own_path(controller)
        if own is None or not (mount / "release_agent").exists() or os.geteuid() != 0:
            pytest.skip("needs root and a writable cgroup v1")
        home = mount / own.lstrip("/")
        folder = mount
        try:
            for depth, part in enumerate(Path(name).parts):
                folder = folder / (f"dunnage-py-{os.getpid()}-{part}" if depth == 0 else part)
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            (home / "cgroup.procs").write_text("0")
        except OSError as error:
            pytest.skip(f"needs root and a writable cgroup v1: {error}")
        homes.append(home)
        return Cgroup(folder)

    try:
        yield make
    finally:
        for home in homes:
            (home / "cgroup.procs").write_text("0")
        for folder in reversed(made):
            _remove(folder)


@pytest.fixture(autouse=True)
def fresh_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test finds its cgroup anew, and without what the user of this machine states."""
    monkeypatch.setattr(_resources, "_source", type(_resources._source)())


@pytest.fixture
def native() -> None:
    """For tests of what is read from the kernel."""
    if not dunnage.limits().native:
        pytest.skip("needs the native part, which this installation does not have")
