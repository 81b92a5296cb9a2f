//! Keeping new work away, and having a worker replaced: what touches the application because it grows and nothing helps.

use std::time::Duration;

use super::rules::{Rules, SUSTAINED};
use super::{Look, Step};

/// The time between two looks counts for at most this much: where the supervisor was throttled for seconds, two looks
/// do not prove that it grew all the time.
const MOST_BETWEEN: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Default)]
pub(super) struct Shedding {
    is_on: bool,
    /// How long the growth has gone on, less how long it paused.
    held: Duration,
    looked: Duration,
    /// When it was last seen to grow.
    grew: Duration,
    recycled: Option<Duration>,
}

impl Shedding {
    /// Takes a share that memory is at most at.
    pub fn fall(&mut self, share: f64, rules: &Rules, now: Duration) -> Option<Step> {
        // an application must not be unready for ever because of memory that nobody can give back
        let is_at_rest = now.saturating_sub(self.grew) >= rules.cool_down.saturating_mul(2);
        let has_fallen = share < rules.shed - rules.hysteresis;
        if !self.is_on || !(has_fallen || is_at_rest) {
            return None;
        }
        self.is_on = false;
        self.held = Duration::ZERO;
        Some(Step::Shed(false))
    }

    /// Takes a look, and whether the last release was no help.
    pub fn rise(
        &mut self,
        look: &Look,
        release_failed: bool,
        rules: &Rules,
        steps: &mut Vec<Step>,
    ) {
        let passed = look.now.saturating_sub(self.looked).min(MOST_BETWEEN);
        self.looked = look.now;
        let is_high = look.share >= look.marks.shed && release_failed;
        if !(is_high && look.is_sustained) {
            // growth that comes in steps pauses between them
            if !(is_high && look.is_trend) {
                self.held = self.held.saturating_sub(passed);
            }
            return;
        }
        self.held = (self.held + passed).min(SUSTAINED);
        self.grew = look.now;
        if self.held < SUSTAINED {
            return;
        }
        if !self.is_on {
            self.is_on = true;
            steps.push(Step::Shed(true));
        }
        let is_cool = self
            .recycled
            .is_none_or(|at| look.now.saturating_sub(at) >= rules.cool_down);
        if rules.recycle && is_cool {
            self.recycled = Some(look.now);
            // the next must be earned by growth that goes on without that worker
            self.held = Duration::ZERO;
            steps.push(Step::Recycle);
        }
    }
}
