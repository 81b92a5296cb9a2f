//! Signals while a recording is made, and the command that is recorded.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use anyhow::Context;
use dunnage_policy::signal::Signal;
use dunnage_sys::{Interest, Mask, SignalFd, poll, set_mask, start_with_mask};

/// The signals that are taken.
const TAKEN: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::TERM,
    Signal::CHLD,
];

/// The signals that are taken, and the command if there is one.
pub struct Signals {
    waiting: SignalFd,
    /// The mask that we were given.
    given: Mask,
    child: Option<Child>,
}

impl Signals {
    /// From now on signals wait for [`Signals::take`].
    pub fn hold() -> anyhow::Result<Self> {
        let mask = TAKEN
            .into_iter()
            .map(Signal::number)
            .fold(Mask::default(), Mask::with);
        // what was blocked before stays so
        let given = set_mask(mask).context("cannot block signals")?;
        let both = Mask(given.0 | mask.0);
        set_mask(both).context("cannot block signals")?;
        let waiting = SignalFd::new(mask).context("cannot wait for signals")?;
        Ok(Self {
            waiting,
            given,
            child: None,
        })
    }

    /// Starts a command in our place: same terminal, same process group, same signals. Its process id, or the code to
    /// leave with and why.
    pub fn start(&mut self, command: &[OsString]) -> Result<i32, (u8, String)> {
        let Some((name, arguments)) = command.split_first() else {
            return Err((2, "no command was given".to_owned()));
        };
        let mut child = Command::new(name);
        child.args(arguments);
        start_with_mask(&mut child, self.given);
        let child = child.spawn().map_err(|error| {
            let code = match error.kind() {
                std::io::ErrorKind::NotFound => 127,
                _ => 126,
            };
            (code, format!("cannot run {}: {error}", name.display()))
        })?;
        let pid = child.id() as i32;
        self.child = Some(child);
        Ok(pid)
    }

    /// Takes what has come; whether it ends the recording. With a command, signals are its business: one that was sent to
    /// us is passed on, and one from the terminal it has got itself. Only ^C ends the recording too.
    pub fn take(&mut self) -> bool {
        let mut ends = false;
        while let Ok(Some(info)) = self.waiting.read() {
            let Some(signal) = Signal::new(info.signal) else {
                continue;
            };
            match (&self.child, signal) {
                (_, Signal::CHLD) | (None, Signal::USR1 | Signal::USR2) => {}
                (Some(child), signal) => {
                    let is_from_terminal = info.sender == 0
                        && matches!(signal, Signal::INT | Signal::QUIT | Signal::HUP);
                    if !is_from_terminal {
                        // it is not reaped before we are at the end, so its id is its own
                        let _ = dunnage_sys::kill(child.id() as i32, signal.number());
                    }
                    ends |= signal == Signal::INT;
                }
                (None, _) => ends = true,
            }
        }
        ends
    }

    /// Waits for the end of the command, if there is one: its code.
    pub fn finish(mut self) -> anyhow::Result<Option<u8>> {
        while self.child.is_some() {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(code_of(status)));
            }
            poll(&[Some((self.waiting.as_fd(), Interest::Read))], None)?;
            self.take();
        }
        Ok(None)
    }

    fn try_wait(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        match &mut self.child {
            Some(child) => child.try_wait().context("cannot wait for the command"),
            None => Ok(None),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiting.as_fd()
    }
}

/// As a shell gives it: 128 + N for signal N.
fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(2)
}
