//! Processes: who we are, and sending signals to others.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Our process id, 1 where we are a container's init.
pub fn current_pid() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getpid() }
}

/// Our process group.
pub fn current_group() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getpgrp() }
}

/// The session of a process (0: ours); `None` where it has gone or may not be asked about.
pub fn session_of(pid: i32) -> Option<i32> {
    // SAFETY: plain integers.
    Some(unsafe { libc::getsid(pid) }).filter(|session| *session >= 0)
}

/// The process group of a process (0: ours); `None` where it has gone.
pub fn group_of(pid: i32) -> Option<i32> {
    // SAFETY: plain integers.
    Some(unsafe { libc::getpgid(pid) }).filter(|group| *group >= 0)
}

/// Makes orphaned descendants ours (`PR_SET_CHILD_SUBREAPER`, Linux 3.4).
pub fn set_subreaper() -> io::Result<()> {
    // SAFETY: plain integers; the unused arguments are zero as prctl(2) wants them.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }.into())
}

/// Asks the kernel to send us `signal` when our parent ends (`PR_SET_PDEATHSIG`).
pub fn die_with_parent(signal: i32) -> io::Result<()> {
    // SAFETY: plain integers.
    check(
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_long::from(signal), 0, 0, 0) }.into(),
    )
}

/// Moves `pid`, a child that has not called execve, into process group `group` (0: its own).
pub fn set_group(pid: i32, group: i32) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::setpgid(pid, group) }.into())
}

/// Sends `signal` to one process. Refuses 0 and negative ids, which would mean whole groups.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: plain integers.
    check(unsafe { libc::kill(pid, signal) }.into())
}

/// Sends `signal` to a process group. Refuses groups 0 and 1 and negative ids: `kill(-1)` would mean everything.
pub fn kill_group(group: i32, signal: i32) -> io::Result<()> {
    if group <= 1 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: plain integers.
    check(unsafe { libc::kill(-group, signal) }.into())
}

/// Sends `signal` to `pid` if `still_the_same` says so after the process has been pinned, so that an id which was reused
/// between a look and the signal is never hit. Falls back to a check and a plain kill where pidfds are unknown or
/// forbidden (before Linux 5.3, gVisor, old seccomp profiles).
pub fn signal_checked(
    pid: i32,
    signal: i32,
    still_the_same: impl FnOnce() -> bool,
) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    let pinned = pidfd_open(pid);
    if !still_the_same() {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    let Ok(pinned) = pinned else {
        return kill(pid, signal);
    };
    // SAFETY: the descriptor is open, a null siginfo means "as kill(2)", the last argument must be 0.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pinned.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match check(sent) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => kill(pid, signal),
        result => result,
    }
}

fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain integers; no flags.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    check(fd)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Stops ourselves, as a job that a shell has in its foreground does; returns after SIGCONT. Without effect on an init.
pub fn stop_self() -> io::Result<()> {
    kill(current_pid(), libc::SIGSTOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_groups_and_everything_cannot_be_hit_by_accident() {
        for pid in [0, -1, -2, i32::MIN] {
            assert_eq!(kill(pid, 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
            assert_eq!(
                kill_group(pid, 0).unwrap_err().raw_os_error(),
                Some(libc::ESRCH)
            );
            assert_eq!(
                signal_checked(pid, 0, || true).unwrap_err().raw_os_error(),
                Some(libc::ESRCH)
            );
        }
        assert_eq!(
            kill_group(1, 0).unwrap_err().raw_os_error(),
            Some(libc::ESRCH)
        );
    }

    #[test]
    fn a_process_that_is_no_longer_the_same_gets_nothing() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        assert!(signal_checked(pid, libc::SIGKILL, || false).is_err());
        assert!(child.try_wait().unwrap().is_none());
        signal_checked(pid, libc::SIGKILL, || true).unwrap();
        assert!(!child.wait().unwrap().success());
    }
}
