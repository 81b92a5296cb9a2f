//! Waiting for children: `waitpid(2)`, never blocking.

use std::io;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code, 0–255.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// One answer of [`wait_any`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// A child ended and has been reaped.
    Ended(i32, Status),
    /// A child was stopped by this signal.
    Stopped(i32, i32),
    /// There are children, and nothing new about them.
    Nothing,
    /// There is no child at all, zombies included.
    NoChildren,
}

/// Asks for news of any child, without blocking. A child that ended is reaped.
pub fn wait_any() -> io::Result<Wait> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
        if pid < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ECHILD) => return Ok(Wait::NoChildren),
                Some(libc::EINTR) => continue,
                _ => return Err(error),
            }
        }
        return Ok(if pid == 0 {
            Wait::Nothing
        } else if libc::WIFSTOPPED(status) {
            Wait::Stopped(pid, libc::WSTOPSIG(status))
        } else if libc::WIFSIGNALED(status) {
            Wait::Ended(pid, Status::Signaled(libc::WTERMSIG(status)))
        } else {
            Wait::Ended(pid, Status::Exited(libc::WEXITSTATUS(status)))
        });
    }
}
