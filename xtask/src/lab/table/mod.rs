//! The table of the last plays in `docs/lab.md`.
//!
//! A column is a place, and it is of one commit: plays of the same commit add up in it, those of another one begin it
//! anew. The page itself keeps the columns of all other places, wherever they were played; the rows of what this machine
//! played are beside the lab's logs, for the runs that add to them or go on with what is left.

mod grid;

use super::image::Kernel;
use super::place::Place;
use super::results::{Outcome, Row};
use super::vm;
use crate::tools::{Result, root, say, stdout_of, target_dir};
use grid::{Column, Grid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BEGIN: &str = "<!-- lab table: written by `cargo xtask lab --table` -->";
const END: &str = "<!-- end of lab table -->";
/// Comes after a commit whose tree was not as it says.
const CHANGED: &str = " with uncommitted changes";

/// What was played, and when last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Edition {
    /// Its short hash, and whether the tree was another.
    commit: String,
    date: String,
}

/// Asked before, since the tree may change while its cases are played.
fn edition() -> Result<Edition> {
    let git = |args: &[&str]| stdout_of(Command::new("git").args(args).current_dir(root()));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    // what is tested is what the sources say, not what pages say about them
    let changed = git(&["status", "--porcelain", "--", "crates", "lab", "Cargo.lock"])?;
    let date = stdout_of(Command::new("date").args(["-u", "+%F"]))?;
    let changed = if changed.is_empty() { "" } else { CHANGED };
    Ok(Edition {
        commit: format!("{}{changed}", commit.trim()),
        date: date.trim().to_owned(),
    })
}

/// The rows of one place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    edition: Edition,
    rows: Vec<Row>,
}

/// What this machine has played, by place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Played(BTreeMap<String, Kept>);

impl Played {
    fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let wrong = |error: &dyn std::fmt::Display| {
            format!("{}: {error}; delete it to begin anew", file.display())
        };
        let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
        Ok(serde_json::from_str(&text).map_err(|error| wrong(&error))?)
    }

    /// Adds rows. Those of the same places and another commit go, and those that were played again.
    fn add(&mut self, edition: &Edition, rows: &[Row]) {
        for row in rows {
            let kept = self.0.entry(row.place.clone()).or_default();
            if kept.edition.commit != edition.commit {
                kept.rows.clear();
            }
            kept.edition = edition.clone();
            // a place that was skipped has no Pythons
            let is_again = |old: &Row| {
                old.case == row.case
                    && (old.python == row.python || matches!(old.outcome, Outcome::Skipped(_)))
            };
            kept.rows.retain(|old| !is_again(old));
            kept.rows.push(row.clone());
        }
    }

    fn has_passed(&self, edition: &Edition, place: &str, case: &str, python: &str) -> bool {
        let kept = self.0.get(place);
        kept.is_some_and(|kept| {
            kept.edition.commit == edition.commit
                && kept.rows.iter().any(|row| {
                    row.case == case && row.python == python && row.outcome == Outcome::Pass
                })
        })
    }

    /// Puts the columns of these rows' places into the grid.
    fn show(&self, rows: &[Row], grid: &mut Grid) {
        let is_shown = |place: &String| rows.iter().any(|row| row.place == *place);
        for (place, kept) in self.0.iter().filter(|(place, _)| is_shown(place)) {
            grid.put(Column::new(place, &kept.edition, &kept.rows), &kept.rows);
        }
        let order = place_names();
        grid.sort_by_key(|place| order.iter().position(|name| name == place));
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

/// The table as this run adds to it.
pub(crate) struct Table {
    edition: Edition,
    /// What was there before.
    before: Played,
}

impl Table {
    /// What is wrong with the table is said before anything is played.
    pub(crate) fn open() -> Result<Self> {
        read_page()?;
        Ok(Self {
            edition: edition()?,
            before: Played::read(&kept_file())?,
        })
    }

    /// # Errors
    /// When the tree is no commit's, so that nobody knows what passed before.
    pub(crate) fn must_be_of_a_commit(&self) -> Result<()> {
        if self.edition.commit.ends_with(CHANGED) {
            return Err("--rest goes on with a commit, and the tree has uncommitted changes in crates, lab or Cargo.lock".into());
        }
        Ok(())
    }

    /// Whether this commit passed it before this run.
    pub(crate) fn has_passed(&self, place: &str, case: &str, python: &str) -> bool {
        self.before.has_passed(&self.edition, place, case, python)
    }

    /// Adds rows to what is kept and to the page.
    pub(crate) fn add(&self, rows: &[Row]) -> Result<()> {
        let kept = kept_file();
        fs::create_dir_all(kept.parent().unwrap_or(&kept))?;
        // runs may write at the same time
        let lock = fs::File::create(kept.with_extension("lock"))?;
        lock.lock()?;
        let mut played = Played::read(&kept)?;
        played.add(&self.edition, rows);
        let (page, mut grid) = read_page()?;
        played.show(rows, &mut grid);
        replace_file(&kept, &serde_json::to_string(&played)?)?;
        let page = replace(&page, &grid.render()).ok_or("the table's markers are missing")?;
        replace_file(&page_file(), &page)?;
        say(&format!("wrote {} rows to docs/lab.md", rows.len()));
        Ok(())
    }
}

fn kept_file() -> PathBuf {
    target_dir().join("lab/table.json")
}

fn page_file() -> PathBuf {
    root().join("docs/lab.md")
}

/// The page and the table in it.
fn read_page() -> Result<(String, Grid)> {
    let file = page_file();
    let wrong = |why: &str| format!("{}: {why}", file.display());
    let page = fs::read_to_string(&file).map_err(|error| wrong(&error.to_string()))?;
    let text = between(&page).ok_or_else(|| wrong("the table's markers are missing"))?;
    let grid = Grid::parse(text).map_err(|why| wrong(&why))?;
    Ok((page, grid))
}

/// A run that is killed in the middle leaves the old file or the new one.
fn replace_file(file: &Path, text: &str) -> Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    Ok(fs::rename(new, file)?)
}

