//! Where the answers of one process come from: [`Source`].
//!
//! Every call holds the GIL from start to end. A read takes microseconds, for which releasing it does not pay; and
//! `os.fork` holds it too, so that no child finds the reader in the middle of a read by another thread.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Mutex, TryLockError};

use dunnage_cgroup::{
    Bandwidth, Confidence, Hierarchy, Memory, Overrides, Pressure, PressureKind, ReadError, Reader,
    Root, Stall, read_limits,
};
use dunnage_policy::plan::{PlanOptions, Policy, count_threads, plan_pools};
use dunnage_policy::units::{parse_cpus, parse_size_bytes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Reads what the kernel enforces below one root folder, with what the user states instead.
#[pyclass(frozen, module = "dunnage._native")]
pub struct Source {
    root: Root,
    overrides: Overrides,
    /// What is wrong with the overrides that were given.
    complaints: Vec<String>,
    /// Opened at the first use: finding the files takes a few hundred microseconds.
    reader: Mutex<Option<Reader>>,
}

type CpuTuple = (
    f64,
    Option<f64>,
    u32,
    String,
    &'static str,
    Option<(u64, u64, u64)>,
);
type MemoryLimitsTuple = (
    Option<u64>,
    Option<String>,
    &'static str,
    Option<u64>,
    Option<u64>,
);
type LimitsTuple = (&'static str, CpuTuple, MemoryLimitsTuple, Vec<String>);
type Bytes = Option<u64>;
/// limit, usage, working set, headroom, anon, file, shmem, kernel, swap, inactive file, active file
type MemoryTuple = (
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
);
/// threads, source, (library, threads, kept by)
type PoolsTuple = (
    Option<u32>,
    String,
    Vec<(&'static str, u32, Option<&'static str>)>,
);
type StallTuple = (f64, f64, f64, f64);
type StallsTuple = (Option<StallTuple>, Option<StallTuple>);

#[pymethods]
impl Source {
    #[new]
    #[pyo3(signature = (root="/", cpu_limit=None, memory_limit=None))]
    fn new(root: &str, cpu_limit: Option<&str>, memory_limit: Option<&str>) -> Self {
        let mut complaints = Vec::new();
        let cpus = given("DUNNAGE_CPU_LIMIT", cpu_limit, &mut complaints, |text| {
            parse_cpus(text).map_err(|error| error.to_string())
        });
        let memory_bytes = given(
            "DUNNAGE_MEMORY_LIMIT",
            memory_limit,
            &mut complaints,
            |text| match parse_size_bytes(text) {
                Ok(0) => Err("a memory limit must be more than 0".to_owned()),
                size => size.map_err(|error| error.to_string()),
            },
        );
        Self {
            root: Root::at(root),
            overrides: Overrides { cpus, memory_bytes },
            complaints,
            reader: Mutex::new(None),
        }
    }

    /// The tightest CPU quota as a number of CPUs, or None.
    fn cpu_limit(&self) -> Option<f64> {
        match self.overrides.cpus {
            Some(cpus) => Some(cpus),
            None => self.read(Reader::cpu_limit).ok().flatten(),
        }
    }

    /// Threads for one compute pool in each of so many worker processes.
    fn cpu_count(&self, policy: &str, workers: u32) -> PyResult<u32> {
        let policy = parse_policy(policy)?;
        if workers == 0 {
            return Err(PyValueError::new_err("workers must be 1 or more"));
        }
        Ok(count_threads(
            policy,
            self.cpu_limit(),
            workers,
            self.affinity(),
        ))
    }

    /// What the plan would give the pools that are loaded: (threads or None, source, [(library, threads, kept by)]).
    fn plan_pools(
        &self,
        policy: &str,
        workers: Option<u32>,
        environment: HashMap<String, String>,
    ) -> PyResult<PoolsTuple> {
        let options = PlanOptions {
            policy: parse_policy(policy)?,
            workers,
            ..PlanOptions::default()
        };
        let limits = read_limits(&self.root, &self.overrides, None);
        let env = move |name: &str| environment.get(name).map(OsString::from);
        let planned = plan_pools(&limits, &env, &options);
        let pools = planned.pools.into_iter();
        Ok((
            planned.threads,
            planned.source,
            pools
                .map(|pool| (pool.library, pool.threads, pool.kept_by))
                .collect(),
        ))
    }

    /// Everything that is enforced: (hierarchy, cpu, memory, notes).
    fn limits(&self) -> LimitsTuple {
        let found = read_limits(&self.root, &self.overrides, None);
        let cpu = (
            found.cpu.effective.value,
            found.cpu.limit,
            found.cpu.affinity,
            found.cpu.effective.source,
            confidence(found.cpu.effective.confidence),
            found.cpu.bandwidth.map(bandwidth),
        );
        let (limit, source) = found
            .memory
            .limit
            .map(|limit| (limit.value, limit.source))
            .unzip();
        let memory = (
            limit,
            source,
            confidence(found.memory.confidence),
            found.memory.high,
            found.memory.swap,
        );
        let mut notes = self.complaints.clone();
        notes.extend(found.notes);
        (hierarchy(found.hierarchy), cpu, memory, notes)
    }

    /// Memory of the cgroup by kind, in bytes.
    fn memory(&self) -> MemoryTuple {
        let mut memory = self.read(Reader::memory).unwrap_or_default();
        memory.limit = self.overrides.memory_bytes.or(memory.limit);
        memory_tuple(&memory)
    }

    /// (periods, throttled periods, throttled seconds), or None where the kernel does not count.
    fn throttling(&self) -> Option<(u64, u64, f64)> {
        let counted = self.read(Reader::throttling).ok()?;
        let seconds = seconds(counted.throttled_usec);
        Some((counted.periods, counted.throttled, seconds))
    }

    /// Pressure of CPU, memory and IO.
    fn pressure(&self) -> (StallsTuple, StallsTuple, StallsTuple) {
        let read = |kind| {
            let pressure = self.read(|reader| reader.pressure(kind));
            stalls(&pressure.unwrap_or_default())
        };
        (
            read(PressureKind::Cpu),
            read(PressureKind::Memory),
            read(PressureKind::Io),
        )
    }

    /// What a live resize changes, cheaply: (CPU quota, CPUs in the affinity mask, memory limit).
    fn bounds(&self) -> (Option<f64>, u32, Option<u64>) {
        let memory = match self.overrides.memory_bytes {
            Some(bytes) => Some(bytes),
            None => self
                .read(Reader::memory)
                .ok()
                .and_then(|memory| memory.limit),
        };
        (self.cpu_limit(), self.affinity(), memory)
    }
}

impl Source {
    fn affinity(&self) -> u32 {
        let told = if self.root == Root::system() {
            dunnage_sys::affinity_count().ok()
        } else {
            None
        };
        // a recorded container; or a seccomp profile refuses the call, while /proc tells the same
        told.unwrap_or_else(|| read_limits(&self.root, &self.overrides, None).cpu.affinity)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let open = || Reader::open_guarded(&self.root);
        match self.reader.try_lock() {
            Ok(mut reader) => read(reader.get_or_insert_with(open)),
            Err(TryLockError::Poisoned(poisoned)) => {
                self.reader.clear_poison();
                let mut reader = poisoned.into_inner();
                read(reader.insert(open()))
            }
            // whoever holds it is another thread of a parent that was forked without the GIL: it will never let go
            Err(TryLockError::WouldBlock) => read(&mut open()),
        }
    }
}

fn parse_policy(text: &str) -> PyResult<Policy> {
    text.parse()
        .map_err(|error| PyValueError::new_err(format!("policy: {error}")))
}

/// What the user states; a text that cannot be understood is complained of and passed over.
fn given<T>(
    variable: &str,
    text: Option<&str>,
    complaints: &mut Vec<String>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    match parse(text.filter(|text| !text.is_empty())?) {
        Ok(value) => Some(value),
        Err(error) => {
            complaints.push(format!("{variable} is passed over: {error}"));
            None
        }
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Override => "override",
        Confidence::Leaf => "leaf",
        Confidence::Ancestor => "ancestor",
        Confidence::Affinity => "affinity",
        Confidence::Unknown => "unknown",
    }
}

fn hierarchy(hierarchy: Hierarchy) -> &'static str {
    match hierarchy {
        Hierarchy::V1 => "v1",
        Hierarchy::V2 => "v2",
        Hierarchy::Hybrid => "hybrid",
        Hierarchy::None => "none",
    }
}

fn bandwidth(bandwidth: Bandwidth) -> (u64, u64, u64) {
    (
        bandwidth.quota_usec,
        bandwidth.period_usec,
        bandwidth.burst_usec,
    )
}

fn memory_tuple(memory: &Memory) -> MemoryTuple {
    (
        memory.limit,
        memory.usage,
        memory.working_set,
        memory.headroom(),
        memory.anon,
        memory.file,
        memory.shmem,
        memory.kernel,
        memory.swap,
        memory.inactive_file,
        memory.active_file,
    )
}

fn stalls(pressure: &Pressure) -> StallsTuple {
    (pressure.some.map(stall), pressure.full.map(stall))
}

fn stall(stall: Stall) -> StallTuple {
    let total = seconds(stall.total_usec);
    (stall.avg10, stall.avg60, stall.avg300, total)
}

fn seconds(usec: u64) -> f64 {
    usec as f64 / 1e6
}
