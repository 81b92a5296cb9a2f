//! The folder below which `proc/` and `sys/` are read, and what went wrong while reading there.

use crate::parse::{Size, parse_size};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most that is read of a file of one value.
pub(crate) const VALUE_BYTES: usize = 4 * 1024;
/// Most that is read of `memory.stat`, `/proc/self/status`, `/proc/self/cgroup`.
pub(crate) const TABLE_BYTES: usize = 256 * 1024;
/// Most that is read of `/proc/self/mountinfo`: nodes with thousands of mounts exist.
pub(crate) const MOUNTINFO_BYTES: usize = 16 * 1024 * 1024;

/// The folder below which `proc/` and `sys/` are read.
///
/// For a process about itself this is `/`; a recorded container, or another mount namespace
/// (`/proc/PID/root`), is any other folder. Paths in answers are those inside, without this prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    folder: PathBuf,
}

impl Root {
    /// The running system, `/`.
    pub fn system() -> Self {
        Self::at("/")
    }

    /// Another folder that holds `proc/` and `sys/`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Where a path of the inside stands outside.
    pub(crate) fn locate(&self, path: &Path) -> PathBuf {
        self.folder.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.locate(path).exists()
    }

    pub(crate) fn is_dir(&self, path: &Path) -> bool {
        self.locate(path).is_dir()
    }

    /// Reads at most `limit` bytes of a file.
    pub(crate) fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        // a page: what the kernel makes up at each read is read in few
        let mut bytes = Vec::with_capacity(4096.min(limit));
        File::open(self.locate(path))?
            .take(limit as u64)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads below a [`Root`] and gathers what a person should know about it, each sentence once.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub root: &'a Root,
    pub notes: Vec<String>,
}

impl<'a> Reading<'a> {
    pub fn new(root: &'a Root) -> Self {
        Self {
            root,
            notes: Vec::new(),
        }
    }

    pub fn note(&mut self, sentence: String) {
        if !self.notes.contains(&sentence) {
            self.notes.push(sentence);
        }
    }

    /// Reads a file that need not be there; any other reason for not reading it becomes a note.
    pub fn read(&mut self, path: &Path, limit: usize) -> Option<Vec<u8>> {
        match self.root.read(path, limit) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.note(format!("{} cannot be read: {error}", path.display()));
                }
                None
            }
        }
    }

    /// Reads and parses a file that need not be there; what cannot be parsed is passed over with a note.
    pub fn parse<T>(
        &mut self,
        path: &Path,
        limit: usize,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let bytes = self.read(path, limit)?;
        let value = parse(&bytes);
        if value.is_none() {
            self.note(format!(
                "{} does not hold what the kernel writes there and is passed over",
                path.display()
            ));
        }
        value
    }

    /// Reads a limit in bytes; `None` where there is none.
    pub fn read_size(&mut self, path: &Path) -> Option<u64> {
        match self.parse(path, VALUE_BYTES, parse_size)? {
            Size::Max => None,
            Size::Limit(bytes) => Some(bytes),
        }
    }
}

/// The bytes of a kernel file as a path.
pub(crate) fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
