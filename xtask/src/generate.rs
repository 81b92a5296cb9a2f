//! `cargo xtask gen`: pages that the programs print about themselves, kept in `docs/`.
//!
//! A table of events or options written by hand is wrong after the second change. `gen` writes the pages, `gen --check`
//! fails when a page differs from what the program prints.

use crate::tools::{Result, build_programs, complain, root, say};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

/// `dunnage internal-docs NAME` prints the page that is kept in the file.
const PAGES: [(&str, &str); 3] = [
    ("events", "docs/events.md"),
    ("run", "docs/run.md"),
    ("plan", "docs/plan.md"),
];

/// `dunnage-check internal-docs` prints all pages about `check` as one object of paths and texts, and these folders hold
/// nothing else.
const CHECK: &str = "dunnage-check";
const CHECK_FOLDERS: [&str; 1] = ["docs/rules"];

/// What the Python package's docstrings say.
const REFERENCE: &str = "docs/python-reference.md";

/// What became of the pages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Written, or found as they should be.
    Current,
    /// These differ from what the program prints.
    Stale(Vec<String>),
    /// The program prints no such page, for this reason.
    Unable(String),
}

pub(crate) fn run(check: bool) -> Result<ExitCode> {
    match generate(check)? {
        Outcome::Current => {
            say(if check {
                "generated pages are current"
            } else {
                "generated pages written"
            });
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stale(files) => {
            complain(&format!(
                "stale: {}; hint: run `cargo xtask gen`",
                files.join(", ")
            ));
            Ok(ExitCode::FAILURE)
        }
        Outcome::Unable(why) => {
            complain(&format!("skipped: {why}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Compares (`check`) or writes each page.
pub(crate) fn generate(check: bool) -> Result<Outcome> {
    let program = build_programs()?;
    let mut pages = Vec::new();
    for (page, file) in PAGES {
        let Some(text) = print_page(&program, &[page])? else {
            return Ok(Outcome::Unable(format!(
                "`dunnage internal-docs {page}` is not there yet"
            )));
        };
        pages.push((file.to_owned(), text));
    }
    pages.push((REFERENCE.to_owned(), crate::python::reference()?));
    if let Some(text) = print_page(&program.with_file_name(CHECK), &[])? {
        let all: BTreeMap<String, String> = serde_json::from_str(&text)?;
        pages.extend(all);
    }
    let mut stale = left_over(&pages)?;
    if !check {
        for file in stale.drain(..) {
            std::fs::remove_file(root().join(&file))?;
            say(&format!("removed {file}"));
        }
    }
    for (file, text) in pages {
        let path = root().join(&file);
        if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            continue;
        }
        if check {
            stale.push(file);
        } else {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, text)?;
            say(&format!("wrote {file}"));
        }
    }
    Ok(if stale.is_empty() {
        Outcome::Current
    } else {
        Outcome::Stale(stale)
    })
}

/// Files of the generated folders that are no page any more.
fn left_over(pages: &[(String, String)]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in CHECK_FOLDERS {
        let Ok(entries) = std::fs::read_dir(root().join(folder)) else {
            continue;
        };
        for entry in entries {
            let file = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if !pages.iter().any(|(page, _)| *page == file) {
                found.push(file);
            }
        }
    }
    Ok(found)
}

/// What the program prints, or nothing where it does not know the page.
fn print_page(program: &Path, page: &[&str]) -> Result<Option<String>> {
    let output = Command::new(program)
        .arg("internal-docs")
        .args(page)
        .current_dir(root())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    if output.status.success() && !text.trim().is_empty() {
        return Ok(Some(text));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || said.contains("unrecognized subcommand") {
        return Ok(None);
    }
    Err(format!(
        "`{} internal-docs {}` ({}): {}",
        program.display(),
        page.join(" "),
        output.status,
        said.trim()
    )
    .into())
}
