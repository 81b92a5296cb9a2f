//! What the kernel enforces on this process.
//!
//! A container's CPU and memory limits live in files of the cgroup file system, in one of three layouts (v1, v2, hybrid),
//! seen through a mount and a cgroup namespace that may hide the levels above. This crate reads those files and says, for
//! each value, where it came from and how sure it is. It only reads; the folder it reads below is an argument
//! ([`Root`]), so that a recorded container is a plain folder of text files.

mod affinity;
mod error;
mod gap;
mod limits;
pub mod parse;
mod read;
mod reader;
mod resolve;
mod root;
mod v1;
mod v2;

pub use error::ReadError;
pub use limits::{Bandwidth, Confidence, CpuLimits, Hierarchy, Limits, MemoryLimits, Sourced};
pub use parse::{Pressure, Stall};
pub use read::{Overrides, read_limits};
pub use reader::{
    Beside, CpuCounters, CpuWatch, Memory, MemoryBound, MemoryEvents, Pids, PressureKind, Reader,
    Throttling,
};
pub use root::Root;
