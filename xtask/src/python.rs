//! The Python side of `lint` and `test`: tools from PyPI, pinned, in an environment of their own; the extension, built
//! without optimisation and laid beside the sources, so that they can be imported where they stand.

use crate::tools::{Result, cargo, must_succeed, python_environment, root, succeeds, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What checks and tests the package. psutil and loky are what it is measured beside.
const TOOLS: &str =
    "hypothesis==6.170.17 loky==3.7.0 mypy==2.4.1 psutil==7.2.2 pytest==9.2.0 ruff==0.17.6";
const PACKAGE: &str = "python";

/// The interpreter of the environment with the tools.
pub(crate) fn tools() -> Result<PathBuf> {
    python_environment("python-venv", TOOLS)
}

/// Builds the extension and lays it into the package.
pub(crate) fn build_extension() -> Result<()> {
    must_succeed(&mut cargo([
        "build",
        "--quiet",
        "--locked",
        "-p",
        "dunnage-py",
    ]))?;
    let built = target_dir().join("debug/libdunnage_native.so");
    let home = root().join(PACKAGE).join("dunnage");
    // renamed into place: an interpreter that has the old one mapped must not see it change
    let fresh = home.join(format!("_native.{}.so", std::process::id()));
    std::fs::copy(&built, &fresh)?;
    std::fs::rename(&fresh, home.join("_native.abi3.so"))?;
    Ok(())
}

/// A module of the environment, run over the package where it stands.
pub(crate) fn module(python: &Path, name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", name])
        .args(args)
        .current_dir(root())
        .env("PYTHONPATH", root().join(PACKAGE));
    command
}

/// What can be said without running the code: form, likely mistakes, types, and whether the stub tells the truth.
pub(crate) fn lint() -> Result<bool> {
    let python = tools()?;
    build_extension()?;
    let checks: [(&str, &[&str]); 4] = [
        ("ruff", &["format", "--check", "."]),
        ("ruff", &["check", "."]),
        ("mypy", &[]),
        ("mypy.stubtest", &["dunnage._native"]),
    ];
    let mut passed = true;
    for (name, args) in checks {
        passed &= succeeds(&mut module(&python, name, args))?;
    }
    Ok(passed)
}

/// The tests of the package, as one command.
pub(crate) fn tests() -> Result<Command> {
    let python = tools()?;
    build_extension()?;
    Ok(module(&python, "pytest", &["-q"]))
}
