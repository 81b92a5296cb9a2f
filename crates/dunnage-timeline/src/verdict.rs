//! What a timeline means, in words with numbers.
//!
//! First the facts are measured ([`facts`]), then one pure rule tells which [`Kind`] it is ([`decide`]), and what there is to
//! do about it with the effect that the stall model expects ([`fixes`]); the words come last. The rule speaks of throttling
//! only where the cgroup's own counters confirm it: most gaps in a thread's time are something else.

mod decide;
mod facts;
mod fixes;
mod words;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::Nanos;
use crate::timeline::{Parts, Timeline};

pub(crate) use words::format_time;

/// What made requests slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The quota was used up while a thread held the GIL: all others waited for a lock that stood still.
    ThrottledGilHolder,
    /// The quota was used up, and the threads themselves stood still.
    Throttled,
    /// Others held the GIL, and ran.
    Gil,
    /// Others had the CPUs, and no quota was in the way.
    HostContention,
    /// The requests' own work.
    Cpu,
    /// They slept: a socket, a timer, a lock of the application, a disk.
    Outside,
    /// Nothing was slow.
    Nothing,
    /// Too little was seen to tell.
    NotEnough,
}

/// Something to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What to do.
    pub text: String,
    /// What that changes, with numbers where there are any.
    pub expected: String,
    /// The option, variable or line of a manifest that does it, where there is one.
    pub setting: Option<String>,
}

/// Latencies, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many were seen. The percentiles are 0 if none was.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: Nanos,
    /// Nine of ten took no longer.
    pub p90: Nanos,
    /// 99 of 100 took no longer. With fewer than 100 it is `max`.
    pub p99: Nanos,
    /// The longest.
    pub max: Nanos,
}

/// What the verdict speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// What the application marked ([`Timeline::requests`]).
    Requests,
    /// The longest waits of any thread ([`Timeline::stalls`]), since nothing was marked, or too little.
    Stalls,
}

/// What a timeline means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What it was.
    pub kind: Kind,
    /// It in one sentence.
    pub headline: String,
    /// What a CPU graph shows of it.
    pub graph: String,
    /// What happened.
    pub happened: String,
    /// Why.
    pub cause: String,
    /// What to do, the most effective first.
    pub fixes: Vec<Fix>,
    /// Of what.
    pub subject: Subject,
    /// The name of the marked spans that this is about; empty where [`Verdict::subject`] is stalls.
    pub name: String,
    /// How long the subject took.
    pub latency: Latency,
    /// What those of the subject that took `slow_over` or longer were made of: sums in nanoseconds.
    pub slow: Parts,
    /// How many that were.
    pub slow_count: u64,
    /// See `slow`.
    pub slow_over: Nanos,
}

impl Verdict {
    /// Judges a timeline.
    pub fn of(timeline: &Timeline) -> Self {
        let facts = facts::Facts::measure(timeline);
        let kind = decide::decide(&facts);
        Self {
            kind,
            headline: words::headline(kind, &facts),
            graph: words::graph(&facts),
            happened: words::happened(&facts),
            cause: words::cause(kind, &facts),
            fixes: fixes::propose(kind, &facts),
            subject: facts.subject,
            name: facts.name,
            latency: facts.latency,
            slow: facts.slow,
            slow_count: facts.slow_count,
            slow_over: facts.slow_over,
        }
    }
}
