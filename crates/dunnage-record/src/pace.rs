//! How often to look: as asked, or as seldom as is needed to stay cheap.

use dunnage_timeline::Nanos;

/// How long is measured before the pace is set anew.
const WINDOW: Nanos = 500_000_000;

/// The longest time between two looks.
const SLOWEST: Nanos = 100_000_000;

/// Keeps the recorder's own CPU time below a share.
#[derive(Debug)]
pub struct Pace {
    asked: Nanos,
    interval: Nanos,
    slowest: Nanos,
    /// CPU time of ours that may be used in a second of time.
    share: f64,
    since: Nanos,
    cpu: Nanos,
    looks: u64,
}

impl Pace {
    /// `share` is a part of one CPU.
    pub fn new(asked: Nanos, share: f64, at: Nanos, cpu: Nanos) -> Self {
        Self {
            asked,
            interval: asked,
            slowest: asked,
            share,
            since: at,
            cpu,
            looks: 0,
        }
    }

    /// The time between two looks.
    #[cfg(test)]
    pub fn interval(&self) -> Nanos {
        self.interval
    }

    /// Lowers the share that may be used.
    pub fn limit_share(&mut self, share: f64) {
        self.share = self.share.min(share);
    }

    /// The share of a CPU that may be used.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The longest that it had to be.
    pub fn slowest(&self) -> Nanos {
        self.slowest
    }

    /// After a look, with the time and our CPU time so far; asks for that only where it matters.
    pub fn looked(&mut self, at: Nanos, read_cpu: impl FnOnce() -> Nanos) {
        self.looks += 1;
        if at < self.since + WINDOW {
            return;
        }
        let cpu = read_cpu();
        let cost = cpu.saturating_sub(self.cpu) as f64 / self.looks as f64;
        let wanted = ((cost / self.share) as Nanos).clamp(self.asked, SLOWEST.max(self.asked));
        // small changes would only make the rate look restless
        if wanted > self.interval + self.interval / 10 || wanted < self.interval - self.interval / 5
        {
            self.interval = wanted;
            self.slowest = self.slowest.max(wanted);
        }
        (self.since, self.cpu, self.looks) = (at, cpu, 0);
    }

    /// The moment of the next look: on the grid, and later than now, so that a look that came late is not made up for.
    pub fn next(&self, planned: Nanos, now: Nanos) -> Nanos {
        let next = planned + self.interval;
        if next > now {
            return next;
        }
        let missed = (now - next) / self.interval + 1;
        next + missed * self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    /// Looks for a second at a cost for each.
    fn run(pace: &mut Pace, from: Nanos, cost: Nanos) -> Nanos {
        let (mut at, mut cpu) = (from, from);
        while at < from + 1000 * MS {
            at += pace.interval();
            cpu += cost;
            pace.looked(at, || cpu);
        }
        at
    }

    #[test]
    fn what_is_cheap_is_done_as_often_as_asked_and_what_is_dear_more_seldom() {
        let mut pace = Pace::new(MS, 0.1, 0, 0);
        let at = run(&mut pace, 0, 50_000);
        assert_eq!((pace.interval(), pace.slowest()), (MS, MS));
        pace = Pace::new(MS, 0.1, at, at);
        let at = run(&mut pace, at, 400_000);
        assert_eq!(pace.interval(), 4 * MS);
        pace = Pace {
            since: at,
            cpu: at,
            looks: 0,
            ..pace
        };
        run(&mut pace, at, 50_000);
        assert_eq!((pace.interval(), pace.slowest()), (MS, 4 * MS));
    }

    #[test]
    fn nothing_makes_it_stop_looking() {
        let mut pace = Pace::new(5 * MS, 0.01, 0, 0);
        run(&mut pace, 0, 900 * MS);
        assert_eq!(pace.interval(), SLOWEST);
    }

    #[test]
    fn looks_that_were_missed_are_left_out_and_the_grid_stays() {
        let pace = Pace::new(5 * MS, 0.1, 0, 0);
        assert_eq!(pace.next(10 * MS, 11 * MS), 15 * MS);
        assert_eq!(pace.next(10 * MS, 15 * MS), 20 * MS);
        assert_eq!(pace.next(10 * MS, 36 * MS), 40 * MS);
    }
}
