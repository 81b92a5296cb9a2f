//! `memory.limit_in_bytes`, `memory.memsw.limit_in_bytes`, and the limits over all levels that `memory.stat` tells.

use crate::parse::number::size_from;
use crate::parse::{Size, parse_flat_keyed};
use crate::root::{Reading, TABLE_BYTES};
use std::path::{Path, PathBuf};

/// The hard limit of one folder and the file that holds it.
pub(crate) fn read_limit(reading: &mut Reading, folder: &Path) -> Option<(u64, PathBuf)> {
    let path = folder.join("memory.limit_in_bytes");
    Some((reading.read_size(&path)?, path))
}

/// What may be swapped: v1 limits memory and swap together, so this is that limit less the one of memory alone.
pub(crate) fn read_swap(reading: &mut Reading, folder: &Path) -> Option<u64> {
    let both = reading.read_size(&folder.join("memory.memsw.limit_in_bytes"))?;
    let memory = reading.read_size(&folder.join("memory.limit_in_bytes"))?;
    Some(both.saturating_sub(memory))
}

/// What `memory.stat` of one folder tells about all levels above it, the hidden ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hierarchical {
    /// `hierarchical_memory_limit`.
    pub memory: Size,
    /// `hierarchical_memsw_limit`, memory and swap together; absent where the kernel does not account swap.
    pub both: Option<Size>,
}

impl Hierarchical {
    /// What may be swapped over all levels.
    pub fn swap(&self) -> Option<u64> {
        match (self.memory, self.both?) {
            (Size::Limit(memory), Size::Limit(both)) => Some(both.saturating_sub(memory)),
            _ => None,
        }
    }
}

/// Reads the limits over all levels, and the file that holds them.
pub(crate) fn read_hierarchical(
    reading: &mut Reading,
    folder: &Path,
) -> Option<(Hierarchical, PathBuf)> {
    let path = folder.join("memory.stat");
    let bytes = reading.read(&path, TABLE_BYTES)?;
    let find = |wanted: &[u8]| {
        parse_flat_keyed(&bytes)
            .find(|(key, _)| *key == wanted)
            .map(|(_, value)| size_from(value))
    };
    let found = Hierarchical {
        memory: find(b"hierarchical_memory_limit")?,
        both: find(b"hierarchical_memsw_limit"),
    };
    Some((found, path))
}
