"""What `dunnage check` writes for programs is what the schemas say: SARIF's own, and ours."""

import importlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("DUNNAGE_TEST_PROGRAM")


def check(path: Path, form: str) -> Any:
    if PROGRAM is None:
        pytest.skip("DUNNAGE_TEST_PROGRAM is not set")
    command = [PROGRAM, "check", "--persona", "pedantic", "--format", form, str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()
    return json.loads(done.stdout)


def must_fit(document: Any, schema: Path, validator: str) -> None:
    jsonschema: Any = importlib.import_module("jsonschema")
    checker = getattr(jsonschema, validator)(json.loads(schema.read_text()))
    errors = [f"{error.json_path}: {error.message}" for error in checker.iter_errors(document)]
    assert not errors, errors[:5]


def test_sarif_fits_the_official_schema_over_every_example() -> None:
    """One run over all bad examples has every rule, chains, fixes of every kind, and suppressions."""
    document = check(ROOT / "fixtures/check", "sarif")
    assert document["runs"][0]["results"]
    must_fit(document, ROOT / "fixtures/sarif/sarif-schema-2.1.0.json", "Draft7Validator")


def test_json_fits_the_schema_that_is_generated_with_it() -> None:
    document = check(ROOT / "fixtures/check", "json")
    assert document["findings"]
    must_fit(document, ROOT / "docs/check.schema.json", "Draft202012Validator")
