//! One look at the memory: the cheapest reads that the ladder can decide by.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use dunnage_cgroup::{Memory, MemoryBound, Pressure, PressureKind, ReadError, Reader};
use dunnage_policy::ladder::{Ladder, Rung, Sample};
use dunnage_policy::oom::{Kills, is_full};
use dunnage_sys::FileWatch;

use crate::own_cgroup::OwnCgroup;
use crate::procfs::read_process_table;

/// How often limits are read again, at most: a tenth of the looks.
const LIMITS_EVERY: Duration = Duration::from_millis(100);

/// The same while nothing is charged or freed. What moves is looked at again soon, and that look reads the limits.
const LIMITS_EVERY_STILL: Duration = Duration::from_millis(500);

/// How often threads are counted: that takes a look at every process.
const THREADS_EVERY: Duration = Duration::from_secs(10);

/// How long what was read of page cache holds, while memory does not rise: `memory.stat` is the dearest of all reads, and
/// a full application that stands still is looked at a thousand times a second.
const STAT_EVERY: Duration = Duration::from_millis(50);

/// A rise by less than this, in bytes, is none. The kernel charges in batches of some pages for each CPU.
const STILL: u64 = 256 << 10;

/// A look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub sample: Sample,
    /// What there is has changed since the look before.
    pub resized: bool,
}

/// What was read of page cache.
#[derive(Debug, Clone, Copy)]
struct Stat {
    at: Duration,
    usage: u64,
    /// The part of the usage that the kernel can take back, in bytes.
    cache: u64,
}

/// The kernel's files.
pub struct Gauge {
    cgroup: OwnCgroup,
    stated: Option<u64>,
    /// What an OOM kill takes, where the user says so.
    kills: Option<Kills>,
    /// Whether we outlive one.
    outlives: bool,
    bound: Option<MemoryBound>,
    limits_at: Option<Duration>,
    stat: Option<Stat>,
    /// Tells of limits that were met (v2).
    events: Option<FileWatch>,
    watched: Option<PathBuf>,
    counts_threads: bool,
    threads: u32,
    threads_at: Option<Duration>,
}

impl Gauge {
    pub fn open(
        cgroup: OwnCgroup,
        stated: Option<u64>,
        kills: Option<Kills>,
        counts_threads: bool,
    ) -> Self {
        Self {
            cgroup,
            stated,
            kills,
            outlives: false,
            bound: None,
            limits_at: None,
            stat: None,
            events: None,
            watched: None,
            counts_threads,
            threads: 1,
            threads_at: None,
        }
    }

    pub fn alarm(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }

    pub fn take_alarm(&self) -> bool {
        self.events.as_ref().is_some_and(FileWatch::take_changed)
    }

    /// Whether an OOM kill takes one process, so that we outlive it.
    pub fn outlives(&self) -> bool {
        self.outlives
    }

    /// Reads all that a record is made of: the kernel takes memory for a file when it is read first.
    pub fn warm_up(&mut self) {
        let _ = (self.memory(), self.pressure());
    }

    /// Where little is left and we are to outlive the kill, nothing is opened: neither what tells of a move to another cgroup
    /// nor what swap is free. The usage, in bytes, where it was read for that.
    fn hold_where_full(&self, ladder: &Ladder) -> Option<u64> {
        let may_be_full = self.outlives && ladder.rung() >= Rung::Record;
        self.cgroup.read(|reader| {
            reader.hold(may_be_full);
            let usage = may_be_full.then(|| reader.bound_usage().ok()).flatten();
            let both = usage.zip(self.bound);
            reader.hold(both.is_some_and(|(usage, bound)| is_full(usage, bound.capacity)));
            usage
        })
    }

