"""How large the pools of popular libraries are: plainly, by `dunnage run`, and after `limit_threads()`.

The page docs/libraries.md is what this test finds; `cargo xtask libraries` writes it, and with `--check` it fails where
the page differs. And what those of them that have memory of their own give back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import interpreters
import pytest
from conftest import ROOT, Make

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "libraries.md"
PYTHON = os.environ.get("DUNNAGE_TEST_LIBRARIES")
PROGRAM = os.environ.get("DUNNAGE_TEST_PROGRAM")
COUNTS = (1, 2, 3)

HEAD = """\
# Libraries

How many threads each library gives its pool, on a machine that looks as if it had 64 CPUs, below a real CFS quota of
1, 2 and 3 CPUs: started plainly, started by `dunnage run`, and started plainly with `dunnage.limit_threads()` called
after its pool was there. Written by `cargo xtask libraries` from what it finds; with `--check`, as in CI, it fails
where a size differs.

Plainly and in bold: more threads than the quota has CPUs.

| library | plainly, quota 1, 2, 3 | `dunnage run` | `limit_threads()` |
|---|---|---|---|
"""
TAIL = """
polars, duckdb, tokenizers and OpenCV read the quota themselves, scikit-learn does through joblib. pandas computes with
numexpr. numba's variable is a ceiling that an application must not meet by surprise (`numba.set_num_threads` above it
raises), so `dunnage run` does not set it: use `limit_threads()`, in the thread that computes and after the first
parallel function, or set `NUMBA_NUM_THREADS`.
"""


def sizes(folder: Path, *command: str) -> dict[str, int]:
    """Of all libraries in one process below the quota of that cgroup."""
    enter = 'echo 0 > "$0" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", enter, folder / "cgroup.procs", sys.executable, HERE / "face.py", *command],
        env=interpreters.environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def version_of(library: str) -> str:
    assert PYTHON is not None
    (folder,) = Path(PYTHON).parent.parent.glob("lib/python3.*/site-packages")
    (found,) = metadata.distributions(name=library, path=[str(folder)])
    return found.version


def cell(found: list[int], *, marks: bool = False) -> str:
    return ", ".join(
        f"**{size}**" if marks and size > quota else str(size) for quota, size in zip(COUNTS, found, strict=True)
    )


@pytest.mark.usefixtures("native")
@pytest.mark.skipif(PYTHON is None or PROGRAM is None, reason="`cargo xtask libraries` runs it")
def test_pools_follow_the_quota_and_the_page_says_so(cgroup: Make) -> None:
    assert PYTHON is not None
    assert PROGRAM is not None
    script = str(HERE / "pool_sizes.py")
    leaf = cgroup("cpu", "libraries")
    worn = subprocess.run([sys.executable, HERE / "face.py", "true"], capture_output=True, text=True, check=False)
    if worn.returncode != 0:
        pytest.skip(f"the face of 64 CPUs cannot be put on here: {worn.stderr.strip().rpartition(chr(10))[2]}")
    plain, planned, limited = [], [], []
    for count in COUNTS:
        leaf.set("cpu.cfs_quota_us", count * 100_000)
        plain.append(sizes(leaf.folder, PYTHON, script))
        planned.append(sizes(leaf.folder, PROGRAM, "run", "--", PYTHON, script))
        limited.append(sizes(leaf.folder, PYTHON, script, "limit"))
    rows = []
    for library in plain[0]:
        before, run, after = ([found[library] for found in way] for way in (plain, planned, limited))
        if library != "numba":
            assert run == list(COUNTS), library
        assert after == list(COUNTS), library
        rows.append(f"| {library} {version_of(library)} | {cell(before, marks=True)} | {cell(run)} | {cell(after)} |\n")
    page = HEAD + "".join(rows) + TAIL
    if os.environ.get("DUNNAGE_WRITE_PAGES"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "hint: cargo xtask libraries"


ARROW = """
import json, sys
import polars, pyarrow, dunnage
from fragment import resident

def table(start):
    words = pyarrow.array([f"{number:040d}" for number in range(100_000)])
    return pyarrow.table({"numbers": pyarrow.array(range(start, start + 100_000)), "words": words})

# what the first table needs once is no part of it
table(0), dunnage.release_memory(cooldown=0, collect=False)
before = resident()
tables = [table(number) for number in range(20)]
full = resident()
tables.clear()
released = dunnage.release_memory(cooldown=0)
steps = {step.name: step.rss for step in released.steps}
print(json.dumps([full - before, full - resident(), steps["pyarrow"], released.notes]))
"""


@pytest.mark.usefixtures("native")
@pytest.mark.skipif(PYTHON is None, reason="`cargo xtask libraries` runs it")
def test_the_pool_of_pyarrow_is_emptied_by_its_own_call_and_polars_is_named() -> None:
    assert PYTHON is not None
    env = interpreters.environment()
    env["PYTHONPATH"] += f":{HERE}"
    done = subprocess.run([PYTHON, "-c", ARROW], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    grown, given, by_pyarrow, notes = json.loads(done.stdout)
    assert grown > 60 << 20
    assert given > 0.8 * grown
    assert by_pyarrow > 0.5 * grown
    assert [note for note in notes if note.startswith("polars")]
