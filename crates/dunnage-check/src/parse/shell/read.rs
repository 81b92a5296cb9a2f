//! From a shell text to its simple commands.

use super::redirect::Pending;
use super::word;
use super::{Assignment, Command, Output, Script};
use crate::parse::command::Word;
use crate::source::{FileId, Location, Span};
use std::collections::{HashMap, HashSet};

/// Nested deeper than this is not looked into: no script of a person is.
pub(super) const MAX_DEPTH: u32 = 64;

/// What ends a list of commands.
pub(super) type Terminators = &'static [&'static str];

/// The commands, by index, that may be the last of what was read.
pub(super) type Ends = Vec<usize>;

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    offset: u32,
    file: FileId,
    pub(super) script: Script,
    pub(super) depth: u32,
    /// What stands behind `&&` and `||` may be left out.
    pub(super) conditions: u32,
    /// Loops and functions around: what the script's arguments are there is not what they were.
    pub(super) repeats: u32,
    /// Here-documents whose text begins after this line.
    pub(super) documents: Vec<Pending>,
    /// Where the command that is being read writes to.
    pub(super) output: Option<Output>,
    pub(super) functions: HashMap<String, Ends>,
    /// Variables that hold all arguments as they are now: `command="$@"`.
    pub(super) copies: HashSet<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, offset: u32, file: FileId) -> Self {
        Self {
            text,
            at: 0,
            offset,
            file,
            script: Script::default(),
            depth: 0,
            conditions: 0,
            repeats: 0,
            documents: Vec::new(),
            output: None,
            functions: HashMap::new(),
            copies: HashSet::new(),
        }
    }

    pub(super) fn read(mut self) -> Script {
        if let Some(line) = self.text.strip_prefix("#!") {
            let line = line.lines().next().unwrap_or_default();
            self.script.interpreter = line.split_whitespace().map(str::to_owned).collect();
        }
        let mut ends = Ends::new();
        while self.at < self.text.len() {
            ends = self.list(&[]);
            if self.at < self.text.len() {
                // a `fi` or `)` without its beginning: not ours to blame
                self.skip_one();
            }
        }
        self.mark_ends(ends);
        self.look_at_settings();
        self.script
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    pub(super) fn starts_with(&self, what: &str) -> bool {
        self.bytes()[self.at.min(self.text.len())..].starts_with(what.as_bytes())
    }

    pub(super) fn eat(&mut self, what: &str) -> bool {
        let is_next = self.starts_with(what);
        if is_next {
            self.at += what.len();
        }
        is_next
    }

    pub(super) fn skip_one(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.chars().next().map_or(0, char::len_utf8);
    }

    pub(super) fn location(&self, start: usize, end: usize) -> Location {
        let base = self.offset as usize;
        Location {
            file: self.file,
            span: Span::new(base + start..base + end),
        }
    }

    /// Blanks, comments and lines that go on.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'#') if self.is_at_word_start() => {
                    let rest = &self.bytes()[self.at..];
                    let line = rest.iter().position(|byte| *byte == b'\n');
                    self.at += line.unwrap_or(rest.len());
                }
                _ => match word::continues(self.bytes(), self.at) {
                    Some(next) => self.at = next,
                    None => return,
                },
            }
        }
    }

    fn is_at_word_start(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.bytes()[at]);
        !matches!(before, Some(byte) if !b" \t\r\n;&|()".contains(&byte))
    }

    /// Newlines and `;` too. The text of here-documents is passed over after the line that asks for it.
    pub(super) fn skip_lines(&mut self) {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'\n') => self.newline(),
                Some(b';') if !self.ends_arm() => self.at += 1,
                _ => return,
            }
        }
    }

    /// `;;`, and `;&` and `;;&` of bash.
    fn ends_arm(&self) -> bool {
        self.starts_with(";;") || self.starts_with(";&")
    }

    /// The bare word at this place, for keywords. Does not move.
    pub(super) fn peek_word(&self) -> &'a str {
        let rest = &self.text[self.at.min(self.text.len())..];
        let end = rest
            .find([' ', '\t', '\r', '\n', ';', '&', '|', '<', '>', '(', ')'])
            .unwrap_or(rest.len());
        &rest[..end]
    }

    /// Commands until one of the terminators, which is left.
    pub(super) fn list(&mut self, terminators: Terminators) -> Ends {
        let mut ends = Ends::new();
        loop {
            self.skip_lines();
            let next = self.peek_word();
            let is_end = matches!(self.peek(), None | Some(b')'))
                || self.ends_arm()
                || terminators.contains(&next)
                || (terminators.is_empty() && is_closing(next));
            if is_end {
                return ends;
            }
            let before = (self.at, self.script.commands.len());
            let assigned = self.script.assignments.len();
            if self.depth == 0 {
                self.script.last_list = before.1;
            }
            let of_this = self.and_or();
            self.skip_blanks();
            if self.peek() == Some(b'&') && !self.starts_with("&&") {
                self.at += 1;
                for command in &mut self.script.commands[before.1..] {
                    command.is_background = true;
                }
                self.doubt(assigned);
                ends = Ends::new();
            } else if self.script.commands.len() > before.1 || !of_this.is_empty() {
                ends = of_this;
            }
            if self.at == before.0 {
                self.skip_one();
            }
        }
    }

    fn and_or(&mut self) -> Ends {
        let begin = self.script.commands.len();
        let mut ends = self.pipeline();
        loop {
            self.skip_blanks();
            let is_or = self.starts_with("||");
            if !self.eat("&&") && !self.eat("||") {
                return ends;
            }
            if is_or {
                for command in &mut self.script.commands[begin..] {
                    command.is_tested = true;
                }
            }
            self.skip_lines();
            self.conditions += 1;
            let behind = self.script.commands.len();
            ends = self.pipeline();
            for command in &mut self.script.commands[behind..] {
                command.is_alternative |= is_or;
            }
            self.conditions -= 1;
        }
    }

    fn pipeline(&mut self) -> Ends {
        let begin = self.script.commands.len();
        let assigned = self.script.assignments.len();
        self.skip_blanks();
        let is_negated = self.peek_word() == "!" && self.eat("!");
        let mut ends = self.command();
        let mut is_pipe = false;
        loop {
            self.skip_blanks();
            if self.starts_with("||") || !self.eat("|") {
                break;
            }
            self.eat("&");
            if let Some(command) = self.script.commands.last_mut() {
                command.is_piped_on = true;
            }
            is_pipe = true;
            self.skip_lines();
            ends = self.command();
        }
        for command in &mut self.script.commands[begin..] {
            command.is_piped |= is_pipe;
            command.is_tested |= is_negated;
        }
        if is_pipe {
            self.doubt(assigned);
        }
        ends
    }

    /// What was assigned since then is so in a process of its own.
    fn doubt(&mut self, since: usize) {
        for assignment in &mut self.script.assignments[since..] {
            assignment.is_sure = false;
        }
    }

    /// Notes a variable that is set here.
    pub(super) fn assign(&mut self, name: &str, value: Option<Location>) {
        self.script.assignments.push(Assignment {
            name: name.to_owned(),
            value,
            before: self.script.commands.len(),
            is_sure: self.depth == 0 && self.conditions == 0,
        });
    }

    pub(super) fn command(&mut self) -> Ends {
        self.skip_blanks();
        if self.depth >= MAX_DEPTH {
            self.at = self.text.len();
            return Ends::new();
        }
        if self.starts_with("((") {
            self.at = word::arithmetic(self.bytes(), self.at);
            return Ends::new();
        }
        if self.peek() == Some(b'(') {
            return self.subshell();
        }
        let ends = match self.peek_word() {
            "{" => self.block(1, &["}"]),
            "if" => self.branches(),
            "while" | "until" => self.repeated(),
            "for" | "select" => self.counted(),
            "case" => self.cases(),
            "function" => self.function(),
            _ if self.is_function() => self.function(),
            _ => return self.simple(),
        };
        self.redirections();
        ends
    }

    fn simple(&mut self) -> Ends {
        let (mut words, mut has_exec) = (Vec::<Word>::new(), false);
        let (mut has_redirection, mut assigned) = (false, Vec::new());
        let documents = self.documents.len();
        self.output = None;
        loop {
            has_redirection |= self.redirections();
            let start = self.at;
            let raw = self.peek_word();
            let (text, end) = word::read(self.text, start);
            if end == start {
                break;
            }
            self.at = end;
            if words.is_empty() && is_assignment(raw) {
                let is_word = !self.array();
                let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
                let is_whole = is_word && !name.ends_with('+');
                let begin = end.min(start + raw.len() - value.len());
                self.copy_arguments(name, &self.text[start + name.len()..self.at]);
                let value = is_whole.then(|| self.location(begin, end));
                assigned.push((name.trim_end_matches('+').to_owned(), value));
            } else if words.is_empty() && !has_exec && text == "exec" {
                has_exec = true;
            } else if words.is_empty() && has_exec && text.starts_with('-') {
                // `exec -a name program`
                if text.ends_with('a') {
                    self.skip_blanks();
                    self.at = word::read(self.text, self.at).1;
                }
            } else {
                let at = self.location(start, end);
                words.push(Word::new(self.copied_arguments(text), at));
            }
        }
        let (Some(first), Some(last)) = (words.first(), words.last()) else {
            for (name, value) in assigned {
                self.assign(&name, value);
            }
            return Ends::new();
        };
        for document in &mut self.documents[documents..] {
            document.reader = Some(self.script.commands.len());
        }
        let span = first.at.span.to(last.at.span);
        if matches!(first.text.as_str(), "shift" | "set") {
            self.copies.clear();
        }
        self.script.commands.push(Command {
            at: Location {
                file: self.file,
                span,
            },
            words,
            has_exec,
            is_plain: !has_redirection && assigned.is_empty(),
            has_redirection,
            is_background: false,
            is_piped: false,
            is_piped_on: false,
            is_tested: false,
            is_alternative: false,
            is_last: false,
            depth: self.depth,
            output: self.output.take(),
            document: None,
        });
        vec![self.script.commands.len() - 1]
    }

    /// `NAME=(a b)` of bash.
    fn array(&mut self) -> bool {
        let is_one = self.peek() == Some(b'(');
        if is_one {
            self.at = word::bracketed(self.bytes(), self.at);
        }
        is_one
    }
}

fn is_closing(word: &str) -> bool {
    matches!(
        word,
        "then" | "elif" | "else" | "fi" | "do" | "done" | "esac" | "}"
    )
}

fn is_assignment(raw: &str) -> bool {
    let Some((name, _)) = raw.split_once('=') else {
        return false;
    };
    let name = name.strip_suffix('+').unwrap_or(name);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.bytes().all(is_name)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}
