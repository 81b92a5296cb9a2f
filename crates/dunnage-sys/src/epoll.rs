//! Waiting for many descriptors through one: `epoll(7)`, level-triggered.
//!
//! The descriptor of the set is itself one to poll for reading, so that a loop over a handful of descriptors can hold any
//! number of connections.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::Interest;

/// A set of descriptors, each with a token. One that is closed leaves it.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// The most tokens of one look.
const BATCH: usize = 64;

impl Epoll {
    /// An empty, close-on-exec set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain integers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn control(&self, call: i32, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: token,
        };
        // SAFETY: both descriptors are open, the event is valid for the call.
        let result =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), call, fd.as_raw_fd(), &raw mut event) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Adds a descriptor.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, events(interest))
    }

    /// Changes what a descriptor is waited for.
    pub fn change(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, events(interest))
    }

    /// Takes a descriptor out.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// The tokens of those that are ready, have failed or were closed at the other end, at most 64; waits for nothing.
    pub fn ready(&self) -> Vec<u64> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        // SAFETY: the array has room for that many events; a time limit of 0 waits for nothing.
        let count =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), BATCH as i32, 0) };
        let count = usize::try_from(count).unwrap_or(0);
        events.iter().take(count).map(|event| event.u64).collect()
    }
}

fn events(interest: Interest) -> i32 {
    match interest {
        Interest::Read => libc::EPOLLIN,
        Interest::Write => libc::EPOLLOUT,
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    #[test]
    fn a_set_is_ready_when_one_of_it_is_and_forgets_what_is_closed() {
        let set = Epoll::new().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        set.add(reader.as_fd(), 7, Interest::Read).unwrap();
        assert!(set.ready().is_empty());
        writer.write_all(b"x").unwrap();
        assert_eq!(set.ready(), [7]);
        let wanted = [Some((set.as_fd(), Interest::Read))];
        assert!(crate::poll(&wanted, Some(Duration::ZERO)).unwrap().has(0));
        drop(reader);
        assert!(set.ready().is_empty());
    }
}
