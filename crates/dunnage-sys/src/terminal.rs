//! The terminal: who is in its foreground.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Whether `fd` is a terminal.
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: asks about a descriptor that is open for as long as it is borrowed.
    unsafe { libc::isatty(fd.as_raw_fd()) == 1 }
}

/// The process group in the foreground of our controlling terminal; an error where `fd` is not that.
pub fn foreground_group(fd: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: no memory is passed.
    match unsafe { libc::tcgetpgrp(fd.as_raw_fd()) } {
        -1 => Err(io::Error::last_os_error()),
        group => Ok(group),
    }
}

/// Puts a process group of our session into the foreground. SIGTTOU must be blocked or ignored, or a caller in the
/// background is stopped by it.
pub fn set_foreground_group(fd: BorrowedFd<'_>, group: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::tcsetpgrp(fd.as_raw_fd(), group) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives up our controlling terminal, so that a child can have it; an error where `fd` is not that. Where we lead its
/// session, the kernel takes it from the whole session and sends SIGHUP and SIGCONT to its foreground.
pub fn leave_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCNOTTY) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
