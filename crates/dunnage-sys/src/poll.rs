//! Waiting: `poll(2)` over a handful of descriptors, with a time limit or for ever.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What to wait for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or the other end closed.
    Read,
    /// Room to write, or the other end closed.
    Write,
}

/// Which of the descriptors asked about are ready; bit `n` stands for the n-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready(u8);

impl Ready {
    /// Whether the n-th descriptor is ready, has failed or was closed at the other end.
    pub fn has(self, index: usize) -> bool {
        index < 8 && self.0 & (1 << index) != 0
    }

    /// Whether none is.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Waits until a descriptor is ready or `timeout` is over; `None` waits for ever. At most 8 descriptors. An interrupted
/// wait returns as if the time were over: the caller looks at its clock anyway.
pub fn poll(
    wanted: &[Option<(BorrowedFd<'_>, Interest)>],
    timeout: Option<Duration>,
) -> io::Result<Ready> {
    let mut fds = [libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }; 8];
    let count = wanted.len().min(fds.len());
    for (slot, want) in fds.iter_mut().zip(wanted) {
        if let Some((fd, interest)) = want {
            slot.fd = fd.as_raw_fd();
            slot.events = if *interest == Interest::Read {
                libc::POLLIN
            } else {
                libc::POLLOUT
            };
        }
    }
    let timeout = timeout.map(|limit| libc::timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the array outlives the call and holds `count` entries (negative descriptors are skipped by the kernel);
    // the time limit is null or valid; a null mask leaves the signal mask alone.
    let result = unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            count as libc::nfds_t,
            timeout,
            std::ptr::null(),
        )
    };
    if result < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted {
            Ok(Ready(0))
        } else {
            Err(error)
        };
    }
    Ok(Ready(
        fds.iter()
            .enumerate()
            .filter(|(_, fd)| fd.revents != 0)
            .fold(0, |bits, (index, _)| bits | 1 << index),
    ))
}
