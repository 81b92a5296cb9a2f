//! The terminal and job control.
//!
//! On a terminal the child gets the foreground, so that Ctrl-C and the window's size reach it and not us. A shell that
//! started us sees one job, us: when the child is stopped from the keyboard we stop too, and when the shell continues us
//! we continue the child and, if we are in the foreground again, give that on. As PID 1 nobody could continue the child.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use dunnage_sys::{
    current_group, current_pid, foreground_group, group_of, is_terminal, leave_terminal,
    session_of, set_foreground_group,
};

use crate::procfs::read_process;

/// The first of our standard streams that is a terminal and has us in its foreground.
pub fn find_own_terminal() -> Option<RawFd> {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let streams: [BorrowedFd<'_>; 3] = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    streams
        .into_iter()
        .find(|fd| {
            is_terminal(*fd) && foreground_group(*fd).is_ok_and(|group| group == current_group())
        })
        .map(|fd| fd.as_raw_fd())
}

/// Whether any of our standard streams is a terminal.
pub fn has_terminal() -> bool {
    is_terminal(std::io::stdin().as_fd()) || is_terminal(std::io::stdout().as_fd())
}

/// Leaves the terminal to a child that will start a session: which descriptor it should take as its terminal, and whether
/// the kernel has hung up on us for it (SIGHUP, SIGCONT), which the child must not hear of.
pub fn free_terminal() -> (Option<RawFd>, bool) {
    let stdin = std::io::stdin();
    let left = leave_terminal(stdin.as_fd()).is_ok();
    (
        Some(stdin.as_raw_fd()),
        left && session_of(0) == Some(current_pid()),
    )
}

/// Gives the foreground to the child's group again, if it has come back to us.
pub fn give_foreground(group: i32) {
    if find_own_terminal().is_some() {
        for fd in [
            std::io::stdin().as_fd(),
            std::io::stdout().as_fd(),
            std::io::stderr().as_fd(),
        ] {
            if set_foreground_group(fd, group).is_ok() {
                return;
            }
        }
    }
}

/// Whether a shell would continue us after a stop: our process group is not orphaned (POSIX), which is to say that going up
/// from us there is a parent of another group in our session. Never so for an init, whose stop the kernel ignores.
pub fn can_be_continued() -> bool {
    let (own_session, own_group) = (session_of(0), group_of(0));
    let mut pid = current_pid();
    while pid > 1 {
        let Some(process) = read_process(pid) else {
            return false;
        };
        if process.parent == 0 || session_of(process.parent) != own_session {
            return false;
        }
        if group_of(process.parent) != own_group {
            return true;
        }
        pid = process.parent;
    }
    false
}
