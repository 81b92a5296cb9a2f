//! Asking the application to give memory back, and what came of it.

use std::time::Duration;

use super::Look;
use super::rules::{ANSWER, Rules, WORTH};
use crate::pressure::GROWTH;

/// How often the pause doubles at most, while releases are no help: 16 minutes.
const MOST_DOUBLINGS: u32 = 5;

/// A request to give memory back.
#[derive(Debug, Clone, Copy)]
struct Request {
    at: Duration,
    /// What came back, as far as anybody answered.
    returned: Option<u64>,
    /// Somebody said that nobody will answer.
    unheard: bool,
    /// The highest working set until the pause after it was over, in bytes.
    peak: f64,
}

/// When memory is asked for. A level alone asks once; growth asks again after a pause.
#[derive(Debug, Clone, Default)]
pub(super) struct Releases {
    last: Option<Request>,
    /// Memory has fallen below the rung since.
    fallen: bool,
    /// How many in a row were no help.
    fruitless: u32,
}

impl Releases {
    /// Takes a share that memory is at most at.
    pub fn fall(&mut self, share: f64, rules: &Rules) {
        self.fallen |= share < rules.release - rules.hysteresis;
    }

    /// Says whether to ask now, and remembers that it was asked.
    pub fn is_due(&mut self, look: &Look, rules: &Rules) -> bool {
        let Some(last) = &mut self.last else {
            return look.share >= look.marks.release && self.ask(look);
        };
        let passed = look.now.saturating_sub(last.at);
        let helped = last
            .returned
            .is_some_and(|bytes| is_worth(bytes, look.capacity));
        // what helped may be asked for sooner, if memory goes beyond what it was
        let pause = if helped {
            rules.cool_down / 6
        } else {
            rules.cool_down
        };
        if passed < pause {
            last.peak = last.peak.max(look.level);
            return false;
        }
        let has_grown = look.level >= last.peak + GROWTH * look.capacity;
        let doublings = if helped {
            0
        } else {
            self.fruitless.min(MOST_DOUBLINGS)
        };
        let has_risen_anew =
            self.fallen && passed >= rules.cool_down.saturating_mul(1 << doublings);
        if look.share < look.marks.release || !(has_grown || has_risen_anew) {
            return false;
        }
        self.fruitless = if helped {
            0
        } else {
            self.fruitless.saturating_add(1)
        };
        self.ask(look)
    }

    fn ask(&mut self, look: &Look) -> bool {
        self.fallen = false;
        self.last = Some(Request {
            at: look.now,
            returned: None,
            unheard: false,
            peak: look.level,
        });
        true
    }

    /// Takes an answer; several processes may answer one request. `None`: nobody will.
    pub fn answer(&mut self, bytes: Option<u64>) {
        if let Some(last) = &mut self.last {
            match bytes {
                Some(bytes) => {
                    last.returned = Some(last.returned.unwrap_or(0).saturating_add(bytes));
                }
                None => last.unheard = true,
            }
        }
    }

    /// The last request was no help: little came back, or nobody answered.
    pub fn has_failed(&self, look: &Look) -> bool {
        self.last.is_some_and(|last| match last.returned {
            Some(bytes) => !is_worth(bytes, look.capacity),
            None => last.unheard || look.now.saturating_sub(last.at) >= ANSWER,
        })
    }
}

fn is_worth(bytes: u64, capacity: f64) -> bool {
    bytes as f64 >= WORTH * capacity
}
