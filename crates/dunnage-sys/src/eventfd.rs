//! A thread wakes a loop: `eventfd(2)`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

/// A descriptor that is ready to be read once it was raised.
#[derive(Debug)]
pub struct EventFd(File);

impl EventFd {
    /// A non-blocking, close-on-exec one that is not raised.
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain integers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// Raises it. It may be raised any number of times before it is lowered.
    pub fn raise(&self) {
        // it fails only where it has been raised 2^64 - 2 times, and then it is ready anyway
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Lowers it; whether it was raised.
    pub fn lower(&self) -> bool {
        matches!((&self.0).read(&mut [0; 8]), Ok(8))
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interest, poll};
    use std::time::Duration;

    #[test]
    fn it_is_ready_from_the_first_raise_to_the_next_lowering() {
        let event = EventFd::new().unwrap();
        let is_ready = || {
            let wanted = [Some((event.as_fd(), Interest::Read))];
            poll(&wanted, Some(Duration::ZERO)).unwrap().has(0)
        };
        assert!(!is_ready() && !event.lower());
        event.raise();
        event.raise();
        assert!(is_ready() && event.lower());
        assert!(!is_ready() && !event.lower());
    }
}
