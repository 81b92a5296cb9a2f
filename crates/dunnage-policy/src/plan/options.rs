//! What the user may choose.

use std::str::FromStr;

use serde::Serialize;

use super::Allocator;
use crate::agent::Agent;

/// What the user chose; the default is what `run` does without options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// How a fraction of a CPU is rounded for compute pools.
    pub policy: Policy,
    /// Worker processes that share the CPUs (`--workers`); `None` asks `WEB_CONCURRENCY`, then takes 1.
    pub workers: Option<u32>,
    /// Whether CPython is told how many CPUs there are; it takes the agent to tell it.
    pub python_cpu_count: PythonCpuCount,
    /// Whether Python processes get the agent.
    pub agent: Agent,
    /// Allocator settings; none by default, since each costs something.
    pub allocator: Vec<Allocator>,
}

/// How a fraction of a CPU is rounded for compute pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Down, at least 1: one pool alone stays within a quota of 1 CPU or more.
    #[default]
    Latency,
    /// Up: one pool alone can use the whole quota, and is throttled when it is used up early.
    Throughput,
}

/// Whether CPython (3.9 and newer) is told how many CPUs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PythonCpuCount {
    /// It counts for itself: it sees the node's CPUs.
    Off,
    /// The quota rounded up, at most the affinity, at least 2; never more than it would see by itself.
    #[default]
    Auto,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 2] = [Self::Latency, Self::Throughput];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
        }
    }

    /// What it does, for the help text.
    pub fn help(self) -> &'static str {
        match self {
            Self::Latency => {
                "round down, at least 1: one pool alone stays within a quota of 1 CPU or more (for services)"
            }
            Self::Throughput => {
                "round up: one pool alone can use the whole quota, and everything stalls when it is used up early (for batch work)"
            }
        }
    }
}

impl PythonCpuCount {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Off, Self::Auto];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
        }
    }

    /// What it does, for the help text.
    pub fn help(self) -> &'static str {
        match self {
            Self::Off => "Python counts for itself",
            Self::Auto => "the quota rounded up, at most the affinity, at least 2",
        }
    }
}

/// A name that none of the choices has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {what}; write one of {names}")]
pub struct UnknownName {
    given: String,
    what: &'static str,
    names: String,
}

/// Finds the choice that is called `given`.
pub(super) fn by_name<T: Copy>(
    given: &str,
    what: &'static str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, UnknownName> {
    all.iter()
        .copied()
        .find(|choice| name(*choice) == given)
        .ok_or_else(|| UnknownName {
            given: given.chars().take(40).collect(),
            what,
            names: all
                .iter()
                .map(|choice| name(*choice))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

impl FromStr for Policy {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        by_name(text, "a policy", &Self::ALL, Self::name)
    }
}

impl FromStr for PythonCpuCount {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        by_name(
            text,
            "a choice for the CPU count of Python",
            &Self::ALL,
            Self::name,
        )
    }
}
