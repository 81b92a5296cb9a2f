//! What `dunnage check` costs on much text: Python's standard library, and manifests made for it.

use super::report::{Target, at_most};
use crate::tools::{Result, root, say, stdout_of, target_dir};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

pub(super) const HEADING: &str = "\n## dunnage check\n\n";

/// What `check_costs.py` prints.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Costs {
    rounds: u32,
    /// The library, the library as a program, bundles, many small Deployments.
    folders: [Folder; 4],
}

/// Medians of one folder's runs.
#[derive(Debug, Clone, Deserialize)]
struct Folder {
    name: String,
    files: u32,
    mb: f64,
    seconds: f64,
    cpu_seconds: f64,
    peak_mb: f64,
}

pub(super) fn measure(program: &Path) -> Result<Costs> {
    say("dunnage check of much text");
    let text = stdout_of(
        Command::new("python3")
            .arg(root().join("xtask/src/bench/check_costs.py"))
            .arg(program)
            .arg(target_dir().join("bench/check")),
    )?;
    Ok(serde_json::from_str(&text)?)
}

impl Costs {
    pub(super) fn targets(&self) -> Vec<Target> {
        let [library, program, bundles, small] = &self.folders;
        let peak = |folder: &Folder, most| {
            let what = format!("peak of memory, {}", folder.name);
            at_most(&what, Some(folder.peak_mb), most, "MB", 0)
        };
        let what = format!("time, {}", bundles.name);
        vec![
            peak(library, 150.0),
            peak(program, 150.0),
            peak(small, 300.0),
            at_most(&what, Some(bundles.seconds), 3.0, "s", 1),
        ]
    }

    pub(super) fn render(&self, page: &mut String) {
        let _ = writeln!(
            page,
            "Whole processes, `--format short`, all in turn: medians of {} runs. Files are in the page cache.\n\n\
             | | files | MB of text | s | CPU s | peak of memory, MB |\n|---|---|---|---|---|---|",
            self.rounds
        );
        for folder in &self.folders {
            let _ = writeln!(
                page,
                "| {} | {} | {:.0} | {:.1} | {:.1} | {:.0} |",
                folder.name,
                folder.files,
                folder.mb,
                folder.seconds,
                folder.cpu_seconds,
                folder.peak_mb
            );
        }
    }
}
