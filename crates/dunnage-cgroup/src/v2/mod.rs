//! Limits of one cgroup v2 folder (kernel: `Documentation/admin-guide/cgroup-v2.rst`).

pub(crate) mod cpu;
pub(crate) mod memory;
