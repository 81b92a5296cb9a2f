//! Allocator settings that the environment alone can make. Each is opt-in: each costs something, and which one helps
//! depends on which allocator holds the memory.

use std::str::FromStr;

use serde::Serialize;

use super::options::{UnknownName, by_name};

/// An allocator setting (`--allocator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Allocator {
    /// glibc gives the free end of its heap back sooner.
    Trim,
    /// glibc uses two heaps instead of up to eight a CPU.
    Arenas,
    /// CPython takes small objects from malloc instead of its own arenas.
    Malloc,
    /// pyarrow takes its buffers from malloc instead of mimalloc.
    Arrow,
    /// The jemalloc inside polars gives free pages back at once.
    Polars,
}

/// One setting with what it gains and costs.
pub(super) struct Choice {
    pub(super) variable: &'static str,
    pub(super) value: &'static str,
    /// Variables of the user's that this one would outrank.
    pub(super) outranks: &'static [&'static str],
    pub(super) gain: &'static str,
    pub(super) cost: &'static str,
}

impl Allocator {
    /// Every setting.
    pub const ALL: [Self; 5] = [
        Self::Trim,
        Self::Arenas,
        Self::Malloc,
        Self::Arrow,
        Self::Polars,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Arenas => "arenas",
            Self::Malloc => "malloc",
            Self::Arrow => "arrow",
            Self::Polars => "polars",
        }
    }

    /// What it sets, gains and costs, for the help text.
    pub fn help(self) -> String {
        let choice = self.choice();
        format!(
            "{}={}: {}; costs: {}",
            choice.variable, choice.value, choice.gain, choice.cost
        )
    }

    pub(super) fn choice(self) -> Choice {
        match self {
            Self::Trim => Choice {
                variable: "MALLOC_TRIM_THRESHOLD_",
                value: "65536",
                outranks: &["GLIBC_TUNABLES"],
                gain: "glibc returns the free end of its heap from 64 KiB on",
                cost: "more system calls and page faults, since blocks over 128 KiB are then always mapped singly (mallopt(3)); holes inside the heap stay",
            },
            Self::Arenas => Choice {
                variable: "MALLOC_ARENA_MAX",
                value: "2",
                outranks: &["GLIBC_TUNABLES"],
                gain: "threads share two glibc heaps, which bounds what each thread holds",
                cost: "threads wait for each other in malloc, and memory of mixed age keeps more of a heap in use until a malloc_trim",
            },
            Self::Malloc => Choice {
                variable: "PYTHONMALLOC",
                value: "malloc",
                outranks: &["PYTHONDEVMODE"],
                gain: "small objects no longer pin whole arenas of CPython, so a later malloc_trim can return what is free between them",
                cost: "more memory and time for each small object, nothing returned without malloc_trim; free-threaded builds refuse it",
            },
            Self::Arrow => Choice {
                variable: "ARROW_DEFAULT_MEMORY_POOL",
                value: "system",
                outranks: &[],
                gain: "pyarrow's buffers go back to the system when they are freed, instead of staying in its mimalloc",
                cost: "large buffers are mapped and cleared anew each time",
            },
            Self::Polars => Choice {
                variable: "_RJEM_MALLOC_CONF",
                value: "dirty_decay_ms:0,muzzy_decay_ms:0",
                outranks: &[],
                gain: "the jemalloc inside polars gives free pages back at once",
                cost: "every reuse of a page is a page fault: allocation-heavy queries can become several times slower (pola-rs/polars 27797)",
            },
        }
    }
}

impl FromStr for Allocator {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        by_name(text, "an allocator setting", &Self::ALL, Self::name)
    }
}
