"""Importing: never an error, little work, no side effects."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import EVERY_PYTHON, ROOT, Make

import dunnage

PACKAGE = Path(dunnage.__file__).parent
QUIET = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PACKAGE.parent)}


def run(code: str, *, python: str = sys.executable, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-W", "error", "-c", code],
        env=QUIET | variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def said(code: str, **variables: str) -> str:
    done = run(code, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_what_the_user_states_comes_first() -> None:
    code = "import dunnage as d; c = d.limits().cpu; print(d.cpu_limit(), c.confidence, d.memory().limit)"
    assert said(code, DUNNAGE_CPU_LIMIT="1500m", DUNNAGE_MEMORY_LIMIT="512Mi") == f"1.5 override {512 << 20}"


def test_a_statement_that_makes_no_sense_is_passed_over_with_a_note() -> None:
    code = "import dunnage as d; d.cpu_limit(); d.memory(); print(*d.limits().notes, sep='\\n')"
    notes = said(code, DUNNAGE_CPU_LIMIT="two", DUNNAGE_MEMORY_LIMIT="0")
    assert "DUNNAGE_CPU_LIMIT is passed over: " in notes
    assert "DUNNAGE_MEMORY_LIMIT is passed over: " in notes


def test_service_links_and_empty_values_are_no_statements() -> None:
    code = "import dunnage as d; print(d.limits().cpu.confidence == 'override', d.cpu_limit() or 0)"
    plain = said(code)
    assert said(code, DUNNAGE_PORT="tcp://10.0.0.1:80", DUNNAGE_CPU_LIMIT="", DUNNAGE_MEMORY_LIMIT="") == plain


def test_importing_opens_nothing_starts_nothing_and_loads_little() -> None:
    code = """
import os, sys, typing
before = set(sys.modules), os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")
import dunnage
loaded = {name.partition(".")[0] for name in set(sys.modules) - before[0]} - set(sys.builtin_module_names)
print(*sorted(loaded), before[1:] == (os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")))
"""
    assert said(code) == "dunnage True"


def test_where_no_kernel_file_can_be_read_everything_still_answers(tmp_path: Path) -> None:
    code = f"""
import dunnage
from dunnage import _resources
_resources._source = type(_resources._source)({str(tmp_path)!r})
found = dunnage.limits()
assert found.hierarchy == "none" and found.cpu.effective >= 1 and found.memory.limit is None
assert dunnage.cpu_limit() is None and dunnage.cpu_count() >= 1
assert set(dunnage.memory()) == set(dunnage.throttling()) == {{None}}
assert dunnage.pressure().cpu.some is None and dunnage.limits_changed(found) is None
"""
    assert said(code) == ""


@pytest.mark.usefixtures("native")
def test_a_quota_of_a_container_is_seen_by_a_fresh_interpreter(cgroup: Make) -> None:
    leaf = cgroup("cpu", "fresh")
    leaf.set("cpu.cfs_quota_us", 150_000)
    leaf.enter()
    assert said("import dunnage; print(dunnage.cpu_limit())") == "1.5"


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inside = interpreters.create()
run = getattr(interpreters, "exec", None) or interpreters.run_string
refused = run(inside, "import dunnage; assert dunnage.cpu_count() >= 1; dunnage.memory()")
assert refused is None, refused
"""


@EVERY_PYTHON
def test_a_sub_interpreter_can_import_it_too(python: str) -> None:
    """As under mod_wsgi. Where the native part is refused there, the pure answers step in."""
    done = run(SUBINTERPRETER, python=python)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("native")
def test_a_native_part_that_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "dunnage", ignore=shutil.ignore_patterns("_native*", "__pycache__"))
    (tmp_path / "dunnage" / "_native.abi3.so").write_bytes(b"no library")
    code = "import dunnage as d; found = d.limits(); print(found.native, d.cpu_count() >= 1, found.notes[0])"
    assert said(code, PYTHONPATH=str(tmp_path)).startswith("False True the native part cannot be loaded: ")


@EVERY_PYTHON
def test_one_extension_serves_every_interpreter(python: str) -> None:
    code = """
import pickle, dunnage
for answer in (dunnage.limits(), dunnage.memory(), dunnage.throttling(), dunnage.pressure()):
    assert pickle.loads(pickle.dumps(answer)) == answer
print(dunnage.cpu_count() >= 1, dunnage.limits().native)
"""
    done = run(code, python=python)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["True", str(dunnage.limits().native)]


def test_the_stub_of_the_native_part_is_shipped_with_the_types() -> None:
    assert (PACKAGE / "py.typed").exists()
    if PACKAGE.is_relative_to(ROOT):
        assert (PACKAGE / "_native.pyi").exists()
