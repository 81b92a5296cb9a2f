//! How large a file system is, and what it is.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The file system that a path is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its size in bytes.
    pub bytes: u64,
    /// What an unprivileged process may still write, in bytes.
    pub available: u64,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
    /// What it is, where that is known: `tmpfs`, `overlay`, `ext4`, `xfs`, `btrfs`, `nfs`, `9p`, `fuse`.
    pub kind: Option<&'static str>,
}

/// `include/uapi/linux/magic.h` and the file systems' own headers.
const KINDS: [(i128, &str); 9] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x6969, "nfs"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
];

/// Asks about the file system of a path (`statfs(2)`, `statvfs(3)`).
pub fn read_space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut room = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero, and the kernel's answer fits into `room`.
    if unsafe { libc::statvfs(path.as_ptr(), room.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled, and made of integers.
    let room = unsafe { room.assume_init() };
    let mut found = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: as above.
    if unsafe { libc::statfs(path.as_ptr(), found.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled, and made of integers.
    let magic = i128::from(unsafe { found.assume_init() }.f_type);
    let block = room.f_frsize;
    Ok(Space {
        bytes: room.f_blocks.saturating_mul(block),
        available: room.f_bavail.saturating_mul(block),
        is_read_only: room.f_flag & libc::ST_RDONLY != 0,
        kind: KINDS
            .iter()
            .find(|(number, _)| *number == magic)
            .map(|(_, name)| *name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_a_tmpfs_with_a_size_and_proc_has_none() {
        let shm = read_space(Path::new("/dev/shm")).unwrap();
        assert_eq!(shm.kind, Some("tmpfs"));
        assert!(shm.bytes >= shm.available && shm.bytes > 0);
        assert_eq!(read_space(Path::new("/proc")).unwrap().bytes, 0);
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        let error = read_space(Path::new("/no/such/folder")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
