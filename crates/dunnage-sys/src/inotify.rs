//! Being told that a file has changed: `inotify(7)`.
//!
//! The kernel notifies a change of `memory.events` as one of a file that was written, to anybody who may read it, in a
//! container without rights and on a read-only mount too (Linux 4.18 for cgroup v2's files).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Tells of changes of one file at a time. Its descriptor is ready for reading when there was one.
#[derive(Debug)]
pub struct FileWatch {
    inotify: OwnedFd,
    /// The watched file's number.
    watched: Option<i32>,
}

impl FileWatch {
    /// Watches nothing yet. Close-on-exec, and never waits.
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain integers.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
            inotify: unsafe { OwnedFd::from_raw_fd(fd) },
            watched: None,
        })
    }

    /// Watches this file instead of the one before.
    pub fn watch(&mut self, path: &Path) -> io::Result<()> {
        if let Some(before) = self.watched.take() {
            // SAFETY: plain integers. It fails where the file is gone, and then nothing is watched either.
            unsafe { libc::inotify_rm_watch(self.inotify.as_raw_fd(), before) };
        }
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the path ends with a zero byte and is valid for the call.
        let number = unsafe {
            libc::inotify_add_watch(self.inotify.as_raw_fd(), path.as_ptr(), libc::IN_MODIFY)
        };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        self.watched = Some(number);
        Ok(())
    }

    /// Whether the file was changed since this was last asked. Does not wait; what happened many times is told once.
    pub fn take_changed(&self) -> bool {
        // room for some events, whose names are empty since a file is watched and no folder
        let mut buffer = [0_u64; 64];
        let mut changed = false;
        for _ in 0..16 {
            // SAFETY: the buffer is valid for as many bytes.
            let read = unsafe {
                libc::read(
                    self.inotify.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    size_of_val(&buffer),
                )
            };
            if read <= 0 {
                break;
            }
            changed = true;
        }
        changed
    }
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interest, poll};
    use std::fs;
    use std::time::Duration;

    fn is_ready(watch: &FileWatch) -> bool {
        let wanted = [Some((watch.as_fd(), Interest::Read))];
        poll(&wanted, Some(Duration::ZERO)).unwrap().has(0)
    }

    #[test]
    fn changes_of_the_file_are_told_once_and_those_of_the_one_before_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        fs::write(&first, "max 0\n").unwrap();
        fs::write(&second, "max 0\n").unwrap();
        let mut watch = FileWatch::new().unwrap();
        watch.watch(&first).unwrap();
        assert!(!is_ready(&watch) && !watch.take_changed());
        for hits in 1..100 {
            fs::write(&first, format!("max {hits}\n")).unwrap();
        }
        assert!(is_ready(&watch) && watch.take_changed());
        assert!(!is_ready(&watch) && !watch.take_changed());
        watch.watch(&second).unwrap();
        watch.take_changed();
        fs::write(&first, "max 100\n").unwrap();
        assert!(!watch.take_changed());
        fs::write(&second, "max 1\n").unwrap();
        assert!(watch.take_changed());
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_and_a_later_one_can_be_watched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.events");
        let mut watch = FileWatch::new().unwrap();
        assert_eq!(
            watch.watch(&path).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        fs::write(&path, "max 0\n").unwrap();
        watch.watch(&path).unwrap();
        fs::write(&path, "max 1\n").unwrap();
        assert!(watch.take_changed());
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "a test says what it skipped")]
    fn the_kernel_s_own_change_of_a_cgroup_s_events_is_told() {
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let name = format!("dunnage-test-{}", std::process::id());
        let made = mounts.iter().map(|mount| Path::new(mount).join(&name));
        let made = made.filter(|folder| fs::create_dir(folder).is_ok());
        let Some(folder) = made.into_iter().find(|folder| {
            let is_v2 = folder.join("cgroup.events").exists();
            if !is_v2 {
                fs::remove_dir(folder).unwrap();
            }
            is_v2
        }) else {
            return println!("skipped: a cgroup's events: needs root and a writable cgroup v2");
        };
        let mut watch = FileWatch::new().unwrap();
        watch.watch(&folder.join("cgroup.events")).unwrap();
        assert!(!watch.take_changed());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let moved = fs::write(folder.join("cgroup.procs"), child.id().to_string());
        let wanted = [Some((watch.as_fd(), Interest::Read))];
        let told = moved.is_ok() && poll(&wanted, Some(Duration::from_mins(1))).unwrap().has(0);
        child.kill().unwrap();
        child.wait().unwrap();
        while fs::remove_dir(&folder).is_err() && folder.exists() {
            std::thread::yield_now();
        }
        moved.unwrap();
        assert!(told && watch.take_changed());
    }
}
