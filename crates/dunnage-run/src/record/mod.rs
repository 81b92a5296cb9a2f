//! What is written before the kernel kills, and read afterwards: the record file.
//!
//! [`format`](self::Part) is what stands in it, [`Writer`] writes it, [`read_record`] reads what a supervisor left, torn
//! lines and all. [`ReportFolder`] is where such files lie, and [`tell_last_time`](ReportFolder::tell_last_time) says
//! what became of the runs before.

mod folder;
mod format;
mod last_time;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use folder::{Place, ReportFolder, newest};
pub use format::*;
pub use last_time::{share, shown_bytes, shown_time};
pub use read::{MAX_FILE, Record, RecordFile, parse_record, read_record};
pub use write::{FILE_BYTES, Writer, encode};
