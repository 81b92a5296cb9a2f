//! What was found in a container, as plain values: what [`judge`](super::judge) decides from, and what stands in the JSON.
//!
//! A report holds its own facts, so that it can be judged again, by another version or in a test. `None` is "could not be
//! known", and [`Facts::refused`] says what was refused and why. Of the environment only variables that decide something
//! are kept: others hold secrets.

use std::collections::BTreeMap;

use dunnage_cgroup::{Beside, Limits, Memory, MemoryEvents, Throttling};
use serde::{Deserialize, Serialize};

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The process that is looked at; `None` where no Python was found.
    pub python: Option<Python>,
    /// Process 1 of the container.
    pub init: Option<Init>,
    /// All processes below it.
    pub processes: Processes,
    /// What the kernel enforces.
    pub limits: Limits,
    /// What the cgroup has counted.
    pub counted: Counted,
    /// The machine.
    pub node: Node,
    /// Folders that Python writes to, in the order in which `tempfile` tries them, then `/dev/shm`.
    pub folders: Vec<Folder>,
    /// What could not be read, and why.
    pub refused: Vec<Refusal>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What: `/proc/7/maps`.
    pub what: String,
    /// Why, and what would help where that is known.
    pub reason: String,
}

/// A Python process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Python {
    /// Its id.
    pub pid: i32,
    /// Its command line.
    pub words: Vec<String>,
    /// Its version, as `3.11.2`.
    pub version: Option<String>,
    /// Its effective user.
    pub uid: Option<u32>,
    /// Resident memory in bytes.
    pub rss_bytes: Option<u64>,
    /// Threads alive by what the kernel calls them; Python's own and most pools' have the program's name.
    pub threads: BTreeMap<String, u32>,
    /// Whether its C library is musl, which counts CPUs by affinity.
    pub is_musl: bool,
    /// CPUs in its affinity mask.
    pub affinity: Option<u32>,
    /// Signals: caught, ignored, blocked (`SigCgt`, `SigIgn`, `SigBlk`).
    pub signals: Option<Signals>,
    /// The variables that decide something; `None` where its environment may not be read.
    pub environment: Option<BTreeMap<String, String>>,
    /// The native libraries that matter; `None` where its mappings may not be read.
    pub libraries: Option<Vec<Library>>,
    /// Resource limits.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Descriptors that are open.
    pub open_files: Option<u64>,
    /// What its stdout is: `pipe`, `terminal`, `file`, `socket`.
    pub stdout: Option<String>,
    /// The file by which a gunicorn worker tells that it lives.
    pub heartbeat: Option<Heartbeat>,
    /// Where it listens; `None` where its descriptors may not be read.
    pub sockets: Option<Sockets>,
}

/// TCP sockets that listen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sockets {
    /// Those that it has open, as `127.0.0.1:8000`, at most 20 of them.
    pub own: Vec<String>,
    /// How many of these have an address beside the loopback's.
    pub own_outside: u32,
    /// How many of others in the same network do: of another container of the pod, or of the host.
    pub others_outside: u32,
}

/// Signal masks as `/proc/PID/status` shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// With a handler.
    pub caught: u64,
    /// Ignored.
    pub ignored: u64,
    /// Blocked: taken by `signalfd` or `sigwait`, as inits do.
    pub blocked: u64,
}

/// A soft and a hard limit; `None` is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// What holds now.
    pub soft: Option<u64>,
    /// How far it may be raised.
    pub hard: Option<u64>,
}

/// A library that is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// What it is called: `OpenBLAS`.
    pub name: String,
    /// `pool`, `allocator` or `meter`.
    pub kind: String,
    /// Its file.
    pub path: String,
    /// The threads of its pool, read from its memory.
    pub threads: Option<u32>,
    /// Where the number stands, or why it is not known.
    pub how: String,
}

/// Where a gunicorn worker's heartbeat file lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The file, which has no name any more.
    pub path: String,
    /// `tmpfs`, `overlay`, …
    pub file_system: Option<String>,
}

/// Process 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// Its id as seen from here.
    pub pid: i32,
    /// Its command line.
    pub words: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its program file; empty where it may not be read.
    pub program: String,
    /// Signals.
    pub signals: Option<Signals>,
}

/// A process that is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its id.
    pub pid: i32,
    /// Its command line, or name where there is none.
    pub command: String,
}

/// One that has ended and was not waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zombie {
    /// Its id.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Who would have to wait for it.
    pub parent: Named,
}

/// All processes of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// How many, with process 1, without zombies.
    pub count: u32,
    /// Their threads.
    pub threads: u32,
    /// Those that are Pythons, the one that is looked at included.
    pub pythons: Vec<Named>,
    /// Children of one Python that are Pythons, the one that is looked at among them: a server's workers.
    pub workers: u32,
    /// Zombies that were there at both looks, at most 20 of them.
    pub zombies: Vec<Zombie>,
    /// How many there were.
    pub zombie_count: u32,
    /// Processes that somebody else started and process 1 has inherited, as far as that can be told, at most 20.
    pub orphans: Vec<Named>,
    /// Threads that ran or wanted to at each look, in the cgroup of the process that is looked at.
    pub runnable: Vec<u32>,
}

/// What the cgroup has counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The file of the throttling counters.
    pub cpu_source: Option<String>,
    /// Throttling since the cgroup was made.
    pub throttling: Option<Throttling>,
    /// The same at the second look, 200 ms later.
    pub throttling_later: Option<Throttling>,
    /// Share of the last 10 s in which some task waited for a CPU, in per cent.
    pub cpu_pressure: Option<f64>,
    /// Memory at the level that binds.
    pub memory: Option<Memory>,
    /// How often limits were met.
    pub events: Option<MemoryEvents>,
    /// Share of the last 10 s in which some task waited for memory, in per cent.
    pub memory_pressure: Option<f64>,
    /// The rest.
    pub beside: Beside,
}

/// The machine, as Python is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// CPUs that are online.
    pub cpus: Option<u32>,
    /// `MemTotal` in bytes.
    pub memory_bytes: Option<u64>,
    /// `SwapTotal` in bytes.
    pub swap_bytes: Option<u64>,
    /// Huge pages for anonymous memory: `always`, `madvise`, `never`.
    pub huge_pages: Option<String>,
}

/// A folder that may be written to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// As the process sees it.
    pub path: String,
    /// Which file system; `None` where the folder is not there.
    pub file_system: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is free, in bytes.
    pub available: u64,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
    /// Whether the process may write there, by its user and the folder's rights.
    pub is_writable: bool,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The facts of a report that was recorded in the lab (`fixtures/doctor`).
    pub fn recorded(name: &str) -> Facts {
        let path = format!(
            "{}/../../fixtures/doctor/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        Facts::deserialize(&report["facts"]).unwrap()
    }

    /// A gunicorn worker with NumPy in a container of half a CPU.
    pub fn facts() -> Facts {
        recorded("gunicorn-numpy-v1")
    }

    #[test]
    fn facts_survive_the_way_through_json() {
        let facts = facts();
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
    }
}
