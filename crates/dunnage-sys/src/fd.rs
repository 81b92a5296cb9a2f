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
}
