//! Standing in for other inits: called as `tini`, `tini-static`, `docker-init` or `dumb-init`, by link or copy, dunnage
//! is that program, so that an image can switch by replacing one file.
//!
//! It takes that program's options and variables, passes signals on and leaves as that program does, and adds nothing:
//! no plan, no log, no wait for descendants. Messages are our own. With `DUNNAGE_COMPAT=extend` the same options are
//! understood, and then mean an ordinary `dunnage run`. This module only reads: a command line and an environment go in,
//! what to do comes out. `tini(1)` 0.19.0 and `dumb-init(1)` 1.2.5 are what it is measured by.
//!
//! Options end at the first word that is not one, as those programs document it. (A tini that is built with the GNU C
//! library takes `-c` out of `tini sh -c …` as its own and fails, one built with musl does not: we side with musl.)

mod dumb_init;
mod options;
mod tini;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dunnage_cgroup::Overrides;
use dunnage_policy::agent::Agent;
use dunnage_policy::event::Level;

use crate::config::{Conduct, Config, Control, Health, PlanMode, Voice, Watched};
use crate::log::LogFormat;

/// What the name, the command line and the environment ask for.
#[derive(Debug, Clone)]
pub enum Invocation {
    /// Run a command as that program does.
    Run(Box<Config>),
    /// Run a command as dunnage does: the words of a `dunnage run` command line, `dunnage` first.
    Extend(Vec<OsString>),
    /// Print a text (help, version, licence) on stdout and leave with 0.
    Print(String),
    /// Say on stderr why not and leave with this code.
    Refuse {
        /// What is wrong and what next.
        message: String,
        /// The exit code: that program's, or 125 for a variable of ours.
        code: u8,
    },
}

/// A variable's value.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Whether to do as the program or as `dunnage run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Exact,
    Extend,
}

/// Reads the command line (the program's own name first) and the environment. `None` where we were not called by a name
/// that we stand in for.
pub fn invocation(arguments: &[OsString], lookup: Lookup<'_>) -> Option<Invocation> {
    let (name, words) = arguments.split_first()?;
    let read = match Path::new(name).file_name()?.as_bytes() {
        b"tini" | b"tini-static" | b"docker-init" => tini::read,
        b"dumb-init" => dumb_init::read,
        _ => return None,
    };
    Some(match extent(lookup("DUNNAGE_COMPAT").as_deref()) {
        Ok(extent) => read(words, lookup, extent),
        Err(message) => Invocation::Refuse { message, code: 125 },
    })
}

fn extent(value: Option<&OsStr>) -> Result<Extent, String> {
    match value.map_or(b"".as_slice(), OsStr::as_bytes) {
        b"" | b"exact" => Ok(Extent::Exact),
        b"extend" => Ok(Extent::Extend),
        other => Err(format!(
            "DUNNAGE_COMPAT is {}: give `extend` for all that `dunnage run` does, or leave it unset",
            OsStr::from_bytes(other).display()
        )),
    }
}

/// A run that does nothing of its own.
fn plain(command: &[OsString], conduct: Conduct, threshold: Level) -> Invocation {
    Invocation::Run(Box::new(Config {
        command: command.to_vec(),
        conduct,
        plan: PlanMode::Off,
        agent: Agent::default(),
        term_exit: false,
        release: false,
        overrides: Overrides::default(),
        voice: Voice {
            format: LogFormat::Text,
            threshold: Some(threshold),
            termination_log: None,
        },
        watched: Watched::default(),
        evidence: false,
        control: Control::Off,
        memory: None,
        report_dir: None,
        oom_kills: None,
        health: Health::default(),
        unknown_variables: Vec::new(),
        notes: Vec::new(),
    }))
}

/// The command line of an ordinary run.
fn extended(options: &[String], command: &[OsString]) -> Invocation {
    let words = ["dunnage", "run"].into_iter().map(OsString::from);
    let options = options.iter().map(OsString::from).chain(["--".into()]);
    Invocation::Extend(
        words
            .chain(options)
            .chain(command.iter().cloned())
            .collect(),
    )
}

/// Who is really there, for a `--version`.
fn version(program: &str, like: &str) -> Invocation {
    Invocation::Print(format!(
        "dunnage {}, called as {program}; does as {program} {like}\n",
        env!("CARGO_PKG_VERSION")
    ))
}

#[cfg(test)]
mod tests;
