//! The thresholds of the ladder, with the reason for each number.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pressure::{self, Thresholds};

const MIB: u64 = 1 << 20;

/// From this share of the capacity on it is worth knowing what is page cache, and the helper gets ready: half of the
/// time that any growth has is then still to come, and reading `memory.stat` (19 µs) instead of the usage alone (1.3 µs)
/// costs a calm application nothing.
pub(super) const HALF: f64 = 0.50;

/// A growth that ends at the limit sooner than this is running out: a record may take 150 ms, and a supervisor that is
/// throttled itself begins it up to 100 ms late.
pub(super) const SHORT: Duration = Duration::from_millis(250);

/// A sustained growth ends at the limit within this time: shedding works only once a probe has asked (every 10 s by
/// default, three times), so a longer warning would be a guess and a shorter one useless.
pub(super) const NEAR: Duration = Duration::from_secs(30);

/// Growth still goes on if the last second brought at least this part of what the last ten did, or a point; an even growth
/// brings a tenth. After a steep rise that has come to rest, the first highs of its noise are less.
pub(super) const STILL: f64 = 1.0 / 15.0;

/// A sustained growth that ends this soon is worth ending for: a Python without a handler ends within milliseconds of TERM,
/// and at half a point a second, noise of a point at 98 % still leaves more.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// A growth has lasted when it has gone on for this long above the shed rung: a transient's second, the second and a half
/// in which what has just come to rest still looks as if it grew, and as much again to be sure.
pub(super) const SUSTAINED: Duration = Duration::from_secs(4);

/// A release that gave back less than this share of the capacity was no help: the next burst is larger.
pub(super) const WORTH: f64 = 0.05;

/// Who has not answered a request to release after this time will not: 580 ms were the longest `malloc_trim`, and an
/// agent starts at the next look of the garbage collector.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// A record that is younger than this shows what a second one would show.
pub(super) const FRESH: Duration = Duration::from_secs(5);

/// At most this share of the capacity is a reserve for a record: 32 MiB of 128 MiB would be a quarter, and a steady 85 %
/// would be taken for danger.
const MOST_RECORD_RESERVE: f64 = 0.10;

/// At most this share of the capacity is a reserve at the brink, for the same reason.
const MOST_BRINK_RESERVE: f64 = 0.04;

/// What a thread may take between the signal that stops it and its stop: 4 threads took 24 MB on two busy CPUs at most,
/// one took next to nothing.
const BYTES_PER_THREAD: u64 = 2 * MIB;

/// What to do with an application whose next allocations end it. Only [`OnBrink::Continue`] is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBrink {
    /// Nothing: it may live.
    #[default]
    Continue,
    /// Stop it for a moment, so that the record is complete.
    Stop,
    /// End it with a reason.
    Exit,
}

/// The user's choices. Shares are of the capacity: what the limit and `memory.high` leave, and the swap that may be used.
///
/// [`Rules::check`] tells what makes no sense; a ladder of such rules does little, and nothing harmful.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// From here on it is watched closely and the hooks hear of it: [`pressure::WARN`].
    pub watch: f64,
    /// From here on it is asked to give memory back: [`pressure::HIGH`].
    pub release: f64,
    /// From here on growth makes it unready, if giving back was no help. 0.85: a release of 5 points, the least that
    /// counts, would have brought it from here to [`Rules::release`].
    pub shed: f64,
    /// From here on the black box is written: [`pressure::CRITICAL`].
    pub record: f64,
    /// From here on the next allocations may end it. 0.97: a stopped application of 4 threads grew by another 2.3 % of
    /// 1 GiB.
    pub brink: f64,
    /// Bytes that must be left for a record, at most a tenth of the capacity. It counts where [`Rules::record`] was set
    /// higher than 90 %. 32 MiB: at 2 GB/s that is 16 ms, and the kernel tries for 24 ms at least before it kills.
    pub record_reserve: u64,
    /// Bytes that must be left above the brink, at most 4 % of the capacity. 8 MiB: at 500 MB/s that is 16 ms.
    pub brink_reserve: u64,
    /// How far memory must fall below a rung before it can be reached anew: [`pressure::HYSTERESIS`].
    pub hysteresis: f64,
    /// How long not to release, record or recycle again. 30 s: a release costs the application up to 600 ms, so at
    /// most 2 % of its time; a worker that is told to go needs about that long to finish and be replaced.
    pub cool_down: Duration,
    /// Recycle the fattest worker where growth goes on. Only where the parent is known to replace workers.
    pub recycle: bool,
    /// What to do at the brink.
    pub on_brink: OnBrink,
}

