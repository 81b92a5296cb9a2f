//! Documentation generated from the rules and the options: `docs/check.md`, `docs/checklist.md`, `docs/rules` and the schema.

mod checklist;
mod examples;
mod rules;

use std::process::ExitCode;

use dunnage_cli::output;

/// Prints all pages as one JSON object: paths below the repository, and texts.
pub fn run() -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string(&rules::pages()?)? + "\n";
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
