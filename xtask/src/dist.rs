//! `cargo xtask dist`: one static file, the form in which the program is measured and shipped.
//!
//! Static, because PID 1 of somebody else's image must not depend on that image's C library.

use crate::tools::{Result, cargo, must_succeed, say, stdout_of, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Builds the program and, with a folder, lays a copy of it there.
pub(crate) fn run(folder: Option<&str>) -> Result<ExitCode> {
    let mut program = build()?;
    if let Some(folder) = folder {
        let copy = Path::new(folder).join("dunnage");
        std::fs::copy(&program, &copy)?;
        program = copy;
    }
    say(&format!(
        "{} ({} bytes)",
        program.display(),
        std::fs::metadata(&program)?.len()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Builds the static release program and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    let host = host_triple()?;
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" -C target-feature=+crt-static");
    // an explicit target keeps the flags away from build scripts, which are run here and need a dynamic C library
    must_succeed(
        cargo([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "-p",
            "dunnage",
            "--target",
            &host,
        ])
        .env("RUSTFLAGS", flags.trim()),
    )?;
    Ok(target_dir().join(host).join("release/dunnage"))
}

/// What rustc calls this machine.
pub(crate) fn host_triple() -> Result<String> {
    let told = stdout_of(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}
