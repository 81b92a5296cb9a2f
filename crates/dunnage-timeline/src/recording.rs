//! Bare observations, as the sampler makes them; the file that `dunnage record -o FILE.json` writes and `--from` reads.
//!
//! The sampler looks at all threads about at once and only notes what changed. So a recording is a row of looks
//! ([`Recording::looks`]) and, for each thread, those looks at which something was new: a thread that has no tick at a look
//! neither ran nor changed its state since the look before. Counters are noted as gains.

mod check;

use serde::{Deserialize, Serialize};

use crate::Nanos;

pub use check::{LONGEST, RecordingError};

/// The value of [`Recording::schema`].
pub const SCHEMA: &str = "dunnage.recording/1";

/// All that one session saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// [`SCHEMA`].
    pub schema: String,
    /// Of what, where and when.
    pub about: About,
    /// How well it was seen.
    pub quality: Quality,
    /// When each look was taken, rising. Kept as gains in JSON.
    #[serde(with = "gains")]
    pub looks: Vec<Nanos>,
    /// The Python (and other) processes that were looked at.
    pub processes: Vec<Process>,
    /// The CPU counters of the cgroup whose quota binds. `None` where there is no quota or it cannot be read.
    pub quota: Option<Quota>,
    /// What the application said of itself, by begin.
    pub marks: Vec<Mark>,
    /// The names that marks use.
    pub names: Vec<String>,
}

/// Of what a recording is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// `CLOCK_MONOTONIC` of its beginning, in nanoseconds.
    pub monotonic: u64,
    /// How long it is.
    pub duration: Nanos,
    /// The version of the recorder.
    pub dunnage: String,
    /// `uname -r`.
    pub kernel: String,
    /// 1 or 2; `None` without a cgroup.
    pub cgroup_version: Option<u8>,
    /// CPUs that the recorded processes may run on.
    pub cpus: u32,
}

/// How well it was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The time between two looks that was asked for.
    pub asked_interval: Nanos,
    /// The time between two looks at the median, at the 99th percentile, and at most.
    pub interval_median: Nanos,
    /// See `interval_median`.
    pub interval_p99: Nanos,
    /// See `interval_median`.
    pub interval_max: Nanos,
    /// CPU time of the thread that looked.
    pub own_cpu: Nanos,
    /// The most memory that the recorder held for this recording, in bytes, where known.
    pub own_bytes: Option<u64>,
    /// Who looked: `supervisor`, `ancestor`, `root`, `same uid`.
    pub permission: String,
    /// What is missing and why, a sentence each: refused reads, no quota, a free-threaded interpreter, a lowered rate.
    pub notes: Vec<String>,
}

/// One process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its id, as the recorder sees it.
    pub pid: i32,
    /// Its command line, shortened.
    pub command: String,
    /// Its Python's version, as in `3.13.0`; `None` for another program.
    pub python: Option<String>,
    /// Whether who holds its GIL was seen. `false`: another program, a free-threaded build, or reading was refused.
    pub has_gil: bool,
    /// When it was first seen, and when it was found gone.
    pub first: Nanos,
    /// See `first`.
    pub ended: Option<Nanos>,
    /// Its threads, the main thread first.
    pub threads: Vec<Thread>,
    /// Its GIL, where it was not as at the look before.
    pub gil: Vec<GilLook>,
}

/// One thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Its kernel id, as the recorder sees it.
    pub tid: i32,
    /// Its name: Python's where known, else the kernel's.
    pub name: String,
    /// When it was first seen, and when it was found gone.
    pub first: Nanos,
    /// See `first`.
    pub ended: Option<Nanos>,
    /// What it gained, in order.
    pub ticks: Vec<Tick>,
}

/// What was new of a thread at one look. In JSON an array of four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u64, u64, Seen)", into = "(u32, u64, u64, Seen)")]
pub struct Tick {
    /// The look, an index into [`Recording::looks`].
    pub look: u32,
    /// CPU time booked since the look before (`/proc/PID/task/TID/schedstat`, first field). The kernel books what a running
    /// thread used at its tick and when it leaves the CPU, so up to a tick (4 ms at HZ=250) comes late.
    pub run: Nanos,
    /// Time that it was ready but had no CPU, throttled included (`schedstat`, second field): booked when it gets one, so it
    /// belongs to the time *before* this look, and may be longer than the time between two looks.
    pub wait: Nanos,
    /// What it was doing at the look.
    pub seen: Seen,
}

impl From<(u32, u64, u64, Seen)> for Tick {
    fn from((look, run, wait, seen): (u32, u64, u64, Seen)) -> Self {
        Self {
            look,
            run,
            wait,
            seen,
        }
    }
}

