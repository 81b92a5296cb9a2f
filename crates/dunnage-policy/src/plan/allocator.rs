//! Allocator settings that the environment alone can make. Each is opt-in: each costs something, and which one helps
//! depends on which allocator holds the memory. The evidence is from `dunnage exec --allocator …` on CPython 3.11 and glibc
//! 2.36, each run beside one without it.
//!
//! `MALLOC_ARENA_MAX` is not offered: with 16 threads that had freed 785 MiB of small blocks, 2 arenas held 712 MiB and the
//! default 69 (3 runs). jemalloc and mimalloc need a file to preload, which the environment alone cannot bring.

use std::str::FromStr;

use serde::Serialize;

use super::options::{UnknownName, by_name};

/// An allocator setting (`--allocator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Allocator {
    /// glibc gives the free end of its heap back sooner.
    Trim,
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
    /// What was seen.
    pub(super) evidence: &'static str,
}

impl Allocator {
    /// Every setting.
    pub const ALL: [Self; 4] = [Self::Trim, Self::Malloc, Self::Arrow, Self::Polars];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Malloc => "malloc",
            Self::Arrow => "arrow",
            Self::Polars => "polars",
        }
    }

    pub(super) fn choice(self) -> Choice {
        match self {
            Self::Trim => Choice {
                variable: "MALLOC_TRIM_THRESHOLD_",
                value: "65536",
                outranks: &["GLIBC_TUNABLES"],
                gain: "glibc returns the free end of its heap from 64 KiB on",
                cost: "more system calls and page faults, since blocks over 128 KiB are then always mapped singly (mallopt(3))",
                evidence: "read_csv of 1M rows: 8 of 35 MiB held after del, 18 of 44 without (pandas 3.1, 3 runs each); no gain for holes inside the heap",
            },
            Self::Malloc => Choice {
                variable: "PYTHONMALLOC",
                value: "malloc",
                outranks: &["PYTHONDEVMODE"],
                gain: "small objects no longer pin whole arenas of CPython, so a later malloc_trim can return what is free between them",
                cost: "more memory for each small object, and what is freed stays until something calls malloc_trim; not for free-threaded builds",
                evidence: "800,000 dicts: 250 MiB instead of 227, and 244 still held after del instead of 2; 8M ints: 427 instead of 306 (2 runs each)",
            },
            Self::Arrow => Choice {
                variable: "ARROW_DEFAULT_MEMORY_POOL",
                value: "system",
                outranks: &[],
                gain: "pyarrow's buffers go back to the system when they are freed, instead of staying in its mimalloc",
                cost: "large buffers are mapped and cleared anew each time",
                evidence: "60 arrays: 4 of 233 MiB held after del, 261 of 261 without (pyarrow 26, 2 runs each)",
            },
            Self::Polars => Choice {
                variable: "_RJEM_MALLOC_CONF",
                value: "dirty_decay_ms:0,muzzy_decay_ms:0",
                outranks: &[],
                gain: "the jemalloc inside polars gives free pages back at once",
                cost: "every reuse of a page is a page fault, so queries that allocate much become slower (pola-rs/polars 27797)",
                evidence: "20 aggregations: 21 of 113 MiB held after del, 144 to 175 of 207 without, in 2.2 times the time (polars 2.1, 3 runs each)",
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
