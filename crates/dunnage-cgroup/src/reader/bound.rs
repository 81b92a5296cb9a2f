//! Where the next kill for memory would come from: the level whose limit is the tightest, and what is charged there.
//!
//! A container can die of an ancestor's limit (a pod's), which counts its siblings too, so the use is read where the limit
//! is. Where memory may be swapped, swap counts on both sides, as capacity and as use: while it fills, memory alone would
//! seem to stand still at its limit.

use super::kept::{Buffer, Kept, Opener};
use super::memory::{KindFiles, Memory};
use crate::ReadError;
use crate::parse::{Size, parse_flat_keyed, parse_size, parse_u64};
use crate::resolve::{Chain, Version};
use crate::root::{Reading, VALUE_BYTES};
use crate::v1::memory::{Hierarchical, read_hierarchical};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MEMINFO_FILE: &str = "/proc/meminfo";

/// What bounds memory now, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryBound {
    /// The tightest hard limit; `None` where only `high` bounds.
    pub limit: Option<u64>,
    /// The tightest `memory.high` (v2), above which the kernel throttles allocations.
    pub high: Option<u64>,
    /// Swap that may be used, what is used already included: the tightest swap limit, and no more than the machine has
    /// free. 0 where there is none, as in a pod by default.
    pub swap: u64,
    /// `limit` or `high`, whichever is less, and `swap`.
    pub capacity: u64,
}

/// Kept descriptors of the level that binds, and of the limits of all levels.
#[derive(Debug)]
pub(super) struct BoundFiles {
    version: Version,
    folders: Vec<PathBuf>,
    limits: Vec<LimitFiles>,
    /// What the limits were at the last look.
    seen: Vec<Level>,
    far: Far,
    chosen: Chosen,
    /// What was found at the last look.
    bound: Option<MemoryBound>,
}

#[derive(Debug)]
struct LimitFiles {
    limit: Kept,
    /// v2 `memory.high`.
    high: Option<Kept>,
    /// v2 `memory.swap.max`; v1 `memory.memsw.limit_in_bytes`, memory and swap together.
    swap: Kept,
}

/// The limits of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    limit: Option<u64>,
    high: Option<u64>,
    /// Swap without the memory; `None` where nothing limits it.
    swap: Option<u64>,
}

/// What is dear to read and seldom changes.
#[derive(Debug, Default)]
struct Far {
    read_at: Option<Instant>,
    /// v1: the limits over all levels, the hidden ones too.
    hierarchical: Option<Hierarchical>,
    /// Free swap of the machine, in bytes.
    free_swap: u64,
}

/// The files of the level that binds.
#[derive(Debug)]
struct Chosen {
    index: usize,
    kinds: KindFiles,
    /// What is in swap: v2 `memory.swap.current`; v1 `memory.memsw.usage_in_bytes`, memory and swap together.
    swap: Kept,
    /// v2 `memory.events`; v1 `memory.failcnt`.
    hits: Kept,
}

impl BoundFiles {
    pub fn open(opener: &Opener, chain: &Chain) -> Self {
        let folders = chain.levels.clone();
        let limits = folders
            .iter()
            .map(|folder| LimitFiles::open(opener, chain.version, folder))
            .collect();
        Self {
            version: chain.version,
            limits,
            seen: Vec::new(),
            far: Far::default(),
            chosen: Chosen::open(opener, chain.version, chain.leaf(), 0),
            bound: None,
            folders,
        }
    }

    /// Looks at all limits anew, and moves to the level whose limit is the tightest.
    pub fn find(
        &mut self,
        stated: Option<u64>,
        max_age: Duration,
        opener: &Opener,
        buffer: &mut Buffer,
    ) -> Result<Option<MemoryBound>, ReadError> {
        let mut levels = Vec::with_capacity(self.limits.len());
        for files in &self.limits {
            levels.push(files.read(self.version, buffer)?);
        }
        if levels != self.seen || self.far.is_older_than(max_age) {
            self.far = Far::read(self.version, &self.folders, &levels, opener);
        }
        self.seen = levels;
        let Some((index, mut bound)) = tightest(&self.seen, self.far.hierarchical, stated) else {
            self.bound = None;
            return Ok(None);
        };
        if index != self.chosen.index
            && let Some(folder) = self.folders.get(index)
        {
            self.chosen = Chosen::open(opener, self.version, folder, index);
        }
        bound.swap = self.usable_swap(bound.swap, buffer)?;
        bound.capacity = bound.capacity.saturating_add(bound.swap);
        self.bound = Some(bound);
        Ok(self.bound)
    }

