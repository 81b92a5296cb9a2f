//! Limits of one cgroup v1 folder (kernel: `Documentation/admin-guide/cgroup-v1/`).

pub(crate) mod cpu;
pub(crate) mod memory;
