//! Files that a `RUN` writes: by a here-document, or by `echo` and `printf` of a text that does not depend on anything.

use super::lines::Instruction;
use super::stages::for_shell;
use super::words;
use super::written::{Lookup, Reader, Written};
use super::{Base, Shell, Stage};
use crate::parse::shell::{Command, Script, parse};
use crate::source::{FileId, Location};

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
    let Some((text, offset)) = shell_text(around.text, instruction) else {
        return;
    };
    if !text.contains('>') && !text.contains("tee ") {
        return;
    }
    let script = parse(&text, offset, around.file);
    let run = Run {
        around,
        script: &script,
        text: &text,
        offset: offset as usize,
        at: Location {
            file: around.file,
            span: instruction.span(),
        },
    };
    for command in &script.commands {
        run.take(command, stage);
    }
}

/// What the shell is given, and where it begins: a lone document is itself the text, else documents follow their line.
fn shell_text(text: &str, instruction: &Instruction) -> Option<(String, u32)> {
    let (_, begin) = words::flags(&instruction.arguments);
    let arguments = instruction.arguments.get(begin..)?;
    let lone = words::split(arguments);
    if let ([(_, word)], [document]) = (&lone[..], &instruction.documents[..])
        && word.starts_with("<<")
    {
        let lines = &text[document.range.clone()];
        let first = lines.lines().next().unwrap_or_default();
        let is_shell = !first.starts_with("#!") || first.ends_with("sh");
        return is_shell.then(|| (lines.to_owned(), document.range.start as u32));
    }
    let start = instruction.range.start + begin;
    let mut whole = for_shell(arguments);
    if let Some(last) = instruction.documents.last() {
        let end = text[last.range.end..].find('\n');
        let end = end.map_or(text.len(), |end| last.range.end + end);
        whole.push_str(&text[instruction.range.end..end]);
    }
    Some((whole, start as u32))
}

struct Run<'a> {
    around: &'a Surroundings<'a>,
    script: &'a Script,
    text: &'a str,
    offset: usize,
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
        let Some((first, last)) = command.words.get(1).zip(command.words.last()) else {
            return false;
        };
        let written = first.at.span.to(last.at.span).range();
        let is_constant = self
            .text
            .get(written.start - self.offset..written.end - self.offset)
            .is_some_and(is_constant);
        let words: Vec<&str> = command.words[1..]
            .iter()
            .map(|word| word.text.as_str())
            .collect();
        let shell = Base::of(&stage.base.value).shell;
        let text = match command.name() {
            "echo" => echo(&words, shell),
            "printf" => printf(&words),
            _ => None,
        };
        let Some(text) = text.filter(|_| is_constant) else {
            return false;
        };
        file.lines.span = first.at.span.to(last.at.span);
        file.push(&text, file.lines.span);
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

/// Does the shell take these words as they are written, quotes and backslashes aside?
fn is_constant(written: &str) -> bool {
    let mut quote = None;
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                letters.next();
            }
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('$' | '`', None | Some('"')) | ('*' | '?' | '~', None) => return false,
            _ => {}
        }
    }
    true
}

/// What `echo` writes. Which one reads escapes is different in each shell.
fn echo(words: &[&str], shell: Shell) -> Option<String> {
    let (reads, rest) = match words {
        ["-e", rest @ ..] if matches!(shell, Shell::Bash | Shell::Busybox) => (true, rest),
        [option, ..] if option.starts_with('-') => return None,
        rest => (shell == Shell::Dash, rest),
    };
    let text = rest.join(" ");
    if !text.contains('\\') {
        return Some(text + "\n");
    }
    reads
        .then(|| escapes(&text))
        .flatten()
        .map(|text| text + "\n")
}

/// What `printf` writes: a format without arguments, or `%s\n` for each of them.
fn printf(words: &[&str]) -> Option<String> {
    match words {
        [format] => {
            let format = format.replace("%%", "\0");
            let text = escapes(&format).filter(|_| !format.contains('%'))?;
            Some(text.replace('\0', "%"))
        }
        ["%s\\n", lines @ ..] => Some(lines.iter().flat_map(|line| [line, "\n"]).collect()),
        _ => None,
    }
}

/// `\n`, `\t`, `\\` and quotes; none for others.
fn escapes(text: &str) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            result.push(letter);
            continue;
        }
        result.push(match letters.next()? {
            'n' => '\n',
            't' => '\t',
            same @ ('\\' | '"' | '\'') => same,
            _ => return None,
        });
    }
    Some(result)
}
