//! Folders held open, so that what is made or removed in one is in that one and nowhere else, whatever is renamed or
//! linked meanwhile.

use std::ffi::{CString, OsStr};
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An open folder.
#[derive(Debug)]
pub struct Folder(File);

/// A folder that may be passed through is enough: it need not be readable.
const FLAGS: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// A name in a folder: not a path, so that nothing can lead out of it.
fn plain(name: &str) -> io::Result<CString> {
    if matches!(name, "" | "." | "..") || name.contains('/') {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    CString::new(OsStr::new(name).as_bytes())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

impl Folder {
    /// Opens a folder; a link in its place is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(FLAGS)
            .open(path)?;
        Ok(Self(file))
    }

    /// Opens a folder in this one; a link in its place is an error.
    pub fn open_in(&self, name: &str) -> io::Result<Self> {
        let name = plain(name)?;
        // SAFETY: the descriptor is open, the name ends with a zero byte.
        let fd = unsafe { libc::openat(self.0.as_raw_fd(), name.as_ptr(), FLAGS) };
        check(fd)?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// Makes a folder in this one, for its owner only; an error where anything has that name.
    pub fn make(&self, name: &str) -> io::Result<()> {
        let name = plain(name)?;
        // SAFETY: the descriptor is open, the name ends with a zero byte.
        check(unsafe { libc::mkdirat(self.0.as_raw_fd(), name.as_ptr(), 0o700) })
    }

    /// Makes a file in this folder, for its owner only, and opens it for reading and writing; an error where anything has
    /// that name.
    pub fn create_file(&self, name: &str) -> io::Result<File> {
        self.open_file_with(name, libc::O_CREAT | libc::O_EXCL)
    }

    /// Opens a file in this folder for reading and writing. A link, a FIFO or a device is refused.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let file = self.open_file_with(name, 0)?;
        if file.metadata()?.file_type().is_file() {
            Ok(file)
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    fn open_file_with(&self, name: &str, flags: i32) -> io::Result<File> {
        const CAREFUL: i32 =
            libc::O_RDWR | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let name = plain(name)?;
        // SAFETY: the descriptor is open, the name ends with a zero byte; the mode is read where a file is made.
        let fd = unsafe { libc::openat(self.0.as_raw_fd(), name.as_ptr(), CAREFUL | flags, 0o600) };
        check(fd)?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(unsafe { File::from_raw_fd(fd) })
    }

    /// Removes a file, socket or link in this folder.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        self.unlink(name, 0)
    }

    /// Removes an empty folder in this one.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.unlink(name, libc::AT_REMOVEDIR)
    }

    fn unlink(&self, name: &str, flags: i32) -> io::Result<()> {
        let name = plain(name)?;
        // SAFETY: the descriptor is open, the name ends with a zero byte.
        check(unsafe { libc::unlinkat(self.0.as_raw_fd(), name.as_ptr(), flags) })
    }

    /// Gives something in this folder another name in it; a file that has that name is replaced at once, never missing.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (plain(from)?, plain(to)?);
        let fd = self.0.as_raw_fd();
        // SAFETY: the descriptor is open, both names end with a zero byte.
        check(unsafe { libc::renameat(fd, from.as_ptr(), fd, to.as_ptr()) })
    }

    /// Sets the mode of something in this folder. A link is followed: only for a folder that nobody else may write in.
    pub fn set_mode_in(&self, name: &str, mode: u32) -> io::Result<()> {
        let name = plain(name)?;
        // SAFETY: the descriptor is open, the name ends with a zero byte; mode_t has the bits.
        check(unsafe { libc::fchmodat(self.0.as_raw_fd(), name.as_ptr(), mode as libc::mode_t, 0) })
    }

    /// Sets this folder's own mode; needs `/proc`.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        std::fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Owner, mode, device, inode.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// A path to something in this folder that no rename can lead elsewhere, and that is short; needs `/proc`.
    pub fn pinned_path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }
}

/// Our effective user id.
pub fn current_uid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_the_place_of_another() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        std::fs::write(scratch.path().join("old"), "old").unwrap();
        std::fs::write(scratch.path().join("new"), "new").unwrap();
        folder.rename("new", "old").unwrap();
        assert_eq!(
            std::fs::read_to_string(scratch.path().join("old")).unwrap(),
            "new"
        );
        assert!(!scratch.path().join("new").exists());
        assert!(folder.rename("old", "../old").is_err());
    }

    #[test]
    fn links_are_not_followed_and_names_do_not_lead_out() {
        let scratch = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(scratch.path(), scratch.path().join("link")).unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        assert!(Folder::open(&scratch.path().join("link")).is_err());
        assert!(folder.open_in("link").is_err());
        for name in ["", ".", "..", "a/b", "/tmp"] {
            assert!(folder.make(name).is_err());
            assert!(folder.open_in(name).is_err());
        }
        folder.make("made").unwrap();
        assert!(folder.make("made").is_err());
        folder.open_in("made").unwrap();
        folder.remove_folder("made").unwrap();
    }

    #[test]
    fn a_file_is_made_once_and_what_is_none_is_not_opened() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        assert!(folder.open_file("made").is_err());
        let made = folder.create_file("made").unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(folder.create_file("made").is_err());
        folder.open_file("made").unwrap();
        std::os::unix::fs::symlink("made", scratch.path().join("link")).unwrap();
        assert!(folder.open_file("link").is_err() && folder.create_file("link").is_err());
        assert!(folder.open_file("/etc/hostname").is_err());
    }
}
