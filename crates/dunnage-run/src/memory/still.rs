//! Whether anything happens at all: an application that stands still is looked at less often.
//!
//! A look costs 20 to 60 µs of a CPU, nearly all of it for waking up. An application of 128 MiB would be looked at 200 times a
//! second, one at 95 % of its limit a thousand times, for months. One that has charged and freed nothing for a second is
//! asleep; when it wakes up, the first look may come later: after three intervals, or when growth at 2 GB/s, which is fast,
//! has come to where a record is made, whichever is later. Close to the limit that is three intervals; far from it what
//! grows faster still is met on its way up, or where it meets the limit.

use std::time::Duration;

use dunnage_policy::ladder::Sample;
use dunnage_policy::pressure::CRITICAL;

/// Use that stays within this many bytes stands still: the kernel charges in batches, and our own looks are charged too.
const STILL: u64 = 1 << 20;

/// For how long it must.
const LONG: Duration = Duration::from_secs(1);

/// How many times longer the intervals are then, at least.
const PATIENCE: u32 = 3;

/// The growth that is waited for: a thread that fills an array reaches 2 GB/s.
const BYTES_PER_SECOND: f64 = 2e9;

/// How long the use has stood still.
#[derive(Debug, Default)]
pub struct Stillness {
    usage: u64,
    since: Duration,
    is_still: bool,
}

impl Stillness {
    /// Whether it stood still at the last look.
    pub fn is_still(&self) -> bool {
        self.is_still
    }

    /// Takes a look; the time to the next one, which is `interval` where anything moves.
    pub fn stretch(&mut self, interval: Duration, sample: &Sample, now: Duration) -> Duration {
        if self.usage.abs_diff(sample.usage) > STILL {
            self.usage = sample.usage;
            self.since = now;
        }
        self.is_still = now.saturating_sub(self.since) >= LONG;
        if !self.is_still {
            return interval;
        }
        let level = sample.working_set.unwrap_or(sample.usage) as f64;
        let left = (CRITICAL * sample.capacity as f64 - level).max(0.0);
        let fast = Duration::try_from_secs_f64(left / BYTES_PER_SECOND).unwrap_or(Duration::MAX);
        fast.max(interval * PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    const MS: Duration = Duration::from_millis(1);

    fn sample(usage: u64, capacity: u64) -> Sample {
        Sample {
            usage,
            capacity,
            ..Sample::default()
        }
    }

    #[test]
    fn who_has_stood_still_for_a_second_is_left_alone_longer_until_it_moves() {
        let mut stillness = Stillness::default();
        // so close to the limit that only the intervals count
        let mut stretch = |usage, at| {
            let stretched = stillness.stretch(MS, &sample(usage, 105 * MIB), MS * at);
            assert_eq!(stillness.is_still(), stretched > MS);
            stretched.as_millis()
        };
        assert_eq!(stretch(100 * MIB, 10), 1);
        assert_eq!(stretch(100 * MIB, 900), 1);
        assert_eq!(stretch(100 * MIB + 4096, 1010), 3);
        assert_eq!(stretch(102 * MIB, 1020), 1, "it grows");
        assert_eq!(stretch(102 * MIB, 2020), 3);
        assert_eq!(stretch(95 * MIB, 2030), 1, "it shrinks");
    }

    #[test]
    fn far_from_the_limit_fast_growth_out_of_stillness_is_met_before_a_record_is_due() {
        let interval = |usage: u64, capacity: u64| {
            let mut stillness = Stillness::default();
            let sample = sample(usage, capacity);
            stillness.stretch(MS, &sample, MS);
            stillness.stretch(MS, &sample, MS * 1001)
        };
        for (usage, capacity) in [(20, 128), (10, 256), (50, 128), (80, 128), (500, 1024)] {
            let (usage, capacity) = (usage * MIB, capacity * MIB);
            let after = usage as f64 + 2e9 * interval(usage, capacity).as_secs_f64();
            assert!(
                after <= 0.91 * capacity as f64 || interval(usage, capacity) == MS * 3,
                "{after} of {capacity}"
            );
        }
        assert_eq!(interval(126 * MIB, 128 * MIB), MS * 3);
        assert_eq!(interval(u64::MAX, 0), MS * 3);
        assert!(interval(0, u64::MAX) > Duration::from_secs(1));
    }

    #[test]
    fn a_slow_leak_is_no_standing_still() {
        let mut stillness = Stillness::default();
        let leak = (0..100_u64).map(|tenth| {
            let sample = sample((100 << 20) + tenth * (256 << 10), 1 << 30);
            let now = Duration::from_millis(100 * tenth);
            stillness.stretch(MS, &sample, now)
        });
        assert!(leak.skip(1).all(|interval| interval == MS));
    }
}
