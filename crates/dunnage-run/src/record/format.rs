//! The lines of a record file: `dunnage.record/1`.
//!
//! One JSON object a line, of which `part` says the kind. A file begins with `run`. Each record is the lines from its
//! `begin` to its `complete`; `pss` may follow. A file that `ended` has told its story; one that has not was left by a
//! supervisor that was killed. A reader passes over parts and fields that it does not know.

use dunnage_cgroup::{Memory, Stall};
use dunnage_python::ThreadDump;
use serde::{Deserialize, Serialize};

/// The schema of a record file.
pub const SCHEMA: &str = "dunnage.record/1";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// The first line: who writes this file.
    Run(Run),
    /// The last look at the memory; written over again and again in its place.
    Seen(Seen),
    /// A shutdown began: what comes after it may be the end of a grace period.
    Stopping(Stopping),
    /// A record begins.
    Begin(Begin),
    /// Its memory by kind.
    Memory(MemoryNow),
    /// How the working set came to where it is.
    Curve(Curve),
    /// What a process gave back when it was asked to.
    Released(Released),
    /// What was decided, one sentence.
    Decision(Decision),
    /// A process below the supervisor.
    Process(ProcessNow),
    /// The tracebacks of a Python process follow.
    Python(Python),
    /// One thread of it.
    Thread(Thread),
    /// Those were all.
    Read(Read),
    /// The record is complete.
    Complete(Complete),
    /// What of shared memory is each process's share; read only afterwards, since it takes long.
    Pss(Pss),
    /// The run ended, and the supervisor saw it.
    Ended(Ended),
    /// The file is full; the run goes on in another.
    Continued(Continued),
    /// A later start has said what happened.
    Told(Told),
    /// A part that this version does not know.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Who writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the run began, RFC 3339 in UTC, as all times here.
    pub time: String,
    /// The program's version.
    pub dunnage: String,
    /// The host's name, which is the pod's.
    pub host: Option<String>,
    /// The application.
    pub command: String,
    /// The supervisor's process id.
    pub supervisor: i32,
    /// The memory limit at the start, in bytes.
    pub limit: Option<u64>,
}

/// A look at the memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// When.
    pub time: String,
    /// The working set.
    pub working_set: u64,
    /// What may be charged in all: the limit, `memory.high`, swap.
    pub capacity: u64,
}

/// A shutdown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stopping {
    /// When the signal came.
    pub time: String,
    /// Its name.
    pub signal: String,
    /// The time until all is killed, in milliseconds; null where nothing is.
    pub budget_ms: Option<u64>,
}

/// The head of a record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Begin {
    /// The first of a run is 1.
    pub number: u32,
    /// When.
    pub time: String,
    /// What was the reason: `level`, `growth`, `limit_hit`, `brink`.
    pub why: String,
    /// What may be charged in all, in bytes.
    pub capacity: u64,
    /// Growth of the working set, in bytes per second; negative where it shrinks.
    pub bytes_per_second: f64,
    /// The time to the limit at that rate, in milliseconds; null where it does not grow.
    pub ms_to_limit: Option<u64>,
    /// Pressure stall information of memory: per cent of the last 10 s in which some task waited, and all.
    pub pressure_some: Option<f64>,
    /// The same where all tasks waited.
    pub pressure_full: Option<f64>,
    /// Throttled periods since the start.
    pub throttled: Option<u64>,
    /// All periods since the start.
    pub periods: Option<u64>,
    /// Throttled time since the start, in microseconds, summed over CPUs.
    pub throttled_usec: Option<u64>,
}

/// Memory by kind, in bytes; null is unknown. See [`dunnage_cgroup::Memory`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields of dunnage_cgroup::Memory")]
pub struct MemoryNow {
    pub limit: Option<u64>,
    pub usage: Option<u64>,
    pub working_set: Option<u64>,
    pub anon: Option<u64>,
    pub file: Option<u64>,
    pub shmem: Option<u64>,
    pub kernel: Option<u64>,
    pub swap: Option<u64>,
}

impl From<&Memory> for MemoryNow {
    fn from(memory: &Memory) -> Self {
        Self {
            limit: memory.limit,
            usage: memory.usage,
            working_set: memory.working_set,
            anon: memory.anon,
            file: memory.file,
            shmem: memory.shmem,
            kernel: memory.kernel,
            swap: memory.swap,
        }
    }
}

/// The working set over time: milliseconds before the record, bytes; the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// The points.
    pub samples: Vec<(u32, u64)>,
}

/// What an agent gave back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Released {
    /// The process.
    pub pid: i32,
    /// Bytes that left its resident memory.
    pub rss: u64,
    /// Bytes that are empty and cannot be given back; null is unknown.
    pub pinned: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// What it says about it.
    pub notes: Vec<String>,
}

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// One sentence.
    pub text: String,
}

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessNow {
    /// Its id.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Its command, short.
    pub command: String,
    /// How many threads it has.
    pub threads: u32,
    /// Its anonymous resident memory in bytes; null where it cannot be read.
    pub rss_anon: Option<u64>,
    /// By how much that grew in the last seconds, in bytes; null where it was not known before.
    pub grew: Option<i64>,
    /// In how many milliseconds.
    pub grew_ms: Option<u64>,
    /// Whether it is the one that grows the most or, where none grows, the largest.
    pub growing: bool,
    /// Whether it had ended when the record was taken; its memory is that of the look before then.
    pub ended: bool,
    /// Of that one, the thread that touched the most new memory lately (by its minor faults); null where none stands out.
    pub thread: Option<i32>,
}

/// A Python process whose tracebacks follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Python {
    /// Its id.
    pub pid: i32,
    /// Its command.
    pub command: String,
    /// Its version; null where that is not known.
    pub version: Option<String>,
    /// Whether it has a GIL.
    pub gil: Option<bool>,
}

/// A thread of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The process.
    pub pid: i32,
    /// The thread.
    #[serde(flatten)]
    pub thread: ThreadDump,
}

/// The end of a process's tracebacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Read {
    /// The process.
    pub pid: i32,
    /// Whether threads came and went meanwhile, so that one may be missing.
    pub threads_torn: bool,
    /// Why it could not be read, or not to the end.
    pub error: Option<String>,
}

/// The end of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Complete {
    /// The record's number.
    pub number: u32,
    /// How long it took, in microseconds.
    pub took_usec: u64,
    /// How many lines did not fit, and were left out.
    pub left_out: u32,
    /// How many processes are not listed: beyond the most that a record holds.
    pub processes_left_out: u32,
    /// How many Python processes were not read: beyond the most that a record holds, or just starting.
    pub pythons_left_out: u32,
}

/// Proportional shares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pss {
    /// The record's number.
    pub number: u32,
    /// Process id and bytes.
    pub sizes: Vec<(i32, u64)>,
}

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ended {
    /// When.
    pub time: String,
    /// What ended it: `exited`, `signaled`, `stopped`, `oom_killed`, `grace_expired`.
    pub cause: String,
    /// The exit code.
    pub code: u8,
    /// One sentence.
    pub sentence: String,
}

/// Where the run goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Continued {
    /// When.
    pub time: String,
    /// The file's name, in the same folder.
    pub file: String,
}

/// Somebody said what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// When.
    pub time: String,
}

/// Now, as the record's times are written.
pub fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}

impl Begin {
    /// Takes the averages of the last ten seconds over.
    #[must_use]
    pub fn with_pressure(mut self, some: Option<Stall>, full: Option<Stall>) -> Self {
        self.pressure_some = some.map(|stall| stall.avg10);
        self.pressure_full = full.map(|stall| stall.avg10);
        self
    }
}
