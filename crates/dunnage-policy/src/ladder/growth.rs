//! How fast memory grows, and whether that is growth at all.
//!
//! Rates are exponential averages over the time between looks, so that it does not matter whether looks come every
//! millisecond or, where the supervisor itself is throttled, every few seconds. A rate alone mistakes noise for growth:
//! at 98 % of 256 MiB a swing of one point in a tenth of a second would fill the rest in another. So the [`Crest`] counts
//! too.

use std::time::Duration;

use super::crest::{Crest, Peaks, Span};

/// The fast average: long enough that one chunk between two looks is not a rate, short against [`super::rules::SHORT`].
const FAST: Duration = Duration::from_millis(100);

/// The slow average: longer than the pause between two requests or batches.
const SLOW: Duration = Duration::from_secs(5);

/// How long the fastest rate is remembered: growth comes in chunks, and between two of them it has not ended.
const BURST: Duration = Duration::from_secs(1);

/// How finely the fastest rate is remembered.
const BURST_SLOT: Duration = Duration::from_millis(100);

/// What was seen last.
#[derive(Debug, Clone, Copy)]
struct Seen {
    usage: u64,
    working_set: Option<u64>,
    at: Duration,
}

/// The growth of one working set, in bytes and bytes a second.
#[derive(Debug, Clone)]
pub(super) struct Growth {
    /// What the next change is measured from.
    last: Option<Seen>,
    fast: f64,
    slow: f64,
    bursts: Peaks,
    crest: Crest,
}

impl Growth {
    pub fn new() -> Self {
        Self {
            last: None,
            fast: 0.0,
            slow: 0.0,
            bursts: Peaks::new(
                BURST_SLOT,
                (BURST.as_millis() / BURST_SLOT.as_millis()) as usize,
            ),
            crest: Crest::new(),
        }
    }

    /// Takes a look. `now` never goes back. Without a working set the usage stands for it.
    pub fn observe(&mut self, usage: u64, working_set: Option<u64>, now: Duration) {
        let level = working_set.unwrap_or(usage) as f64;
        let seen = Seen {
            usage,
            working_set,
            at: now,
        };
        match self.last {
            None => self.last = Some(seen),
            Some(last) => self.measure(last, seen),
        }
        self.crest.push(level, now);
        self.bursts.push(self.fast, now);
    }

    /// Where time has not passed there is no rate yet: the next change is then measured from the same look.
    fn measure(&mut self, last: Seen, seen: Seen) {
        let passed = seen.at.saturating_sub(last.at);
        if passed.is_zero() {
            return;
        }
        // a working set after a mere usage is not a fall by all the page cache
        let (from, to) = last
            .working_set
            .zip(seen.working_set)
            .unwrap_or((last.usage, seen.usage));
        let rate = (to as f64 - from as f64) / passed.as_secs_f64();
        let weight = |period: Duration| -(-passed.as_secs_f64() / period.as_secs_f64()).exp_m1();
        // what was given back at once must not hide for long that it grows again
        self.fast = (self.fast + weight(FAST) * (rate - self.fast)).max(0.0);
        self.slow += weight(SLOW) * (rate - self.slow);
        self.last = Some(seen);
    }

    /// The present rate, over about a tenth of a second; never negative.
    pub fn fast(&self) -> f64 {
        self.fast
    }

    /// The highest of [`Growth::fast`] in the last second.
    pub fn burst(&self) -> f64 {
        self.bursts.highest().unwrap_or(0.0)
    }

    /// The rate over about five seconds; negative where it falls.
    pub fn slow(&self) -> f64 {
        self.slow
    }

    /// How far the highest of a span is above all that was held before it, in the last five minutes; 0 where it is not.
    pub fn gained(&self, span: Span) -> f64 {
        self.crest.gained(span)
    }
}

