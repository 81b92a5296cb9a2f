//! Whether anything happens at all: an application that stands still is looked at less often.
//!
//! A look costs 15 to 60 µs of a CPU, most of it for waking up. An application of 128 MiB would be looked at 200 times a
//! second, one at 95 % of its limit a thousand times, for months. One that has charged and freed nothing for a second is
//! asleep; when it wakes up, the first look may come two intervals later. Growth of 6 GB/s fills what is left by then, and one
//! of 2 GB/s, which is fast, a third of it.

use std::time::Duration;

/// Use that stays within this many bytes stands still: the kernel charges in batches, and our own looks are charged too.
const STILL: u64 = 1 << 20;

/// For how long it must.
const LONG: Duration = Duration::from_secs(1);

/// How many times longer the intervals are then.
const PATIENCE: u32 = 3;

/// How long the use has stood still.
#[derive(Debug, Default)]
pub struct Stillness {
    usage: u64,
    since: Duration,
}

impl Stillness {
    /// Takes a look; by how much the time to the next one may be longer.
    pub fn patience(&mut self, usage: u64, now: Duration) -> u32 {
        if self.usage.abs_diff(usage) > STILL {
            self.usage = usage;
            self.since = now;
        }
        if now.saturating_sub(self.since) >= LONG {
            PATIENCE
        } else {
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_stood_still_for_a_second_is_left_alone_longer_until_it_moves() {
        let ms = Duration::from_millis;
        let mut stillness = Stillness::default();
        assert_eq!(stillness.patience(100 << 20, ms(10)), 1);
        assert_eq!(stillness.patience(100 << 20, ms(900)), 1);
        assert_eq!(stillness.patience((100 << 20) + 4096, ms(1010)), PATIENCE);
        assert_eq!(stillness.patience(102 << 20, ms(1020)), 1, "it grows");
        assert_eq!(stillness.patience(102 << 20, ms(2020)), PATIENCE);
        assert_eq!(stillness.patience(90 << 20, ms(2030)), 1, "it shrinks");
    }

    #[test]
    fn a_slow_leak_is_no_standing_still() {
        let mut stillness = Stillness::default();
        let leak = (0..100_u64).map(|tenth| {
            let usage = (100 << 20) + tenth * (256 << 10);
            stillness.patience(usage, Duration::from_millis(100 * tenth))
        });
        assert!(leak.skip(1).all(|patience| patience == 1));
    }
}
