"""The build backend (PEP 517, PEP 660): one wheel with native programs and a Python module.

Neither maturin nor hatchling can pack both. For a native wheel the programs are built as ``cargo xtask dist`` builds
them and laid where maturin takes a wheel's data from; maturin does the rest. Where there can be no native part (another
system than Linux, an interpreter without GIL, another processor, ``DUNNAGE_BUILD_PURE=1``) hatchling packs the Python
files alone. The sdist is hatchling's, since maturin leaves out the crates that only the program uses.

A wheel that is built by calling maturin itself would carry a stale program.
"""

import importlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

Settings = dict[str, Any] | None
Folder = str | None

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "build_backend" / "dunnage.data"
MATURIN = "maturin>=1.9.4,<2"
HATCHLING = "hatchling>=1.27,<2"
PROCESSORS = ("x86_64", "aarch64")

# maturin stops in every hook where the folder is missing
DATA.mkdir(exist_ok=True)


def is_pure() -> bool:
    """Whether the wheel for this interpreter can have no native part."""
    return bool(
        os.environ.get("DUNNAGE_BUILD_PURE", "0") not in ("", "0")
        or sys.platform != "linux"
        or platform.machine() not in PROCESSORS
        or sys.implementation.name != "cpython"
        or sysconfig.get_config_var("Py_GIL_DISABLED")
    )


def _backend() -> Any:
    return importlib.import_module("hatchling.build" if is_pure() else "maturin")


def _lay_out_data() -> None:
    shutil.rmtree(DATA)
    scripts = DATA / "scripts"
    scripts.mkdir(parents=True)
    command = ["cargo", "xtask", "dist", os.fspath(scripts)]
    try:
        subprocess.run(command, cwd=ROOT, check=True)
    except FileNotFoundError:
        sys.exit("cargo is not there: install Rust (https://rustup.rs), or set DUNNAGE_BUILD_PURE=1")
    except subprocess.CalledProcessError as error:
        sys.exit(f"`cargo xtask dist` failed with {error.returncode}: its messages are above")
    site_packages = DATA / "platlib"
    site_packages.mkdir()
    for door in (ROOT / "python").glob("*.pth"):
        shutil.copy(door, site_packages)


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return [HATCHLING]


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> Any:
    return importlib.import_module("hatchling.build").build_sdist(sdist_directory, config_settings)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return [HATCHLING if is_pure() else MATURIN]


get_requires_for_build_editable = get_requires_for_build_wheel


if not is_pure():
    # hatchling has none of these hooks: its metadata comes with the wheel
    def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> Any:
        return _backend().prepare_metadata_for_build_wheel(metadata_directory, config_settings)

    def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: Settings = None) -> Any:
        return _backend().prepare_metadata_for_build_editable(metadata_directory, config_settings)


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: Folder = None) -> Any:
    if not is_pure():
        _lay_out_data()
    return _backend().build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Settings = None, metadata_directory: Folder = None) -> Any:
    if not is_pure():
        _lay_out_data()
    return _backend().build_editable(wheel_directory, config_settings, metadata_directory)
