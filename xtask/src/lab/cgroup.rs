//! The control groups that a case needs: made before it, emptied and removed after it.
//!
//! Every case has `/dunnage-lab-PID/CASE` (as a pod's) and below it `app` (the container's). In the place `host` we
//! make both; a container runtime makes `app` itself. On cgroup v1 each controller has such a pair of folders.

use super::case::Limits;
use crate::tools::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MOUNT: &str = "/sys/fs/cgroup";
const PERIOD_USEC: u64 = 100_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The version whose controllers limit CPU and memory here.
pub(crate) fn version() -> Version {
    if Path::new(MOUNT).join("cgroup.controllers").exists() {
        Version::V2
    } else {
        Version::V1
    }
}

impl Version {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// The groups of one case, removed when dropped.
pub(crate) struct Group {
    /// `/dunnage-lab-PID/CASE`, below each hierarchy.
    pod: String,
    version: Version,
}

impl Group {
    /// Makes the pod's group with its limits.
    pub(crate) fn create(case: &str, limits: &Limits) -> Result<Self> {
        let group = Self {
            pod: format!("/dunnage-lab-{}/{case}", std::process::id()),
            version: version(),
        };
        for folder in group.folders(&group.pod) {
            make(&folder, group.version)?;
        }
        group.set(&group.pod, limits)?;
        Ok(group)
    }

    /// The container's path for a runtime's configuration.
    pub(crate) fn app(&self) -> String {
        format!("{}/app", self.pod)
    }

    /// Makes the container's group too, as a runtime would, and returns the files that a process enters it by.
    pub(crate) fn create_app(&self, limits: &Limits) -> Result<Vec<PathBuf>> {
        let folders = self.folders(&self.app());
        for folder in &folders {
            make(folder, self.version)?;
        }
        self.set(&self.app(), limits)?;
        Ok(self.entries())
    }

    /// Where a process enters the container's group.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        self.folders(&self.app())
            .iter()
            .map(|folder| folder.join("cgroup.procs"))
            .filter(|file| file.exists())
            .collect()
    }

    /// Changes the container's limits while it runs.
    pub(crate) fn set_app(&self, limits: &Limits) -> Result<()> {
        self.set(&self.app(), limits)
    }

    /// Switches group OOM kills on, where the kernel has them; a runtime of this age leaves that to the kubelet.
    pub(crate) fn set_oom_group(&self) -> Result<()> {
        let file = format!("{MOUNT}{}/memory.oom.group", self.app());
        fs::write(&file, "1").map_err(|error| format!("{file}: {error}").into())
    }

    fn folders(&self, path: &str) -> Vec<PathBuf> {
        match self.version {
            Version::V2 => vec![PathBuf::from(format!("{MOUNT}{path}"))],
            Version::V1 => ["cpu", "memory", "pids"]
                .iter()
                .map(|controller| PathBuf::from(format!("{MOUNT}/{controller}{path}")))
                .collect(),
        }
    }

    fn set(&self, path: &str, limits: &Limits) -> Result<()> {
        let mut values = Vec::new();
        match self.version {
            Version::V1 => {
                if let Some(cpus) = limits.cpus {
                    values.push(("cpu", "cpu.cfs_quota_us", quota(cpus).to_string()));
                }
                if let Some(mib) = limits.memory_mib {
                    values.push(("memory", "memory.limit_in_bytes", bytes(mib)));
                    if has_swap() {
                        let both = bytes(mib + limits.swap_mib);
                        values.push(("memory", "memory.memsw.limit_in_bytes", both));
                    }
                }
                if let Some(pids) = limits.pids {
                    values.push(("pids", "pids.max", pids.to_string()));
                }
            }
            Version::V2 => {
                if let Some(cpus) = limits.cpus {
                    values.push(("", "cpu.max", format!("{} {PERIOD_USEC}", quota(cpus))));
                }
                if let Some(mib) = limits.memory_mib {
                    values.push(("", "memory.max", bytes(mib)));
                    if has_swap() {
                        values.push(("", "memory.swap.max", bytes(limits.swap_mib)));
                    }
                }
                if let Some(pids) = limits.pids {
                    values.push(("", "pids.max", pids.to_string()));
                }
            }
        }
        for (controller, name, value) in values {
            let file = PathBuf::from(format!("{MOUNT}/{controller}{path}/{name}"));
            fs::write(&file, value).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(())
    }
}

/// Whether the machine has swap, so that a limit of memory alone would not be one.
pub(crate) fn has_swap() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

/// Microseconds per period.
pub(crate) fn quota(cpus: f64) -> u64 {
    (cpus * PERIOD_USEC as f64) as u64
}

fn bytes(mib: u64) -> String {
    (mib << 20).to_string()
}

fn make(folder: &Path, version: Version) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if version == Version::V2 {
        // from the top down: a controller must be on above before it can be on below
        let levels: Vec<&Path> = folder.ancestors().skip(1).collect();
        for level in levels.iter().rev().filter(|level| level.starts_with(MOUNT)) {
            fs::write(level.join("cgroup.subtree_control"), "+cpu +memory +pids")
                .map_err(|error| format!("{}: {error}", level.display()))?;
        }
    }
    Ok(())
}

impl Drop for Group {
    fn drop(&mut self) {
        // a runtime joins every hierarchy, also those that we did not ask for
        let mut roots = vec![PathBuf::from(MOUNT)];
        roots.extend(
            fs::read_dir(MOUNT)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path()),
        );
        for root in roots {
            let pod = PathBuf::from(format!("{}{}", root.display(), self.pod));
            remove(&pod.join("app"));
            remove(&pod);
            if let Some(parent) = pod.parent() {
                // the last case takes it away
                let _ = fs::remove_dir(parent);
            }
        }
    }
}

/// Ends what is left in a group and removes it.
fn remove(folder: &Path) {
    let end = Instant::now() + Duration::from_secs(5);
    while folder.is_dir() && fs::remove_dir(folder).is_err() && Instant::now() < end {
        let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines() {
            let _ = std::process::Command::new("sh")
                .args(["-c", "kill -s KILL \"$1\"", "sh", pid])
                .stderr(std::process::Stdio::null())
                .status();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
