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

/// Takes the caller's count, else reads the process's own mask, else the CPUs that are online; the cpuset cuts all of them.
///
/// The kernel has cut the mask by the cpuset already, so that the latter matters only where the mask could not be read, or
/// comes from somebody who did not ask the kernel.
pub(crate) fn read_affinity(
    reading: &mut Reading,
    cgroups: &Cgroups,
    given: Option<u32>,
) -> Affinity {
    let mask = read_mask(reading, given);
    let cpuset = read_cpuset(reading, cgroups);
    let tighter = match (mask, cpuset) {
        (Some(mask), Some(cpuset)) => Some(if cpuset.0 < mask.0 { cpuset } else { mask }),
        (None, Some(cpuset)) => Some(cpuset),
        (Some(mask), None) => Some(mask),
        (None, None) => {
            let online = Path::new("/sys/devices/system/cpu/online");
            let cpus = reading.parse(online, VALUE_BYTES, parse_cpu_list);
            cpus.map(|cpus| (cpus, online.to_path_buf()))
        }
    };
    if let Some((cpus, source)) = tighter {
        return Affinity {
            cpus,
            source: source.display().to_string(),
            is_known: true,
        };
    }
    reading.note("how many CPUs may be used cannot be read: 1 is assumed".to_owned());
    Affinity {
        cpus: 1,
        source: "none".to_owned(),
        is_known: false,
    }
}

fn read_mask(reading: &mut Reading, given: Option<u32>) -> Option<(u32, PathBuf)> {
    if let Some(cpus) = given {
        return Some((cpus.max(1), PathBuf::from("affinity")));
    }
    let status = Path::new("/proc/self/status");
    let cpus = reading.parse(status, TABLE_BYTES, parse_cpus_allowed)?;
    Some((cpus, status.to_path_buf()))
}

/// The cpuset of the nearest level that has one.
fn read_cpuset(reading: &mut Reading, cgroups: &Cgroups) -> Option<(u32, PathBuf)> {
    let chain = cgroups.chain("cpuset").ok()?;
    let file = match chain.version {
        Version::V1 => "cpuset.effective_cpus",
        Version::V2 => "cpuset.cpus.effective",
    };
    chain.levels.iter().find_map(|level| {
        let path = level.join(file);
        Some((reading.parse(&path, VALUE_BYTES, parse_cpu_list)?, path))
    })
}
