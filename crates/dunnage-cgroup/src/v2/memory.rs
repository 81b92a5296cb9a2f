//! `memory.max`, `memory.high` and `memory.swap.max`.

use crate::root::Reading;
use std::path::{Path, PathBuf};

/// The hard limit of one folder and the file that holds it.
pub(crate) fn read_limit(reading: &mut Reading, folder: &Path) -> Option<(u64, PathBuf)> {
    let path = folder.join("memory.max");
    Some((reading.read_size(&path)?, path))
}

/// `memory.high` of one folder.
pub(crate) fn read_high(reading: &mut Reading, folder: &Path) -> Option<u64> {
    reading.read_size(&folder.join("memory.high"))
}

/// `memory.swap.max` of one folder: bytes of swap, without the memory.
pub(crate) fn read_swap(reading: &mut Reading, folder: &Path) -> Option<u64> {
    reading.read_size(&folder.join("memory.swap.max"))
}
