//! The answer: what is enforced, from which file, and how sure that is.

use serde::{Deserialize, Serialize};

/// How sure a value is, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The user said so (`--cpu-limit`, `--memory-limit`): the kernel's files were not believed.
    Override,
    /// Read from the cgroup that the process is in; where there is no memory limit: all levels are known to have none.
    Leaf,
    /// Read from a visible ancestor of that cgroup, which is tighter than the leaf.
    Ancestor,
    /// No quota, or only a looser one, applies as far as can be seen; the scheduler's affinity mask (cpuset included) is
    /// the bound.
    Affinity,
    /// Nothing is set where we can see, and levels above are hidden: there may be a limit all the same.
    Unknown,
}

/// A value with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The file it was read from, as a path in the container (`/sys/fs/cgroup/cpu.max`), or what else it comes from
    /// (`--cpu-limit`, `/proc/self/status`, `affinity` for a mask that the caller gave, `none` where nothing is visible).
    pub source: String,
    /// How sure it is.
    pub confidence: Confidence,
}

/// CFS bandwidth of one cgroup (kernel: `Documentation/scheduler/sched-bwc.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// CPU time that may be used in a period, in microseconds; more than a period's length means more than one CPU.
    pub quota_usec: u64,
    /// Length of a period in microseconds (the kernel's default is 100 000).
    pub period_usec: u64,
    /// Unused quota that may be carried over, in microseconds; 0 where bursts are off or unknown to the kernel.
    pub burst_usec: u64,
}

impl Bandwidth {
    /// The quota as a number of CPUs.
    pub fn cpus(&self) -> f64 {
        self.quota_usec as f64 / self.period_usec as f64
    }
}

/// Which cgroup hierarchy holds the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hierarchy {
    /// One hierarchy a controller.
    V1,
    /// The unified hierarchy.
    V2,
    /// Controllers on v1 with a v2 mount beside them.
    Hybrid,
    /// No cgroup file system is visible.
    None,
}

/// What bounds CPU time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuLimits {
    /// CPUs that can really be used: the tightest quota over all visible levels, capped by affinity. Above 0, a fraction.
    pub effective: Sourced<f64>,
    /// The tightest quota over all visible levels, as a number of CPUs; `None` where none is set.
    pub limit: Option<f64>,
    /// The same with its period and burst; `None` without a quota or where an override was given.
    pub bandwidth: Option<Bandwidth>,
    /// CPUs in the scheduler's affinity mask, which a cpuset has already cut.
    pub affinity: u32,
}

/// What bounds memory. Sizes in bytes; `None` is "no limit that we can see", never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryLimits {
    /// The tightest hard limit over all visible levels (`memory.max`, `memory.limit_in_bytes`, `hierarchical_memory_limit`).
    /// `None` without one: then `confidence` tells whether one may be hidden.
    pub limit: Option<Sourced<u64>>,
    /// How sure the absence or presence of a limit is.
    pub confidence: Confidence,
    /// The tightest `memory.high` (v2), above which the kernel throttles allocations.
    pub high: Option<u64>,
    /// The tightest swap limit (`memory.swap.max`; v1: memsw minus memory); `Some(0)` is "no swap".
    pub swap: Option<u64>,
}

/// Everything that is enforced, read at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Which hierarchy was found.
    pub hierarchy: Hierarchy,
    /// CPU time.
    pub cpu: CpuLimits,
    /// Memory.
    pub memory: MemoryLimits,
    /// What a person should know about how this was read, one sentence each (hidden ancestors, unreadable files).
    pub notes: Vec<String>,
}