/// Rules that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    /// The shares are not in order.
    #[error(
        "thresholds are shares of the limit that rise: 0 < watch < release < shed < record < brink <= 1"
    )]
    Order,
    /// The hysteresis is none.
    #[error(
        "the hysteresis is a share of the limit, greater than 0 and less than the first threshold"
    )]
    Hysteresis,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            watch: pressure::WARN,
            release: pressure::HIGH,
            shed: 0.85,
            record: pressure::CRITICAL,
            brink: 0.97,
            record_reserve: 32 * MIB,
            brink_reserve: 8 * MIB,
            hysteresis: pressure::HYSTERESIS,
            cool_down: Duration::from_secs(30),
            recycle: false,
            on_brink: OnBrink::Continue,
        }
    }
}

impl Rules {
    /// Says what makes no sense.
    pub fn check(&self) -> Result<(), BadRules> {
        let shares = [
            0.0,
            self.watch,
            self.release,
            self.shed,
            self.record,
            self.brink,
        ];
        // written so that what is not a number is refused
        if !(shares.windows(2).all(|pair| pair[0] < pair[1]) && self.brink <= 1.0) {
            return Err(BadRules::Order);
        }
        if !(0.0 < self.hysteresis && self.hysteresis < self.watch) {
            return Err(BadRules::Hysteresis);
        }
        Ok(())
    }

    /// Where the levels begin that the application's hooks hear of.
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::new(self.watch, self.release, self.record)
            .unwrap_or_default()
            .with_hysteresis(self.hysteresis)
    }

    /// The shares at which the rungs begin for this capacity in bytes and this number of threads.
    pub(super) fn marks(&self, capacity: f64, threads: u32) -> Marks {
        let reserve = |bytes: u64, most: f64| 1.0 - (bytes as f64 / capacity).min(most);
        let brink_reserve = self
            .brink_reserve
            .max(BYTES_PER_THREAD.saturating_mul(u64::from(threads)));
        Marks {
            watch: self.watch,
            release: self.release,
            shed: self.shed,
            record: self
                .record
                .min(reserve(self.record_reserve, MOST_RECORD_RESERVE)),
            brink: self.brink.min(reserve(brink_reserve, MOST_BRINK_RESERVE)),
        }
    }
}

/// Shares of a certain capacity at which the rungs begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Marks {
    pub watch: f64,
    pub release: f64,
    pub shed: f64,
    pub record: f64,
    pub brink: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_are_harmless() {
        assert_eq!(Rules::default().check(), Ok(()));
        assert!(!Rules::default().recycle);
        assert_eq!(Rules::default().on_brink, OnBrink::Continue);
        assert_eq!(Rules::default().thresholds(), Thresholds::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let change = |change: fn(&mut Rules)| {
            let mut rules = Rules::default();
            change(&mut rules);
            rules.check()
        };
        assert_eq!(change(|rules| rules.watch = 0.0), Err(BadRules::Order));
        assert_eq!(change(|rules| rules.shed = 0.95), Err(BadRules::Order));
        assert_eq!(change(|rules| rules.brink = 1.1), Err(BadRules::Order));
        assert_eq!(
            change(|rules| rules.record = f64::NAN),
            Err(BadRules::Order)
        );
        for hysteresis in [0.0, -0.1, 0.7, f64::NAN] {
            let rules = Rules {
                hysteresis,
                ..Rules::default()
            };
            assert_eq!(rules.check(), Err(BadRules::Hysteresis));
        }
    }

    #[test]
    fn reserves_are_bytes_but_never_much_of_a_small_limit() {
        // in hundredths of a per cent
        let round = |share: f64| (share * 1e4).round() as u32;
        let marks = |rules: Rules, mib: u64, threads| {
            let marks = rules.marks((mib * MIB) as f64, threads);
            (round(marks.record), round(marks.brink))
        };
        let default = Rules::default();
        assert_eq!(marks(default, 128, 20), (9000, 9600));
        assert_eq!(marks(default, 1024, 1), (9000, 9700));
        assert_eq!(marks(default, 1024, 20), (9000, 9609));
        assert_eq!(marks(default, 64 * 1024, 200), (9000, 9700));
        let high = Rules {
            record: 0.98,
            brink: 0.99,
            ..Rules::default()
        };
        assert_eq!(marks(high, 256, 1), (9000, 9688));
        assert_eq!(marks(high, 64 * 1024, 1), (9800, 9900));
    }
}
