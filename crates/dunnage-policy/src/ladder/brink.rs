//! What is done to an application whose next allocations end it, if the user chose anything.

use std::time::Duration;

use super::rules::{OnBrink, Rules};
use super::{Look, Step};

/// The user's choice at the brink: once for each rising.
#[derive(Debug, Clone, Default)]
pub(super) struct Brink {
    last: Option<Duration>,
    /// Memory has not fallen since.
    spent: bool,
}

impl Brink {
    /// Takes a share that memory is at most at.
    pub fn fall(&mut self, share: f64, rules: &Rules, now: Duration) {
        let is_cool = self
            .last
            .is_none_or(|last| now.saturating_sub(last) >= rules.cool_down);
        if is_cool && share < rules.brink - rules.hysteresis {
            self.spent = false;
        }
    }

    /// What to do now; `is_writing`: a record was asked for and is not complete.
    pub fn due(&mut self, look: &Look, rules: &Rules, is_writing: bool) -> Option<Step> {
        let (step, is_time) = match rules.on_brink {
            OnBrink::Continue => return None,
            // a moment's stop can be taken back, and is of use only to a record that is not complete
            OnBrink::Stop => (Step::Stop, is_writing && look.runs_out),
            // ending is for good: what fills 99 % within a moment may live there, as a program with twenty threads did
            OnBrink::Exit => (Step::Exit, look.lasts && look.ends_soon),
        };
        if self.spent || look.share < look.marks.brink || !is_time {
            return None;
        }
        self.spent = true;
        self.last = Some(look.now);
        Some(step)
    }
}