    /// The part of `allowed` that the machine has, what is used already included.
    fn usable_swap(&self, allowed: u64, buffer: &mut Buffer) -> Result<u64, ReadError> {
        if allowed == 0 {
            return Ok(0);
        }
        let used = self.chosen.swapped(self.version, buffer)?;
        Ok(allowed.min(used.saturating_add(self.far.free_swap)))
    }

    /// What counts against [`MemoryBound::capacity`].
    pub fn usage(&self, buffer: &mut Buffer) -> Result<u64, ReadError> {
        let usage = self.chosen.kinds.usage(buffer)?;
        if self.bound.is_none_or(|bound| bound.swap == 0) {
            return Ok(usage);
        }
        Ok(usage.saturating_add(self.chosen.swapped(self.version, buffer)?))
    }

    pub fn memory(&self, buffer: &mut Buffer) -> Result<Memory, ReadError> {
        let (mut memory, _) = self.chosen.kinds.read(buffer)?;
        memory.limit = self.bound.and_then(|bound| bound.limit);
        Ok(memory)
    }

    pub fn hits(&self, buffer: &mut Buffer) -> Result<Option<u64>, ReadError> {
        let bytes = match self.chosen.hits.read(buffer) {
            Err(gone @ ReadError::Vanished { .. }) => return Err(gone),
            Err(_) => return Ok(None),
            Ok(bytes) => bytes,
        };
        Ok(match self.version {
            Version::V1 => parse_u64(bytes),
            Version::V2 => parse_flat_keyed(bytes)
                .find(|(key, _)| *key == b"max")
                .map(|(_, value)| value),
        })
    }

    /// Whether an OOM kill takes the whole leaf: v2, where the leaf or a level between it and the one that binds says so
    /// (`mem_cgroup_get_oom_group`). `None` where that cannot be read.
    pub fn kills_group(&self, opener: &Opener, buffer: &mut Buffer) -> Option<bool> {
        if self.version == Version::V1 {
            return Some(false);
        }
        let mut is_known = true;
        for folder in self.folders.iter().take(self.chosen.index + 1) {
            let file = opener.keep(folder.join("memory.oom.group"));
            match file.parse(buffer, parse_u64) {
                Ok(0) => {}
                Ok(_) => return Some(true),
                Err(_) => is_known = false,
            }
        }
        is_known.then_some(false)
    }

    /// v2: the file that the kernel tells changes of.
    pub fn events(&self) -> Option<PathBuf> {
        let folder = self.folders.get(self.chosen.index)?;
        (self.version == Version::V2).then(|| folder.join("memory.events"))
    }
}

/// The level that binds, and its bound; `swap` is still what is allowed, `capacity` still without it.
fn tightest(
    levels: &[Level],
    over_all: Option<Hierarchical>,
    stated: Option<u64>,
) -> Option<(usize, MemoryBound)> {
    let all = over_all.and_then(|over_all| match over_all.memory {
        Size::Limit(bytes) => Some(bytes),
        Size::Max => None,
    });
    let mut found: Option<(usize, u64)> = None;
    let (mut limit, mut high) = (None, None);
    let mut swap = over_all.and_then(|over_all| over_all.swap());
    for (index, level) in levels.iter().enumerate() {
        // an ancestor without `memory.use_hierarchy` does not bind those below it
        let bytes = level
            .limit
            .filter(|bytes| index == 0 || all.is_none_or(|all| *bytes >= all));
        limit = lower(limit, bytes);
        high = lower(high, level.high);
        swap = lower(swap, level.swap);
        if let Some(bytes) = lower(bytes, level.high)
            && found.is_none_or(|(_, least)| bytes < least)
        {
            found = Some((index, bytes));
        }
    }
    // of a limit that is hidden, or only stated, the use cannot be seen: the leaf's is the part of it that can
    for bytes in [all, stated].into_iter().flatten() {
        if found.is_none_or(|(_, least)| bytes < least) {
            found = Some((0, bytes));
            limit = Some(bytes);
        }
    }
    let (index, capacity) = found?;
    let swap = match stated {
        // what a stated limit allows of swap, nobody has said
        Some(stated) if stated == capacity => 0,
        _ => swap.unwrap_or(u64::MAX),
    };
    let bound = MemoryBound {
        limit,
        high,
        swap,
        capacity,
    };
    Some((index, bound))
}

fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

impl LimitFiles {
    fn open(opener: &Opener, version: Version, folder: &Path) -> Self {
        let keep = |name: &str| opener.keep(folder.join(name));
        match version {
            Version::V1 => Self {
                limit: keep("memory.limit_in_bytes"),
                high: None,
                swap: keep("memory.memsw.limit_in_bytes"),
            },
            Version::V2 => Self {
                limit: keep("memory.max"),
                high: Some(keep("memory.high")),
                swap: keep("memory.swap.max"),
            },
        }
    }

    fn read(&self, version: Version, buffer: &mut Buffer) -> Result<Level, ReadError> {
        let limit = read_limit(&self.limit, buffer)?;
        let high = match &self.high {
            Some(file) => read_limit(file, buffer)?,
            None => None,
        };
        let swap = read_limit(&self.swap, buffer)?;
        let swap = match version {
            Version::V2 => swap,
            // without a limit of its own, memory may take all of what both may
            Version::V1 => swap
                .zip(limit)
                .map(|(both, memory)| both.saturating_sub(memory)),
        };
        Ok(Level { limit, high, swap })
    }
}

/// A limit; one that cannot be read is passed over, as when all are read anew.
fn read_limit(file: &Kept, buffer: &mut Buffer) -> Result<Option<u64>, ReadError> {
    if !file.is_open() {
        return Ok(None);
    }
    match file.parse(buffer, parse_size) {
        Ok(Size::Limit(bytes)) => Ok(Some(bytes)),
        Err(gone @ ReadError::Vanished { .. }) => Err(gone),
        Ok(Size::Max) | Err(_) => Ok(None),
    }
}

impl Far {
    fn is_older_than(&self, age: Duration) -> bool {
        self.read_at.is_none_or(|at| at.elapsed() >= age)
    }

    fn read(version: Version, folders: &[PathBuf], levels: &[Level], opener: &Opener) -> Self {
        let mut reading = Reading::new(&opener.root);
        let leaf = folders.first().filter(|_| version == Version::V1);
        let hierarchical = leaf
            .and_then(|leaf| read_hierarchical(&mut reading, leaf))
            .map(|(found, _)| found);
        // most containers may not swap at all
        let may_swap = levels.iter().all(|level| level.swap != Some(0));
        let meminfo = may_swap.then(|| reading.read(Path::new(MEMINFO_FILE), VALUE_BYTES));
        Self {
            read_at: Some(Instant::now()),
            hierarchical,
            free_swap: meminfo
                .flatten()
                .and_then(|text| parse_free_swap(&text))
                .unwrap_or(0),
        }
    }
}

/// `SwapFree` of `/proc/meminfo`, in bytes.
fn parse_free_swap(meminfo: &[u8]) -> Option<u64> {
    let line = meminfo
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"SwapFree:"))?;
    let number = line.trim_ascii().strip_suffix(b"kB")?;
    parse_u64(number)?.checked_mul(1024)
}

impl Chosen {
    fn open(opener: &Opener, version: Version, folder: &Path, index: usize) -> Self {
        let keep = |name: &str| opener.keep(folder.join(name));
        let (swap, hits) = match version {
            Version::V1 => ("memory.memsw.usage_in_bytes", "memory.failcnt"),
            Version::V2 => ("memory.swap.current", "memory.events"),
        };
        Self {
            index,
            kinds: KindFiles::open(opener, version, folder),
            swap: keep(swap),
            hits: keep(hits),
        }
    }

    /// Bytes in swap; 0 where the kernel does not count them.
    fn swapped(&self, version: Version, buffer: &mut Buffer) -> Result<u64, ReadError> {
        let Some(counted) = self.swap.parse_optional(buffer, parse_u64)? else {
            return Ok(0);
        };
        Ok(match version {
            Version::V2 => counted,
            Version::V1 => counted.saturating_sub(self.kinds.usage(buffer)?),
        })
    }
}

#[cfg(test)]
mod tests;
