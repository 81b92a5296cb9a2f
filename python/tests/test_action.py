"""`action.yml` as a runner runs it: its own steps, by what `shell: bash` is, in the environment that GitHub documents.

The runner is a stand-in, the steps are not. `github.action_path` is the source that `cargo xtask test` has built the
wheel from, and cargo's folder is the same, so that pip finds the programs built.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = os.environ.get("DUNNAGE_TEST_WHEELS")
pytestmark = pytest.mark.skipif(BUILT is None, reason="needs the wheels: `cargo xtask test` builds them")

ACTION: Any = importlib.import_module("yaml").safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax, "jobs.<job_id>.steps[*].shell"
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]


@dataclass(frozen=True)
class Runner:
    """A job's folders, and what was installed by the steps before."""

    temp: Path
    action: Path

    def step(self, index: int, workspace: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
        """One step, with the inputs that a workflow gives and the defaults of the others."""
        step = STEPS[index]
        assert step["shell"] == "bash"
        assert not EXPRESSION.search(step["run"]), "an input in the script itself would be run by the shell"
        given = {name: what.get("default", "") for name, what in ACTION["inputs"].items()} | inputs
        context = {f"inputs.{name}": value for name, value in given.items()}
        context["github.action_path"] = str(self.action)
        variables = {
            name: EXPRESSION.sub(lambda found: context[found[1]], value) for name, value in step["env"].items()
        }
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        # where Rust and the index of packages are is this machine's; what our own tests are told is not for the steps
        machine = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DUNNAGE"))}
        environment = machine | {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self.action),
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(self.temp),
        }
        return subprocess.run(
            [*BASH, script], cwd=workspace, env=environment | variables, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Where the first step has installed the program."""
    assert BUILT is not None
    (source,) = (Path(BUILT) / "source").iterdir()
    temp = tmp_path_factory.mktemp("runner temp")
    found = Runner(temp, source)
    done = found.step(0, temp)
    assert done.returncode == 0, done
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples/flask", tmp_path / "work/flask")
    return tmp_path / "work"


def annotated(text: str) -> set[str]:
    """The files that have annotations."""
    return set(re.findall(r"^::(?:error|warning|notice) file=([^,]+),line=\d+", text, re.MULTILINE))


def test_the_action_has_two_steps_install_and_check() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert len(STEPS) == 2


def test_findings_become_annotations_and_an_error_fails_the_step(runner: Runner, workspace: Path) -> None:
    done = runner.step(1, workspace)
    assert (done.returncode, done.stderr) == (1, "")
    assert "::error file=flask/" in done.stdout
    assert annotated(done.stdout) >= {"flask/Dockerfile", "flask/k8s/deployment.yaml"}


def test_options_reach_the_program(runner: Runner, workspace: Path) -> None:
    done = runner.step(1, workspace, options="--select PID\n--fail-on never")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(re.findall(r"title=([A-Z]+)\d", done.stdout)) == {"PID"}


@pytest.mark.parametrize("options", ["", "--fail-on warning", "--fail-on never"])
def test_sarif_is_written_whatever_fails_the_step_and_fits_its_schema(
    runner: Runner, workspace: Path, options: str
) -> None:
    done = runner.step(1, workspace, options=options, sarif="found here.sarif")
    assert (done.returncode, done.stderr) == (0 if "never" in options else 1, "")
    assert annotated(done.stdout)
    document = json.loads((workspace / "found here.sarif").read_text())
    assert document["runs"][0]["results"]
    jsonschema: Any = importlib.import_module("jsonschema")
    schema = json.loads((ROOT / "fixtures/sarif/sarif-schema-2.1.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)


def test_a_failure_of_the_program_is_not_taken_for_findings(runner: Runner, workspace: Path) -> None:
    for inputs in ({"paths": "nowhere"}, {"paths": "nowhere", "sarif": "found.sarif"}, {"options": "--no-such-option"}):
        done = runner.step(1, workspace, **inputs)
        assert (done.returncode, done.stdout) == (2, ""), inputs
        assert done.stderr.startswith("dunnage: error: ") or "error: " in done.stderr, inputs


@pytest.mark.parametrize("name", ["paths", "options"])
def test_an_input_is_never_run_by_the_shell(runner: Runner, workspace: Path, name: str) -> None:
    hostile = (
        "$(touch${IFS}ran) `touch ran` ; touch ran && touch ran | touch ran > ran\n\"; touch ran #' ${RUNNER_TEMP}"
    )
    done = runner.step(1, workspace, **{name: hostile})
    assert done.returncode == 2, done
    assert sorted(path.name for path in workspace.iterdir()) == ["flask"]


def test_paths_are_split_at_line_ends_and_are_no_patterns(runner: Runner, workspace: Path) -> None:
    for folder in ("*", "other", "--fix"):
        (workspace / folder).mkdir()
        (workspace / folder / "Dockerfile").write_text("FROM python:3.13-slim\nCMD python app.py\n")
    assert annotated(runner.step(1, workspace, paths="*").stdout) == {"*/Dockerfile"}
    several = runner.step(1, workspace, paths="other\n  *\n")
    assert annotated(several.stdout) == {"*/Dockerfile", "other/Dockerfile"}
    # a folder that is called like an option
    assert annotated(runner.step(1, workspace, paths="--fix").stdout) == {"--fix/Dockerfile"}
    assert (workspace / "--fix/Dockerfile").read_text().endswith("CMD python app.py\n")


def test_the_step_does_not_need_the_python_of_these_tests(runner: Runner) -> None:
    installed = (runner.temp / "dunnage/bin/dunnage").resolve()
    assert installed.is_relative_to(runner.temp)
    assert Path(sys.prefix) not in installed.parents
