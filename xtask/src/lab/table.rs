//! The table of the last whole run in `docs/lab.md`.

use super::image::Kernel;
use super::place::Place;
use super::{Outcome, Row, vm};
use crate::tools::{Result, root, say, stdout_of, target_dir};
use serde::{Deserialize, Serialize};
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

/// What has been played of one commit, as the runs that play it in parts leave it.
#[derive(Default, Serialize, Deserialize)]
struct Played {
    title: String,
    rows: Vec<Row>,
}

impl Played {
    /// Adds a run's rows. Those of another commit, or of an earlier run of the same, go.
    fn add(&mut self, title: &str, rows: &[Row]) {
        if self.title != title {
            *self = Self {
                title: title.to_owned(),
                rows: Vec::new(),
            };
        }
        let key = |row: &Row| (row.case.clone(), row.place.clone(), row.python.clone());
        // a place that was skipped has no Pythons
        let is_new = |old: &Row| {
            let is_skipped = matches!(old.outcome, Outcome::Skipped(_));
            rows.iter().any(|row| {
                key(row) == key(old)
                    || (is_skipped && row.case == old.case && row.place == old.place)
            })
        };
        self.rows.retain(|old| !is_new(old));
        self.rows.extend_from_slice(rows);
        let order = place_names();
        self.rows.sort_by_key(|row| {
            let place = order.iter().position(|name| *name == row.place);
            (place, row.case.clone(), row.python.clone())
        });
    }
}

/// All places in the table's order.
fn place_names() -> Vec<String> {
    let mut names: Vec<String> = Place::ALL
        .iter()
        .map(|place| place.name().to_owned())
        .collect();
    for kernel in Kernel::ALL {
        names.extend(vm::INNER.iter().map(|place| kernel.named(place.name())));
    }
    names
}

/// Adds the result to what has been played of the same commit, and puts that between the markers of `docs/lab.md`.
pub(crate) fn write(title: &str, rows: &[Row]) -> Result<()> {
    let folder = target_dir().join("lab");
    fs::create_dir_all(&folder)?;
    // runs may end at the same time
    let lock = fs::File::create(folder.join("table.lock"))?;
    lock.lock()?;
    let kept = folder.join("table.json");
    let mut played: Played = fs::read_to_string(&kept)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    played.add(title, rows);
    fs::write(&kept, serde_json::to_string(&played)?)?;
    let rows = &played.rows;
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
        cases.insert(&row.folder, &row.promise);
    }
    let mut reasons: Vec<String> = Vec::new();
    let mut text = format!("| case | promise | {} |\n", places.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(places.len()));
    for (case, promise) in cases {
        let _ = write!(text, "| `{case}` | {promise} |");
        for place in &places {
            let here = rows
                .iter()
                .filter(|row| row.folder == case && row.place == *place);
            // a case that varies has many, most of them alike
            let mut cells: Vec<(String, usize)> = Vec::new();
            for row in here {
                let cell = cell(row, &mut reasons);
                match cells.iter_mut().find(|(known, _)| *known == cell) {
                    Some((_, count)) => *count += 1,
                    None => cells.push((cell, 1)),
                }
            }
            let shown = cells.into_iter().map(|(cell, count)| match count {
                1 => cell,
                _ => format!("{cell} ×{count}"),
            });
            let _ = write!(text, " {} |", shown.collect::<Vec<_>>().join(", "));
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
        Outcome::NotApplicable(why) if row.python.is_empty() => format!("n/a ({})", note(why)),
        Outcome::NotApplicable(why) => format!("n/a {} ({})", row.python, note(why)),
        Outcome::Skipped(why) => format!("skipped ({})", note(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, place: &str, outcome: Outcome) -> Row {
        Row {
            case: case.to_owned(),
            folder: case.to_owned(),
            promise: format!("{case} works"),
            place: place.to_owned(),
            python: "3.11".to_owned(),
            outcome,
        }
    }

    #[test]
    fn runs_of_one_commit_add_up_in_the_order_of_the_places() {
        let mut played = Played::default();
        played.add("old", &[row("a", "host", Outcome::Pass)]);
        played.add("new", &[row("a", "vm host", Outcome::Pass)]);
        let mut lost = row("b", "runc", Outcome::Skipped("no".to_owned()));
        lost.python.clear();
        played.add("new", &[lost, row("a", "runc", Outcome::Pass)]);
        played.add("new", &[row("b", "runc", Outcome::Pass)]);
        let told: Vec<_> = played
            .rows
            .iter()
            .map(|row| (row.place.as_str(), row.case.as_str(), &row.outcome))
            .collect();
        let wanted = [
            ("runc", "a", &Outcome::Pass),
            ("runc", "b", &Outcome::Pass),
            ("vm host", "a", &Outcome::Pass),
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_reason_is_told_once_and_referred_to() {
        let why = || Outcome::NotApplicable("no such thing".to_owned());
        let rows = [
            Row {
                python: String::new(),
                ..row("a", "host", why())
            },
            row("b", "host", why()),
            row("b", "runc", Outcome::Pass),
        ];
        assert_eq!(
            render(&rows),
            "| case | promise | host | runc |\n|---|---|---|---|\n| `a` | a works | n/a (1) |  |\n\
             | `b` | b works | n/a 3.11 (1) | pass 3.11 |\n\n1. no such thing"
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