/// How long a growth needs for what is left; `None` where it does not grow, or in no time that matters (a day).
pub(super) fn time_to(headroom: f64, rate: f64) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    let seconds = headroom / rate;
    // written so that what is not a number is none
    (rate > 0.0 && (0.0..DAY).contains(&seconds)).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MB: u64 = 1_000_000;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Plays working sets at times in milliseconds.
    fn play(looks: impl IntoIterator<Item = (u64, u64)>) -> Growth {
        let mut growth = Growth::new();
        for (at, bytes) in looks {
            growth.observe(bytes, Some(bytes), ms(at));
        }
        growth
    }

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= expected.abs() * 0.05
    }

    #[test]
    fn the_rate_is_the_same_however_often_it_is_looked() {
        // 1 MB a millisecond for 30 seconds
        for spacing in [1, 7, 100, 3000] {
            let growth =
                play((0..=30_000 / spacing).map(|look| (look * spacing, look * spacing * MB)));
            assert!(is_near(growth.fast(), 1e9), "{spacing}: {}", growth.fast());
            assert!(is_near(growth.slow(), 1e9), "{spacing}: {}", growth.slow());
        }
    }

    #[test]
    fn a_burst_is_remembered_for_a_second() {
        let rise = (0..=100).map(|at| (at, at * MB));
        let stand = |until: u64| (101..=until).map(|at| (at, 100 * MB));
        let growth = play(rise.clone().chain(stand(900)));
        assert!(growth.fast() < 1e6);
        assert!(growth.burst() > 5e8);
        assert!(play(rise.chain(stand(1400))).burst() < 1e8);
    }

    #[test]
    fn memory_that_was_given_back_at_once_does_not_hide_that_it_grows_again() {
        let fall = [(0, 900 * MB), (1000, 900 * MB), (1001, 100 * MB)];
        let growth = play(
            fall.into_iter()
                .chain((1..=100).map(|at| (1001 + at, (100 + at) * MB))),
        );
        assert!(growth.fast() > 5e8, "{}", growth.fast());
    }

    #[test]
    fn looks_at_the_same_moment_are_measured_with_the_next() {
        let growth = play([(0, 0), (0, 50 * MB), (0, 100 * MB), (1000, 100 * MB)]);
        assert!(is_near(growth.fast(), 1e8), "{}", growth.fast());
    }

    #[test]
    fn a_working_set_after_a_mere_usage_is_no_fall() {
        let mut growth = Growth::new();
        growth.observe(500 * MB, None, ms(0));
        growth.observe(600 * MB, Some(100 * MB), ms(100));
        assert!(growth.fast() > 5e8);
        growth.observe(600 * MB, Some(200 * MB), ms(200));
        assert!(growth.fast() > 7e8);
    }

    #[test]
    fn ground_is_gained_only_above_all_that_was_held() {
        let saw = (0..20_000).map(|at| (at, 500 * MB + at % 2000 * MB / 5));
        let growth = play(saw.clone());
        assert!(growth.gained(Span::Second) <= 0.0);
        assert!(growth.gained(Span::TenSeconds) <= 0.0);
        let growth = play(saw.chain((20_000..20_100).map(|at| (at, 1000 * MB))));
        assert!(is_near(growth.gained(Span::Second), 1e8));
    }

    #[test]
    fn what_has_come_to_rest_gains_nothing_after_a_second_and_a_half() {
        let rise = (0..=800).map(|at| (at, at * MB));
        let growth = play(rise.clone().chain((801..=1400).map(|at| (at, 800 * MB))));
        assert!(growth.gained(Span::Second) > 0.0);
        assert!(growth.gained(Span::TenSeconds) > 7e8);
        let growth = play(rise.chain((801..=2400).map(|at| (at, 800 * MB))));
        assert!(growth.gained(Span::Second) <= 0.0);
    }

    #[test]
    fn what_was_held_long_ago_is_forgotten() {
        let growth = play([
            (0, 900 * MB),
            (1000, 100 * MB),
            (400_000, 100 * MB),
            (400_100, 500 * MB),
        ]);
        assert!(
            is_near(growth.gained(Span::Second), 4e8),
            "{}",
            growth.gained(Span::Second)
        );
    }

    #[test]
    fn what_stands_high_at_the_first_look_has_gained_nothing() {
        assert!(play([(0, 900 * MB)]).gained(Span::Second) <= 0.0);
        assert!(play([(0, 900 * MB), (5000, 900 * MB)]).gained(Span::TenSeconds) <= 0.0);
    }

    proptest! {
        #[test]
        fn no_look_makes_it_panic_or_gives_what_is_no_number(
            looks in prop::collection::vec((any::<u64>(), any::<Option<u64>>(), 0_u64..1 << 40), 1..60)
        ) {
            let mut growth = Growth::new();
            let mut now = Duration::ZERO;
            for (usage, working_set, nanoseconds) in looks {
                now += Duration::from_nanos(nanoseconds);
                growth.observe(usage, working_set, now);
                prop_assert!(growth.fast().is_finite() && growth.fast() >= 0.0);
                prop_assert!(growth.slow().is_finite());
                prop_assert!(growth.burst() >= growth.fast());
                let gained = growth.gained(Span::Second);
                prop_assert!(gained.is_finite() && gained >= 0.0);
            }
        }
    }
}
