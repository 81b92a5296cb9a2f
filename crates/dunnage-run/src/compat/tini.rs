//! `tini`, `tini-static`, `docker-init`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use dunnage_policy::event::Level;
use dunnage_policy::signal::Signal;
use dunnage_policy::target::SignalTo;

use super::options::{Given, Known, Options, leading_integer};
use super::{Extent, Invocation, Lookup, extended, plain, version};
use crate::config::{Conduct, Manners};

const OPTIONS: &[Known] = &[
    flag(b'h'),
    flag(b'l'),
    flag(b's'),
    flag(b'v'),
    flag(b'w'),
    flag(b'g'),
    Known {
        letter: b'p',
        name: "",
        takes_value: true,
    },
    Known {
        letter: b'e',
        name: "",
        takes_value: true,
    },
];

const fn flag(letter: u8) -> Known {
    Known {
        letter,
        name: "",
        takes_value: false,
    }
}

const HELP: &str = "\
dunnage, called as tini: runs a program as its container's init

Usage: tini [OPTIONS] PROGRAM [ARGUMENTS]
       tini [OPTIONS] -- PROGRAM [ARGUMENTS]
       tini --version

  -s        become a subreaper: adopt orphans where this is not PID 1
  -p SIGNAL be sent SIGNAL (SIGTERM, SIGKILL, …) when the parent ends
  -g        send signals to the program's process group
  -e CODE   leave with 0 where the program ended with CODE (0 to 255); repeatable
  -w        say when an orphan has been reaped
  -v        say more; repeatable
  -h        print this and leave
  -l        print the licence and leave
  --version print the version and leave; it must be the only word

Variables:
  TINI_SUBREAPER           if there: -s
  TINI_KILL_PROCESS_GROUP  if there: -g
  TINI_VERBOSITY           0 only failures, 1 warnings too (default), 2 and 3 more; comes before -v
  DUNNAGE_COMPAT=extend    do all that `dunnage run` does, with these options
";

/// The names that -p takes.
const PARENT_DEATH: &[u8] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    28, 31,
];

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    subreaper: bool,
    group: bool,
    report_reaped: bool,
    parent_death: Option<Signal>,
    to_zero: Vec<u8>,
    /// How often -v was given.
    verbose: u32,
    /// TINI_VERBOSITY.
    verbosity: Option<u32>,
}

/// Reads the words after the program's name.
pub(super) fn read(words: &[OsString], lookup: Lookup<'_>, extent: Extent) -> Invocation {
    if let [only] = words
        && only == "--version"
    {
        return version("tini", "0.19.0");
    }
    let mut asked = Asked::default();
    let mut options = Options::new(OPTIONS, words);
    while let Some(option) = options.next() {
        match option.map(|option| asked.take(option)) {
            Ok(None) => {}
            Ok(Some(invocation)) => return invocation,
            Err(message) => return refuse(&message),
        }
    }
    let command = options.rest();
    if command.is_empty() {
        return refuse("no program was given");
    }
    asked.subreaper |= lookup("TINI_SUBREAPER").is_some();
    asked.group |= lookup("TINI_KILL_PROCESS_GROUP").is_some();
    asked.verbosity = lookup("TINI_VERBOSITY").map(|value| parse_verbosity(&value));
    match extent {
        Extent::Exact => plain(command, asked.conduct(), asked.threshold()),
        Extent::Extend => extended(&asked.options_of_run(), command),
    }
}

fn refuse(message: &str) -> Invocation {
    Invocation::Refuse {
        message: format!(
            "{message}; `tini -h` lists the options, `tini [OPTIONS] -- PROGRAM` is the form"
        ),
        code: 1,
    }
}

/// As `atoi(3)` kept in an `unsigned int`: what is no number is 0, what is negative is much.
fn parse_verbosity(value: &OsStr) -> u32 {
    leading_integer(value.as_bytes()).0 as u32
}

impl Asked {
    /// Takes an option; returns what to do instead of running, if it says so.
    fn take(&mut self, option: Given<'_>) -> Option<Invocation> {
        match option.letter {
            b'h' => return Some(Invocation::Print(HELP.to_owned())),
            b'l' => {
                return Some(Invocation::Print(format!(
                    "dunnage is licensed under {}\n",
                    env!("CARGO_PKG_LICENSE")
                )));
            }
            b's' => self.subreaper = true,
            b'g' => self.group = true,
            b'w' => self.report_reaped = true,
            b'v' => self.verbose = self.verbose.saturating_add(1),
            b'p' => match parse_parent_death(option.value) {
                Some(signal) => self.parent_death = Some(signal),
                None => {
                    return Some(refuse(&format!(
                        "-p needs a signal's name such as SIGTERM, not {}",
                        shown(option.value)
                    )));
                }
            },
            _ => match parse_exit_code(option.value) {
                Some(code) => self.to_zero.push(code),
                None => {
                    return Some(refuse(&format!(
                        "-e needs an exit code from 0 to 255, not {}",
                        shown(option.value)
                    )));
                }
            },
        }
        None
    }

    fn conduct(&self) -> Conduct {
        let mut conduct = Conduct::as_tini();
        conduct.manners = Manners::Tini;
        conduct.subreaper = self.subreaper;
        conduct.signal_to = if self.group {
            SignalTo::Group
        } else {
            SignalTo::Child
        };
        conduct.parent_death = self.parent_death;
        conduct.report_reaped = self.report_reaped;
        conduct.exit_map.0 = self.to_zero.iter().map(|code| (*code, 0)).collect();
        conduct
    }

    fn threshold(&self) -> Level {
        match self.verbosity.unwrap_or(self.verbose.saturating_add(1)) {
            0 => Level::Error,
            1 => Level::Warn,
            2 => Level::Info,
            _ => Level::Debug,
        }
    }

    fn options_of_run(&self) -> Vec<String> {
        let mut options = Vec::new();
        if self.subreaper {
            options.push("--subreaper=on".to_owned());
        }
        if self.group {
            options.push("--signal-to=group".to_owned());
        }
        options.extend(
            self.parent_death
                .map(|signal| format!("--parent-death={signal}")),
        );
        options.extend(
            self.to_zero
                .iter()
                .map(|code| format!("--map-exit={code}=0")),
        );
        if self.report_reaped {
            options.push("--zombie-report=on".to_owned());
        }
        match self.threshold() {
            Level::Error => options.push("--log-level=error".to_owned()),
            Level::Warn => {}
            Level::Info => options.push("--log-level=info".to_owned()),
            Level::Debug => options.push("--log-level=debug".to_owned()),
        }
        options
    }
}

fn shown(value: &[u8]) -> String {
    format!("`{}`", OsStr::from_bytes(value).display())
}

/// The full name, as signal(7) writes it.
fn parse_parent_death(value: &[u8]) -> Option<Signal> {
    PARENT_DEATH
        .iter()
        .filter_map(|number| Signal::new(i32::from(*number)))
        .find(|signal| signal.to_string().as_bytes() == value)
}

/// A decimal number and nothing after it; an empty value is 0.
fn parse_exit_code(value: &[u8]) -> Option<u8> {
    match leading_integer(value) {
        (code, []) => u8::try_from(code).ok(),
        _ => None,
    }
}
