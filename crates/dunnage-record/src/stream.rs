//! What the sampler says, in the order in which it sees it.
//!
//! Facts are rare and all are needed: who the processes and threads are. Looks come many times a second, and one that is
//! lost leaves a gap and nothing worse, since whatever counts is told as a gain since the look before. Processes, threads
//! and names are numbered in the order in which they are told.

use dunnage_timeline::Nanos;
use dunnage_timeline::recording::Seen;
use serde::{Deserialize, Serialize, Serializer};

/// Something that is told once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Fact {
    /// A process has come.
    Process {
        /// Its id.
        pid: i32,
        /// When it was first seen.
        at: Nanos,
    },
    /// What a process runs; told anew when it becomes another program.
    Program {
        /// Which.
        process: u32,
        /// Its command line, shortened.
        command: String,
        /// Its Python's version.
        python: Option<String>,
        /// Whether its GIL can be seen.
        has_gil: bool,
    },
    /// A process has gone.
    ProcessEnded {
        /// Which.
        process: u32,
        /// When that was noticed.
        at: Nanos,
    },
    /// A thread has come.
    Thread {
        /// Whose.
        process: u32,
        /// Its kernel id.
        tid: i32,
        /// Its name.
        name: String,
        /// When it was first seen.
        at: Nanos,
    },
    /// A thread has a better name.
    ThreadName {
        /// Which.
        thread: u32,
        /// Its name.
        name: String,
    },
    /// A thread has gone.
    ThreadEnded {
        /// Which.
        thread: u32,
        /// When that was noticed.
        at: Nanos,
    },
    /// The quota that binds.
    Quota {
        /// The file with its counters.
        source: String,
        /// CPUs worth of time in each period.
        limit: Option<f64>,
        /// The period.
        period: Nanos,
        /// 1 or 2.
        cgroup_version: u8,
    },
    /// CPUs that the first process may run on.
    Cpus {
        /// How many.
        cpus: u32,
    },
    /// The next name that marks use.
    Name {
        /// It.
        name: String,
    },
    /// Something that a person should know about this recording.
    Note {
        /// A sentence.
        text: String,
    },
}

/// What was new of a thread: its number, and what [`dunnage_timeline::recording::Tick`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadGain(pub u32, pub Nanos, pub Nanos, pub Seen);

/// What was new of a process's GIL: the process, whether it was held, the thread that held it last, and how often it went
/// to another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilGain(pub u32, pub bool, pub Option<u32>, pub u64);

/// What the quota's counters gained: time used, periods, throttled periods, throttled time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaGain(pub Nanos, pub u64, pub u64, pub Nanos);

/// What an application marked: the process, the thread's id, the name, its number, begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkSeen(
    pub u32,
    pub i32,
    pub u32,
    pub u64,
    pub Nanos,
    pub Option<Nanos>,
);

/// One look at everything. In JSON an array; one with the same time as the look before belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "LookParts")]
pub struct Look {
    /// When it began.
    pub at: Nanos,
    /// Threads that ran or changed their state.
    pub threads: Vec<ThreadGain>,
    /// Interpreters whose GIL is not as it was.
    pub gil: Vec<GilGain>,
    /// The quota's counters, where they moved.
    pub quota: Option<QuotaGain>,
    /// What was marked since the look before.
    pub marks: Vec<MarkSeen>,
}

type LookParts = (
    Nanos,
    Vec<ThreadGain>,
    Vec<GilGain>,
    Option<QuotaGain>,
    Vec<MarkSeen>,
);

impl From<LookParts> for Look {
    fn from((at, threads, gil, quota, marks): LookParts) -> Self {
        Self {
            at,
            threads,
            gil,
            quota,
            marks,
        }
    }
}

impl Serialize for Look {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let parts = (self.at, &self.threads, &self.gil, self.quota, &self.marks);
        parts.serialize(out)
    }
}

impl Look {
    /// Begins a look in the room of the last one.
    pub fn restart(&mut self, at: Nanos) {
        self.at = at;
        self.threads.clear();
        self.gil.clear();
        self.quota = None;
        self.marks.clear();
    }

    /// The same in pieces that have at most so many items of a kind.
    pub fn pieces(&self, most: usize) -> impl Iterator<Item = Self> + '_ {
        let longest = self.threads.len().max(self.gil.len()).max(self.marks.len());
        let count = longest.div_ceil(most).max(1);
        (0..count).map(move |at| Self {
            at: self.at,
            threads: piece(&self.threads, at, most),
            gil: piece(&self.gil, at, most),
            quota: self.quota.filter(|_| at == 0),
            marks: piece(&self.marks, at, most),
        })
    }
}

fn piece<T: Copy>(items: &[T], at: usize, most: usize) -> Vec<T> {
    items.iter().skip(at * most).take(most).copied().collect()
}

/// Whether a sink wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Yes.
    More,
    /// No: who asked has gone, or there is no room left.
    Enough,
}

/// Where all this goes.
pub trait Sink {
    /// Takes a fact.
    fn fact(&mut self, fact: Fact);
    /// Takes a look.
    fn look(&mut self, look: &Look) -> Wanted;
}
