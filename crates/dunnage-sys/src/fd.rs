//! Files opened with care: nothing followed, nothing created, nothing waited for, never more read than asked.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `include/uapi/linux/magic.h`
const RAMFS_MAGIC: i128 = 0x8584_58f6;

/// Opens an existing regular file for reading and writing. A link, a FIFO or a device is refused; a missing file is not made.
pub fn open_existing_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    if file.metadata()?.file_type().is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// Reads at most `limit` bytes of a file into `buffer`, which is cleared first.
pub fn read_bounded(path: &Path, limit: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    File::open(path)?.take(limit).read_to_end(buffer)?;
    Ok(())
}

/// Whether a file is in a file system that lives in memory, so that writing it waits for no disk.
pub fn is_in_memory(file: &File) -> io::Result<bool> {
    let mut found = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is open; the kernel writes into `found`, which has its size.
    if unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled by the kernel; it is made of integers.
    let kind = unsafe { found.assume_init() }.f_type;
    // wide enough for the field's type in every C library
    Ok([i128::from(libc::TMPFS_MAGIC), RAMFS_MAGIC].contains(&i128::from(kind)))
}

/// Where a link points to, as bytes.
pub fn read_link_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::fs::read_link(path)?.into_os_string().into_vec())
}

/// A symbolic link that is found once and read again and again: without a walk along its path, memory or a new
/// descriptor. For a link of `/proc/PID` that means this process, and an error once it has been reaped.
#[derive(Debug)]
pub struct KeptLink(File);

impl KeptLink {
    /// Finds a link. Where it points to need not exist.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
            .map(Self)
    }

    /// Where it points to, as bytes; an error (`ENAMETOOLONG`) where that may not be all of it.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        // SAFETY: the descriptor is open, the path is an empty C string, and the kernel writes at most as many bytes as the
        // buffer has.
        let length = unsafe {
            libc::readlinkat(
                self.0.as_raw_fd(),
                c"".as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
            )
        };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        if length == buffer.len() {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        Ok(buffer.get(..length).unwrap_or_default())
    }
}

/// Gives a file its room on the disk, from its beginning: later writes there find it (`fallocate(2)`). Where the file
/// system cannot, the file gets the size alone, as a hole; whether it got the room.
pub fn allocate(file: &File, bytes: u64) -> io::Result<bool> {
    let length = i64::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    // SAFETY: the descriptor is open, the rest are plain integers.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => file.set_len(bytes).map(|()| false),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_long_as_was_asked_for_and_reads_as_zeros() {
        let mut file = tempfile::tempfile().unwrap();
        allocate(&file, 8192).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0; 8192]);
    }
    #[test]
    fn a_kept_link_says_where_it_points_now_and_never_half_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        std::os::unix::fs::symlink("to/nothing", &path).unwrap();
        let link = KeptLink::open(&path).unwrap();
        assert_eq!(link.read(&mut [0; 64]).unwrap(), b"to/nothing");
        assert!(link.read(&mut [0; 10]).is_err());

        let mut child = std::process::Command::new("sh")
            .args(["-c", "read line; exec sleep 60"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let link = KeptLink::open(format!("/proc/{}/exe", child.id()).as_ref()).unwrap();
        let program = |link: &KeptLink| link.read(&mut [0; 4096]).map(<[u8]>::to_vec);
        let shell = program(&link).unwrap();
        drop(child.stdin.take());
        while program(&link).unwrap() == shell {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(program(&link).is_err());
    }
}
