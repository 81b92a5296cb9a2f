//! When the helper gets ready.

use std::time::Duration;

use super::rules::{HALF, Rules};
use super::{Look, Rung};

/// When the helper prepares to read: long before it must, and again, since processes come and go.
#[derive(Debug, Clone, Default)]
pub(super) struct Preparing {
    last: Option<Duration>,
    /// The rung that it was last prepared on.
    rung: Rung,
    /// Memory was at half.
    at_half: bool,
}

/// Growth that ends within this time has the helper prepared, wherever it is: an application that starts does that too,
/// but preparing costs it nothing.
const WITHIN: Duration = Duration::from_secs(1);

/// Preparing takes some milliseconds of a CPU: at most a thousandth of it where memory goes up and down all the time.
const BETWEEN: Duration = Duration::from_secs(10);

impl Preparing {
    /// Says whether to prepare now, and remembers that it was said.
    pub fn is_due(
        &mut self,
        look: &Look,
        rung: Rung,
        time_to_limit: Option<Duration>,
        rules: &Rules,
    ) -> bool {
        let rises_to_half = look.share >= HALF && !self.at_half;
        self.at_half = look.share
            >= if self.at_half {
                HALF - rules.hysteresis
            } else {
                HALF
            };
        self.rung = self.rung.min(rung);
        let passed = self.last.map(|last| look.now.saturating_sub(last));
        let is_old = passed.is_none_or(|passed| passed >= rules.cool_down);
        let is_new = passed.is_some_and(|passed| passed < BETWEEN);
        let ends_soon = time_to_limit.is_some_and(|time| time < WITHIN);
        let is_due =
            rises_to_half || rung > self.rung || (is_old && (rung >= Rung::Watch || ends_soon));
        if !is_due || is_new {
            return false;
        }
        self.last = Some(look.now);
        self.rung = rung;
        true
    }
}
