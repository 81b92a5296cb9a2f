//! What each thread did at each moment, and what requests waited for.

use serde::Serialize;

use crate::Nanos;
use crate::recording::{About, Quality};

/// What a thread did. The order is that of the page's legend; the numbers are kept in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum What {
    /// Was on a CPU.
    Running = 0,
    /// Waited for a GIL whose holder was running.
    GilRunning = 1,
    /// Waited for a GIL whose holder was throttled: the signature of this stall.
    GilThrottled = 2,
    /// Waited for a GIL whose holder was ready but had no CPU.
    GilRunnable = 3,
    /// Waited for a GIL, and it is not known what its holder did.
    GilUnknown = 4,
    /// Was ready, and its cgroup was throttled.
    Throttled = 5,
    /// Was ready, and others had the CPUs.
    RunQueue = 6,
    /// Slept: waited for a socket, a timer, a lock, or a disk.
    Sleeping = 7,
    /// Not known: before it was seen, a gap between looks, or a refused read.
    Unknown = 8,
}

impl What {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Running,
        Self::GilRunning,
        Self::GilThrottled,
        Self::GilRunnable,
        Self::GilUnknown,
        Self::Throttled,
        Self::RunQueue,
        Self::Sleeping,
        Self::Unknown,
    ];

    /// In words, as on the page.
    pub fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::GilRunning => "waiting for the GIL, holder running",
            Self::GilThrottled => "waiting for the GIL, holder throttled",
            Self::GilRunnable => "waiting for the GIL, holder waiting for a CPU",
            Self::GilUnknown => "waiting for the GIL",
            Self::Throttled => "throttled",
            Self::RunQueue => "waiting for a CPU",
            Self::Sleeping => "sleeping",
            Self::Unknown => "unknown",
        }
    }
}

/// Time by kind, nanoseconds, indexed by [`What`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Parts(pub [Nanos; 9]);

impl std::ops::Index<What> for Parts {
    type Output = Nanos;

    fn index(&self, what: What) -> &Nanos {
        &self.0[what as usize]
    }
}

impl std::ops::IndexMut<What> for Parts {
    fn index_mut(&mut self, what: What) -> &mut Nanos {
        &mut self.0[what as usize]
    }
}

impl Parts {
    /// All of it.
    pub fn total(&self) -> Nanos {
        self.0.iter().copied().fold(0, Nanos::saturating_add)
    }
}

/// A stretch of one thread's time. The spans of a thread touch each other and never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// From.
    pub start: Nanos,
    /// To, later than `start`.
    pub end: Nanos,
    /// What it did.
    pub what: What,
    /// Who held the GIL that it waited for: an index into [`ProcessTrack::threads`].
    pub holder: Option<u32>,
}

/// The whole of a recording, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// Of what, where and when.
    pub about: About,
    /// How well it was seen.
    pub quality: Quality,
    /// Each process.
    pub processes: Vec<ProcessTrack>,
    /// The quota; `None` where there is none.
    pub quota: Option<QuotaTrack>,
    /// What the application marked, by begin. Moments are in `moments`.
    pub requests: Vec<Request>,
    /// Moments that the application marked.
    pub moments: Vec<Moment>,
    /// The longest stretches, in any thread, in which it wanted to run or wanted the GIL and did not: what there is to
    /// show where nothing is marked. Longest first, at most 100.
    pub stalls: Vec<Request>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessTrack {
    /// Its id.
    pub pid: i32,
    /// Its command line.
    pub command: String,
    /// Its Python's version.
    pub python: Option<String>,
    /// Whether there is a GIL lane.
    pub has_gil: bool,
    /// When it was found gone.
    pub ended: Option<Nanos>,
    /// Its threads, the main thread first.
    pub threads: Vec<ThreadTrack>,
    /// Who held the GIL; in between nobody did.
    pub gil: Vec<Hold>,
}

/// One thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadTrack {
    /// Its kernel id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// What it did, from when it was first seen until it ended or the recording did.
    pub spans: Vec<Span>,
    /// The sum of its spans by kind.
    pub parts: Parts,
}

/// A stretch in which one thread held the GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// From.
    pub start: Nanos,
    /// To.
    pub end: Nanos,
    /// Who: an index into [`ProcessTrack::threads`].
    pub thread: u32,
    /// What the holder did meanwhile: [`What::Running`], [`What::Throttled`], [`What::RunQueue`] or [`What::Unknown`].
    pub what: What,
}

/// The quota's own track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuotaTrack {
    /// The file that it was read from.
    pub source: String,
    /// CPUs worth of time in each period.
    pub limit: Option<f64>,
    /// The period.
    pub period: Nanos,
    /// Each period that could be told apart, in order; gaps are idle.
    pub periods: Vec<Period>,
    /// When the group was throttled, as far as counters and looks can tell.
    pub windows: Vec<Window>,
    /// What a dashboard would show: average use of CPUs over the 15 s before, at each second.
    pub graph: Vec<(Nanos, f64)>,
    /// `nr_periods`, `nr_throttled` and throttled time over the whole recording.
    pub counted_periods: u64,
    /// See `counted_periods`.
    pub counted_throttled: u64,
    /// See `counted_periods`.
    pub throttled_time: Nanos,
}

/// One period of the quota.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Period {
    /// From.
    pub start: Nanos,
    /// To.
    pub end: Nanos,
    /// CPU time that was used in it.
    pub used: Nanos,
    /// Whether it was throttled.
    pub throttled: bool,
}

/// A stretch in which the group was throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// From.
    pub start: Nanos,
    /// To.
    pub end: Nanos,
}

/// What one request, or one stall, was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// An index into [`Timeline::processes`].
    pub process: u32,
    /// An index into [`ProcessTrack::threads`]; `None` where its thread was never seen.
    pub thread: Option<u32>,
    /// Its name, as in `request`.
    pub name: String,
    /// The application's number for it.
    pub id: u64,
    /// From.
    pub begin: Nanos,
    /// To.
    pub end: Nanos,
    /// What its thread did in that time.
    pub parts: Parts,
}

/// A moment that the application marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// An index into [`Timeline::processes`].
    pub process: u32,
    /// The thread that said it.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// The application's number for it.
    pub id: u64,
    /// When.
    pub at: Nanos,
}