impl From<Tick> for (u32, u64, u64, Seen) {
    fn from(tick: Tick) -> Self {
        (tick.look, tick.run, tick.wait, tick.seen)
    }
}

/// What a thread was doing at a look. In JSON a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// On a CPU, or ready for one (also while throttled): state R.
    #[serde(rename = "R")]
    Runnable,
    /// In futex(2) on an address inside its interpreter's GIL.
    #[serde(rename = "G")]
    WaitsForGil,
    /// Asleep in another call.
    #[serde(rename = "S")]
    Sleeps,
    /// In uninterruptible sleep, mostly waiting for a disk: state D.
    #[serde(rename = "D")]
    Blocked,
    /// Stopped or traced.
    #[serde(rename = "T")]
    Stopped,
    /// Not seen: the read was refused or failed.
    #[serde(rename = "?")]
    Unknown,
}

/// The GIL at one look. In JSON an array of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "(u32, bool, Option<u32>, u64)",
    into = "(u32, bool, Option<u32>, u64)"
)]
pub struct GilLook {
    /// The look, an index into [`Recording::looks`].
    pub look: u32,
    /// Whether it was held.
    pub locked: bool,
    /// Who held it, or held it last: an index into [`Process::threads`]. `None` where that is not known.
    pub holder: Option<u32>,
    /// How often it went to another thread since the look before.
    pub switches: u64,
}

impl From<(u32, bool, Option<u32>, u64)> for GilLook {
    fn from((look, locked, holder, switches): (u32, bool, Option<u32>, u64)) -> Self {
        Self {
            look,
            locked,
            holder,
            switches,
        }
    }
}

impl From<GilLook> for (u32, bool, Option<u32>, u64) {
    fn from(gil: GilLook) -> Self {
        (gil.look, gil.locked, gil.holder, gil.switches)
    }
}

/// A CPU quota and what its counters gained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// The file that the counters are read from.
    pub source: String,
    /// CPUs worth of time in each period: quota / period. `None`: counters without a limit.
    pub limit: Option<f64>,
    /// The period, nanoseconds; 100 ms by default.
    pub period: Nanos,
    /// What the counters gained, where they did.
    pub looks: Vec<QuotaLook>,
}

/// What a cgroup's CPU counters gained since the look before. In JSON an array of five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u64, u64, u64, u64)", into = "(u32, u64, u64, u64, u64)")]
pub struct QuotaLook {
    /// The look, an index into [`Recording::looks`].
    pub look: u32,
    /// CPU time used.
    pub used: Nanos,
    /// `nr_periods`: periods that began while something ran. It stands still while the group is idle.
    pub periods: u64,
    /// `nr_throttled`: periods in which the group was throttled.
    pub throttled: u64,
    /// `throttled_time` (v1) or `throttled_usec` (v2): summed over CPUs, added when the group is let go again.
    pub throttled_time: Nanos,
}

impl From<(u32, u64, u64, u64, u64)> for QuotaLook {
    fn from((look, used, periods, throttled, time): (u32, u64, u64, u64, u64)) -> Self {
        Self {
            look,
            used,
            periods,
            throttled,
            throttled_time: time,
        }
    }
}

impl From<QuotaLook> for (u32, u64, u64, u64, u64) {
    fn from(look: QuotaLook) -> Self {
        (
            look.look,
            look.used,
            look.periods,
            look.throttled,
            look.throttled_time,
        )
    }
}

/// What the application said of itself (`dunnage.mark`, `dunnage.span`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// An index into [`Recording::processes`].
    pub process: u32,
    /// The thread that said it.
    pub tid: i32,
    /// An index into [`Recording::names`].
    pub name: u32,
    /// The application's number for it.
    pub id: u64,
    /// When it began: for a request, when it should have begun, if the application said so.
    pub begin: Nanos,
    /// When it ended; `None` for a moment.
    pub end: Option<Nanos>,
}

/// Rising times as gains: a third of the characters.
mod gains {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(times: &[u64], out: S) -> Result<S::Ok, S::Error> {
        let mut before = 0;
        out.collect_seq(times.iter().map(|time| {
            let gain = time.saturating_sub(before);
            before = *time;
            gain
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u64>, D::Error> {
        let gains = Vec::<u64>::deserialize(input)?;
        let mut now = 0_u64;
        let mut times = Vec::with_capacity(gains.len());
        for gain in gains {
            now = now
                .checked_add(gain)
                .ok_or_else(|| D::Error::custom("the times of the looks are too large"))?;
            times.push(now);
        }
        Ok(times)
    }
}
