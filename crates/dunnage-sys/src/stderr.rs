//! Writing a line to a descriptor that we share with the child, without ever waiting for whoever reads it.
//!
//! O_NONBLOCK cannot be set on it: that flag belongs to the open file, and the child would get it too. Instead: a pipe is
//! fed by `splice(2)` with SPLICE_F_NONBLOCK from a small pipe of our own, which moves a line whole or not at all; a
//! socket by `send` with MSG_DONTWAIT; a terminal after `poll` says there is room; files never wait.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::ptr;
use std::time::Duration;

use crate::{Interest, poll};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was written.
    Written,
    /// There is no room now; try again later.
    WouldBlock,
    /// Nobody will ever read it (closed, disk full, no such descriptor).
    Gone,
}

enum Kind {
    Pipe {
        read: OwnedFd,
        write: File,
    },
    Socket,
    /// A terminal, or a pipe where splice is refused (a seccomp profile, a sandbox).
    Polled,
    File,
}

/// A way to write lines to a shared descriptor.
pub struct StderrSink {
    fd: OwnedFd,
    kind: Kind,
}

impl StderrSink {
    /// The longest line that moves whole: one page of a pipe.
    pub const LINE_LIMIT: usize = 4096;

    /// Duplicates `fd`, so that later changes of it do not matter. The open file behind it stays shared and untouched.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let fd = fd.try_clone_to_owned()?;
        let file = File::from(fd.try_clone()?);
        let kind = file.metadata()?.file_type();
        let kind = if kind.is_fifo() {
            let (read, write) = private_pipe()?;
            Kind::Pipe { read, write }
        } else if kind.is_socket() {
            Kind::Socket
        } else if kind.is_char_device() && crate::is_terminal(fd.as_fd()) {
            Kind::Polled
        } else {
            Kind::File
        };
        Ok(Self { fd, kind })
    }

    /// Writes one line of at most [`Self::LINE_LIMIT`] bytes, newline included; a longer one is cut.
    pub fn write(&mut self, line: &[u8]) -> WriteOutcome {
        let line = line.get(..Self::LINE_LIMIT).unwrap_or(line);
        let mut result = match &mut self.kind {
            Kind::Pipe { read, write } => splice_line(read, write, &self.fd, line),
            Kind::Socket => send(&self.fd, line),
            Kind::Polled => write_if_room(&self.fd, line),
            Kind::File => write_once(&self.fd, line),
        };
        let refused = |error: &io::Error| {
            matches!(
                error.raw_os_error(),
                Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EINVAL)
            )
        };
        if matches!(self.kind, Kind::Pipe { .. }) && result.as_ref().is_err_and(refused) {
            self.kind = Kind::Polled;
            result = write_if_room(&self.fd, line);
        }
        match result {
            Ok(()) => WriteOutcome::Written,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                WriteOutcome::WouldBlock
            }
            Err(_) => WriteOutcome::Gone,
        }
    }
}

impl AsFd for StderrSink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn private_pipe() -> io::Result<(OwnedFd, File)> {
    let mut fds = [-1; 2];
    // SAFETY: room for two descriptors, which are ours on success.
    unsafe {
        if libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])))
    }
}

fn splice_line(read: &OwnedFd, write: &mut File, to: &OwnedFd, line: &[u8]) -> io::Result<()> {
    write.write_all(line)?;
    // SAFETY: two open pipes and no offsets.
    let moved = unsafe {
        libc::splice(
            read.as_raw_fd(),
            ptr::null_mut(),
            to.as_raw_fd(),
            ptr::null_mut(),
            line.len(),
            libc::SPLICE_F_NONBLOCK,
        )
    };
    if usize::try_from(moved).ok() == Some(line.len()) {
        return Ok(());
    }
    let error = if moved < 0 {
        io::Error::last_os_error()
    } else {
        io::ErrorKind::WouldBlock.into()
    };
    // our own pipe must be empty again, or the next line would start with the rest of this one
    let mut rest = [0; StderrSink::LINE_LIMIT];
    let _ = File::from(read.try_clone()?).read(&mut rest);
    Err(error)
}

fn send(to: &OwnedFd, line: &[u8]) -> io::Result<()> {
    // SAFETY: the buffer is valid for its length.
    let sent = unsafe {
        libc::send(
            to.as_raw_fd(),
            line.as_ptr().cast(),
            line.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn write_if_room(to: &OwnedFd, line: &[u8]) -> io::Result<()> {
    if !poll(&[Some((to.as_fd(), Interest::Write))], Some(Duration::ZERO))?.has(0) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    write_once(to, line)
}

fn write_once(to: &OwnedFd, line: &[u8]) -> io::Result<()> {
    // SAFETY: the buffer is valid for its length. One call, so that lines of several writers do not mix.
    let written = unsafe { libc::write(to.as_raw_fd(), line.as_ptr().cast(), line.len()) };
    if written < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_full_pipe_never_blocks_and_later_lines_arrive_whole() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sink = StderrSink::new(writer.as_fd()).unwrap();
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        let mut written = 0;
        while sink.write(&line) == WriteOutcome::Written {
            written += 1;
            assert!(written < 100_000, "a pipe that is never full");
        }
        assert_eq!(sink.write(&line), WriteOutcome::WouldBlock);
        let mut reader = BufReader::new(reader);
        let mut text = String::new();
        for _ in 0..written {
            text.clear();
            reader.read_line(&mut text).unwrap();
            assert_eq!(text.len(), 100);
        }
        assert_eq!(sink.write(b"after\n"), WriteOutcome::Written);
        text.clear();
        reader.read_line(&mut text).unwrap();
        assert_eq!(text, "after\n");
    }

    #[test]
    fn where_splice_is_refused_a_pipe_is_polled_and_still_never_blocks() {
        let (_reader, writer) = io::pipe().unwrap();
        let mut sink = StderrSink::new(writer.as_fd()).unwrap();
        // an eventfd in place of our own pipe makes the kernel refuse, as a seccomp profile would
        let Kind::Pipe { read, .. } = &mut sink.kind else {
            panic!("no pipe")
        };
        // SAFETY: plain integers; the new descriptor is ours.
        let other = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK)) };
        let _kept = std::mem::replace(read, other);
        let outcome = (0..100_000)
            .map(|_| sink.write(&[b'x'; 1000]))
            .find(|outcome| *outcome != WriteOutcome::Written);
        assert_eq!(outcome, Some(WriteOutcome::WouldBlock));
        assert!(matches!(sink.kind, Kind::Polled));
    }

    #[test]
    fn a_full_socket_never_blocks() {
        let (_reader, writer) = UnixStream::pair().unwrap();
        let mut sink = StderrSink::new(writer.as_fd()).unwrap();
        let outcome = (0..100_000)
            .map(|_| sink.write(&[b'x'; 1000]))
            .find(|outcome| *outcome != WriteOutcome::Written);
        assert_eq!(outcome, Some(WriteOutcome::WouldBlock));
    }

    #[test]
    fn a_reader_that_went_away_is_told_apart_from_a_slow_one() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sink = StderrSink::new(writer.as_fd()).unwrap();
        drop(reader);
        assert_eq!(sink.write(b"line\n"), WriteOutcome::Gone);
    }

    #[test]
    fn files_get_their_lines() {
        let mut file = tempfile::tempfile().unwrap();
        let mut sink = StderrSink::new(file.as_fd()).unwrap();
        assert_eq!(sink.write(b"line\n"), WriteOutcome::Written);
        let mut text = String::new();
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "line\n");
    }
}
