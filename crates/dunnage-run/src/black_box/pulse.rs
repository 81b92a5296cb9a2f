//! Whether the thread gets on with what it was asked: it counts what it has met, and the loop what it has sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long it may be at one thing. On a machine at twenty times its load a record took 0.4 s.
const LONGEST: Duration = Duration::from_secs(5);

/// The loop's view of the thread.
#[derive(Debug)]
pub struct Pulse {
    met: Arc<AtomicU64>,
    sent: u64,
    seen: u64,
    /// Since when it has been at what it is at.
    since: Instant,
    is_stuck: bool,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It does not get on.
    Stuck,
    /// It does again.
    Again,
}

impl Pulse {
    /// A thread that begins now, and has its folder to open first.
    pub fn new(now: Instant) -> Self {
        Self {
            met: Arc::default(),
            sent: 1,
            seen: 0,
            since: now,
            is_stuck: false,
        }
    }

    /// What the thread counts by.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.met)
    }

    fn is_at_work(&self) -> bool {
        self.met.load(Ordering::Acquire) < self.sent
    }

    /// It is asked for something.
    pub fn sent(&mut self, now: Instant) {
        if !self.is_at_work() {
            self.since = now;
        }
        self.sent += 1;
    }

    /// When to look.
    pub fn due(&self) -> Option<Instant> {
        (self.is_at_work() && !self.is_stuck).then(|| self.since + LONGEST)
    }

    /// Looks.
    pub fn check(&mut self, now: Instant) -> Option<Beat> {
        let met = self.met.load(Ordering::Acquire);
        if met != self.seen {
            self.seen = met;
            self.since = now;
            let was_stuck = std::mem::take(&mut self.is_stuck);
            return was_stuck.then_some(Beat::Again);
        }
        let is_late = now.saturating_duration_since(self.since) >= LONGEST;
        if self.is_stuck || !is_late || !self.is_at_work() {
            return None;
        }
        self.is_stuck = true;
        Some(Beat::Stuck)
    }

    /// Whether it did not get on when it was last looked at.
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_one_thing_for_long_is_stuck_once_and_who_has_nothing_to_do_never() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(start);
        let met = pulse.counter();
        assert_eq!((pulse.due(), pulse.check(later(4))), (Some(later(5)), None));
        assert_eq!(pulse.check(later(5)), Some(Beat::Stuck));
        assert!(pulse.is_stuck() && pulse.due().is_none());
        assert_eq!(pulse.check(later(50)), None, "once");
        met.fetch_add(1, Ordering::Release);
        assert_eq!(pulse.check(later(51)), Some(Beat::Again));
        assert_eq!(
            (pulse.due(), pulse.check(later(99))),
            (None, None),
            "nothing to do"
        );
        pulse.sent(later(100));
        pulse.sent(later(104));
        assert_eq!(pulse.due(), Some(later(105)));
        met.fetch_add(1, Ordering::Release);
        assert_eq!(pulse.check(later(106)), None, "it got on");
        assert_eq!(pulse.check(later(110)), None);
        assert_eq!(
            pulse.check(later(111)),
            Some(Beat::Stuck),
            "at the second for as long"
        );
    }
}
