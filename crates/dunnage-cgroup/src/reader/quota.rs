//! The CPU counters of another process's cgroup, for whoever reads them many times a second.

use std::path::{Path, PathBuf};

use super::kept::{Buffer, Kept, Opener};
use crate::parse::{parse_flat_keyed, parse_u64};
use crate::read::is_tighter;
use crate::resolve::{Cgroups, Chain, Version};
use crate::root::Reading;
use crate::{Bandwidth, ReadError, Root, v1, v2};

/// What a cgroup has counted of CPU time since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuCounters {
    /// CPU time used, in nanoseconds; 0 where that is not counted here.
    pub used_nsec: u64,
    /// Periods in which it had something to run (`nr_periods`).
    pub periods: u64,
    /// Periods in which it used up its quota (`nr_throttled`).
    pub throttled: u64,
    /// Time for which it was stopped, summed over CPUs, in nanoseconds.
    pub throttled_nsec: u64,
}

/// Kept descriptors of the CPU counters at the level whose quota binds a process, else of its own cgroup. It stays with
/// that cgroup: a process that is moved takes nothing along.
#[derive(Debug)]
pub struct CpuWatch {
    version: Version,
    bandwidth: Option<Bandwidth>,
    stat: Kept,
    /// v1 counts the time that was used in another controller.
    usage: Option<Kept>,
    source: PathBuf,
    buffer: Box<Buffer>,
}

impl CpuWatch {
    /// Finds the files by `/proc/PID/cgroup` of a process that we can see.
    pub fn open(root: &Root, pid: i32) -> Result<Self, ReadError> {
        let controller = "cpu";
        let mut reading = Reading::new(root);
        let cgroups = Cgroups::read_of(&mut reading, &format!("/proc/{pid}/cgroup"));
        let chain = cgroups.chain(controller);
        let chain = chain.map_err(|_| ReadError::NotVisible { controller })?;
        let (depth, bandwidth) = find_binding(&mut reading, &chain);
        let folder = chain.levels.get(depth);
        let folder = folder.ok_or(ReadError::NotVisible { controller })?;
        let opener = Opener::new(root.clone(), false);
        let usage = (chain.version == Version::V1)
            .then(|| cgroups.chain("cpuacct").ok())
            .flatten()
            .and_then(|usage| same_level(&chain, depth, &usage).cloned());
        let mut watch = Self {
            version: chain.version,
            bandwidth,
            stat: opener.keep(folder.join("cpu.stat")),
            usage: usage.map(|folder| opener.keep(folder.join("cpuacct.usage"))),
            source: folder.join("cpu.stat"),
            buffer: Box::new([0; size_of::<Buffer>()]),
        };
        watch.read()?;
        Ok(watch)
    }

    /// The file with the counters, as a path inside of the root.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// 1 or 2.
    pub fn cgroup_version(&self) -> u8 {
        match self.version {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }

    /// The quota that binds; `None` where none is set.
    pub fn bandwidth(&self) -> Option<Bandwidth> {
        self.bandwidth
    }

    /// Whether the time that was used is counted.
    pub fn counts_use(&self) -> bool {
        self.version == Version::V2 || self.usage.as_ref().is_some_and(Kept::is_open)
    }

    /// The counters now: one `pread`, on v1 two.
    pub fn read(&mut self) -> Result<CpuCounters, ReadError> {
        let mut counters = CpuCounters::default();
        if let Some(usage) = &self.usage {
            let used = usage.parse_optional(&mut self.buffer, parse_u64)?;
            counters.used_nsec = used.unwrap_or(0);
        }
        let mut found = false;
        for (key, value) in parse_flat_keyed(self.stat.read(&mut self.buffer)?) {
            match key {
                b"usage_usec" => counters.used_nsec = value.saturating_mul(1000),
                b"nr_periods" => {
                    counters.periods = value;
                    found = true;
                }
                b"nr_throttled" => counters.throttled = value,
                b"throttled_usec" => counters.throttled_nsec = value.saturating_mul(1000),
                b"throttled_time" => counters.throttled_nsec = value,
                _ => {}
            }
        }
        // v2's top level, and a level without the controller, count the time alone
        if found || self.version == Version::V2 {
            Ok(counters)
        } else {
            Err(self.stat.malformed("has no nr_periods"))
        }
    }
}

/// The level with the tightest quota; the process's own where there is none.
fn find_binding(reading: &mut Reading, chain: &Chain) -> (usize, Option<Bandwidth>) {
    let read = match chain.version {
        Version::V1 => v1::cpu::read_bandwidth,
        Version::V2 => v2::cpu::read_bandwidth,
    };
    let mut tightest: Option<(usize, Bandwidth)> = None;
    for (depth, folder) in chain.levels.iter().enumerate() {
        if let Some((found, _)) = read(reading, folder)
            && tightest.is_none_or(|(_, lower)| is_tighter(&found, &lower))
        {
            tightest = Some((depth, found));
        }
    }
    tightest.map_or((0, None), |(depth, found)| (depth, Some(found)))
}

/// The folder of another controller's hierarchy for the same level: the two have the same names below their tops.
fn same_level<'a>(chain: &Chain, depth: usize, other: &'a Chain) -> Option<&'a PathBuf> {
    let is_alike = chain.levels.len() == other.levels.len() && chain.has_leaf == other.has_leaf;
    is_alike.then(|| other.levels.get(depth)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn another_process_s_counters_are_those_of_the_level_that_binds() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "/proc/77/cgroup", "0::/pod/app\n");
        write(
            root,
            "/proc/self/mountinfo",
            "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        );
        write(root, "/sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
        write(root, "/sys/fs/cgroup/pod/cpu.max", "20000 100000\n");
        let stat = "usage_usec 5\nuser_usec 3\nnr_periods 7\nnr_throttled 2\nthrottled_usec 11\n";
        write(root, "/sys/fs/cgroup/pod/cpu.stat", stat);
        let mut watch = CpuWatch::open(&Root::at(root), 77).unwrap();
        assert_eq!(watch.source(), Path::new("/sys/fs/cgroup/pod/cpu.stat"));
        assert_eq!(watch.bandwidth().unwrap().quota_usec, 20_000);
        let expected = CpuCounters {
            used_nsec: 5000,
            periods: 7,
            throttled: 2,
            throttled_nsec: 11_000,
        };
        assert_eq!(watch.read().unwrap(), expected);
        assert!(CpuWatch::open(&Root::at(root), 78).is_err());
    }

    #[test]
    fn on_v1_the_time_used_comes_from_the_accounting_controller() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "/proc/5/cgroup", "4:cpu:/a\n5:cpuacct:/a\n");
        write(
            root,
            "/proc/self/mountinfo",
            "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 24 0:27 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n",
        );
        write(root, "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
        let stat = "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n";
        write(root, "/sys/fs/cgroup/cpu/a/cpu.stat", stat);
        write(
            root,
            "/sys/fs/cgroup/cpuacct/a/cpuacct.usage",
            "123456789\n",
        );
        let mut watch = CpuWatch::open(&Root::at(root), 5).unwrap();
        assert_eq!((watch.bandwidth(), watch.cgroup_version()), (None, 1));
        assert!(watch.counts_use());
        let counters = watch.read().unwrap();
        assert_eq!(
            (counters.used_nsec, counters.throttled_nsec),
            (123_456_789, 3)
        );
    }
}
