//! Files that a `RUN` writes: by a here-document, or by `echo` and `printf` of a text that does not depend on anything.

use super::echoed::{self, Piece};
use super::lines::Instruction;
use super::stages::for_shell;
use super::words;
use super::written::{Lookup, Reader, Written};
use super::{Base, Shell, Stage};
use crate::parse::shell::{Command, Script, parse};
use crate::source::{FileId, Location, Span};

/// What is known where the instruction stands.
pub(super) struct Surroundings<'a> {
    /// The whole Dockerfile.
    pub(super) text: &'a str,
    pub(super) file: FileId,
    /// Values of `ENV` and `ARG`.
    pub(super) lookup: Lookup<'a>,
}

/// Adds what an instruction writes to the stage.
pub(super) fn written(around: &Surroundings<'_>, instruction: &Instruction, stage: &mut Stage) {
    let runs_sh = stage.shell.as_ref().is_none_or(|shell| {
        let name = shell.value.first().map_or("", String::as_str);
        matches!(
            name.rsplit('/').next(),
            Some("sh" | "bash" | "dash" | "ash")
        )
    });
    if !runs_sh || words::array(instruction, around.file).is_some() {
        return;
    }
    let Some(given) = given(around.text, instruction) else {
        return;
    };
    if !given.text.contains('>') && !given.text.contains("tee ") {
        return;
    }
    let script = parse(&given.text, given.offset as u32, around.file);
    let run = Run {
        around,
        script: &script,
        given: &given,
        at: Location {
            file: around.file,
            span: instruction.span(),
        },
    };
    for command in &script.commands {
        run.take(command, stage);
    }
}

/// What the shell is given.
struct Given {
    /// Its text, as long as it is in the file.
    text: String,
    /// The same with [`NOTHING`](super::lines::NOTHING) for what the builder takes out where lines go on.
    raw: String,
    /// Where it begins.
    offset: usize,
}

/// What the shell is given: a lone document is itself the text, else documents follow their line.
fn given(text: &str, instruction: &Instruction) -> Option<Given> {
    let (_, begin) = words::flags(&instruction.arguments);
    let arguments = instruction.arguments.get(begin..)?;
    let lone = words::split(arguments);
    if let ([(_, word)], [document]) = (&lone[..], &instruction.documents[..])
        && word.starts_with("<<")
    {
        let lines = &text[document.range.clone()];
        let first = lines.lines().next().unwrap_or_default();
        let is_shell = !first.starts_with("#!") || first.ends_with("sh");
        return is_shell.then(|| Given {
            text: lines.to_owned(),
            raw: lines.to_owned(),
            offset: document.range.start,
        });
    }
    let (mut whole, mut raw) = (for_shell(arguments), arguments.to_owned());
    if let Some(last) = instruction.documents.last() {
        let end = text[last.range.end..].find('\n');
        let end = end.map_or(text.len(), |end| last.range.end + end);
        for text_of in [&mut whole, &mut raw] {
            text_of.push_str(&text[instruction.range.end..end]);
        }
    }
    Some(Given {
        text: whole,
        raw,
        offset: instruction.range.start + begin,
    })
}

struct Run<'a> {
    around: &'a Surroundings<'a>,
    script: &'a Script,
    given: &'a Given,
    at: Location,
}

impl Run<'_> {
    fn take(&self, command: &Command, stage: &mut Stage) {
        let is_sure = command.depth == 0
            && !command.is_tested
            && !command.is_alternative
            && !command.is_background
            && !command.is_piped;
        let Some((target, appends)) = target(command).filter(|_| is_sure) else {
            return;
        };
        let Some(path) = self.path(&target, stage) else {
            return;
        };
        let earlier = stage.written.iter().position(|file| file.path == path);
        let mut file = match (appends, earlier) {
            (true, Some(index)) => stage.written.remove(index),
            (true, None) => return,
            (false, _) => Written::new(path, self.at),
        };
        if !self.fill(command, &mut file, stage) {
            return;
        }
        stage.written.retain(|other| other.path != file.path);
        stage.written.push(file);
    }

    /// The file's text, if it is known.
    fn fill(&self, command: &Command, file: &mut Written, stage: &Stage) -> bool {
        if let Some(document) = command.document {
            let reader = if document.is_quoted {
                Reader::Nobody
            } else {
                Reader::Shell
            };
            let lookup = |name: &str| {
                let mut own = self.script.assignments.iter();
                let is_own = own.any(|assignment| assignment.name == name);
                (self.around.lookup)(name).filter(|_| !is_own)
            };
            let range = document.at.span.range();
            file.document(
                self.around.text,
                range,
                document.strips_tabs,
                reader,
                &lookup,
            );
            return true;
        }
        let raw: Option<Vec<(&str, usize)>> = command.words[1..]
            .iter()
            .map(|word| {
                let range = word.at.span.range();
                let inside = range.start.checked_sub(self.given.offset)?;
                let raw = self.given.raw.get(inside..inside + range.len())?;
                Some((raw, range.start))
            })
            .collect();
        let Some(pieces) =
            raw.and_then(|raw| echoed::written(command.name(), &raw, shell_of(stage)))
        else {
            return false;
        };
        // `>>` adds to what is there
        let first = if file.text.is_empty() {
            command.words[1].at.span
        } else {
            file.lines.span
        };
        file.lines.span = command.words[1..]
            .iter()
            .fold(first, |all, word| all.to(word.at.span));
        for piece in pieces {
            match piece {
                Piece::Same(text, at) => file.push_same(&text, at),
                Piece::Made(text, from) => file.push(text, Span::new(from)),
            }
        }
        true
    }

    /// Where the file is in the image. A shell that went elsewhere before is not followed.
    fn path(&self, target: &str, stage: &Stage) -> Option<String> {
        let path = words::expand(target, self.around.lookup);
        if path.contains(['$', '~', '*', '`']) {
            return None;
        }
        let mut commands = self.script.commands.iter();
        let is_moved = commands.any(|command| matches!(command.name(), "cd" | "pushd"));
        if path.starts_with('/') {
            return Some(path);
        }
        (!is_moved).then(|| super::paths::absolute(stage.workdir.as_ref(), &path))
    }
}

/// The file that a command writes what it is given to, and whether it adds to it.
fn target(command: &Command) -> Option<(String, bool)> {
    let output = command.output.as_ref();
    match (command.name(), command.words.len()) {
        ("cat", 1) if command.document.is_some() => {
            output.map(|output| (output.target.clone(), output.appends))
        }
        ("echo" | "printf", 2..) if command.document.is_none() => {
            output.map(|output| (output.target.clone(), output.appends))
        }
        ("tee", 2) if command.document.is_some() && !command.words[1].text.starts_with('-') => {
            Some((command.words[1].text.clone(), false))
        }
        _ => None,
    }
}

/// The shell of `RUN`, whose `echo` it is.
fn shell_of(stage: &Stage) -> Shell {
    let stated = stage.shell.as_ref().and_then(|shell| shell.value.first());
    match stated.and_then(|shell| shell.rsplit('/').next()) {
        Some("bash") => Shell::Bash,
        Some("dash") => Shell::Dash,
        Some("ash") => Shell::Busybox,
        _ => Base::of(&stage.base.value).shell,
    }
}
