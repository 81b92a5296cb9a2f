//! The table as it stands on the page: cases down, places across, reasons below.
//!
//! It is read back before it is written, since most columns are of other runs and other machines.

use super::Edition;
use crate::lab::results::{Outcome, Row};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What stands where a column has not got a case.
const NOT_PLAYED: &str = "–";
/// Between a column's places and its commit.
const OF: &str = ": commit ";

/// Plays that came out alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    /// Outcome and Python: `pass 3.11`.
    text: String,
    reason: Option<String>,
    count: usize,
}

/// A place.
#[derive(Debug)]
pub(super) struct Column {
    place: String,
    edition: Edition,
    /// By the case's folder; a case that varies has many, most of them alike.
    cells: BTreeMap<String, Vec<Cell>>,
}

impl Column {
    pub(super) fn new(place: &str, edition: &Edition, rows: &[Row]) -> Self {
        let mut column = Self {
            place: place.to_owned(),
            edition: edition.clone(),
            cells: BTreeMap::new(),
        };
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by_key(|row| (&row.case, &row.python));
        for row in rows {
            let cells = column.cells.entry(row.folder.clone()).or_default();
            let cell = Cell::new(row);
            let known = cells
                .iter_mut()
                .find(|known| (&known.text, &known.reason) == (&cell.text, &cell.reason));
            match known {
                Some(known) => known.count += 1,
                None => cells.push(cell),
            }
        }
        column
    }
}

impl Cell {
    fn new(row: &Row) -> Self {
        let (word, reason) = match &row.outcome {
            Outcome::Pass => ("pass", None),
            Outcome::Fail(wrong) => ("**fail**", Some(wrong.join("; "))),
            Outcome::NotApplicable(why) => ("n/a", Some(why.clone())),
            Outcome::Skipped(why) => ("skipped", Some(why.clone())),
        };
        Self {
            text: format!("{word} {}", row.python).trim().to_owned(),
            // a line of the list below
            reason: reason.map(|why| why.split_whitespace().collect::<Vec<_>>().join(" ")),
            count: 1,
        }
    }

    /// `pass 3.11`, `n/a 3.15 (2) ×24`.
    fn parse(text: &str, reasons: &[&str]) -> Option<Self> {
        let (text, count) = match text.rsplit_once(" ×") {
            Some((text, count)) => (text, count.parse().ok()?),
            None => (text, 1),
        };
        let (text, reason) = match text.strip_suffix(')').and_then(|it| it.rsplit_once(" (")) {
            Some((text, number)) => {
                let number: usize = number.parse().ok()?;
                (text, Some(*reasons.get(number.checked_sub(1)?)?))
            }
            None => (text, None),
        };
        Some(Self {
            text: text.to_owned(),
            reason: reason.map(str::to_owned),
            count,
        })
    }

    fn render(&self, reasons: &mut Vec<String>) -> String {
        let mut text = self.text.clone();
        if let Some(reason) = &self.reason {
            let known = reasons.iter().position(|known| known == reason);
            let index = known.unwrap_or_else(|| {
                reasons.push(reason.clone());
                reasons.len() - 1
            });
            let _ = write!(text, " ({})", index + 1);
        }
        if self.count > 1 {
            let _ = write!(text, " ×{}", self.count);
        }
        text
    }
}

/// The whole table.
#[derive(Debug, Default)]
pub(super) struct Grid {
    columns: Vec<Column>,
    /// By the case's folder.
    promises: BTreeMap<String, String>,
}

