//! Keeping new work away, and having a worker replaced: what touches the application because it grows and nothing helps.

use std::time::Duration;

use super::rules::Rules;
use super::{Look, Step};

#[derive(Debug, Clone, Default)]
pub(super) struct Shedding {
    is_on: bool,
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
        if !(look.share >= look.marks.shed && look.lasts && release_failed) {
            return;
        }
        self.grew = look.now;
        if !self.is_on {
            self.is_on = true;
            steps.push(Step::Shed(true));
        }
        let is_cool = self
            .recycled
            .is_none_or(|at| look.now.saturating_sub(at) >= rules.cool_down);
        if rules.recycle && is_cool {
            self.recycled = Some(look.now);
            steps.push(Step::Recycle);
        }
    }
}
