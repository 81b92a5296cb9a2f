//! What every task needs: paths, printing, running programs, a Python environment of our own.

use std::error::Error;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the demo's applications need: fixed releases, so that two runs compare.
pub(crate) const DEMO_PACKAGES: &str = "numpy==2.4.6 pandas==3.1.1 gunicorn==23.0.0";

/// What the tests compute with: the demo's NumPy, and a library that sizes itself by the machine.
pub(crate) const TEST_PACKAGES: &str = "numpy==2.4.6 numexpr==2.14.2";

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo puts what it builds, and we what we install.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A line for the person who started the task.
pub(crate) fn say(line: &str) {
    // a closed stdout must not stop the work half-way
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on stderr: about something that went wrong, or what is done where stdout is for the result.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The cargo that runs us, from the workspace's folder.
pub(crate) fn cargo<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Builds both programs without optimization and returns the path of `dunnage`, which finds the other one beside it.
pub(crate) fn build_programs() -> Result<PathBuf> {
    let packages = ["-p", "dunnage", "-p", "dunnage-lint"];
    must_succeed(cargo(["build", "--quiet", "--locked"]).args(packages))?;
    Ok(target_dir().join("debug/dunnage"))
}

/// Shows the command on stderr, as a shell with `set -x` does, runs it, and tells whether it ended with 0.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    complain(&format!("$ {}", shown(command)));
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", shown(command)))?;
    Ok(status.success())
}

/// As [`succeeds`], where anything but 0 is an error.
pub(crate) fn must_succeed(command: &mut Command) -> Result<()> {
    if succeeds(command)? {
        Ok(())
    } else {
        Err(format!("failed: {}", shown(command)).into())
    }
}

/// What a command prints on stdout; its failure is an error that quotes stderr.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ({}): {}", shown(command), output.status, said.trim()).into())
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = program.file_name().into_iter().chain(command.get_args());
    words
        .map(|word| {
            word.to_string_lossy()
                .replace(&format!("{}/", root().display()), "")
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The program of that name on PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A Python environment `target/NAME` that holds exactly `requirements`, which blanks separate; made when it is not there
/// yet.
pub(crate) fn python_environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = target_dir().join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements");
    let is_current =
        python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|text| text == requirements);
    if is_current {
        return Ok(python);
    }
    say(&format!(
        "making a Python environment in {} with {requirements} (from PyPI)",
        folder.display()
    ));
    must_succeed(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )
    .map_err(|error| format!("{error}; on Debian: apt-get install python3-venv"))?;
    must_succeed(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(requirements.split(' ')),
    )?;
    std::fs::write(&stamp, requirements)?;
    Ok(python)
}