fn between(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(BEGIN)?;
    Some(rest.split_once(END)?.0.trim())
}

fn replace(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, place: &str, python: &str, outcome: Outcome) -> Row {
        Row {
            case: case.to_owned(),
            folder: case.to_owned(),
            promise: format!("{case} works"),
            place: place.to_owned(),
            python: python.to_owned(),
            outcome,
        }
    }

    fn edition(commit: &str, date: &str) -> Edition {
        Edition {
            commit: commit.to_owned(),
            date: date.to_owned(),
        }
    }

    fn skipped() -> Outcome {
        Outcome::Skipped("no".to_owned())
    }

    #[test]
    fn plays_of_one_commit_add_up_in_a_place_and_those_of_another_begin_it_anew() {
        let mut played = Played::default();
        let old = edition("old", "2026-11-29");
        let both = ["host", "runc"].map(|place| row("a", place, "3.11", Outcome::Pass));
        played.add(&old, &both);
        let new = edition("new", "2026-11-30");
        played.add(&new, &[row("b", "runc", "", skipped())]);
        played.add(&new, &[row("a", "runc", "3.11", Outcome::Fail(Vec::new()))]);
        played.add(&new, &[row("b", "runc", "3.11", Outcome::Pass)]);
        played.add(&new, &[row("a", "runc", "3.11", Outcome::Pass)]);
        let told = |place: &str| {
            let Kept { edition, rows } = &played.0[place];
            let mut rows: Vec<_> = rows.iter().map(|row| row.case.as_str()).collect();
            rows.sort_unstable();
            (edition.commit.as_str(), rows)
        };
        assert_eq!(told("runc"), ("new", vec!["a", "b"]));
        assert_eq!(told("host"), ("old", vec!["a"]));
    }

    #[test]
    fn what_is_left_is_what_this_commit_has_not_passed_on_whatever_day() {
        let mut played = Played::default();
        let yesterday = edition("new", "2026-11-29");
        let rows = [
            row("a", "vm host", "3.11", Outcome::Pass),
            row("b", "vm host", "3.11", Outcome::Fail(vec!["no".to_owned()])),
            row("c", "vm host", "", skipped()),
        ];
        played.add(&yesterday, &rows);
        let has = |commit, place, case, python| {
            played.has_passed(&edition(commit, "2026-11-30"), place, case, python)
        };
        assert!(has("new", "vm host", "a", "3.11"));
        assert!(!has("old", "vm host", "a", "3.11"));
        assert!(!has("new", "vm runc", "a", "3.11"));
        assert!(!has("new", "vm host", "a", "3.13"));
        assert!(!has("new", "vm host", "b", "3.11"));
        assert!(!has("new", "vm host", "c", "3.11"));
    }

    #[test]
    fn a_tree_with_uncommitted_changes_has_no_rest() {
        let table = |commit: &str| Table {
            edition: edition(commit, "2026-11-30"),
            before: Played::default(),
        };
        assert!(table("abc").must_be_of_a_commit().is_ok());
        let changed = format!("abc{CHANGED}");
        assert!(table(&changed).must_be_of_a_commit().is_err());
    }

    /// A page whose columns are of several commits, then one of them on a newer commit with a case renamed, then more of
    /// the same commit.
    #[test]
    fn a_place_on_another_commit_replaces_its_column_and_leaves_the_others() {
        let mut grid = Grid::default();
        let mut played = Played::default();
        let mut add = |edition: &Edition, rows: &[Row]| {
            played.add(edition, rows);
            played.show(rows, &mut grid);
            grid.render()
        };
        let why = || Outcome::NotApplicable("no such thing".to_owned());
        let failed = || Outcome::Fail(vec!["code: 1, expected 0".to_owned()]);
        let pass = |case: &str, place: &str| row(case, place, "3.11", Outcome::Pass);
        let mut varied = pass("grow", "runc");
        varied.case = "grow-mib128".to_owned();
        let first = [
            row("grow", "host", "", why()),
            pass("renamed", "host"),
            pass("grow", "runc"),
            varied,
            row("grow", "runc", "3.15", why()),
            row("renamed", "runc", "3.11", failed()),
            pass("renamed", "vm host"),
        ];
        let text = add(&edition("21afbe4", "2026-11-29"), &first);
        insta::assert_snapshot!("first", text);
        // of another machine only the page is known
        played = Played::default();
        grid = Grid::parse(&text).unwrap();
        let mut add = |edition: &Edition, rows: &[Row]| {
            played.add(edition, rows);
            played.show(rows, &mut grid);
            grid.render()
        };
        let newer = edition("539b24d with uncommitted changes", "2026-11-30");
        let text = add(&newer, &[pass("new", "vm host")]);
        insta::assert_snapshot!("replaced", text);
        let text = add(&newer, &[pass("grow", "vm host")]);
        insta::assert_snapshot!("added", text);
    }

    #[test]
    fn a_case_that_no_column_has_is_gone() {
        let mut grid = Grid::default();
        let mut played = Played::default();
        for (commit, case) in [("old", "a"), ("new", "b")] {
            let rows = [row(case, "host", "3.11", Outcome::Pass)];
            played.add(&edition(commit, "2026-11-30"), &rows);
            played.show(&rows, &mut grid);
        }
        let text = grid.render();
        assert!(text.contains("| `b` | b works | pass 3.11 |"), "{text}");
        assert!(!text.contains("`a`"), "{text}");
    }

    #[test]
    fn a_run_loses_nothing_of_the_page_as_it_is() {
        let (page, grid) = read_page().unwrap();
        assert_eq!(replace(&page, &grid.render()).unwrap(), page);
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replace(&page, "new").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replace(&new, "new").unwrap(), new);
        assert_eq!(between(&new), Some("new"));
        assert_eq!(replace("no markers", "new"), None);
    }
}
