//! The Python side of `lint` and `test`: tools from PyPI, pinned, in an environment of their own; the extension, built
//! without optimisation and laid beside the sources, so that they can be imported where they stand.

use crate::tools::{
    Result, build_programs, cargo, must_succeed, python_environment, root, stdout_of, succeeds,
    target_dir,
};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What checks and tests the package. psutil and loky are what it is measured beside; perfetto brings the messages that a
/// trace is read with.
const TOOLS: &str = "build==1.6.1 hypothesis==6.170.17 jsonschema==4.26.0 loky==3.7.0 mypy==2.4.1 perfetto==0.59.1 protobuf==7.36.2 psutil==7.2.2 pytest==9.2.0 pyyaml==6.0.4 ruff==0.17.6";
const PACKAGE: &str = "python";

/// Libraries whose pools are measured for docs/libraries.md, which names their versions.
const LIBRARIES: &str = "duckdb==2.0.1 joblib==1.6.0 numba==0.68.1 numexpr==2.14.2 numpy==2.4.6 opencv-python-headless==5.0.0.93 pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1 scikit-learn==1.9.1 scipy==1.17.1 threadpoolctl==3.8.0 tokenizers==0.23.3";

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

/// The page that the docstrings make.
pub(crate) fn reference() -> Result<String> {
    let python = tools()?;
    build_extension()?;
    let mut command = Command::new(python);
    command
        .arg(root().join("xtask/src/python_reference.py"))
        .env("PYTHONPATH", root().join(PACKAGE));
    stdout_of(&mut command)
}

/// The tests of the package, as one command.
pub(crate) fn tests() -> Result<Command> {
    let mut command = pytest()?;
    let wheels = wheels(&tools()?)?;
    command
        .env("DUNNAGE_TEST_WHEELS", wheels)
        .env("CARGO_TARGET_DIR", target_dir().join("wheel-build"));
    Ok(command)
}

/// The tests with real libraries, which take minutes to install: docs/libraries.md is what they find.
pub(crate) fn libraries(check: bool) -> Result<ExitCode> {
    let mut command = pytest()?;
    command.arg("python/tests/test_libraries.py").env(
        "DUNNAGE_TEST_LIBRARIES",
        python_environment("libraries-venv", LIBRARIES)?,
    );
    if !check {
        command.env("DUNNAGE_WRITE_PAGES", "1");
    }
    must_succeed(&mut command)?;
    Ok(ExitCode::SUCCESS)
}

/// pytest over the package, with the program that its tests ask for.
fn pytest() -> Result<Command> {
    let python = tools()?;
    build_extension()?;
    let program = build_programs()?;
    let mut command = module(&python, "pytest", &["-q"]);
    command.env("DUNNAGE_TEST_PROGRAM", program);
    Ok(command)
}

/// Builds what is published: the sdist, and from the sdist the native and the pure wheel, each by pip. Returns the folder.
pub(crate) fn wheels(python: &Path) -> Result<PathBuf> {
    let folder = target_dir().join("wheels");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let source = folder.join("source");
    std::fs::create_dir_all(&source)?;
    let pip = |args: &[&str]| {
        let mut command = Command::new(python);
        command.arg("-m").args(args);
        // of its own: the program of another folder would take the place of the one that is built here
        command.env("CARGO_TARGET_DIR", target_dir().join("wheel-build"));
        command
    };
    let sdist = folder.join("sdist");
    must_succeed(
        pip(&["build", "--sdist", "--outdir"])
            .arg(&sdist)
            .arg(root()),
    )?;
    let packed = only_entry(&sdist)?;
    // the files' times are the same in every sdist: cargo would take changed files for those that it has compiled
    must_succeed(
        Command::new("tar")
            .args(["--touch", "-xzf"])
            .arg(&packed)
            .arg("-C")
            .arg(&source),
    )?;
    let unpacked = only_entry(&source)?;
    for (kind, is_pure) in [("native", "0"), ("pure", "1")] {
        must_succeed(
            pip(&["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"])
                .arg(folder.join(kind))
                .arg(&unpacked)
                .env("DUNNAGE_BUILD_PURE", is_pure),
        )?;
    }
    Ok(folder)
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let mut entries = std::fs::read_dir(folder)?;
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry?.path()),
        _ => Err(format!("{} must hold one entry", folder.display()).into()),
    }
}
