//! How short memory is, and how often to look.
//!
//! A level is reached by *rising* to it: what has stood at 85 % of its limit since it started is full, not in danger, and
//! telling it so again and again would only cost it its caches. So a level is told when the working set is at its share
//! of the limit **and** has grown since it was last seen low; it is told once, and again only after memory had fallen
//! clearly below it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Time to drop caches.
    Warn,
    /// Time to give back all that can be had.
    High,
    /// The next allocation may be the one that kills.
    Critical,
}

impl Level {
    /// Every level, the mildest first.
    pub const ALL: [Self; 3] = [Self::Warn, Self::High, Self::Critical];

    /// Its name in packets and in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Shares of the limit at which the levels begin, and how far memory must fall below one before it can be reached anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    shares: [f64; 3],
    hysteresis: f64,
}

/// Thresholds that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("thresholds are shares of the limit that rise: 0 < warn < high < critical <= 1")]
pub struct BadThresholds;

/// Where [`Level::Warn`] begins by default, as a share of the limit: dask and others call it high from 60 to 70 %, and
/// what is dropped here, with a third still free, need not be dropped in a hurry.
pub const WARN: f64 = 0.70;

/// Where [`Level::High`] begins by default: giving memory back takes up to 600 ms, and the last fifth of 1 GiB lasts for
/// that where it grows by less than 350 MB/s.
pub const HIGH: f64 = 0.80;

/// Where [`Level::Critical`] begins by default: of the last tenth 74 to 100 % were left when growth at up to 9.4 GB/s was
/// noticed by looks every 1 to 10 ms, and each of 48 records that began there was complete before the kill.
pub const CRITICAL: f64 = 0.90;

/// How far memory must fall below a level before it can be reached anew, as a share of the limit, by default: more than
/// a steady load swings (about 2 points from top to bottom), less than what one burst adds.
pub const HYSTERESIS: f64 = 0.05;

/// How far memory must have risen to have grown, as a share of the limit: less is noise of a steady load.
pub const GROWTH: f64 = 0.01;

/// Twice the fastest growth that is met in practice (9.4 GB/s were seen).
const BYTES_PER_SECOND: u64 = 20_000_000_000;

impl Thresholds {
    /// Checks that the shares rise.
    pub fn new(warn: f64, high: f64, critical: f64) -> Result<Self, BadThresholds> {
        let rise = 0.0 < warn && warn < high && high < critical && critical <= 1.0;
        let thresholds = Self {
            shares: [warn, high, critical],
            hysteresis: HYSTERESIS,
        };
        rise.then_some(thresholds).ok_or(BadThresholds)
    }

    /// With another hysteresis, as a share of the limit.
    #[must_use]
    pub fn with_hysteresis(self, hysteresis: f64) -> Self {
        Self { hysteresis, ..self }
    }

    /// The share below which no level can be reached or left.
    pub fn calm(&self) -> f64 {
        (self.shares[0] - self.hysteresis).max(0.0)
    }

    fn level_at(&self, share: f64) -> Option<Level> {
        let reached = self.shares.iter().zip(Level::ALL);
        reached
            .filter(|(threshold, _)| share >= **threshold)
            .map(|(_, level)| level)
            .next_back()
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            shares: [WARN, HIGH, CRITICAL],
            hysteresis: HYSTERESIS,
        }
    }
}

/// Watches one limit.
#[derive(Debug, Clone)]
pub struct Watch {
    thresholds: Thresholds,
    /// The level that holds.
    level: Option<Level>,
    /// The least that was seen since the level changed.
    low_bytes: Option<u64>,
}

impl Watch {
    /// Nothing was seen yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            level: None,
            low_bytes: None,
        }
    }

    /// Takes a reading, in bytes, and says which level it has risen to, if it has.
    pub fn observe(&mut self, working_set: u64, limit: u64) -> Option<Level> {
        if limit == 0 {
            return None;
        }
        let share = working_set as f64 / limit as f64;
        let low = self
            .low_bytes
            .map_or(working_set, |low| low.min(working_set));
        self.low_bytes = Some(low);
        let now = self.thresholds.level_at(share);
        if now > self.level {
            let grown = (working_set - low) as f64 / limit as f64;
            if grown < GROWTH {
                return None;
            }
            self.level = now;
            self.low_bytes = Some(working_set);
            return now;
        }
        let kept = self.thresholds.level_at(share + self.thresholds.hysteresis);
        if kept < self.level {
            self.level = kept;
            self.low_bytes = Some(working_set);
        }
        None
    }
}

