//! `cpu.max` and `cpu.max.burst`. The weight is not read: it divides a busy machine, it limits nothing.

use crate::Bandwidth;
use crate::parse::{parse_cpu_max, parse_u64};
use crate::root::{Reading, VALUE_BYTES};
use std::path::{Path, PathBuf};

/// The quota of one folder and the file that holds it.
pub(crate) fn read_bandwidth(reading: &mut Reading, folder: &Path) -> Option<(Bandwidth, PathBuf)> {
    let path = folder.join("cpu.max");
    let bytes = reading.read(&path, VALUE_BYTES)?;
    match parse_cpu_max(&bytes) {
        Ok(None) => None,
        Ok(Some(mut bandwidth)) => {
            let burst = folder.join("cpu.max.burst");
            bandwidth.burst_usec = reading.parse(&burst, VALUE_BYTES, parse_u64).unwrap_or(0);
            Some((bandwidth, path))
        }
        Err(reason) => {
            reading.note(format!("{} {reason}: it is passed over", path.display()));
            None
        }
    }
}
