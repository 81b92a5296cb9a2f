//! Signals as something to read: `signalfd(2)`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

use crate::Mask;

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalInfo {
    /// Its number.
    pub signal: i32,
    /// Who sent it, in our PID namespace; 0 where the sender is outside of it, or the kernel.
    pub sender: i32,
}

/// A descriptor that yields the signals of a mask, which must be blocked.
pub struct SignalFd(File);

impl SignalFd {
    /// A non-blocking, close-on-exec descriptor for the signals of `mask`.
    pub fn new(mask: Mask) -> io::Result<Self> {
        let set = mask.to_sigset();
        // SAFETY: -1 asks for a new descriptor; the set is valid for the call.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// The next signal, or `None` where none is waiting.
    pub fn read(&self) -> io::Result<Option<SignalInfo>> {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut buffer = [0_u8; SIZE];
        match (&self.0).read(&mut buffer) {
            Ok(SIZE) => {
                // SAFETY: the kernel filled a whole structure of plain integers; the buffer may be unaligned, hence
                // the unaligned read.
                let info = unsafe {
                    buffer
                        .as_ptr()
                        .cast::<libc::signalfd_siginfo>()
                        .read_unaligned()
                };
                Ok(Some(SignalInfo {
                    signal: info.ssi_signo as i32,
                    sender: info.ssi_pid as i32,
                }))
            }
            Ok(_) => Ok(None),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
