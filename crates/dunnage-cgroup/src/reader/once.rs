//! What a look at a container wants to know besides its limits of CPU and memory, and nobody reads again and again.

use crate::parse::{Size, parse_flat_keyed, parse_size, parse_u64};
use crate::resolve::{Cgroups, Chain, Version};
use crate::root::{Reading, Root, TABLE_BYTES, VALUE_BYTES};
use crate::{Confidence, Sourced};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Processes and threads of a cgroup (`pids` controller).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pids {
    /// How many there are at the level that bounds them; zombies count.
    pub current: Option<u64>,
    /// The most that may be, the tightest over all visible levels; `None` where none is set.
    pub limit: Option<Sourced<u64>>,
}

/// Facts of a cgroup beside its limits. `None` is "the kernel does not say".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// Processes and threads.
    pub pids: Option<Pids>,
    /// Whether an OOM kill ends the whole cgroup, with its file (`memory.oom.group`, v2 since 4.19).
    pub oom_group: Option<Sourced<bool>>,
    /// Anonymous memory in huge pages, in bytes (`anon_thp`; v1: `total_rss_huge`).
    pub huge_bytes: Option<u64>,
    /// The folder of the cgroup's memory files.
    pub memory_folder: Option<PathBuf>,
}

pub(super) fn read(root: &Root, cgroups: &Cgroups) -> Beside {
    let mut reading = Reading::new(root);
    let memory = cgroups.memory().ok().filter(|chain| chain.has_leaf);
    Beside {
        pids: cgroups
            .chain("pids")
            .ok()
            .and_then(|chain| read_pids(&mut reading, &chain)),
        oom_group: memory.and_then(|chain| read_oom_group(&mut reading, chain)),
        huge_bytes: memory.and_then(|chain| read_huge(&mut reading, chain)),
        memory_folder: memory.map(|chain| chain.leaf().to_owned()),
    }
}

fn read_pids(reading: &mut Reading, chain: &Chain) -> Option<Pids> {
    let mut limit: Option<Sourced<u64>> = None;
    let mut folder = chain.levels.first()?;
    let mut is_there = false;
    for (depth, level) in chain.levels.iter().enumerate() {
        let path = level.join("pids.max");
        let Some(found) = reading.parse(&path, VALUE_BYTES, parse_size) else {
            continue;
        };
        is_there = true;
        if let Size::Limit(value) = found
            && limit.as_ref().is_none_or(|lower| value < lower.value)
        {
            folder = level;
            let is_own = depth == 0 && chain.has_leaf;
            limit = Some(Sourced {
                value,
                source: path.display().to_string(),
                confidence: if is_own {
                    Confidence::Leaf
                } else {
                    Confidence::Ancestor
                },
            });
        }
    }
    let current = reading.parse(&folder.join("pids.current"), VALUE_BYTES, parse_u64);
    (is_there || current.is_some()).then_some(Pids { current, limit })
}

fn read_oom_group(reading: &mut Reading, chain: &Chain) -> Option<Sourced<bool>> {
    if chain.version == Version::V1 {
        return None;
    }
    let path = chain.leaf().join("memory.oom.group");
    let value = reading.parse(&path, VALUE_BYTES, parse_u64)? != 0;
    Some(Sourced {
        value,
        source: path.display().to_string(),
        confidence: Confidence::Leaf,
    })
}

fn read_huge(reading: &mut Reading, chain: &Chain) -> Option<u64> {
    let key: &[u8] = match chain.version {
        Version::V1 => b"total_rss_huge",
        Version::V2 => b"anon_thp",
    };
    let stat = reading.read(&chain.leaf().join("memory.stat"), TABLE_BYTES)?;
    parse_flat_keyed(&stat)
        .find(|(found, _)| *found == key)
        .map(|(_, value)| value)
}