impl Grid {
    /// Adds a column, in place of one of the same place; cells of the same commit that the new one has not got stay.
    pub(super) fn put(&mut self, mut column: Column, rows: &[Row]) {
        for row in rows {
            let promise = row.promise.replace('|', "\\|");
            self.promises.insert(row.folder.clone(), promise);
        }
        let known = self
            .columns
            .iter_mut()
            .find(|known| known.place == column.place);
        let Some(known) = known else {
            self.columns.push(column);
            return;
        };
        if known.edition.commit == column.edition.commit {
            for (case, cells) in std::mem::take(&mut known.cells) {
                column.cells.entry(case).or_insert(cells);
            }
        }
        *known = column;
    }

    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&str) -> K) {
        self.columns.sort_by_key(|column| key(&column.place));
    }

    pub(super) fn render(&self) -> String {
        let mut text = self.render_editions();
        let places: Vec<&str> = self.columns.iter().map(|it| it.place.as_str()).collect();
        let _ = writeln!(text, "\n\n| case | promise | {} |", places.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(places.len()));
        let mut reasons = Vec::new();
        for (case, promise) in &self.promises {
            if !self
                .columns
                .iter()
                .any(|column| column.cells.contains_key(case))
            {
                continue;
            }
            let _ = write!(text, "| `{case}` | {promise} |");
            for column in &self.columns {
                let shown = column.cells.get(case).map(|cells| {
                    let shown = cells.iter().map(|cell| cell.render(&mut reasons));
                    shown.collect::<Vec<_>>().join(", ")
                });
                let _ = write!(text, " {} |", shown.as_deref().unwrap_or(NOT_PLAYED));
            }
            text.push('\n');
        }
        for (index, reason) in reasons.iter().enumerate() {
            let _ = write!(text, "\n{}. {reason}", index + 1);
        }
        text.trim_end().to_owned()
    }

    /// Places by commit and date, in the order of the columns.
    fn render_editions(&self) -> String {
        let mut editions: Vec<(&Edition, Vec<String>)> = Vec::new();
        for column in &self.columns {
            let place = format!("`{}`", column.place);
            match editions
                .iter_mut()
                .find(|(edition, _)| **edition == column.edition)
            {
                Some((_, places)) => places.push(place),
                None => editions.push((&column.edition, vec![place])),
            }
        }
        let told = editions.iter().map(|(edition, places)| {
            let Edition { commit, date } = edition;
            format!("{}{OF}{commit}, {date}", places.join(", "))
        });
        format!("{}.", told.collect::<Vec<_>>().join("; "))
    }

    /// Reads what [`Self::render`] wrote; what is wrong with it otherwise.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let lines = || text.lines();
        let title = lines().next().unwrap_or_default();
        let mut rows = lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let places: Vec<&str> = rows
            .next()
            .ok_or("the table has no head")?
            .split(" | ")
            .skip(2)
            .collect();
        let editions = parse_editions(title);
        let column = |place: &&str| {
            let edition = editions.get(*place);
            let edition = edition.ok_or(format!("the table does not say the commit of {place}"))?;
            Ok(Column::new(place, edition, &[]))
        };
        let mut grid = Self {
            columns: places.iter().map(column).collect::<Result<_, String>>()?,
            promises: BTreeMap::new(),
        };
        let reasons: Vec<&str> = lines().filter_map(reason).collect();
        for row in rows {
            grid.parse_row(row, &reasons)
                .ok_or_else(|| format!("a row of the table that cannot be read: {row}"))?;
        }
        Ok(grid)
    }

    fn parse_row(&mut self, row: &str, reasons: &[&str]) -> Option<()> {
        let mut parts = row.split(" | ");
        let case = parts.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let promise = parts.next()?;
        for column in &mut self.columns {
            let cells = parts.next()?;
            if cells != NOT_PLAYED {
                let cells = cells.split(", ").map(|cell| Cell::parse(cell, reasons));
                column
                    .cells
                    .insert(case.to_owned(), cells.collect::<Option<_>>()?);
            }
        }
        self.promises.insert(case.to_owned(), promise.to_owned());
        parts.next().is_none().then_some(())
    }
}

/// The text of a line such as `3. has no seccomp profile`.
fn reason(line: &str) -> Option<&str> {
    let (number, reason) = line.split_once(". ")?;
    number.parse::<usize>().ok().map(|_| reason)
}

/// `` `host`, `runc`: commit 21afbe4, 2026-11-30; `vm host`: commit … ``, by place.
fn parse_editions(title: &str) -> BTreeMap<String, Edition> {
    let mut editions = BTreeMap::new();
    for part in title.trim_end_matches('.').split("; ") {
        let Some((places, edition)) = part.split_once(OF) else {
            continue;
        };
        let Some((commit, date)) = edition.rsplit_once(", ") else {
            continue;
        };
        for place in places.split(", ") {
            let edition = Edition {
                commit: commit.to_owned(),
                date: date.to_owned(),
            };
            editions.insert(place.trim_matches('`').to_owned(), edition);
        }
    }
    editions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_and_referred_to() {
        let row = |case: &str, python: &str, outcome| Row {
            case: case.to_owned(),
            folder: case.to_owned(),
            promise: format!("{case} works"),
            place: "host".to_owned(),
            python: python.to_owned(),
            outcome,
        };
        let why = || Outcome::NotApplicable("no such\nthing".to_owned());
        let rows = [row("a", "", why()), row("b", "3.11", why())];
        let mut grid = Grid::default();
        grid.put(Column::new("host", &Edition::default(), &rows), &rows);
        let text = grid.render();
        let wanted =
            "| `a` | a works | n/a (1) |\n| `b` | b works | n/a 3.11 (1) |\n\n1. no such thing";
        assert!(text.ends_with(wanted), "{text}");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_an_error_and_nothing_is_lost() {
        let head = "`host`: commit a, 2026-11-30.\n\n| case | promise | host |\n|---|---|---|\n";
        let parse = |rows: &str| Grid::parse(&format!("{head}{rows}"));
        assert!(parse("| `a` | works | pass |").is_ok());
        for row in [
            "| `a` | works |",
            "| `a` | works | pass | pass |",
            "| a | works | pass |",
            "| `a` | works | n/a (1) |",
            "| `a` | works | pass ×many |",
        ] {
            assert!(parse(row).is_err(), "{row}");
        }
        let untold = head.replace("`host`", "`runc`");
        assert!(Grid::parse(&untold).unwrap_err().contains("host"));
        assert!(Grid::parse("Commit a.").is_err());
    }
}
