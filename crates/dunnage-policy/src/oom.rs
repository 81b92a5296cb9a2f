//! What an OOM kill takes, and when whoever is to outlive it must need no memory.
//!
//! Where the kernel kills one process at a time, it may kill the next while the memory of the first is still being freed: a
//! process with several threads is not found by the search any more once its last thread is on its way out
//! (`css_task_iter_advance` in `kernel/cgroup/cgroup.c` leaves out a leader that is dead with nobody alive in its group), and
//! what it holds is not free yet. Whoever of the group needs a page then has another one killed for it. PID 1 is the next
//! where it has one child, so it does without: it needs nothing new while the group is full.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// What is left of the capacity when it counts as full, as a part of it: 2 MiB of 128 MiB, which four threads of Python take
/// some milliseconds for.
const LEFT: u64 = 64;

/// The same in bytes, at least and at most: what the kernel charges in batches for each CPU, and what no growth takes
/// within a step of ours.
const LEFT_LEAST: u64 = MIB;
const LEFT_MOST: u64 = 32 * MIB;

/// What the kernel kills when memory runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kills {
    /// One process: cgroup v1, and v2 with `memory.oom.group` 0.
    Process,
    /// Everybody in the container, PID 1 too: v2 with `memory.oom.group` 1, kubelet's default since 1.28.
    Group,
}

/// Whether the next page may be the one that somebody is killed for. Both in bytes; `working_set` is what the kernel cannot
/// take back.
pub fn is_full(working_set: u64, capacity: u64) -> bool {
    let left = capacity.saturating_sub(working_set);
    left < (capacity / LEFT)
        .clamp(LEFT_LEAST, LEFT_MOST)
        .min(capacity / 8)
}

/// Somebody who does without as long as the group is full, but no longer than its patience: an application may live at its
/// limit for days.
#[derive(Debug, Clone)]
pub struct Hold {
    patience: Duration,
    since: Option<Duration>,
}

impl Hold {
    /// Nobody waits yet.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            since: None,
        }
    }

    /// Takes a look; whether to do without now.
    pub fn look(&mut self, is_full: bool, now: Duration) -> bool {
        if !is_full {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_sub(since) < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_small_container_is_full_with_a_sixty_fourth_left_and_a_large_one_with_32_mib() {
        let full_at = |capacity: u64| {
            let left = (0..capacity / 4096)
                .map(|page| page * 4096)
                .take_while(|left| is_full(capacity - left, capacity));
            left.count() * 4096
        };
        assert_eq!(full_at(128 * MIB) as u64, 2 * MIB);
        assert_eq!(full_at(64 * 1024 * MIB) as u64, 32 * MIB);
        assert_eq!(full_at(32 * MIB) as u64, MIB);
        assert_eq!(full_at(4 * MIB) as u64, MIB / 2);
        assert!(!is_full(0, 0), "no limit is never full");
    }

    #[test]
    fn one_does_without_until_there_is_room_or_patience_ends_and_anew_after_room() {
        let mut hold = Hold::new(MS * 250);
        assert!(!hold.look(false, MS));
        assert!(hold.look(true, MS * 10) && hold.look(true, MS * 259));
        assert!(!hold.look(true, MS * 260) && !hold.look(true, MS * 9000));
        assert!(!hold.look(false, MS * 9001));
        assert!(hold.look(true, MS * 9002));
    }

    proptest! {
        #[test]
        fn what_holds_more_is_no_less_full(capacity in 0..u64::MAX, one in 0..u64::MAX, more in 0..u64::MAX) {
            let both = one.saturating_add(more);
            prop_assert!(!is_full(one, capacity) || is_full(both, capacity));
        }

        #[test]
        fn nobody_waits_longer_than_its_patience(looks in proptest::collection::vec((any::<bool>(), 0..50_u32), 0..200)) {
            let mut hold = Hold::new(MS * 250);
            let (mut now, mut held_since) = (Duration::ZERO, None);
            for (is_full, passed) in looks {
                now += MS * passed;
                if hold.look(is_full, now) {
                    let since = *held_since.get_or_insert(now);
                    prop_assert!(is_full && now.saturating_sub(since) < MS * 250);
                } else {
                    held_since = None;
                }
            }
        }
    }
}
