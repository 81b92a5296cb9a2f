//! What goes over the control socket while somebody is recorded for.

use dunnage_record::{Fact, Look, Spent};
use serde::{Deserialize, Serialize};

/// One packet. `begin` comes first; then `chunk`s, and `end` as the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Packet {
    /// Looking has begun.
    Begin {
        /// `CLOCK_MONOTONIC`, nanoseconds.
        monotonic: u64,
    },
    /// What was seen.
    Chunk {
        /// Before all looks that come with it or after it.
        #[serde(default)]
        facts: Vec<Fact>,
        /// In order.
        #[serde(default)]
        looks: Vec<Look>,
    },
    /// That was all.
    End {
        /// How long it took, nanoseconds.
        duration: u64,
        /// CPU time of the thread that looked, nanoseconds.
        own_cpu: u64,
        /// Looks that were thrown away since nobody had read the ones before.
        dropped: u64,
    },
    /// The request cannot be met.
    Error {
        /// Why.
        message: String,
    },
}

impl Packet {
    /// The last packet.
    pub fn end(spent: Spent, dropped: u64) -> Self {
        Self::End {
            duration: spent.duration,
            own_cpu: spent.own_cpu,
            dropped,
        }
    }
}

/// Wraps facts and looks that are already written as JSON, separated by commas.
pub fn chunk(facts: &[u8], looks: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 5] = [
        br#"{"op":"chunk","facts":["#,
        facts,
        br#"],"looks":["#,
        looks,
        b"]}",
    ];
    parts.concat()
}
