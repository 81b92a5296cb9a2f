//! A shell text, as far as needed to tell which process is left when it has come to its last command.
//!
//! It is read as the shells read it: quotes, substitutions, here-documents, branches, loops and functions, but nothing is
//! expanded. What comes out is flat: each simple command with what stands around it.

mod arithmetic;
mod compound;
mod condition;
mod copies;
pub mod fill;
mod read;
mod redirect;
mod settle;
pub(super) mod word;

use super::command::Word;
use crate::source::FileId;
use crate::source::Location;

/// A script or the text of `sh -c`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// `#!` of a file: the interpreter's words.
    pub interpreter: Vec<String>,
    /// Is `set -e` (or `-euo …`, `#!/bin/sh -e`) in force before the first command that may fail?
    pub exits_on_error: bool,
    /// `trap` of a signal: its names (`TERM`, without `SIG`), and where. `trap - TERM` is none, `trap '' TERM` is one.
    pub traps: Vec<(Vec<String>, Location)>,
    /// The commands in order, those of functions and branches among them.
    pub commands: Vec<Command>,
    /// Does a pipe fail where any part of it does: `set -o pipefail`?
    pub has_pipefail: bool,
    /// The first of the commands whose failure is the script's: of `a; b && c` that is `b`.
    pub last_list: usize,
    /// `NAME=value` that stands alone, and the names that loops set, in order.
    pub assignments: Vec<Assignment>,
    /// The `case` and `if`, inner ones first.
    pub choices: Vec<Choice>,
}

/// A `case` or an `if`: the first arm whose test holds is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// In order; without an `else` none may be taken.
    pub arms: Vec<Arm>,
    /// Are `$1` and its like the script's here: not in a function or a loop?
    pub is_of_script: bool,
}

/// What is run where its test holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// What it asks.
    pub test: Test,
    /// Its commands, by index.
    pub commands: std::ops::Range<usize>,
}

/// Whether an arm is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Not understood.
    Unknown,
    /// Is a text one of others?
    Is {
        /// What is looked at, quotes taken off: `$1`, `${MODE:-web}`, `$#`.
        subject: String,
        /// What it may be; `*` stands for any characters.
        patterns: Vec<String>,
    },
    /// The contrary.
    Not(Box<Test>),
    /// Do all of these hold? None of them is `else`.
    All(Vec<Test>),
    /// Does one of these hold?
    Any(Vec<Test>),
}

/// A variable that the text sets outside of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: String,
    /// The value as it is written, quotes and all; nothing where it is not a word: an array, `NAME+=value`, a loop's.
    pub value: Option<Location>,
    /// How many commands stand before it.
    pub before: usize,
    /// Does it happen whenever the text comes so far: in no branch, function or subshell?
    pub is_sure: bool,
}

/// Where a command's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The file's name, quotes taken off.
    pub target: String,
    /// `>>`.
    pub appends: bool,
}

/// A here-document that a command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// Its lines.
    pub at: Location,
    /// Is its end quoted (`<<'EOF'`), so that nothing in it is expanded?
    pub is_quoted: bool,
    /// `<<-`: tabs that begin a line do not count.
    pub strips_tabs: bool,
}

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Without redirections and assignments; `exec` is not among them.
    pub words: Vec<Word>,
    /// Does it begin with `exec`?
    pub has_exec: bool,
    /// Are there neither redirections nor assignments before it?
    pub is_plain: bool,
    /// Are there redirections?
    pub has_redirection: bool,
    /// Ends with `&`.
    pub is_background: bool,
    /// Is it part of a pipe, or in a subshell?
    pub is_piped: bool,
    /// The next command of its pipe takes what it writes.
    pub is_piped_on: bool,
    /// Is there a `||` or `!` about it, so that its failure is looked at?
    pub is_tested: bool,
    /// Does it run only where another failed: behind `||`?
    pub is_alternative: bool,
    /// May the script end here: is it the last command, the last of a branch that ends the script, or an `exec`?
    pub is_last: bool,
    /// In a function, a branch or a loop.
    pub depth: u32,
    /// The file that it writes its standard output to; the last, if there are more.
    pub output: Option<Output>,
    /// The here-document that it reads; the last, if there are more.
    pub document: Option<Document>,
    /// From its first word to its last. Before its first byte is where `exec` would stand.
    pub at: Location,
}

