//! The memory files of the leaf, and the limit of all levels.

use super::kept::{Buffer, Kept, Opener};
use crate::ReadError;
use crate::parse::number::size_from;
use crate::parse::{Size, parse_flat_keyed, parse_size, parse_u64};
use crate::resolve::{Chain, Version};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Memory of the cgroup and all below it, in bytes. `None` is "the kernel does not say", never 0; for `limit` also "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The tightest hard limit over all visible levels.
    pub limit: Option<u64>,
    /// All that is charged (`memory.current`; v1: `memory.usage_in_bytes`), the page cache included.
    pub usage: Option<u64>,
    /// `usage` less the page cache on the LRU lists (`inactive_file` and `active_file`), which the kernel gives back before
    /// it kills; tmpfs stays in.
    pub working_set: Option<u64>,
    /// Anonymous memory (`anon`; v1: `total_rss`).
    pub anon: Option<u64>,
    /// Page cache, tmpfs included (`file`; v1: `total_cache`).
    pub file: Option<u64>,
    /// tmpfs and shared memory (`shmem`).
    pub shmem: Option<u64>,
    /// The kernel's own memory for this cgroup (`kernel`, since 5.18; v1: `memory.kmem.usage_in_bytes`).
    pub kernel: Option<u64>,
    /// Memory in swap (`memory.swap.current`; v1: `total_swap`).
    pub swap: Option<u64>,
    /// Page cache not used lately.
    pub inactive_file: Option<u64>,
    /// Page cache used more than once.
    pub active_file: Option<u64>,
}

impl Memory {
    /// How much may still be charged before the limit, counting what the kernel can give back first as free: `limit` less
    /// `working_set`, in bytes, at least 0. `None` where either is not known.
    pub fn headroom(&self) -> Option<u64> {
        let (limit, working_set) = self.limit.zip(self.working_set)?;
        Some(limit.saturating_sub(working_set))
    }
}

/// How often limits were met since the cgroup was made (`memory.events`). On v1 only `max` (`memory.failcnt`) and
/// `oom_kill` (`memory.oom_control`) are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryEvents {
    /// Reclaimed although below `memory.low`.
    pub low: Option<u64>,
    /// Throttled for being above `memory.high`.
    pub high: Option<u64>,
    /// About to go over the hard limit.
    pub max: Option<u64>,
    /// An allocation was about to fail for the limit.
    pub oom: Option<u64>,
    /// Processes killed by the OOM killer.
    pub oom_kill: Option<u64>,
    /// Whole cgroups killed (`memory.oom.group`).
    pub oom_group_kill: Option<u64>,
}

#[derive(Debug)]
pub(super) struct MemoryFiles {
    kinds: KindFiles,
    limits: Vec<Kept>,
}

/// The leaf's counters of limits that were met.
#[derive(Debug)]
pub(super) struct EventFiles {
    version: Version,
    /// v2 `memory.events`; v1 `memory.oom_control`.
    events: Kept,
    /// v1 `memory.failcnt`.
    failcnt: Option<Kept>,
}

/// What tells one level's memory by kind.
#[derive(Debug)]
pub(super) struct KindFiles {
    version: Version,
    usage: Kept,
    stat: Kept,
    /// v2 `memory.swap.current`; v1 `memory.kmem.usage_in_bytes`: what `memory.stat` does not tell.
    beside: Kept,
}

impl KindFiles {
    pub fn open(opener: &Opener, version: Version, level: &Path) -> Self {
        let (usage, beside) = match version {
            Version::V1 => ("memory.usage_in_bytes", "memory.kmem.usage_in_bytes"),
            Version::V2 => ("memory.current", "memory.swap.current"),
        };
        let keep = |name: &str| opener.keep(level.join(name));
        Self {
            version,
            usage: keep(usage),
            stat: keep("memory.stat"),
            beside: keep(beside),
        }
    }

    pub fn usage(&self, buffer: &mut Buffer) -> Result<u64, ReadError> {
        self.usage.parse(buffer, parse_u64)
    }

    /// All but the limit; beside it what v1 tells of the limit over all levels.
    pub fn read(&self, buffer: &mut Buffer) -> Result<(Memory, Option<Size>), ReadError> {
        let stat = self.stat.read(buffer)?;
        let (mut memory, hierarchical) = match self.version {
            Version::V1 => read_stat_v1(stat),
            Version::V2 => (read_stat_v2(stat), None),
        };
        let beside = self.beside.parse_optional(buffer, parse_u64)?;
        match self.version {
            Version::V1 => memory.kernel = beside,
            Version::V2 => memory.swap = beside,
        }
        memory.usage = self.usage.parse_optional(buffer, parse_u64)?;
        memory.working_set = memory
            .usage
            .zip(memory.inactive_file.zip(memory.active_file))
            .map(|(usage, (inactive, active))| {
                usage.saturating_sub(inactive.saturating_add(active))
            });
        Ok((memory, hierarchical))
    }
}

