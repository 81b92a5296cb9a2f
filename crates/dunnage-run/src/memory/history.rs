//! The working set of the last minute, in a bounded number of samples however often was looked.
//!
//! The latest looks are kept as they came: they show the last moments. What leaves them is kept as one sample for each
//! slot of time, its highest.

use std::collections::VecDeque;
use std::time::Duration;

/// How many of the latest looks are kept as they came.
const LATEST: usize = 100;

/// How many slots of time there are before them.
const SLOTS: usize = 500;

/// How long is remembered.
const SPAN: Duration = Duration::from_mins(1);

/// The length of a slot in milliseconds.
const SLOT_MS: u128 = SPAN.as_millis() / SLOTS as u128;

/// What rises by less, in bytes, does not grow.
const STEADY: u64 = 1 << 20;

/// What counts as lately.
const LATELY: Duration = Duration::from_secs(2);

/// Looks at the working set.
#[derive(Debug, Default)]
pub struct History {
    slots: VecDeque<(Duration, u64)>,
    latest: VecDeque<(Duration, u64)>,
}

impl History {
    /// Takes a look in.
    pub fn add(&mut self, now: Duration, bytes: u64) {
        self.latest.push_back((now, bytes));
        while self.latest.len() > LATEST
            && let Some(old) = self.latest.pop_front()
        {
            self.keep(old);
        }
        while self.slots.len() > SLOTS || self.slots.front().is_some_and(|(at, _)| *at + SPAN < now)
        {
            self.slots.pop_front();
        }
    }

    fn keep(&mut self, (at, bytes): (Duration, u64)) {
        let slot = |at: Duration| at.as_millis() / SLOT_MS;
        match self.slots.back_mut() {
            Some(last) if slot(last.0) == slot(at) => {
                if bytes >= last.1 {
                    *last = (at, bytes);
                }
            }
            _ => self.slots.push_back((at, bytes)),
        }
    }

    /// How fast it grows, in bytes a second, as a person is told: since it was lowest in the last two seconds, so that
    /// chunks do not look faster than they are, nor a burst after a rest slower.
    pub fn growth(&self, now: Duration) -> u64 {
        let lately = now.saturating_sub(LATELY);
        let looks = self.slots.iter().chain(&self.latest);
        let looks = looks.filter(|(at, _)| *at >= lately);
        let lowest = looks.clone().map(|(_, bytes)| *bytes).min().unwrap_or(0);
        let low = looks
            .rev()
            .find(|(_, bytes)| *bytes <= lowest.saturating_add(STEADY));
        let (Some((from, before)), Some((to, after))) = (low, self.latest.back()) else {
            return 0;
        };
        let passed = to.saturating_sub(*from).as_secs_f64();
        if passed > 0.0 {
            (after.saturating_sub(*before) as f64 / passed) as u64
        } else {
            0
        }
    }

    /// Milliseconds before `now`, and bytes; the oldest first, none older than a minute.
    pub fn samples(&self, now: Duration) -> Vec<(u32, u64)> {
        self.slots
            .iter()
            .chain(&self.latest)
            .map(|(at, bytes)| (now.saturating_sub(*at), *bytes))
            .filter(|(ago, _)| *ago <= SPAN)
            .map(|(ago, bytes)| (ago.as_millis() as u32, bytes))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most samples.
    const MOST: usize = LATEST + SLOTS;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_last_moments_are_kept_as_they_came_and_a_minute_before_them() {
        let mut history = History::default();
        for ms in 0..70_000_u32 {
            history.add(MS * ms, u64::from(ms));
        }
        let samples = history.samples(MS * 70_000);
        assert!(samples.len() <= MOST, "{}", samples.len());
        assert_eq!(samples.last(), Some(&(1, 69_999)));
        assert_eq!(samples[samples.len() - LATEST], (100, 69_900));
        assert!(
            samples[0].0 <= 60_000 && samples[0].0 > 59_000,
            "{:?}",
            samples[0]
        );
    }

    #[test]
    fn a_short_peak_long_ago_is_not_lost() {
        let mut history = History::default();
        for ms in 0..30_000_u32 {
            let bytes = if ms == 10_000 { 99 } else { 1 };
            history.add(MS * ms, bytes);
        }
        assert!(
            history
                .samples(MS * 30_000)
                .iter()
                .any(|(_, bytes)| *bytes == 99)
        );
    }

    #[test]
    fn growth_is_told_as_fast_as_it_is_in_chunks_and_after_a_rest() {
        const MB: u64 = 1_000_000;
        let growth = |bytes: fn(u64) -> u64| {
            let mut history = History::default();
            for ms in 0..10_000 {
                history.add(MS * ms as u32, bytes(ms));
            }
            history.growth(MS * 10_000) / MB
        };
        let chunks = growth(|ms| ms / 500 * 50 * MB);
        assert!((80..=120).contains(&chunks), "{chunks} MB/s instead of 100");
        let burst = growth(|ms| ms.saturating_sub(9900) * MB);
        assert!(
            (900..=1100).contains(&burst),
            "{burst} MB/s instead of 1000"
        );
        assert_eq!(growth(|_| 7 * MB), 0);
        assert_eq!(growth(|ms| 9000 * MB - ms * MB / 10), 0);
        assert_eq!(History::default().growth(MS), 0);
    }

    proptest! {
        #[test]
        fn never_more_than_is_allowed_and_always_in_order(steps in prop::collection::vec((0_u64..200_000, any::<u64>()), 0..2000)) {
            let mut history = History::default();
            let mut now = Duration::ZERO;
            for (micros, bytes) in steps {
                now += Duration::from_micros(micros);
                history.add(now, bytes);
            }
            let samples = history.samples(now);
            prop_assert!(samples.len() <= MOST);
            prop_assert!(samples.is_sorted_by(|older, newer| older.0 >= newer.0));
            prop_assert!(samples.iter().all(|(ago, _)| *ago <= 60_000));
        }
    }
}
