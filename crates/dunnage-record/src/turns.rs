//! Which threads are looked at, where not all have to be.
//!
//! The CPU time of a process is the sum of its threads', to the nanosecond. So once the threads that were looked at have
//! gained all that the process has, nobody else has run, and nobody else is looked at. Those that are likely to have run
//! come first: who was not asleep, and who has slept for about as long as it did the time before.
//!
//! What a thread runs is booked when it leaves its CPU or at the next tick, so that one that was put on a CPU just now may be
//! noticed a tick later. Where looks are a tick or more apart that is the next one, and what it gained is whole then.

use dunnage_timeline::Nanos;

/// From so long between two looks on, not all threads have to be looked at: a tick at HZ=250.
pub const SKIPS_FROM: Nanos = 4_000_000;

/// For how many looks a thread has slept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rest {
    now: u32,
    /// The last time that it slept.
    before: u32,
}

impl Rest {
    /// It did something.
    pub fn ends(&mut self) {
        if self.now > 0 {
            self.before = self.now;
        }
        self.now = 0;
    }

    /// It did nothing.
    pub fn goes_on(&mut self) {
        self.now = self.now.saturating_add(1);
    }

    /// How unlikely it is that it ends now.
    fn rank(self) -> u32 {
        self.now.abs_diff(self.before)
    }
}

/// A process's CPU time beside its threads'.
#[derive(Debug, Default)]
pub struct Account {
    /// What no thread has that is looked at: the time of those that have ended. `None` if it is not known.
    others: Option<u64>,
    order: Vec<(u32, u32)>,
}

impl Account {
    /// Time that it is not known of whose it is; `None` if that cannot be told. `total` is the process's, `counted` is the
    /// sum of what was seen of its threads.
    pub fn open(&self, total: Option<u64>, counted: u64) -> Option<u64> {
        Some(total?.wrapping_sub(self.others?).wrapping_sub(counted))
    }

    /// All threads were looked at, and the sum is this now.
    pub fn settle(&mut self, total: Option<u64>, counted: u64) {
        self.others = total.map(|total| total.wrapping_sub(counted));
    }

    /// The places of threads, those first that are likely to have run. Of each is told for how long it has slept, `None` if it
    /// does not sleep. To be given back.
    pub fn order(&mut self, threads: impl Iterator<Item = Option<Rest>>) -> Vec<(u32, u32)> {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let ranks = threads.map(|rest| rest.map_or(0, |rest| rest.rank().saturating_add(1)));
        order.extend(ranks.zip(0..));
        order.sort_unstable();
        order
    }

    /// Takes the room back.
    pub fn give_back(&mut self, order: Vec<(u32, u32)>) {
        self.order = order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_awake_comes_first_and_then_who_has_slept_about_as_long_as_before() {
        let rest = |now, before| Some(Rest { now, before });
        let threads = [rest(9, 2), rest(3, 3), None, rest(4, 3), None];
        let order = Account::default().order(threads.into_iter());
        let places: Vec<u32> = order.into_iter().map(|(_, place)| place).collect();
        assert_eq!(places, [2, 4, 1, 3, 0]);
    }

    #[test]
    fn a_rest_is_remembered_when_it_ends_and_work_at_each_look_does_not_make_it_forgotten() {
        let mut rest = Rest::default();
        for _ in 0..3 {
            rest.goes_on();
        }
        rest.ends();
        rest.ends();
        assert_eq!(rest, Rest { now: 0, before: 3 });
    }

    #[test]
    fn time_is_open_until_it_is_known_whose_it_is() {
        let mut account = Account::default();
        assert_eq!(account.open(Some(100), 70), None, "nothing was settled");
        account.settle(Some(100), 70);
        assert_eq!(account.open(Some(100), 70), Some(0));
        assert_eq!(account.open(Some(105), 70), Some(5));
        assert_eq!(account.open(None, 70), None);
        // more was seen of a thread than the process had before
        assert_ne!(account.open(Some(100), 71), Some(0));
        account.settle(None, 70);
        assert_eq!(account.open(Some(100), 70), None);
    }
}
