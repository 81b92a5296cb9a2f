//! Results as they come: said at once, and kept before the run ends.
//!
//! A run takes an hour, and the machine that it is on, or the emulated one inside it, may end before. So a row is told
//! when its case has ended: inside an emulated machine on the console, else to the table, which is written every some rows.

use super::boots::MOST;
use super::case::Case;
use super::options::{Options, Set};
use super::place::Place;
use super::table::Table;
use crate::tools::{Result, complain, say};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How a row looks on the console of an emulated machine.
pub(crate) const ROW: &str = "lab-row ";
/// The same of a case that begins: place, blank, name.
pub(crate) const BEGIN: &str = "lab-begin ";

/// What came of a case in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Pass,
    Fail(Vec<String>),
    /// The place cannot show what the case is about.
    NotApplicable(String),
    /// The place could not be made here.
    Skipped(String),
}

/// A line of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    /// The case's folder, which cases that vary share.
    #[serde(default)]
    pub(crate) folder: String,
    pub(crate) promise: String,
    pub(crate) place: String,
    pub(crate) python: String,
    pub(crate) outcome: Outcome,
}

impl Row {
    pub(crate) fn new(case: &Case, place: &str, python: &str, outcome: Outcome) -> Self {
        Self {
            case: case.name.clone(),
            folder: case.folder.clone(),
            promise: case.promise.clone(),
            place: place.to_owned(),
            python: python.to_owned(),
            outcome,
        }
    }
}

/// Where the rows of a run go.
#[derive(Default)]
pub(crate) struct Results {
    is_guest: bool,
    table: Option<Table>,
    /// Play only what the table does not hold.
    is_rest: bool,
    /// What the table has not got yet.
    pending: Mutex<Vec<Row>>,
}

impl Results {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let table = options.table.then(Table::open).transpose()?;
        if let Some(table) = table.as_ref().filter(|_| options.rest) {
            table.must_be_of_a_commit()?;
        }
        Ok(Self {
            is_guest: options.guest.is_some(),
            table,
            is_rest: options.rest,
            pending: Mutex::default(),
        })
    }

    /// Whether it need not be played: it passed, and only the rest is asked for.
    pub(crate) fn holds(&self, place: &str, case: &Case, python: &str) -> bool {
        let table = self.table.as_ref().filter(|_| self.is_rest);
        table.is_some_and(|table| table.has_passed(place, &case.name, python))
    }

    /// A case begins.
    pub(crate) fn begin(&self, place: Place, case: &Case) {
        if self.is_guest {
            console(&format!("{BEGIN}{} {}", place.name(), case.name));
        }
    }

    /// A case has ended.
    pub(crate) fn tell(&self, row: &Row) {
        if self.is_guest {
            match serde_json::to_string(row) {
                Ok(text) => console(&format!("{ROW}{text}")),
                Err(error) => complain(&format!("a row that cannot be written: {error}")),
            }
        }
        if self.table.is_none() {
            return;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.push(row.clone());
        // one that cannot be written now is tried again with the next, and at the end
        if pending.len() >= MOST
            && let Err(why) = self.write_pending(&mut pending)
        {
            complain(&format!("the table is not written yet: {why}"));
        }
    }

    pub(crate) fn tell_all(&self, rows: &[Row]) {
        for row in rows {
            self.tell(row);
        }
    }

    /// Puts into the table what it has not got yet.
    pub(crate) fn write(&self) -> Result<()> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_pending(&mut pending)
    }

    fn write_pending(&self, pending: &mut Vec<Row>) -> Result<()> {
        if let Some(table) = self.table.as_ref().filter(|_| !pending.is_empty()) {
            table.add(pending)?;
            pending.clear();
        }
        Ok(())
    }
}

/// One write, so that nothing comes in the middle of the line.
fn console(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// The last lines; whether anything failed.
pub(crate) fn summarize(rows: &[Row], began: Instant, options: &Options) -> bool {
    let count = |is: fn(&Outcome) -> bool| rows.iter().filter(|row| is(&row.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Fail(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    for row in rows {
        if let Outcome::Fail(wrong) = &row.outcome {
            let first = wrong.first().map(String::as_str).unwrap_or_default();
            say(&format!("failed: {} in {}: {first}", row.case, row.place));
        }
    }
    say(&format!(
        "lab: {} passed, {failed} failed, {} not applicable, {skipped} skipped, in {:.0} s",
        count(|outcome| *outcome == Outcome::Pass),
        count(|outcome| matches!(outcome, Outcome::NotApplicable(_))),
        began.elapsed().as_secs_f64()
    ));
    // a set that is asked for by name must be whole
    failed > 0 || (skipped > 0 && options.set != Set::Default)
}
