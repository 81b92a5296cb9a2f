//! Why a value could not be read.

use std::io;
use std::path::PathBuf;

/// Why a [`Reader`](crate::Reader) has no answer. Paths are those inside of the [`Root`](crate::Root).
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No folder with this controller's files can be seen.
    #[error(
        "no cgroup folder of this process with {controller} files is visible: look for it in /proc/self/cgroup and /proc/self/mountinfo"
    )]
    NotVisible {
        /// `cpu`, `memory`, or `pressure` for the unified hierarchy's pressure files.
        controller: &'static str,
    },
    /// The cgroup was removed, and looking the process up again led to no other.
    #[error("{} is gone with its cgroup, and /proc/self/cgroup names no other", path.display())]
    Vanished {
        /// The file that was kept open.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The file does not hold what the kernel writes there.
    #[error("{} {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, to follow the file's name.
        reason: &'static str,
    },
}

/// What reading a file of a removed cgroup answers (kernel: `kernfs_get_active`); 19 on every architecture.
const ENODEV: i32 = 19;

impl ReadError {
    pub(crate) fn from_io(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if source.raw_os_error() == Some(ENODEV) {
            Self::Vanished { path }
        } else {
            Self::Io { path, source }
        }
    }
}
