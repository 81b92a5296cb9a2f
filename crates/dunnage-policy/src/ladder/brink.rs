//! What is done to an application whose next allocations end it, if the user chose anything.

use std::time::Duration;

use super::rules::{OnBrink, Rules, SHORT};
use super::{Look, Step};

/// An application that grows fast is ended only once all but this part of what it had left at the brink is gone, within
/// [`SHORT`]: a peak that stops at 98 %, and noise of a point, come to the brink as steeply as the end does.
const LAST: f64 = 1.0 / 6.0;

/// The user's choice at the brink: once for each rising.
#[derive(Debug, Clone, Default)]
pub(super) struct Brink {
    last: Option<Duration>,
    /// Memory has not fallen since.
    spent: bool,
    /// When it came to the brink (or [`SHORT`] ago, where it lives on there), and what was left then, in bytes.
    came: Option<(Duration, f64)>,
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
        let goes_on = self.goes_on(look);
        let (step, is_time) = match rules.on_brink {
            OnBrink::Continue => return None,
            // a moment's stop can be taken back, and is of use only to a record that is not complete
            OnBrink::Stop => (Step::Stop, is_writing && look.runs_out),
            OnBrink::Exit => (
                Step::Exit,
                (goes_on && look.runs_out) || (look.lasts && look.ends_soon),
            ),
        };
        if self.spent || look.share < look.marks.brink || !is_time {
            return None;
        }
        self.spent = true;
        self.last = Some(look.now);
        Some(step)
    }

    fn goes_on(&mut self, look: &Look) -> bool {
        if look.share < look.marks.brink {
            self.came = None;
            return false;
        }
        let headroom = look.capacity - look.level;
        match self.came {
            Some((at, left)) if look.now.saturating_sub(at) < SHORT => headroom <= LAST * left,
            _ => {
                self.came = Some((look.now, headroom));
                // nothing is left to wait for
                headroom <= 0.0
            }
        }
    }
}
