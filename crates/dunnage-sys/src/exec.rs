//! Starting the child: `fork` and `execve`, with the signal state that we were given.
//!
//! `std::process::Command` cannot be used: it goes through `posix_spawn`, which leaves signals 32 and 33 ignored in some
//! C libraries, and it offers no way to hand over a terminal or a mask. Everything that the child needs is prepared
//! before the fork, so that the copy only makes system calls. It reports a failed step through a close-on-exec pipe,
//! which the caller's poll loop reads: nobody waits for an execve.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use crate::{Mask, mask};

/// What to execute.
#[derive(Debug, Clone)]
pub struct Program {
    /// The files to try, in order: one, or one for each folder of PATH.
    pub candidates: Vec<CString>,
    /// Arguments, the name of the program first.
    pub arguments: Vec<CString>,
    /// The whole environment, as `NAME=value`.
    pub environment: Vec<CString>,
}

/// Which process group or session the child gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A process group of its own in our session.
    Own,
    /// A session of its own.
    Session,
    /// Ours.
    Inherited,
}

/// How to start it.
#[derive(Debug, Clone)]
pub struct Spawn<'a> {
    /// What to execute.
    pub program: &'a Program,
    /// Its process group.
    pub group: Group,
    /// The terminal whose foreground it gets, or (for a new session) which becomes its controlling terminal if it can.
    pub terminal: Option<RawFd>,
    /// The signal mask that it gets.
    pub mask: Mask,
    /// The signals that it ignores, of those that we may have changed ourselves (SIGPIPE, SIGCHLD).
    pub ignored: Mask,
}

/// The step that failed between fork and the program's first instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No candidate could be executed.
    Execute,
    /// The process group or session could not be set.
    Group,
}

/// Why the program was not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecFailure {
    /// The step.
    pub stage: Stage,
    /// The error number of the candidate that mattered most.
    pub errno: i32,
    /// That candidate's place in [`Program::candidates`].
    pub candidate: usize,
}

/// The kernel refused to make a process or a pipe.
#[derive(Debug)]
pub struct SpawnError(pub io::Error);

/// A child that was forked and is on its way to the program.
#[derive(Debug)]
pub struct Spawned {
    /// Its process id.
    pub pid: i32,
    report: File,
}

impl Spawned {
    /// Reads how execve went: `None` while it is undecided, `Some(None)` once the program runs (or the child died on the
    /// way there), `Some(Some(_))` where it could not be executed. Does not block.
    pub fn outcome(&mut self) -> Option<Option<ExecFailure>> {
        let mut bytes = [0_u8; 12];
        match self.report.read(&mut bytes) {
            Ok(12) => Some(ExecFailure::from_bytes(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                None
            }
            Ok(_) | Err(_) => Some(None),
        }
    }
}

impl AsFd for Spawned {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }
}

impl ExecFailure {
    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&(self.stage as i32).to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.errno.to_ne_bytes());
        bytes[8..].copy_from_slice(&(self.candidate as u32).to_ne_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; 12]) -> Option<Self> {
        let word = |at: usize| {
            bytes
                .get(at..at + 4)
                .and_then(|part| part.try_into().ok())
                .map(i32::from_ne_bytes)
        };
        let stage = if word(0)? == Stage::Group as i32 {
            Stage::Group
        } else {
            Stage::Execute
        };
        Some(Self {
            stage,
            errno: word(4)?,
            candidate: usize::try_from(word(8)?).ok()?,
        })
    }
}

/// Null-terminated pointer arrays for execve, and the strings that keep them alive.
struct Prepared<'a> {
    program: &'a Program,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// `/bin/sh FILE ARGUMENTS…` with a gap for the file: what execvp(3) does for a script without a first line.
    shell: Vec<*const libc::c_char>,
}

const SHELL: &CStr = c"/bin/sh";

impl<'a> Prepared<'a> {
    fn new(program: &'a Program) -> Self {
        let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
            strings
                .iter()
                .map(|string| string.as_ptr())
                .chain([ptr::null()])
                .collect()
        };
        let arguments = pointers(&program.arguments);
        let shell = [SHELL.as_ptr(), ptr::null()]
            .into_iter()
            .chain(arguments.iter().skip(1).copied())
            .collect();
        Self {
            program,
            arguments,
            environment: pointers(&program.environment),
            shell,
        }
    }

    /// Executes the first candidate that can be; returns only on failure. As execvp(3): a missing file leads to the next
    /// candidate, one without permission too, but is remembered.
    fn execute(&mut self) -> ExecFailure {
        let mut failure = ExecFailure {
            stage: Stage::Execute,
            errno: libc::ENOENT,
            candidate: 0,
        };
        for (index, path) in self.program.candidates.iter().enumerate() {
            match self.execute_one(path) {
                errno @ (libc::ENOENT | libc::ENOTDIR) if !exists(path) => {
                    // along PATH it only means the next folder
                    if self.program.candidates.len() == 1 {
                        failure.errno = errno;
                    }
                }
                errno @ (libc::EACCES | libc::ENOTDIR) => {
                    failure = ExecFailure {
                        errno,
                        candidate: index,
                        ..failure
                    };
                }
                errno => {
                    return ExecFailure {
                        errno,
                        candidate: index,
                        ..failure
                    };
                }
            }
        }
        failure
    }

    fn execute_one(&mut self, path: &CStr) -> i32 {
        // SAFETY: a C string and two null-terminated arrays of C strings that `self` keeps alive.
        unsafe {
            libc::execve(
                path.as_ptr(),
                self.arguments.as_ptr(),
                self.environment.as_ptr(),
            )
        };
        let errno = last_errno();
        if errno != libc::ENOEXEC || is_binary(path) {
            return errno;
        }
        if let Some(gap) = self.shell.get_mut(1) {
            *gap = path.as_ptr();
        }
        // SAFETY: as above.
        unsafe {
            libc::execve(
                SHELL.as_ptr(),
                self.shell.as_ptr(),
                self.environment.as_ptr(),
            )
        };
        errno
    }
}

