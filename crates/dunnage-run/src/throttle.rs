//! The watch over the CPU quota: looks at what the kernel counts, as often as the policy wants to, and tells when it begins
//! to matter.
//!
//! A look is one `pread`. Without a quota there is nothing to look at, and nobody is woken; one that is set later is found
//! by the look once a minute.

use std::time::Duration;

use dunnage_cgroup::{Bandwidth, Reader};
use dunnage_policy::event::Event;
use dunnage_policy::throttle::{Counted, Stretch, Watch};

use crate::counters::Counters;
use crate::own_cgroup::OwnCgroup;
use crate::setup::milliseconds;

/// The kernel's default, for a quota that is known by the user's word alone.
const PERIOD: Duration = Duration::from_millis(100);

/// Watches our own cgroup.
pub struct ThrottleWatch {
    cgroup: OwnCgroup,
    period: Duration,
    watch: Option<Watch>,
    /// When to look; `None` without a quota.
    next: Option<Duration>,
}

impl ThrottleWatch {
    /// Looks for a quota; `bandwidth` is the one that was found at the start.
    pub fn open(cgroup: OwnCgroup, bandwidth: Option<Bandwidth>) -> Self {
        let period = bandwidth.map(|found| Duration::from_micros(found.period_usec));
        let mut watch = Self {
            cgroup,
            period: period.unwrap_or(PERIOD),
            watch: None,
            next: None,
        };
        watch.look_for_quota(Duration::ZERO);
        watch
    }

    /// When to look, by the loop's clock.
    pub fn wake_at(&self) -> Option<Duration> {
        self.next
    }

    /// Looks whether there is a quota (by now): what sets one wakes nobody.
    pub fn look_for_quota(&mut self, now: Duration) {
        if self.next.is_none() && self.has_quota() {
            self.next = Some(now);
        }
    }

    fn has_quota(&self) -> bool {
        let limit = self.cgroup.read(Reader::cpu_limit);
        limit.is_ok_and(|limit| limit.is_some())
    }

    /// Looks, if it is time to.
    pub fn look(&mut self, counters: &mut Counters, now: Duration) -> Option<Event> {
        if self.next.is_none_or(|at| now < at) {
            return None;
        }
        self.look_now(counters, now)
    }

    /// Looks: at the end of a run, so that one of less than a second is seen too.
    pub fn look_now(&mut self, counters: &mut Counters, now: Duration) -> Option<Event> {
        self.next?;
        let Some((periods, throttled, throttled_usec)) = counters.throttling() else {
            self.next = None;
            return None;
        };
        let counted = Counted {
            periods,
            throttled,
            throttled_usec,
        };
        // what was counted before is nothing that a window can be told of
        let watch = self
            .watch
            .get_or_insert_with(|| Watch::new(self.period, Counted::default(), Duration::ZERO));
        let stretch = watch.observe(counted, now);
        self.next = Some(now + watch.next_look(now));
        stretch.map(tell)
    }

    /// The longest window so far, in microseconds, estimated.
    pub fn longest_usec(&self) -> Option<u64> {
        let longest = self.watch.as_ref()?.longest()?;
        Some(longest.as_micros() as u64)
    }
}

fn tell(stretch: Stretch) -> Event {
    Event::CpuThrottled {
        over_ms: milliseconds(stretch.over),
        periods: stretch.counted.periods,
        throttled: stretch.counted.throttled,
        throttled_usec: stretch.counted.throttled_usec,
        longest_usec: stretch.longest.as_micros() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunnage_cgroup::Root;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// A cgroup of v2 as a container sees it, in a folder.
    fn container(folder: &Path, max: &str) -> PathBuf {
        let group = folder.join("sys/fs/cgroup");
        fs::create_dir_all(&group).unwrap();
        fs::create_dir_all(folder.join("proc/self")).unwrap();
        fs::write(folder.join("proc/self/cgroup"), "0::/\n").unwrap();
        let mount = "30 20 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        fs::write(folder.join("proc/self/mountinfo"), mount).unwrap();
        fs::write(group.join("cgroup.controllers"), "cpu\n").unwrap();
        fs::write(group.join("cpu.max"), max).unwrap();
        count(&group, 0, 0, 0);
        group
    }

    fn count(group: &Path, periods: u64, throttled: u64, usec: u64) {
        let text =
            format!("nr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {usec}\n");
        fs::write(group.join("cpu.stat"), text).unwrap();
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn open(folder: &Path) -> (ThrottleWatch, Counters) {
        let cgroup = OwnCgroup::below(Root::at(folder));
        let counters = Counters::open(cgroup.clone());
        (ThrottleWatch::open(cgroup, None), counters)
    }

    #[test]
    fn without_a_quota_nobody_is_woken_until_one_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let group = container(folder.path(), "max 100000\n");
        let (mut watch, mut counters) = open(folder.path());
        assert_eq!(watch.wake_at(), None);
        assert_eq!(watch.look_now(&mut counters, seconds(1)), None);
        fs::write(group.join("cpu.max"), "20000 100000\n").unwrap();
        watch.look_for_quota(seconds(60));
        assert_eq!(watch.wake_at(), Some(seconds(60)));
    }

    #[test]
    fn throttling_is_looked_at_more_often_than_calm_and_told_once_it_matters() {
        let folder = tempfile::tempdir().unwrap();
        let group = container(folder.path(), "20000 100000\n");
        let (mut watch, mut counters) = open(folder.path());
        assert_eq!(watch.look(&mut counters, seconds(0)), None);
        assert_eq!(watch.wake_at(), Some(seconds(1)));
        assert_eq!(watch.longest_usec(), None);
        let mut told = Vec::new();
        for second in 1..30 {
            count(&group, second * 10, second * 5, second * 400_000);
            told.extend(watch.look(&mut counters, seconds(second)));
        }
        let busy = Duration::from_millis(100);
        assert_eq!(watch.wake_at(), Some(seconds(29) + busy));
        let expected = Event::CpuThrottled {
            over_ms: 15_000,
            periods: 150,
            throttled: 75,
            throttled_usec: 6_000_000,
            longest_usec: 80_000,
        };
        assert_eq!(told, [expected]);
        assert_eq!(watch.longest_usec(), Some(80_000));
    }

    #[test]
    fn counters_that_cannot_be_read_any_more_end_the_watch() {
        let folder = tempfile::tempdir().unwrap();
        let group = container(folder.path(), "20000 100000\n");
        let (mut watch, mut counters) = open(folder.path());
        fs::write(group.join("cpu.stat"), "usage_usec 5\n").unwrap();
        assert_eq!(watch.look(&mut counters, seconds(0)), None);
        assert_eq!(watch.wake_at(), None);
    }
}
