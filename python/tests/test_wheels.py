"""The wheels as pip installs them: built from the sdist, for the native and for the pure case, and installed for real.

`cargo xtask test` builds them (minutes the first time) and names their folder in DUNNAGE_TEST_WHEELS.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path

import pytest
from conftest import EVERY_PYTHON, Make

BUILT = os.environ.get("DUNNAGE_TEST_WHEELS")
pytestmark = pytest.mark.skipif(BUILT is None, reason="needs the wheels: `cargo xtask test` builds them")
# the budget of each program, stripped; whatever is added has to fit. What a container does not need (parsers of Python,
# YAML and TOML, the rules and their pages) belongs into the second
PROGRAM_BYTES = {"dunnage": 5 * 1024 * 1024, "dunnage-check": 6 * 1024 * 1024}
EACH_PROGRAM = pytest.mark.parametrize("program", sorted(PROGRAM_BYTES))


def built(kind: str) -> Path:
    assert BUILT is not None
    (found,) = (Path(BUILT) / kind).glob("*.whl")
    return found


def install(folder: Path, *what: str | Path, python: str = sys.executable) -> Path:
    """The interpreter of a fresh environment that holds this alone."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    inside = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(inside), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", *map(str, what)], check=True)
    return inside


def said(*words: str | Path, **variables: str) -> str:
    quiet = {"PATH": "/usr/local/bin:/usr/bin:/bin"} | variables
    done = subprocess.run(words, env=quiet, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.strip()


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """As where images have their programs: every user can read it. An agent that some could not read is not given."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def native(open_folder: Path) -> Path:
    return install(open_folder / "native", built("native"))


@pytest.fixture(scope="module")
def pure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("pure") / "venv", built("pure"))


def test_the_tags_say_what_is_inside() -> None:
    machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert built("native").name.endswith(f"-cp310-abi3-{machine}.whl")
    assert built("pure").name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built("native")) as wheel, zipfile.ZipFile(built("pure")) as pure_wheel:
        native_names, pure_names = wheel.namelist(), pure_wheel.namelist()
    assert "dunnage/_native.abi3.so" in native_names
    assert "dunnage/_native.pyi" in native_names
    assert not [
        name for name in pure_names if "_native" in name or name.endswith((".so", "/dunnage", "/dunnage-check"))
    ]
    assert "dunnage_agent.pth" in " ".join(native_names)
    assert "dunnage_agent.pth" not in " ".join(pure_names), "without a program there is no agent"
    for names in (native_names, pure_names):
        assert "dunnage/py.typed" in names
        assert not [name for name in names if "__pycache__" in name or "tests/" in name or "_agent/" in name]


def test_both_wheels_have_one_name_one_version_and_one_description() -> None:
    def metadata(wheel: Path) -> list[str]:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            parsed = message_from_string(archive.read(name).decode())
        return [parsed[key] for key in ("Name", "Version", "Summary", "Requires-Python", "License-Expression")]

    assert metadata(built("native")) == metadata(built("pure"))
    assert None not in metadata(built("native"))


@EACH_PROGRAM
def test_each_program_is_a_stripped_static_file_within_its_budget(native: Path, program: str) -> None:
    file = native.with_name(program)
    found = file.stat()
    assert found.st_size <= PROGRAM_BYTES[program]
    assert found.st_mode & stat.S_IXOTH
    bytes_ = file.read_bytes()
    assert bytes_.startswith(b"\x7fELF"), "a script would leave Python as PID 1"
    if shutil.which("readelf") is None:
        pytest.skip("needs readelf; on Debian: apt-get install binutils")
    parts = subprocess.run(["readelf", "-lS", file], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in parts, "it asks for a C library of the image"
    assert ".symtab" not in parts


def test_the_ring_of_marks_can_be_found_in_the_stripped_extension(native: Path) -> None:
    code = """if True:
        import ctypes, dunnage._native
        dunnage.mark("here")
        found = ctypes.PyDLL(dunnage._native.__file__)
        print(ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(found, "DUNNAGE_MARKS")), 8).decode())
    """
    done = subprocess.run([native, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "DNmarks1\n"


def test_the_installed_program_runs_and_python_m_becomes_it(native: Path) -> None:
    version = said(native.with_name("dunnage"), "--version")
    assert version.startswith("dunnage ")
    assert said(native, "-m", "dunnage", "--version") == version
    # the program takes the place of the interpreter: one process, and its exit code is the program's
    done = subprocess.run([native, "-m", "dunnage", "run", "--", "sh", "-c", "exit 7"], check=False)
    assert done.returncode == 7


def test_check_is_found_beside_the_program_however_that_is_called(native: Path, tmp_path: Path) -> None:
    program = native.with_name("dunnage")
    page = said(program, "explain", "PID001")
    assert page.startswith("PID001 ")
    assert said(native, "-m", "dunnage", "explain", "PID001") == page
    # as `pipx` and `uv tool` lay programs on PATH
    (tmp_path / "dunnage").symlink_to(program)
    assert said(tmp_path / "dunnage", "explain", "PID001") == page
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nCMD python app.py\n")
    done = subprocess.run([program, "check", "--format=short", tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "PID001" in done.stdout


def test_the_native_module_reads_the_kernel(native: Path) -> None:
    code = "import dunnage; print(dunnage.limits().native, dunnage.cpu_count() >= 1, dunnage.__file__)"
    told = said(native, "-c", code).split()
    assert told[:2] == ["True", "True"]
    assert told[2].startswith(str(native.parent.parent))


def test_the_pure_module_answers_by_affinity_and_says_so(pure: Path) -> None:
    code = """
