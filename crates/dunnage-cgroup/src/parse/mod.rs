//! Parsers of the kernel's text formats, one module a format.
//!
//! Each takes the bytes of a file and returns what they say. They are pure, never panic and allocate nothing, or no more
//! than their input is long: the bytes may be those of a fake `/proc` or of a kernel that is not yet written.

pub mod cgroup_file;
pub mod cpu_list;
pub mod cpu_max;
pub mod flat_keyed;
pub mod mountinfo;
pub mod number;
pub mod pressure;

pub use cgroup_file::{CgroupLine, parse_cgroup_file};
pub use cpu_list::{parse_cpu_list, parse_cpus_allowed};
pub use cpu_max::{Malformed, parse_cfs_quota, parse_cpu_max};
pub use flat_keyed::parse_flat_keyed;
pub use mountinfo::{Mount, parse_mountinfo, unescape_octal};
pub use number::{Size, parse_size, parse_u64};
pub use pressure::{Pressure, Stall, parse_pressure};
