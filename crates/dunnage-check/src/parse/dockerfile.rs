//! A Dockerfile: its stages, and of each what decides how a container starts.
//!
//! Read as BuildKit reads it: directives, lines joined, comments between joined lines, here-documents anywhere in a `RUN`,
//! `ARG` and `ENV` replaced where their values are known.

mod base;
mod copy;
mod echoed;
mod lines;
mod paths;
mod run;
mod stages;
mod words;
mod written;

pub use base::becomes;
pub use written::{Early, Written};

use super::Problem;
use super::command::Word;
use crate::source::{FileId, Source};
use crate::source::{Location, Span, Stated};

/// A file of stages.
#[derive(Debug, Clone, Default)]
pub struct Dockerfile {
    /// In order; the last is what is built where no target is named.
    pub stages: Vec<Stage>,
    /// `ARG`s before the first `FROM`, with their defaults.
    pub arguments: Vec<(String, Option<Stated<String>>)>,
}

/// One `FROM` and what follows. What a stage inherits from an earlier stage of the file is filled in: `command` of
/// `FROM build` is that of `build` unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Stage {
    /// `AS name`.
    pub name: Option<Stated<String>>,
    /// The earlier stage that it is from.
    pub parent: Option<usize>,
    /// Its `FROM`.
    pub from: Location,
    /// The image that it is from, `ARG`s with defaults replaced; the outermost one for a stage that is from a stage.
    pub base: Stated<String>,
    /// `ENTRYPOINT`, the one that counts.
    pub entrypoint: Option<Start>,
    /// `CMD`, the one that counts: none if an `ENTRYPOINT` of this stage dropped an inherited one.
    pub command: Option<Start>,
    /// `ENV`, the last of each name.
    pub environment: Vec<(String, Stated<String>)>,
    /// `USER`.
    pub user: Option<Stated<String>>,
    /// `STOPSIGNAL`.
    pub stop_signal: Option<Stated<String>>,
    /// `WORKDIR`, joined.
    pub workdir: Option<Stated<String>>,
    /// `SHELL`.
    pub shell: Option<Stated<Vec<String>>>,
    /// `HEALTHCHECK` with a command.
    pub healthcheck: Option<Location>,
    /// `EXPOSE`.
    pub exposed: Vec<Stated<String>>,
    /// `COPY` and `ADD` from the build's context: (sources, destination), for finding scripts and modules. Destinations are
    /// absolute, and end with `/` where they are known to be folders. What came through an earlier stage is among them.
    pub copies: Vec<(Vec<String>, String, Location)>,
    /// `RUN`: its text, for what is installed.
    pub runs: Vec<Stated<String>>,
    /// Files that instructions hold the text of, in order, the last of each path.
    pub written: Vec<Written>,
    /// From `FROM` to the last instruction.
    pub span: Span,
}

/// `CMD` or `ENTRYPOINT`.
#[derive(Debug, Clone)]
pub struct Start {
    /// JSON or shell form.
    pub form: Form,
    /// The whole instruction, keyword and all.
    pub at: Location,
    /// What follows the keyword.
    pub arguments: Location,
}

/// The two forms.
#[derive(Debug, Clone)]
pub enum Form {
    /// `["a", "b"]`: executed as it is.
    Exec(Vec<Word>),
    /// A text for the image's shell.
    Shell(String),
}

/// What is known of an image by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Which program `/bin/sh` is.
    pub shell: Shell,
    /// Which C library.
    pub libc: Libc,
    /// Python's version (3, 12), where the name tells.
    pub python: Option<(u8, u8)>,
    /// Is it an image that is known to hold Python?
    pub is_python: bool,
    /// The init that its own `ENTRYPOINT` is: it runs unless an `ENTRYPOINT` takes its place.
    pub init: Option<&'static str>,
}

/// Which program `/bin/sh` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shell {
    /// Debian and Ubuntu: stays as PID 1 but for `exec`.
    Dash,
    /// Fedora, Red Hat, SUSE, Amazon: becomes a simple last command.
    Bash,
    /// Alpine: as bash, redirections too.
    Busybox,
    /// distroless, scratch.
    None,
    /// Not to be told by the name.
    Unknown,
}

/// Which C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Libc {
    /// The GNU C library.
    Glibc,
    /// musl: Alpine.
    Musl,
    /// Not to be told by the name.
    Unknown,
}

/// Parses a Dockerfile.
///
/// # Errors
/// An unknown instruction, one before the first `FROM`, a here-document without an end.
pub fn parse(source: &Source, id: FileId) -> Result<Dockerfile, Problem> {
    stages::parse(source, id)
}

#[cfg(test)]
mod tests;
