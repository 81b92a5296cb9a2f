//! `dumb-init`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use dunnage_policy::event::Level;
use dunnage_policy::shutdown::Rules;
use dunnage_policy::signal::Signal;
use dunnage_policy::target::SignalTo;
use dunnage_policy::verdict::ExitMap;
use dunnage_sys::Group;

use super::options::{Given, Known, Options, leading_integer};
use super::{Extent, Invocation, Lookup, extended, plain, version};
use crate::config::{Conduct, Forwarded, JobControl, Manners};

const OPTIONS: &[Known] = &[
    Known {
        letter: b'c',
        name: "single-child",
        takes_value: false,
    },
    Known {
        letter: b'r',
        name: "rewrite",
        takes_value: true,
    },
    Known {
        letter: b'v',
        name: "verbose",
        takes_value: false,
    },
    Known {
        letter: b'h',
        name: "help",
        takes_value: false,
    },
    Known {
        letter: b'V',
        name: "version",
        takes_value: false,
    },
];

const HELP: &str = "\
dunnage, called as dumb-init: runs a program as its container's init

Usage: dumb-init [OPTIONS] PROGRAM [ARGUMENTS]

  -c, --single-child    send signals to the program only, and start no session
  -r, --rewrite S:R     pass signal S on as R, numbers from 1 to 31; R 0 drops it; repeatable
  -v, --verbose         say more
  -h, --help            print this and leave
  -V, --version         print the version and leave

Variables:
  DUMB_INIT_DEBUG=1      --verbose
  DUMB_INIT_SETSID=0     --single-child
  DUNNAGE_COMPAT=extend  do all that `dunnage run` does, with these options
";

/// The highest signal that can be rewritten.
const LAST: i32 = 31;

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    single_child: bool,
    rewrite: Vec<(Signal, Option<Signal>)>,
    verbose: bool,
}

/// Reads the words after the program's name.
pub(super) fn read(words: &[OsString], lookup: Lookup<'_>, extent: Extent) -> Invocation {
    let is = |name: &str, value: &str| lookup(name).is_some_and(|found| found == value);
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
    asked.single_child |= is("DUMB_INIT_SETSID", "0");
    asked.verbose |= is("DUMB_INIT_DEBUG", "1");
    match extent {
        Extent::Exact => {
            let threshold = if asked.verbose {
                Level::Debug
            } else {
                Level::Error
            };
            plain(command, asked.conduct(), threshold)
        }
        Extent::Extend => extended(&asked.options_of_run(), command),
    }
}

fn refuse(message: &str) -> Invocation {
    Invocation::Refuse {
        message: format!(
            "{message}; `dumb-init --help` lists the options, `dumb-init [OPTIONS] PROGRAM` is the form"
        ),
        code: 1,
    }
}

impl Asked {
    /// Takes an option; returns what to do instead of running, if it says so.
    fn take(&mut self, option: Given<'_>) -> Option<Invocation> {
        match option.letter {
            b'h' => return Some(Invocation::Print(HELP.to_owned())),
            b'V' => return Some(version("dumb-init", "1.2.5")),
            b'c' => self.single_child = true,
            b'v' => self.verbose = true,
            _ => {
                let Some(rule) = parse_rewrite(option.value) else {
                    let value = OsStr::from_bytes(option.value).display();
                    let needed =
                        format!("two signal numbers from 1 to {LAST} such as 15:3, or 15:0");
                    return Some(refuse(&format!("-r needs {needed}, not `{value}`")));
                };
                self.rewrite.push(rule);
            }
        }
        None
    }

    fn conduct(&self) -> Conduct {
        let session = !self.single_child;
        // a session whose leader's parent is outside of it is orphaned, so that the kernel would drop these three
        let stops =
            [Signal::TSTP, Signal::TTIN, Signal::TTOU].map(|signal| (signal, Some(Signal::STOP)));
        let rewrite = stops
            .into_iter()
            .filter(|_| session)
            .chain(self.rewrite.iter().copied());
        let mut conduct = Conduct {
            observe: false,
            manners: Manners::DumbInit,
            subreaper: false,
            group: if session {
                Group::Session
            } else {
                Group::Inherited
            },
            terminal: session,
            job_control: JobControl::StopAfterForwarding,
            signal_to: if session {
                SignalTo::Group
            } else {
                SignalTo::Child
            },
            forwarded: Forwarded::All,
            rewrite: rewrite.collect(),
            rules: Rules {
                stop_signals: Vec::new(),
                budget: None,
                drain_delay: Duration::ZERO,
                stray_grace: None,
            },
            grace: None,
            group_signal_at_end: None,
            exit_map: ExitMap::default(),
            parent_death: None,
            report_reaped: false,
        };
        // the last TERM goes the way of every other one, rewriting included
        conduct.group_signal_at_end = conduct.passed_on_as(Signal::TERM).filter(|_| session);
        conduct
    }

    fn options_of_run(&self) -> Vec<String> {
        let mut options = Vec::new();
        if self.single_child {
            options.push("--signal-to=child".to_owned());
        }
        for (from, to) in &self.rewrite {
            let to = to.map_or("none".to_owned(), |to| to.to_string());
            options.push(format!("--rewrite={from}={to}"));
        }
        if self.verbose {
            options.push("--log-level=debug".to_owned());
        }
        options
    }
}

/// Reads as `sscanf(3)` with `%d:%d`: what follows the second number is not looked at, and numbers wrap.
fn parse_rewrite(value: &[u8]) -> Option<(Signal, Option<Signal>)> {
    let number = |text| {
        let (value, rest) = leading_integer(text);
        (rest.len() < text.len()).then_some((value as i32, rest))
    };
    let (from, rest) = number(value)?;
    let (to, _) = number(rest.strip_prefix(b":")?)?;
    if !(1..=LAST).contains(&from) || !(0..=LAST).contains(&to) {
        return None;
    }
    Some((Signal::new(from)?, Signal::new(to)))
}