impl MemoryFiles {
    pub fn open(opener: &Opener, chain: &Chain) -> Self {
        let limit = match chain.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        let limits = chain.levels.iter();
        Self {
            kinds: KindFiles::open(opener, chain.version, chain.leaf()),
            limits: limits
                .map(|level| opener.keep(level.join(limit)))
                .filter(Kept::is_open)
                .collect(),
        }
    }

    pub fn usage(&self, buffer: &mut Buffer) -> Result<u64, ReadError> {
        self.kinds.usage(buffer)
    }

    pub fn memory(&self, buffer: &mut Buffer) -> Result<Memory, ReadError> {
        let (mut memory, hierarchical) = self.kinds.read(buffer)?;
        memory.limit = match hierarchical {
            Some(Size::Limit(bytes)) => Some(bytes),
            Some(Size::Max) => None,
            None => self.limit(buffer)?,
        };
        Ok(memory)
    }

    /// The tightest limit over the levels; one that cannot be read is passed over, as when all are read anew.
    fn limit(&self, buffer: &mut Buffer) -> Result<Option<u64>, ReadError> {
        let mut tightest = None;
        for level in &self.limits {
            match level.parse(buffer, parse_size) {
                Ok(Size::Limit(bytes)) => {
                    tightest = Some(tightest.map_or(bytes, |lower: u64| lower.min(bytes)));
                }
                Err(gone @ ReadError::Vanished { .. }) => return Err(gone),
                Ok(Size::Max) | Err(_) => {}
            }
        }
        Ok(tightest)
    }
}

impl EventFiles {
    pub fn open(opener: &Opener, chain: &Chain) -> Self {
        let keep = |name: &str| opener.keep(chain.leaf().join(name));
        let (events, failcnt) = match chain.version {
            Version::V1 => (keep("memory.oom_control"), Some(keep("memory.failcnt"))),
            Version::V2 => (keep("memory.events"), None),
        };
        Self {
            version: chain.version,
            events,
            failcnt,
        }
    }

    pub fn read(&self, buffer: &mut Buffer) -> Result<MemoryEvents, ReadError> {
        let mut events = MemoryEvents::default();
        let bytes = self.events.read(buffer)?;
        for (key, value) in parse_flat_keyed(bytes) {
            match (self.version, key) {
                (Version::V1 | Version::V2, b"oom_kill") => events.oom_kill = Some(value),
                (Version::V2, b"low") => events.low = Some(value),
                (Version::V2, b"high") => events.high = Some(value),
                (Version::V2, b"max") => events.max = Some(value),
                (Version::V2, b"oom") => events.oom = Some(value),
                (Version::V2, b"oom_group_kill") => events.oom_group_kill = Some(value),
                _ => {}
            }
        }
        if let Some(failcnt) = &self.failcnt {
            events.max = failcnt.parse_optional(buffer, parse_u64)?;
        }
        Ok(events)
    }
}

/// The `total_` fields are those of the cgroup and all below it; the limit is the one over all levels above.
fn read_stat_v1(bytes: &[u8]) -> (Memory, Option<Size>) {
    let mut memory = Memory::default();
    let mut limit = None;
    for (key, value) in parse_flat_keyed(bytes) {
        match key {
            b"hierarchical_memory_limit" => limit = Some(size_from(value)),
            b"total_rss" => memory.anon = Some(value),
            b"total_cache" => memory.file = Some(value),
            b"total_shmem" => memory.shmem = Some(value),
            b"total_swap" => memory.swap = Some(value),
            b"total_inactive_file" => memory.inactive_file = Some(value),
            b"total_active_file" => memory.active_file = Some(value),
            _ => {}
        }
    }
    (memory, limit)
}

fn read_stat_v2(bytes: &[u8]) -> Memory {
    let mut memory = Memory::default();
    for (key, value) in parse_flat_keyed(bytes) {
        match key {
            b"anon" => memory.anon = Some(value),
            b"file" => memory.file = Some(value),
            b"shmem" => memory.shmem = Some(value),
            b"kernel" => memory.kernel = Some(value),
            b"inactive_file" => memory.inactive_file = Some(value),
            b"active_file" => memory.active_file = Some(value),
            _ => {}
        }
    }
    memory
}
