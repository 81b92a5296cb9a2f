"""The CPython releases that a test can start: the one that runs it, and whatever pyenv and PATH have beside it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

SOURCES = pathlib.Path(__file__).parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def find(version: str) -> str | None:
    """A program of that version, with the GIL."""
    if version == ".".join(map(str, sys.version_info[:2])):
        return sys.executable
    root = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    installed = sorted(root.glob(f"{version}.*[0-9]/bin/python3"))
    found = str(installed[-1]) if installed else shutil.which(f"python{version}")
    if found is None:
        return None
    # what pyenv puts on PATH may be a stand-in for a version that is not there
    works = subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return found if works else None


def environment(**more: str) -> dict[str, str]:
    """For a process that imports the package where it stands, without variables of a supervisor around the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DUNNAGE_", "PYTHON"))}
    return kept | {"PYTHONPATH": str(SOURCES)} | more
