//! What the kernel enforces on this process.
//!
//! A container's CPU and memory limits live in files of the cgroup file system, in one of three layouts (v1, v2, hybrid),
//! seen through a mount and a cgroup namespace that may hide the levels above. This crate reads those files and says, for
//! each value, where it came from and how sure it is. It only reads; the folder it reads below is an argument
//! ([`Root`]), so that a recorded container is a plain folder of text files.

mod limits;

pub use limits::{Bandwidth, Confidence, CpuLimits, Hierarchy, Limits, MemoryLimits, Sourced};
