//! `cargo xtask lint`: everything that can be judged without running the program.
//!
//! All checks run, also after one failed, and a summary ends the list.

use crate::generate::{Outcome, generate};
use crate::tools::{Result, cargo, find_program, python_environment, root, say, succeeds};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The spelling checker's release on PyPI.
const TYPOS: &str = "typos==1.52.0";
/// A source file moves out of itself before it has more lines than this.
const SOURCE_LINES: usize = 800;
/// The README is a page, not a book.
const README_LINES: usize = 120;

enum Verdict {
    Pass,
    Fail,
    Skip(String),
}

type Check = fn() -> Result<Verdict>;

/// Runs every check. With `no_skip` a check that could not run fails: that is what CI wants.
pub(crate) fn run(no_skip: bool) -> ExitCode {
    let checks: [(&str, Check); 8] = [
        ("rustfmt", check_format),
        ("clippy", check_clippy),
        ("typos", check_typos),
        ("Python", check_python),
        ("file sizes", || check_sizes(root())),
        ("README size", || check_readme(&root().join("README.md"))),
        ("generated pages", check_generated),
        ("judged findings", check_judgements),
    ];
    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    for (name, check) in checks {
        // a check that broke is a check that failed; the others still run
        let verdict = check().unwrap_or_else(|error| {
            say(&format!("{name}: {error}"));
            Verdict::Fail
        });
        match verdict {
            Verdict::Pass => say(&format!("ok: {name}")),
            Verdict::Fail => failed.push(name.to_owned()),
            Verdict::Skip(why) => skipped.push(format!("{name}: {why}")),
        }
    }
    say(&format!(
        "skipped ({}){}{}",
        skipped.len(),
        if skipped.is_empty() { "" } else { ": " },
        skipped.join("; ")
    ));
    if no_skip {
        failed.append(&mut skipped);
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    say(&format!("failed: {}", failed.join("; ")));
    ExitCode::FAILURE
}

fn passes(command: &mut Command) -> Result<Verdict> {
    Ok(if succeeds(command)? {
        Verdict::Pass
    } else {
        Verdict::Fail
    })
}

fn check_format() -> Result<Verdict> {
    passes(&mut cargo(["fmt", "--all", "--check"]))
}

fn check_clippy() -> Result<Verdict> {
    passes(&mut cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

/// The checker on PATH, else a pinned one in `target/lint-venv`.
fn check_typos() -> Result<Verdict> {
    let program = if let Some(program) = find_program("typos") {
        program
    } else {
        match python_environment("lint-venv", TYPOS) {
            Ok(python) => python.with_file_name("typos"),
            Err(error) => {
                return Ok(Verdict::Skip(format!(
                    "not on PATH and not installed: {error}"
                )));
            }
        }
    };
    passes(Command::new(program).arg(".").current_dir(root()))
}

/// The tables of docs/check-quality.md are those of the judgements.
fn check_judgements() -> Result<Verdict> {
    passes(
        Command::new("python3")
            .args(["lab/quality/score.py", "--check"])
            .current_dir(root()),
    )
}

fn check_python() -> Result<Verdict> {
    if let Err(error) = crate::python::tools() {
        return Ok(Verdict::Skip(format!("its tools are not there: {error}")));
    }
    Ok(if crate::python::lint()? {
        Verdict::Pass
    } else {
        Verdict::Fail
    })
}

fn check_sizes(root: &Path) -> Result<Verdict> {
    let mut sources = Vec::new();
    collect_sources(root, &mut sources)?;
    let mut verdict = Verdict::Pass;
    for file in sources {
        let lines = fs::read_to_string(&file)?.lines().count();
        if lines > SOURCE_LINES {
            say(&format!(
                "{}: {lines} lines, at most {SOURCE_LINES}",
                file.display()
            ));
            verdict = Verdict::Fail;
        }
    }
    Ok(verdict)
}

fn collect_sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        let kind = entry.file_type()?;
        if kind.is_dir() && !hidden && name != "target" && name != "fixtures" {
            collect_sources(&path, found)?;
        } else if kind.is_file()
            && path
                .extension()
                .is_some_and(|kind| ["rs", "py", "sh"].iter().any(|&one| kind == one))
        {
            found.push(path);
        }
    }
    Ok(())
}

fn check_readme(file: &Path) -> Result<Verdict> {
    if !file.exists() {
        return Ok(Verdict::Skip(format!("{} is not there", file.display())));
    }
    let text = fs::read_to_string(file)?;
    let lines = text.lines().count();
    if lines <= README_LINES {
        return Ok(Verdict::Pass);
    }
    say(&format!(
        "{}: {lines} lines, at most {README_LINES}",
        file.display()
    ));
    Ok(Verdict::Fail)
}

fn check_generated() -> Result<Verdict> {
    Ok(match generate(true)? {
        Outcome::Current => Verdict::Pass,
        Outcome::Unable(why) => Verdict::Skip(why),
        Outcome::Stale(files) => {
            say(&format!(
                "stale: {}; hint: run `cargo xtask gen`",
                files.join(", ")
            ));
            Verdict::Fail
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("dunnage-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_source_file_over_the_limit_fails_and_one_at_the_limit_passes() {
        let folder = scratch("sizes");
        fs::write(folder.join("a.rs"), "//\n".repeat(SOURCE_LINES)).unwrap();
        assert!(matches!(check_sizes(&folder).unwrap(), Verdict::Pass));
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/b.py"), "#\n".repeat(SOURCE_LINES + 1)).unwrap();
        assert!(matches!(check_sizes(&folder).unwrap(), Verdict::Fail));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_long_readme_fails_and_a_missing_one_is_said_to_be_skipped() {
        let folder = scratch("readme");
        let readme = folder.join("README.md");
        assert!(matches!(check_readme(&readme).unwrap(), Verdict::Skip(_)));
        fs::write(&readme, "\n".repeat(README_LINES + 1)).unwrap();
        assert!(matches!(check_readme(&readme).unwrap(), Verdict::Fail));
        fs::write(&readme, "\n".repeat(README_LINES)).unwrap();
        assert!(matches!(check_readme(&readme).unwrap(), Verdict::Pass));
        fs::remove_dir_all(folder).unwrap();
    }
}
