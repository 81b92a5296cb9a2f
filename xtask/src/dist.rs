//! `cargo xtask dist`: two static files, the form in which the programs are measured and shipped.
//!
//! `dunnage` is what a container needs; `dunnage-check` beside it has the commands that look at files. They are built one by
//! one: in one build a library would get the features that either asks for.
//!
//! Static, because PID 1 of somebody else's image must not depend on that image's C library. The agent, a few files
//! of Python, is a zip behind its last byte: an ELF does not mind what follows, and a zip is read from its end. It is stored
//! uncompressed, so that Python needs no zlib for it, and without a time, so that two builds of one tree are one file.

use crate::tools::{Result, cargo, find_program, must_succeed, root, say, stdout_of, target_dir};
use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The agent's files, in the order in which they are read; the last one is the package's, too.
const AGENT_FILES: [&str; 6] = [
    "_agent/sitecustomize.py",
    "_agent/_dunnage_agent.py",
    "_agent/_dunnage_term.py",
    "_agent/_dunnage_thread.py",
    "_agent/_dunnage_release.py",
    "_release_rules.py",
];

/// Where they are.
const PACKAGE: &str = "python/dunnage";

/// The program with the commands that look at files, which `dunnage` finds beside its own.
const CHECK: &str = "dunnage-check";

/// Builds both programs and, with a folder, lays copies of them there.
pub(crate) fn run(folder: Option<&str>) -> Result<ExitCode> {
    for mut program in [build()?, build_check()?] {
        if let Some(folder) = folder {
            let name = program.file_name().ok_or("a program has a name")?;
            let copy = Path::new(folder).join(name);
            fs::copy(&program, &copy)?;
            program = copy;
        }
        say(&format!(
            "{} ({} bytes)",
            program.display(),
            fs::metadata(&program)?.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Packages of `dunnage-check` that run once, or on few bytes: as small as they can be. Not in Cargo.toml, since `dunnage` has some
/// of them too, and its start counts.
const SMALL: [&str; 7] = [
    "clap_builder",
    "dunnage-cli",
    "dunnage-lint",
    "regex-syntax",
    "similar",
    "toml",
    "toml_parser",
];

/// Builds `dunnage` with its agent and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    let built = build_static("dunnage", "dunnage")?;
    let program = target_dir().join("program/dunnage");
    append_agent(root(), &built, &program)?;
    check(&program)?;
    Ok(program)
}

/// Builds `dunnage-check` into the folder of `dunnage` and returns its path.
pub(crate) fn build_check() -> Result<PathBuf> {
    let program = target_dir().join("program").join(CHECK);
    let bytes = fs::read(build_static("dunnage-lint", CHECK)?)?;
    replace(&program, &bytes)?;
    // by the other one: that it is found is part of it
    stdout_of(Command::new(program.with_file_name("dunnage")).args(["explain", "PID001"]))?;
    Ok(program)
}

/// Builds a package's program in its static release form.
fn build_static(package: &str, program: &str) -> Result<PathBuf> {
    let host = host_triple()?;
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    // cargo strips no program whose package has an override in its profile (below)
    flags.push_str(" -C target-feature=+crt-static -C strip=symbols");
    // an explicit target keeps the flags away from build scripts, which are run here and need a dynamic C library
    let mut build = cargo([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "-p",
        package,
        "--target",
        &host,
    ]);
    if program == CHECK {
        for name in SMALL {
            build.arg("--config");
            build.arg(format!("profile.release.package.{name}.opt-level=\"z\""));
        }
    }
    must_succeed(build.env("RUSTFLAGS", flags.trim()))?;
    Ok(target_dir().join(host).join("release").join(program))
}

/// Writes `program`, which is `built` and the agent of this tree behind it.
pub(crate) fn append_agent(tree: &Path, built: &Path, program: &Path) -> Result<()> {
    let mut bytes = fs::read(built)?;
    bytes.extend(zip_agent(&tree.join(PACKAGE))?);
    replace(program, &bytes)
}

/// Writes a program. The old one may be running, so it is replaced, not changed.
fn replace(program: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(program.parent().ok_or("a program has a folder")?)?;
    let new = program.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, bytes)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    Ok(fs::rename(&new, program)?)
}

/// The agent as a zip by itself: Python's importer finds out how much stands before it.
fn zip_agent(folder: &Path) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in AGENT_FILES {
        let path = folder.join(file);
        let name = file.trim_start_matches("_agent/");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        zip.start_file(name, options)?;
        zip.write_all(&text)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Whether the program still runs, finds its agent, and Python can import from it.
fn check(program: &Path) -> Result<()> {
    let plan = stdout_of(Command::new(program).args(["plan", "--agent", "on"]))?;
    let says = plan.lines().find(|line| line.starts_with("agent"));
    // in a folder that only root can read it carries the agent and must not use it
    if !says.is_some_and(|line| line.ends_with(" on") || line.contains("other users cannot read")) {
        return Err(format!("the program does not find its agent: {says:?}").into());
    }
    let Some(python) = find_program("python3") else {
        say("skipped: dist: importing from the program needs python3");
        return Ok(());
    };
    // where there is no other `sitecustomize`, that is what the import says, as `site` expects it
    let script = "import sys\nsys.path.insert(0, sys.argv[1])\n\
        try: import sitecustomize\nexcept ImportError: pass\n\
        print(sys.modules['_dunnage_agent'].__loader__.archive)";
    // -S, or the interpreter's own would be there already
    let file = stdout_of(
        Command::new(python)
            .args(["-I", "-S", "-c", script])
            .arg(program),
    )?;
    if Path::new(file.trim()).starts_with(program) {
        return Ok(());
    }
    Err(format!("Python imports the agent from {}", file.trim()).into())
}

/// What rustc calls this machine.
pub(crate) fn host_triple() -> Result<String> {
    let told = stdout_of(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_zips_of_one_tree_are_one_and_hold_the_files_as_they_are() {
        let folder = root().join(PACKAGE);
        let zip = zip_agent(&folder).unwrap();
        assert_eq!(zip, zip_agent(&folder).unwrap());
        for name in AGENT_FILES {
            let text = fs::read(folder.join(name)).unwrap();
            assert!(zip.windows(text.len()).any(|part| part == text), "{name}");
        }
    }

    #[test]
    fn the_agent_stands_behind_the_program_which_is_otherwise_unchanged() {
        let folder =
            std::env::temp_dir().join(format!("dunnage-xtask-dist-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (built, program) = (folder.join("built"), folder.join("program/dunnage"));
        fs::write(&built, b"\x7fELF").unwrap();
        for _ in 0..2 {
            append_agent(root(), &built, &program).unwrap();
        }
        let bytes = fs::read(&program).unwrap();
        assert!(bytes.starts_with(b"\x7fELFPK\x03\x04"));
        assert_eq!(
            bytes.len(),
            4 + zip_agent(&root().join(PACKAGE)).unwrap().len()
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
