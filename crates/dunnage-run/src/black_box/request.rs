//! What the loop tells the black box, and what it is told.

use std::path::PathBuf;
use std::time::Duration;

use dunnage_cgroup::{Memory, Pressure, Throttling};
use dunnage_policy::oom::Kills;

use crate::record::Released;

/// What the black box must know of the run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where record files lie; `None` keeps none.
    pub folder: Option<PathBuf>,
    /// The termination log, where it is to be written.
    pub termination_log: Option<PathBuf>,
    /// The application, as a person would name it.
    pub command: String,
    /// The memory limit, in bytes.
    pub limit: Option<u64>,
    /// A limit that the user knows of and the kernel does not show, in bytes.
    pub stated: Option<u64>,
    /// What an OOM kill takes, where the user says so.
    pub kills: Option<Kills>,
    /// The process below which it looks: ours.
    pub supervisor: i32,
}

/// A look at the memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// The working set.
    pub working_set: u64,
    /// What may be charged in all.
    pub capacity: u64,
}

/// All that the loop knows when it wants a record.
#[derive(Debug, Clone, Default)]
pub struct RecordRequest {
    /// What was the reason: `level`, `growth`, `limit_hit`, `brink`.
    pub why: &'static str,
    /// The first of the run is 1.
    pub number: u32,
    /// Memory by kind.
    pub memory: Memory,
    /// What may be charged in all, in bytes.
    pub capacity: u64,
    /// Growth of the working set, in bytes per second.
    pub rate: f64,
    /// The time to the limit at that rate.
    pub time_to_limit: Option<Duration>,
    /// The working set over time: milliseconds ago, bytes; the oldest first.
    pub samples: Vec<(u32, u64)>,
    /// Pressure stall information of memory.
    pub pressure: Option<Pressure>,
    /// The CPU quota's counters, since the start.
    pub throttling: Option<Throttling>,
    /// What agents gave back.
    pub released: Vec<Released>,
    /// What was decided, one sentence each.
    pub decisions: Vec<String>,
}

/// A record that was taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub number: u32,
    /// Whether it is complete in its file or, without a folder, whether all was read.
    pub complete: bool,
    /// From the request to the `complete` marker.
    pub took: Duration,
    /// The file, where it is in one.
    pub path: Option<PathBuf>,
    /// Where the growing process is: `shop/report.py:41 in build (python -m shop (17), MainThread)`.
    pub headline: Option<String>,
    /// At most 4 KB for the termination log, where it has been written already if [`Settings`] name one.
    pub text: String,
    /// Why it is in no file, or not whole.
    pub error: Option<String>,
}

/// Why a record is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The one before is still being taken.
    #[error("the record before is still being taken")]
    Busy,
    /// The thread has not got on for long.
    #[error("the thread that takes records has waited for 5 s, for a disk or a process that hangs")]
    Stuck,
    /// The run ends before the thread is done.
    #[error("the thread that takes records was still at work when the run ended")]
    Late,
    /// The thread has ended.
    #[error("the thread that takes records has ended")]
    Dead,
}
