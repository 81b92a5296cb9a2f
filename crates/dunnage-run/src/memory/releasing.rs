//! What came of asking Python to give memory back.
//!
//! An agent answers when its collector next runs, so some processes answer at once, some late and some never. The ladder
//! hears each answer; a person hears once, when no more is to be expected.

use std::time::Duration;

use dunnage_policy::event::Event;

use crate::control::ReleasedBy;
use crate::procfs::{describe, read_process};
use crate::record::Released;
use crate::setup::milliseconds;

/// Who has not answered after this time will not: 580 ms were the longest `malloc_trim`.
const LONGEST: Duration = Duration::from_secs(3);

/// After an answer, how long others are waited for.
const QUIET: Duration = Duration::from_millis(500);

/// The most processes and sentences that an event names.
const MOST_NAMES: usize = 16;
const MOST_NOTES: usize = 8;

/// One request and its answers.
#[derive(Debug)]
pub struct Releasing {
    asked: Duration,
    /// The working set before, in bytes.
    before: u64,
    ends: Duration,
    answers: Vec<ReleasedBy>,
}

impl Releasing {
    /// Asked now.
    pub fn new(before: u64, now: Duration) -> Self {
        Self {
            asked: now,
            before,
            ends: now + LONGEST,
            answers: Vec::new(),
        }
    }

    /// When no more is to be expected.
    pub fn ends(&self) -> Duration {
        self.ends
    }

    /// Takes an answer; what the process says to have given back, in bytes.
    pub fn answer(&mut self, answer: ReleasedBy, now: Duration) -> u64 {
        self.ends = self.ends.min(now + QUIET);
        let bytes = u64::try_from(answer.rss).unwrap_or(0);
        self.answers.push(answer);
        bytes
    }

    /// Whether somebody answered.
    pub fn is_heard(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The answers, as a record tells them.
    pub fn to_record(&self) -> Vec<Released> {
        let released = |answer: &ReleasedBy| Released {
            pid: answer.pid,
            rss: u64::try_from(answer.rss).unwrap_or(0),
            pinned: answer.pinned,
            seconds: answer.seconds,
            notes: answer.notes.clone(),
        };
        self.answers.iter().map(released).collect()
    }

    /// What to say about it, with the working set now.
    pub fn event(&self, after: u64, now: Duration) -> Event {
        let name = |answer: &ReleasedBy| {
            let process = read_process(answer.pid);
            let command = process.map_or_else(|| "a process".to_owned(), |found| describe(&found));
            format!("{command} ({})", answer.pid)
        };
        let notes = self.answers.iter().flat_map(|answer| &answer.notes);
        Event::MemoryReleased {
            processes: self.answers.iter().take(MOST_NAMES).map(name).collect(),
            count: self.answers.len(),
            returned_bytes: self.before.saturating_sub(after),
            pinned_bytes: self
                .answers
                .iter()
                .filter_map(|answer| answer.pinned)
                .reduce(u64::saturating_add),
            took_ms: milliseconds(now.saturating_sub(self.asked)),
            notes: notes.take(MOST_NOTES).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answer(rss: i64, pinned: Option<u64>) -> ReleasedBy {
        ReleasedBy {
            pid: i32::MAX,
            rss,
            pinned,
            seconds: 0.1,
            notes: vec!["so".to_owned()],
        }
    }

    #[test]
    fn the_first_answer_ends_the_long_wait_and_none_makes_it_longer() {
        let mut releasing = Releasing::new(100, MS * 1000);
        assert_eq!(releasing.ends(), MS * 4000);
        assert!(!releasing.is_heard());
        assert_eq!(releasing.answer(answer(70, None), MS * 1200), 70);
        assert_eq!(releasing.ends(), MS * 1700);
        assert_eq!(
            releasing.answer(answer(-5, None), MS * 1600),
            0,
            "it grew meanwhile"
        );
        assert_eq!(releasing.ends(), MS * 1700);
    }

    #[test]
    fn what_came_back_is_what_the_container_has_less_and_pins_add_up() {
        let mut releasing = Releasing::new(100, MS);
        releasing.answer(answer(70, Some(7)), MS * 2);
        releasing.answer(answer(70, Some(8)), MS * 2);
        releasing.answer(answer(70, None), MS * 2);
        let Event::MemoryReleased {
            processes,
            count,
            returned_bytes,
            pinned_bytes,
            took_ms,
            notes,
        } = releasing.event(40, MS * 9)
        else {
            panic!("another event")
        };
        assert_eq!((processes.len(), count, notes.len()), (3, 3, 3));
        assert_eq!((returned_bytes, pinned_bytes, took_ms), (60, Some(15), 8));
        let Event::MemoryReleased { returned_bytes, .. } = releasing.event(140, MS * 9) else {
            panic!("another event")
        };
        assert_eq!(returned_bytes, 0);
    }
}