/// How long not to look: half of the time that the fastest growth that was seen needs for what is left, 1 to 100 ms.
pub fn interval(headroom: u64) -> Duration {
    let usec = headroom.saturating_mul(1000) / (BYTES_PER_SECOND / 1000);
    Duration::from_micros(usec.clamp(1_000, 100_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: u64 = 1000;

    fn watch() -> Watch {
        Watch::new(Thresholds::new(0.7, 0.8, 0.9).unwrap())
    }

    fn told(readings: &[u64]) -> Vec<&'static str> {
        let mut watch = watch();
        let levels = readings
            .iter()
            .filter_map(|&bytes| watch.observe(bytes, LIMIT));
        levels.map(Level::name).collect()
    }

    #[test]
    fn each_level_is_told_once_as_memory_rises() {
        assert_eq!(
            told(&[100, 500, 700, 710, 790, 800, 850, 900, 990]),
            ["warn", "high", "critical"]
        );
    }

    #[test]
    fn a_jump_tells_the_highest_level_only() {
        assert_eq!(told(&[100, 950]), ["critical"]);
    }

    #[test]
    fn what_stands_high_from_the_start_is_not_in_danger_until_it_grows() {
        assert_eq!(told(&[850; 1000]), [""; 0]);
        assert_eq!(told(&[850, 855, 859]), [""; 0]);
        assert_eq!(told(&[850, 852, 861]), ["high"]);
    }

    #[test]
    fn swinging_around_a_threshold_tells_it_once() {
        assert_eq!(told(&[600, 705, 695, 705, 660, 710]), ["warn"]);
    }

    #[test]
    fn after_a_clear_fall_it_is_told_again() {
        assert_eq!(told(&[600, 705, 640, 705]), ["warn", "warn"]);
        assert_eq!(told(&[600, 950, 820, 950]), ["critical", "critical"]);
    }

    #[test]
    fn a_limit_that_is_lowered_counts_once_memory_grows_below_it() {
        let mut watch = watch();
        assert_eq!(watch.observe(500, 1000), None);
        assert_eq!(watch.observe(500, 550), None);
        assert_eq!(watch.observe(506, 550), Some(Level::Critical));
    }

    #[test]
    fn thresholds_that_do_not_rise_are_refused() {
        for (warn, high, critical) in [
            (0.0, 0.8, 0.9),
            (0.8, 0.8, 0.9),
            (0.7, 0.95, 0.9),
            (0.7, 0.8, 1.1),
            (f64::NAN, 0.8, 0.9),
            (0.7, f64::NAN, 0.9),
        ] {
            assert_eq!(Thresholds::new(warn, high, critical), Err(BadThresholds));
        }
    }

    #[test]
    fn the_less_is_left_the_sooner_the_next_look() {
        assert_eq!(interval(u64::MAX), Duration::from_millis(100));
        assert_eq!(interval(2_000_000_000), Duration::from_millis(100));
        assert_eq!(interval(100_000_000), Duration::from_millis(5));
        assert_eq!(interval(0), Duration::from_millis(1));
    }

    proptest! {
        #[test]
        fn a_told_level_is_reached_and_was_grown_into(readings in prop::collection::vec(0_u64..1200, 1..200)) {
            let mut watch = watch();
            let mut seen = Vec::new();
            for bytes in readings {
                seen.push(bytes);
                if let Some(level) = watch.observe(bytes, LIMIT) {
                    let threshold = [700, 800, 900][level as usize];
                    prop_assert!(bytes >= threshold);
                    prop_assert!(seen.iter().any(|low| low + 10 <= bytes));
                }
            }
        }

        #[test]
        fn no_reading_makes_it_panic(working_set: u64, limit: u64) {
            let mut watch = watch();
            watch.observe(working_set, limit);
            watch.observe(limit, working_set);
        }
    }
}
