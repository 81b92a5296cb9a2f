//! Whether growth has lasted.

use std::time::Duration;

use super::Look;
use super::rules::SUSTAINED;

/// The time between two looks counts for at most this much: where the supervisor was throttled for seconds, two looks
/// do not prove that it grew all the time.
const MOST_BETWEEN: Duration = Duration::from_millis(500);

/// How long growth may pause that comes in steps, such as a batch or a request each.
const PAUSE: Duration = Duration::from_secs(5);

/// Growth above the shed rung.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend {
    /// How long it has gone on, less how long it was at rest.
    held: Duration,
    looked: Duration,
    /// When it last grew by more than noise within a second.
    stepped: Option<Duration>,
}

impl Trend {
    /// Takes a look, and says whether it grows and has done so for [`SUSTAINED`].
    pub fn lasts(&mut self, look: &Look) -> bool {
        let passed = look.now.saturating_sub(self.looked).min(MOST_BETWEEN);
        self.looked = look.now;
        if look.share < look.marks.shed {
            self.stepped = None;
        } else if look.grows {
            self.stepped = Some(look.now);
        }
        let pauses = |at: Duration| look.now.saturating_sub(at) < PAUSE;
        if look.share >= look.marks.shed && look.is_sustained {
            self.held = (self.held + passed).min(SUSTAINED);
        } else if !self.stepped.is_some_and(pauses) {
            self.held = self.held.saturating_sub(passed);
        }
        look.is_sustained && self.held >= SUSTAINED
    }
}
