//! `cpu.cfs_quota_us`, `cpu.cfs_period_us` and `cpu.cfs_burst_us`. The shares are not read: they divide a busy machine,
//! they limit nothing.

use crate::Bandwidth;
use crate::parse::{parse_cfs_quota, parse_u64};
use crate::root::{Reading, VALUE_BYTES};
use std::path::{Path, PathBuf};

/// The quota of one folder and the file that holds it.
pub(crate) fn read_bandwidth(reading: &mut Reading, folder: &Path) -> Option<(Bandwidth, PathBuf)> {
    let path = folder.join("cpu.cfs_quota_us");
    let quota = reading.read(&path, VALUE_BYTES)?;
    let period = reading.read(&folder.join("cpu.cfs_period_us"), VALUE_BYTES);
    match parse_cfs_quota(&quota, period.as_deref()) {
        Ok(None) => None,
        Ok(Some(mut bandwidth)) => {
            let burst = folder.join("cpu.cfs_burst_us");
            bandwidth.burst_usec = reading.parse(&burst, VALUE_BYTES, parse_u64).unwrap_or(0);
            Some((bandwidth, path))
        }
        Err(reason) => {
            reading.note(format!("{} {reason}: it is passed over", path.display()));
            None
        }
    }
}
