//! The table of the last whole run in `docs/lab.md`.

use super::{Outcome, Row};
use crate::tools::{Result, root, say, stdout_of};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const BEGIN: &str = "<!-- lab table: written by `cargo xtask lab --table` -->";
const END: &str = "<!-- end of lab table -->";

/// What is played, and when: asked before, since the tree may change in the meantime.
pub(crate) fn title() -> Result<String> {
    let git = |args: &[&str]| stdout_of(Command::new("git").args(args).current_dir(root()));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    // what is tested is what the sources say, not what pages say about them
    let changed = git(&["status", "--porcelain", "--", "crates", "lab", "Cargo.lock"])?;
    let date = stdout_of(Command::new("date").args(["-u", "+%F"]))?;
    Ok(format!(
        "Commit {}{}, {}.",
        commit.trim(),
        if changed.is_empty() {
            ""
        } else {
            " with uncommitted changes"
        },
        date.trim()
    ))
}

/// Puts the result between the markers of `docs/lab.md`.
pub(crate) fn write(title: &str, rows: &[Row]) -> Result<()> {
    let file = root().join("docs/lab.md");
    let page = fs::read_to_string(&file)?;
    let replaced = replace(&page, &format!("{title}\n\n{}", render(rows)))
        .ok_or_else(|| format!("{}: the table's markers are missing", file.display()))?;
    fs::write(&file, replaced)?;
    say("wrote the table in docs/lab.md");
    Ok(())
}

fn replace(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// Cases down, places across, reasons below.
fn render(rows: &[Row]) -> String {
    let mut places: Vec<&str> = Vec::new();
    let mut cases: BTreeMap<&str, &str> = BTreeMap::new();
    for row in rows {
        if !places.contains(&row.place.as_str()) {
            places.push(&row.place);
        }
        cases.insert(&row.case, &row.promise);
    }
    let mut reasons: Vec<String> = Vec::new();
    let mut text = format!("| case | promise | {} |\n", places.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(places.len()));
    for (case, promise) in cases {
        let _ = write!(text, "| `{case}` | {promise} |");
        for place in &places {
            let here = rows
                .iter()
                .filter(|row| row.case == case && row.place == *place);
            let cell: Vec<String> = here.map(|row| cell(row, &mut reasons)).collect();
            let _ = write!(text, " {} |", cell.join(", "));
        }
        text.push('\n');
    }
    for (index, reason) in reasons.iter().enumerate() {
        let _ = write!(text, "\n{}. {reason}", index + 1);
    }
    text
}

fn cell(row: &Row, reasons: &mut Vec<String>) -> String {
    let mut note = |reason: &str| {
        let known = reasons.iter().position(|known| known == reason);
        known.map_or_else(
            || {
                reasons.push(reason.to_owned());
                reasons.len()
            },
            |index| index + 1,
        )
    };
    match &row.outcome {
        Outcome::Pass => format!("pass {}", row.python).trim().to_owned(),
        Outcome::Fail(wrong) => format!("**fail** {} ({})", row.python, note(&wrong.join("; "))),
        Outcome::NotApplicable(why) => format!("n/a ({})", note(why)),
        Outcome::Skipped(why) => format!("skipped ({})", note(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, place: &str, outcome: Outcome) -> Row {
        Row {
            case: case.to_owned(),
            promise: format!("{case} works"),
            place: place.to_owned(),
            python: "3.11".to_owned(),
            outcome,
        }
    }

    #[test]
    fn a_reason_is_told_once_and_referred_to() {
        let why = || Outcome::NotApplicable("no such thing".to_owned());
        let rows = [
            row("a", "host", why()),
            row("b", "host", why()),
            row("b", "runc", Outcome::Pass),
        ];
        assert_eq!(
            render(&rows),
            "| case | promise | host | runc |\n|---|---|---|---|\n| `a` | a works | n/a (1) |  |\n\
             | `b` | b works | n/a (1) | pass 3.11 |\n\n1. no such thing"
        );
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replace(&page, "new").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replace(&new, "new").unwrap(), new);
        assert_eq!(replace("no markers", "new"), None);
    }
}
