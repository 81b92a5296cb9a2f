//! Asking the agents to give memory back, and what they answer.

use dunnage_policy::message::Released;
use dunnage_policy::pressure::Level;

use super::Control;
use super::page::Page;

/// The most processes whose answers are kept.
const MAX_ANSWERS: usize = 64;

/// One process's answer. What it says of itself is its own word.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleasedBy {
    /// Who, by the kernel's word.
    pub pid: i32,
    /// Bytes by which its resident memory fell; negative where it grew meanwhile.
    pub rss: i64,
    /// Bytes that survivors hold in Python's heap of small objects; `None` where that is not known.
    pub pinned: Option<u64>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// The answers to one asking: the first of each process, so that one that talks on and on says no more than once.
#[derive(Debug, Default)]
pub struct Answers {
    heard: Vec<i32>,
    untaken: Vec<ReleasedBy>,
}

impl Answers {
    pub fn add(&mut self, pid: i32, released: Released) {
        if self.heard.len() >= MAX_ANSWERS || self.heard.contains(&pid) {
            return;
        }
        self.heard.push(pid);
        self.untaken.push(ReleasedBy {
            pid,
            rss: released.rss,
            pinned: released.pinned,
            seconds: released.took.as_secs_f64(),
            notes: released.notes,
        });
    }

    pub fn take(&mut self) -> Vec<ReleasedBy> {
        std::mem::take(&mut self.untaken)
    }
}

impl Control {
    /// Why the agents cannot be asked to give memory back; `None` where they can.
    pub fn no_release(&self) -> Option<&str> {
        self.page.as_ref().err().map(String::as_str)
    }

    /// Asks every agent to give memory back, and forgets the answers to what was asked before. Returns how often has been
    /// asked. A process hears it when Python's collector next runs in it: one that sleeps, or has switched its collector
    /// off, does not answer, so nobody may wait for all of them.
    pub fn ask_release(&mut self) -> u32 {
        self.answers = Answers::default();
        self.page.as_mut().map_or(0, Page::ask_release)
    }

    /// Tells the agents how short memory is.
    pub fn set_level(&mut self, level: Option<Level>) {
        if let Ok(page) = &mut self.page {
            page.set_level(level);
        }
    }

    /// What has been answered since it was last taken, one for each process.
    pub fn take_released(&mut self) -> Vec<ReleasedBy> {
        self.answers.take()
    }

    /// Takes an answer, unless nobody has asked.
    pub(super) fn hear(&mut self, pid: i32, released: Released) {
        if self.page.as_ref().is_ok_and(|page| page.releases() > 0) {
            self.answers.add(pid, released);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_answer_of_a_process_is_kept_and_of_no_more_than_64_processes() {
        let released = |rss| Released {
            rss,
            pinned: None,
            took: Duration::ZERO,
            notes: Vec::new(),
        };
        let mut answers = Answers::default();
        for rss in 0..1000 {
            answers.add(7, released(rss));
        }
        let taken = answers.take();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].pid, taken[0].rss), (7, 0));
        for pid in 0..1000 {
            answers.add(pid, released(1));
        }
        assert_eq!(answers.take().len(), MAX_ANSWERS - 1);
        assert!(answers.take().is_empty());
    }
}