impl Command {
    /// The name of the program without its folders; empty if there is none.
    pub fn name(&self) -> &str {
        let word = self.words.first().map_or("", |word| &word.text);
        word.rsplit('/').next().unwrap_or_default()
    }

    /// Is it one that a script does beside its work: it says, sets, waits or ends something?
    pub fn is_aside(&self) -> bool {
        const ASIDES: [&str; 20] = [
            "set", "echo", "printf", "export", "trap", "umask", ":", "true", "false", "shopt",
            "ulimit", "exit", "return", "wait", "[", "test", "[[", "local", "unset", "shift",
        ];
        ASIDES.contains(&self.name())
    }

    /// Does it pass on what another writes, as at the end of a pipe?
    fn is_filter(&self) -> bool {
        const FILTERS: [&str; 11] = [
            "tee",
            "cat",
            "ts",
            "sed",
            "awk",
            "grep",
            "jq",
            "logger",
            "rotatelogs",
            "cut",
            "tr",
        ];
        FILTERS.contains(&self.name())
    }

    /// Does it hand over to the script's own arguments: `"$@"`?
    pub fn is_arguments(&self) -> bool {
        matches!(
            self.words.first().map(|word| word.text.as_str()),
            Some("$@" | "${@}" | "$*")
        )
    }
}

/// Gives a place instead of another.
pub type Relocate<'a> = &'a dyn Fn(Location) -> Location;

impl Script {
    /// Gives each of its places another.
    pub fn relocate(&mut self, place: Relocate<'_>) {
        for (_, at) in &mut self.traps {
            *at = place(*at);
        }
        for at in self
            .assignments
            .iter_mut()
            .filter_map(|it| it.value.as_mut())
        {
            *at = place(*at);
        }
        for command in &mut self.commands {
            command.at = place(command.at);
            if let Some(document) = &mut command.document {
                document.at = place(document.at);
            }
            for word in &mut command.words {
                word.at = place(word.at);
                for variable in &mut word.filled {
                    variable.at = place(variable.at);
                }
            }
        }
    }

    /// The command that the script is for: the last in the foreground that is more than an aside, or what it started in the
    /// background where it ends by waiting for that. The others of branches that may end the script are found by `is_last`.
    pub fn main(&self) -> Option<&Command> {
        self.main_of(|_| true)
    }

    /// The same among the commands, by index, that may run.
    pub fn main_of(&self, runs: impl Fn(usize) -> bool) -> Option<&Command> {
        if let Some(awaited) = self.awaited() {
            return Some(awaited);
        }
        let waits_for_others = self.starts_in_background();
        let works = |index: usize, command: &Command| {
            // between two runs of what a loop starts again
            let is_pause = command.name() == "sleep" && command.depth > 0 && !waits_for_others;
            runs(index) && !command.is_background && !command.is_aside() && !is_pause
        };
        let commands = || self.commands.iter().enumerate().rev();
        let last = || commands().find(|(index, command)| works(*index, command));
        let end = commands().find(|(index, command)| command.is_last && works(*index, command));
        let (index, found) = end.or_else(last)?;
        // `program | tee log` is for the program, `echo text | tee log` for neither
        let is_filter = |command: &Command| command.is_piped && command.is_filter();
        let source = commands()
            .skip(self.commands.len() - index)
            .find(|(_, command)| !is_filter(command))
            .filter(|(index, command)| command.is_piped && works(*index, command))
            .filter(|_| is_filter(found));
        source.map(|(_, command)| command).or(Some(found))
    }

    /// `gunicorn … &`, `wait`: the last that is started so by a script that ends by waiting.
    fn awaited(&self) -> Option<&Command> {
        let (last, before) = self.commands.split_last()?;
        let waits = last.name() == "wait" && last.depth == 0;
        let works = |command: &&Command| command.is_background && !command.is_aside();
        waits.then(|| before.iter().rfind(works))?
    }

    /// Does it start a program in the background?
    pub fn starts_in_background(&self) -> bool {
        let mut commands = self.commands.iter();
        commands.any(|command| command.is_background && !command.is_aside())
    }
}

/// Parses a shell text that begins at byte `offset` of a file. Never fails: what it does not understand is a command of
/// unknown effect.
pub fn parse(text: &str, offset: u32, id: FileId) -> Script {
    read::Reader::new(text, offset, id).read()
}

#[cfg(test)]
mod tests;