import os, dunnage
found = dunnage.limits()
print(found.native, found.cpu.confidence, found.cpu.affinity == len(os.sched_getaffinity(0)), dunnage.cpu_limit())
"""
    assert said(pure, "-c", code) == "False affinity True None"
    assert said(pure, "-c", code, DUNNAGE_CPU_LIMIT="0.5") == "False override True 0.5"


def test_the_pure_installation_says_that_it_has_no_program(pure: Path) -> None:
    assert not pure.with_name("dunnage").exists()
    for words, code in ((["run", "--", "true"], 125), (["plan"], 2)):
        done = subprocess.run([pure, "-m", "dunnage", *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, "")
        assert "no native program" in done.stderr


AGENT = "import sys; print('_dunnage_agent' in sys.modules, len(sys.path), sys.path[0] == '')"


def test_the_installed_program_brings_its_agent_by_both_doors_and_alone_it_sleeps(native: Path, tmp_path: Path) -> None:
    asleep = said(native, "-c", AGENT)
    assert asleep.startswith("False ")
    dunnage = native.with_name("dunnage")
    awake = asleep.replace("False", "True", 1)
    assert run_quietly(dunnage, native, "-c", AGENT) == awake
    # another sitecustomize comes first, and calls nobody: the second door is what is left
    (tmp_path / "sitecustomize.py").write_text("")
    only_theirs = "import sys; print('_dunnage_agent' in sys.modules, sys.modules['sitecustomize'].__file__)"
    words = ("env", f"PYTHONPATH={tmp_path}", native, "-c", only_theirs)
    assert run_quietly(dunnage, *words) == f"True {tmp_path}/sitecustomize.py"


def run_quietly(dunnage: Path, *words: str | Path, options: tuple[str, ...] = ()) -> str:
    """What the command prints below `dunnage run`, whose own lines are on stderr."""
    done = subprocess.run(
        [dunnage, "run", *options, "--", *words],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout.strip()


def test_the_program_sets_what_the_module_counts(native: Path, cgroup: Make) -> None:
    leaf = cgroup("cpu", "one-answer")
    leaf.enter()
    code = "import os, dunnage; print(os.environ['OMP_NUM_THREADS'], dunnage.cpu_count(*{!r}), dunnage.cpu_limit())"
    for quota in (50_000, 100_000, 150_000, 199_000, 400_000):
        leaf.set("cpu.cfs_quota_us", quota)
        for policy, workers in (("latency", 1), ("throughput", 1), ("latency", 2), ("throughput", 3)):
            options = (f"--policy={policy}", f"--workers={workers}")
            command = (native, "-c", code.format((policy, workers)))
            set_by_run, counted, limit = run_quietly(native.with_name("dunnage"), *command, options=options).split()
            assert set_by_run == counted, (quota, policy, workers)
            assert float(limit) == pytest.approx(quota / 100_000)


@EVERY_PYTHON
def test_one_wheel_installs_into_every_interpreter(python: str, tmp_path: Path) -> None:
    inside = install(tmp_path / "venv", built("native"), python=python)
    assert said(inside, "-c", "import dunnage; print(dunnage.limits().native)") == "True"
    assert said(inside, "-m", "dunnage", "--version").startswith("dunnage ")


def test_the_editable_installation_has_module_and_program(open_folder: Path) -> None:
    assert BUILT is not None
    (source,) = (Path(BUILT) / "source").iterdir()
    inside = install(open_folder / "editable", "--editable", source)
    told = said(inside, "-c", "import dunnage; print(dunnage.limits().native, dunnage.__file__)").split()
    assert told[0] == "True"
    assert told[1].startswith(str(source)), "the sources where they stand are imported"
    assert said(inside.with_name("dunnage"), "--version").startswith("dunnage ")
    assert run_quietly(inside.with_name("dunnage"), inside, "-c", AGENT).startswith("True ")


def test_the_program_runs_where_nothing_else_is(native: Path, tmp_path: Path) -> None:
    """A root as of a distroless image: no shell, no C library, no folder but its own."""
    chroot = shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if os.geteuid() != 0 or chroot is None:
        pytest.skip("needs root and chroot")
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(native.with_name("dunnage"), root / "dunnage")
    # the program is the only static one at hand: it plays the application too
    command = [chroot, str(root), "/dunnage", "run", "--", "/dunnage", "--version"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dunnage ")
    command = [chroot, str(root), "/dunnage", "check"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "dunnage-check" in done.stderr
