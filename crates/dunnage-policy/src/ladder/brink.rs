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
        let step = match rules.on_brink {
            // there is nothing to stop for where the record is complete
            OnBrink::Stop if is_writing => Step::Stop,
            OnBrink::Exit => Step::Exit,
            OnBrink::Stop | OnBrink::Continue => return None,
        };
        if self.spent || look.share < look.marks.brink || !look.runs_out {
            return None;
        }
        self.spent = true;
        self.last = Some(look.now);
        Some(step)
    }
}