fn last_errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

fn exists(path: &CStr) -> bool {
    // SAFETY: a C string; asks only.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}

/// Whether a file that the kernel cannot execute is no script: it has a zero byte or control characters in its first
/// bytes (ELF for another processor, an archive). A shell must not be let loose on that.
fn is_binary(path: &CStr) -> bool {
    let mut head = [0_u8; 128];
    // SAFETY: a C string; the descriptor is ours and closed at once; the buffer is valid for its length.
    let length = unsafe {
        let fd = libc::open(
            path.as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK,
        );
        if fd < 0 {
            return false;
        }
        let length = libc::read(fd, head.as_mut_ptr().cast(), head.len());
        libc::close(fd);
        length
    };
    let head = usize::try_from(length)
        .ok()
        .and_then(|length| head.get(..length))
        .unwrap_or_default();
    head.iter()
        .any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}

/// Replaces this process by the program, with the mask and ignored set given. Returns only on failure.
pub fn exec(program: &Program, mask: Mask, ignored: Mask) -> ExecFailure {
    let mut prepared = Prepared::new(program);
    restore(mask, ignored);
    prepared.execute()
}

/// Forks a child that becomes the program. Must be called while this process has one thread.
pub fn spawn(spawn: &Spawn<'_>) -> Result<Spawned, SpawnError> {
    let mut prepared = Prepared::new(spawn.program);
    let (read, write) = pipe().map_err(SpawnError)?;
    // SAFETY: this process has one thread (the supervisor never starts another), so the copy's heap and locks are in a
    // sound state; it makes system calls and ends in execve or _exit.
    match unsafe { libc::fork() } {
        -1 => Err(SpawnError(io::Error::last_os_error())),
        0 => run_child(spawn, &mut prepared, &mut File::from(write)),
        pid => {
            if spawn.group == Group::Own {
                // the child does the same; whoever is first, the group exists before a signal is sent to it
                let _ = crate::set_group(pid, pid);
            }
            Ok(Spawned {
                pid,
                report: File::from(read),
            })
        }
    }
}

/// Lets a [`Command`] start with `mask`: the standard library leaves the one of the thread that starts it.
pub fn start_with_mask(command: &mut Command, mask: Mask) {
    let set = mask.to_sigset();
    let change = move || {
        // SAFETY: a valid set; nothing is asked back.
        match unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec the closure makes one system call, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(change) };
}

fn run_child(spawn: &Spawn<'_>, prepared: &mut Prepared<'_>, report: &mut File) -> ! {
    let failure = match enter_group(spawn) {
        Ok(()) => {
            restore(spawn.mask, spawn.ignored);
            prepared.execute()
        }
        Err(errno) => ExecFailure {
            stage: Stage::Group,
            errno,
            candidate: 0,
        },
    };
    let _ = report.write_all(&failure.to_bytes());
    // SAFETY: ends the copy without running the parent's destructors or flushing its buffers.
    unsafe {
        libc::_exit(if failure.errno == libc::ENOENT {
            127
        } else {
            126
        })
    }
}

fn enter_group(spawn: &Spawn<'_>) -> Result<(), i32> {
    // SAFETY: plain integers; signals are blocked, SIGTTOU included, so that the terminal calls do not stop us.
    unsafe {
        match spawn.group {
            Group::Own => {
                if libc::setpgid(0, 0) != 0 {
                    return Err(last_errno());
                }
                if let Some(terminal) = spawn.terminal {
                    // best effort: a terminal that is not ours to give is left alone
                    libc::tcsetpgrp(terminal, libc::getpgrp());
                }
            }
            Group::Session => {
                if libc::setsid() < 0 {
                    return Err(last_errno());
                }
                if let Some(terminal) = spawn.terminal {
                    libc::ioctl(terminal, libc::TIOCSCTTY, 0);
                }
            }
            Group::Inherited => {}
        }
    }
    Ok(())
}

/// Undoes what we (SIGCHLD) and Rust's runtime (SIGPIPE) changed, then the mask. Every other disposition was left alone.
fn restore(mask: Mask, ignored: Mask) {
    for signal in [libc::SIGPIPE, libc::SIGCHLD] {
        if ignored.has(signal) {
            mask::set_ignored(signal);
        } else {
            mask::set_default(signal);
        }
    }
    let _ = mask::set_mask(mask);
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: room for two descriptors, which are ours on success.
    unsafe {
        if libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}
