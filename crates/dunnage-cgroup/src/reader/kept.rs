//! A file that is kept open and read again with one `pread`.

use crate::{ReadError, Root};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest answer that is read. `memory.stat` of a current kernel is about 2 KiB long, and a seq_file answers one read in full.
pub(super) type Buffer = [u8; 16 * 1024];

/// Opens files to keep.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub root: Root,
    /// Whether each use of a descriptor first asks which file it stands for.
    pub is_guarded: bool,
    /// Whether a file was not opened for want of descriptors: it has to be tried again.
    is_starved: Cell<bool>,
}

/// A descriptor with the path it came from, or the reason why there is none.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    file: Result<File, Refused>,
    /// Which file it is, where that is asked before each use.
    identity: Option<Identity>,
}

#[derive(Debug, Clone, Copy)]
struct Refused {
    kind: io::ErrorKind,
    code: Option<i32>,
}

/// What tells our open file from any other that has come to have its descriptor's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// The file offset, which we set to a number that nobody reads or writes up to by chance, and `pread` leaves alone.
    /// Asking for it (lseek) takes half the time of asking for the inode, and it tells even another opening of one file.
    Offset(u64),
    /// Device and inode, where the offset cannot be set.
    Inode(u64, u64),
}

/// Offsets that mark start here: the largest power of two that every file system of the kernel's own takes.
const MARKS: u64 = 1 << 30;

impl Identity {
    /// Marks a file that was just opened.
    fn give(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        let scattered = (device ^ inode).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 34;
        let mark = MARKS + scattered % MARKS;
        let mut seekable = file;
        Some(match seekable.seek(SeekFrom::Start(mark)) {
            Ok(at) if at == mark => Self::Offset(mark),
            _ => Self::Inode(device, inode),
        })
    }

    fn holds(self, mut file: &File) -> bool {
        match self {
            Self::Offset(mark) => file.stream_position().is_ok_and(|at| at == mark),
            Self::Inode(device, inode) => file
                .metadata()
                .is_ok_and(|found| (found.dev(), found.ino()) == (device, inode)),
        }
    }
}

/// EMFILE and ENFILE: this process, or the machine, has no descriptor left; 24 and 23 on every architecture.
const NO_DESCRIPTOR: [i32; 2] = [24, 23];

impl Opener {
    pub fn new(root: Root, is_guarded: bool) -> Self {
        Self {
            root,
            is_guarded,
            is_starved: Cell::new(false),
        }
    }

    /// Opens a file; that it cannot be opened is told when it is read.
    pub fn keep(&self, path: PathBuf) -> Kept {
        let file = self.open(&path).map_err(|error| Refused {
            kind: error.kind(),
            code: error.raw_os_error(),
        });
        let identity = match &file {
            Ok(file) if self.is_guarded => Identity::give(file),
            _ => None,
        };
        Kept {
            path,
            file,
            identity,
        }
    }

    /// Opens a file below the root, and notes where that failed for want of descriptors.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let file = File::open(self.root.locate(path));
        if let Err(error) = &file
            && error
                .raw_os_error()
                .is_some_and(|code| NO_DESCRIPTOR.contains(&code))
        {
            self.is_starved.set(true);
        }
        file
    }

    /// Whether a descriptor was missing since this was last asked.
    pub fn take_starved(&self) -> bool {
        self.is_starved.take()
    }
}

impl Kept {
    pub fn is_open(&self) -> bool {
        self.file.is_ok()
    }

    /// Whether the descriptor's number has come to stand for another file, or for none.
    fn is_foreign(&self) -> bool {
        match (&self.file, self.identity) {
            (Ok(file), Some(identity)) => !identity.holds(file),
            _ => false,
        }
    }

    /// Reads the file from its start.
    pub fn read<'b>(&self, buffer: &'b mut Buffer) -> Result<&'b [u8], ReadError> {
        if self.is_foreign() {
            let path = self.path.clone();
            return Err(ReadError::Vanished { path });
        }
        let read = match &self.file {
            Ok(file) => file.read_at(buffer, 0),
            Err(refused) => Err(refused
                .code
                .map_or_else(|| refused.kind.into(), io::Error::from_raw_os_error)),
        };
        match read {
            Ok(length) => Ok(buffer.get(..length).unwrap_or_default()),
            Err(error) => Err(ReadError::from_io(&self.path, error)),
        }
    }

    /// Reads and parses the file.
    pub fn parse<T>(
        &self,
        buffer: &mut Buffer,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, ReadError> {
        parse(self.read(buffer)?)
            .ok_or_else(|| self.malformed("does not hold a number as the kernel writes it"))
    }

    /// As [`Kept::parse`]; `None` where there is no such file.
    pub fn parse_optional<T>(
        &self,
        buffer: &mut Buffer,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        match &self.file {
            Ok(_) => self.parse(buffer, parse).map(Some),
            Err(_) => Ok(None),
        }
    }

    pub fn malformed(&self, reason: &'static str) -> ReadError {
        ReadError::Malformed {
            path: self.path.clone(),
            reason,
        }
    }
}

impl Drop for Kept {
    /// Does not close what has become somebody else's.
    fn drop(&mut self) {
        if !self.is_foreign() {
            return;
        }
        let gone = Refused {
            kind: io::ErrorKind::NotFound,
            code: None,
        };
        if let Ok(file) = std::mem::replace(&mut self.file, Err(gone)) {
            let _ = file.into_raw_fd();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_descriptor_that_became_another_file_is_neither_read_nor_closed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ours"), "1").unwrap();
        fs::write(folder.path().join("theirs"), "2").unwrap();
        let opener = Opener::new(Root::at(folder.path()), true);
        let mut kept = opener.keep(PathBuf::from("/ours"));
        let mut buffer = [0; size_of::<Buffer>()];
        assert_eq!(kept.read(&mut buffer).unwrap(), b"1");

        // as if our number had been closed and given out again
        let theirs = File::open(folder.path().join("theirs")).unwrap();
        let link = PathBuf::from(format!("/proc/self/fd/{}", theirs.as_raw_fd()));
        kept.file = Ok(theirs);
        let error = kept.read(&mut buffer).unwrap_err();
        assert!(matches!(error, ReadError::Vanished { .. }), "{error}");
        drop(kept);
        let target = fs::read_link(link).unwrap();
        assert!(target.ends_with("theirs"), "{}", target.display());
    }

    #[test]
    fn another_file_with_the_same_bytes_is_told_apart_by_either_mark() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "100000").unwrap();
            File::open(path).unwrap()
        };
        let (ours, theirs) = (open("ours"), open("theirs"));
        let metadata = ours.metadata().unwrap();
        let inode = Identity::Inode(metadata.dev(), metadata.ino());
        let mark = Identity::give(&ours).unwrap();
        assert!(matches!(mark, Identity::Offset(MARKS..)), "{mark:?}");
        for identity in [mark, inode] {
            assert!(identity.holds(&ours), "{identity:?}");
            assert!(!identity.holds(&theirs), "{identity:?}");
        }
        let again = File::open(folder.path().join("ours")).unwrap();
        assert!(
            !mark.holds(&again),
            "another opening has an offset of its own"
        );
    }

    #[test]
    fn reading_leaves_the_mark() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ours"), "1").unwrap();
        let opener = Opener::new(Root::at(folder.path()), true);
        let kept = opener.keep(PathBuf::from("/ours"));
        let mut buffer = [0; size_of::<Buffer>()];
        for _ in 0..3 {
            assert_eq!(kept.read(&mut buffer).unwrap(), b"1");
        }
    }
}