    /// Looks; `None` without a limit.
    pub fn look(
        &mut self,
        ladder: &Ladder,
        is_still: bool,
        alarmed: bool,
        now: Duration,
    ) -> Result<Option<Look>, ReadError> {
        let mut usage = self.hold_where_full(ladder);
        let every = if is_still {
            LIMITS_EVERY_STILL
        } else {
            LIMITS_EVERY
        };
        let is_old = |at: Duration| now.saturating_sub(at) >= every;
        let mut resized = false;
        if alarmed || self.limits_at.is_none_or(is_old) {
            resized = self.read_limits(now)?;
            // another level may bind now
            usage = None;
            self.stat = self.stat.filter(|_| !resized && !alarmed);
        }
        let Some(bound) = self.bound else {
            return Ok(None);
        };
        let usage = match usage {
            Some(usage) => usage,
            None => self.cgroup.read(Reader::bound_usage)?,
        };
        let mut sample = Sample {
            usage,
            working_set: None,
            capacity: bound.capacity,
            hits: None,
            threads: self.threads,
        };
        if alarmed || ladder.wants_working_set(usage, bound.capacity) {
            sample.working_set = Some(self.working_set(bound, usage, now)?);
            sample.hits = self.cgroup.read(Reader::bound_hits)?;
        }
        if self.counts_threads && ladder.rung() >= Rung::Release {
            self.count_threads(now);
        }
        Ok(Some(Look { sample, resized }))
    }

    /// What the kernel cannot take back, in bytes.
    fn working_set(
        &mut self,
        bound: MemoryBound,
        usage: u64,
        now: Duration,
    ) -> Result<u64, ReadError> {
        let known = self.stat.filter(|stat| {
            usage <= stat.usage.saturating_add(STILL) && now.saturating_sub(stat.at) < STAT_EVERY
        });
        if let Some(stat) = known {
            return Ok(usage.saturating_sub(stat.cache));
        }
        let bytes = working_set(&self.cgroup.read(Reader::bound_memory)?, bound, usage);
        self.stat = Some(Stat {
            at: now,
            usage,
            cache: usage.saturating_sub(bytes),
        });
        Ok(bytes)
    }

    /// Whether what there is has changed, but for swap that others took.
    fn read_limits(&mut self, now: Duration) -> Result<bool, ReadError> {
        let is_first = self.limits_at.is_none();
        let before = self.bound;
        let stated = self.stated;
        self.bound = match self.cgroup.read(|reader| reader.memory_bound(stated)) {
            // a place without cgroups has no limit either, unless somebody says so
            Err(ReadError::NotVisible { .. }) if stated.is_none() => None,
            found => found?,
        };
        self.limits_at = Some(now);
        self.follow_events();
        let limits = |bound: Option<MemoryBound>| bound.map(|bound| (bound.limit, bound.high));
        let is_other = limits(before) != limits(self.bound);
        if is_other {
            let kills = self.kills;
            self.outlives = self.cgroup.read(|reader| outlives_kills(kills, reader));
        }
        Ok(!is_first && is_other)
    }

    /// Where the kernel cannot tell of events (v1, no inotify left), looks alone must do.
    fn follow_events(&mut self) {
        let path = self
            .bound
            .and_then(|_| self.cgroup.read(|reader| reader.bound_events()));
        if path == self.watched {
            return;
        }
        self.events = path.as_ref().and_then(|path| {
            let mut events = FileWatch::new().ok()?;
            events.watch(path).ok()?;
            Some(events)
        });
        self.watched = path;
    }

    fn count_threads(&mut self, now: Duration) {
        let is_old = |at: Duration| now.saturating_sub(at) >= THREADS_EVERY;
        if !self.threads_at.is_none_or(is_old) {
            return;
        }
        self.threads_at = Some(now);
        let table = read_process_table();
        let below = table.descendants(dunnage_sys::current_pid());
        self.threads = below.iter().map(|process| process.threads).sum();
    }

    /// Memory by kind; what cannot be read is not known.
    pub fn memory(&mut self) -> Memory {
        self.cgroup.read(Reader::bound_memory).unwrap_or_default()
    }

    pub fn pressure(&mut self) -> Option<Pressure> {
        self.cgroup
            .read(|reader| reader.pressure(PressureKind::Memory))
            .ok()
    }
}

/// Whether an OOM kill takes one process, by the user's word or the kernel's. Where neither tells, it may be the group.
pub(crate) fn outlives_kills(said: Option<Kills>, reader: &mut Reader) -> bool {
    match said {
        Some(kills) => kills == Kills::Process,
        None => reader.bound_kills_group() == Some(false),
    }
}

/// What the kernel cannot take back by dropping page cache, and what is in swap where that counts; where it is not told how
/// much is page cache, all that is charged.
pub(crate) fn working_set(memory: &Memory, bound: MemoryBound, usage: u64) -> u64 {
    let swapped = if bound.swap == 0 {
        0
    } else {
        memory.swap.unwrap_or(0)
    };
    memory
        .working_set
        .map_or(usage, |bytes| bytes.saturating_add(swapped))
}
