//! How many CPUs the scheduler lets this process use.

use crate::parse::{parse_cpu_list, parse_cpus_allowed};
use crate::resolve::{Cgroups, Version};
use crate::root::{Reading, TABLE_BYTES, VALUE_BYTES};
use std::path::{Path, PathBuf};

/// A number of CPUs and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Affinity {
    pub cpus: u32,
    pub source: String,
    /// `false` where nothing could be read and `cpus` is 1 for want of better.
    pub is_known: bool,
}

/// Takes the caller's count, else reads the process's own mask, which a cpuset has already cut; where that cannot be read
/// the cpuset, then the CPUs that are online.
pub(crate) fn read_affinity(
    reading: &mut Reading,
    cgroups: &Cgroups,
    given: Option<u32>,
) -> Affinity {
    let known = |cpus, source: &Path| Affinity {
        cpus,
        source: source.display().to_string(),
        is_known: true,
    };
    if let Some(cpus) = given {
        return known(cpus.max(1), Path::new("affinity"));
    }
    let status = Path::new("/proc/self/status");
    if let Some(cpus) = reading.parse(status, TABLE_BYTES, parse_cpus_allowed) {
        return known(cpus, status);
    }
    if let Some((cpus, source)) = read_cpuset(reading, cgroups) {
        return known(cpus, &source);
    }
    let online = Path::new("/sys/devices/system/cpu/online");
    if let Some(cpus) = reading.parse(online, VALUE_BYTES, parse_cpu_list) {
        return known(cpus, online);
    }
    reading.note("how many CPUs may be used cannot be read: 1 is assumed".to_owned());
    Affinity {
        cpus: 1,
        source: "none".to_owned(),
        is_known: false,
    }
}

/// The cpuset of the nearest level that has one.
fn read_cpuset(reading: &mut Reading, cgroups: &Cgroups) -> Option<(u32, PathBuf)> {
    let chain = cgroups.chain(reading.root, "cpuset").ok()?;
    let file = match chain.version {
        Version::V1 => "cpuset.effective_cpus",
        Version::V2 => "cpuset.cpus.effective",
    };
    chain.levels.iter().find_map(|level| {
        let path = level.join(file);
        Some((reading.parse(&path, VALUE_BYTES, parse_cpu_list)?, path))
    })
}
