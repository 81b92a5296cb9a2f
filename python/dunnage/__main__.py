"""``python -m dunnage``: becomes the program ``dunnage`` that was installed with this module."""

import os
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn


def find_program() -> "Path | None":
    """The program of the same installation, wherever pip has put its scripts."""
    # the last is that of `pip install --target`
    folders = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts")), Path(__file__).parent.parent / "bin"]
    if user := sysconfig.get_preferred_scheme("user"):
        folders.append(Path(sysconfig.get_path("scripts", user)))
    for folder in folders:
        program = folder / "dunnage"
        if os.access(program, os.X_OK) and program.is_file():
            return program
    return None


def main() -> NoReturn:
    """Becomes the program; without one, 125 is ``run``'s code for its own failures and 2 that of the others."""
    program = find_program()
    if program is None:
        sys.stderr.write(
            "dunnage: this installation has no native program: it is there in the wheels for Linux "
            "on x86_64 and aarch64; hint: in a container, pip install dunnage\n"
        )
        sys.exit(125 if sys.argv[1:2] == ["run"] else 2)
    os.execv(program, [os.fspath(program), *sys.argv[1:]])


if __name__ == "__main__":
    main()
