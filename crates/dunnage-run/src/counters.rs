//! What the cgroup has counted since the start: OOM kills and throttled periods.

use dunnage_cgroup::{Reader, Throttling};

use crate::own_cgroup::OwnCgroup;

/// The counters at one moment, and the way to read them again.
pub struct Counters {
    cgroup: OwnCgroup,
    oom_kills: Option<u64>,
    throttling: Option<Throttling>,
}

impl Counters {
    /// Opens the counters of our own cgroup; what cannot be read is `None` from then on.
    pub fn open(cgroup: OwnCgroup) -> Self {
        let mut counters = Self {
            cgroup,
            oom_kills: None,
            throttling: None,
        };
        counters.oom_kills = counters.read_oom_kills();
        counters.throttling = counters.read_throttling();
        counters
    }

    fn read_oom_kills(&self) -> Option<u64> {
        self.cgroup.read(Reader::memory_events).ok()?.oom_kill
    }

    fn read_throttling(&self) -> Option<Throttling> {
        self.cgroup.read(Reader::throttling).ok()
    }

    /// OOM kills since the start.
    pub fn oom_kills(&mut self) -> Option<u64> {
        let now = self.read_oom_kills()?;
        Some(now.saturating_sub(self.oom_kills?))
    }

    /// Periods, throttled periods and throttled time (µs) since the start.
    pub fn throttling(&mut self) -> Option<(u64, u64, u64)> {
        let (before, now) = (self.throttling.as_ref()?, self.read_throttling()?);
        Some((
            now.periods.saturating_sub(before.periods),
            now.throttled.saturating_sub(before.throttled),
            now.throttled_usec.saturating_sub(before.throttled_usec),
        ))
    }
}
