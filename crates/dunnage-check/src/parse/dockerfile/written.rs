//! Files whose text the Dockerfile itself holds: `COPY <<EOF /entrypoint.sh`, `RUN cat <<'EOF' > /entrypoint.sh`,
//! `RUN printf … > /start.sh`.
//!
//! What the image has is not always what is written. In an unquoted document of `COPY` the builder replaces `$NAME` and takes
//! off every backslash (BuildKit's lexer with `SkipProcessQuotes`): `"$@"` becomes `""`. In one of `RUN` the shell does so, by
//! its own rules. A [`Written`] keeps the text of the image, and of each part the place that it came from.

use super::words::variable;
use crate::parse::is_name_letter;
use crate::parse::shell::fill::{Variables, fill};
use crate::parse::shell::{Script, parse};
use crate::source::{FileId, Location, Span};
use std::ops::Range;

/// Stands for the text of the image until its places are those of the Dockerfile.
const IN_IMAGE: FileId = FileId(u32::MAX);

/// A file that the Dockerfile writes.
#[derive(Debug, Clone)]
pub struct Written {
    /// Where it is in the image.
    pub path: String,
    /// The instruction that writes it.
    pub at: Location,
    /// Where its text stands in the Dockerfile.
    pub lines: Location,
    /// Its text in the image.
    pub text: String,
    /// Where each part of the text came from, in order.
    pieces: Vec<Piece>,
    /// What is written as a shell's variable and is filled in before the image is there, by what may be nothing.
    pub early: Vec<Early>,
    /// Names in it whose values the Dockerfile does not tell: they stand in the text as they are written there.
    unknown: Vec<String>,
}

/// A `$…` that was meant for the script and that whoever writes the file fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Early {
    /// It.
    pub at: Span,
    /// Is it one of the script's own: `$@`, `$1`, `$?`? Otherwise a name that the Dockerfile does not set.
    pub is_of_script: bool,
}

/// A part of a text.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Its first byte in the text.
    start: usize,
    /// What it was made from.
    from: Span,
    /// Is it the same bytes?
    is_same: bool,
}

/// Who reads a document before it is a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Nobody: its end is quoted.
    Nobody,
    /// The builder: `COPY <<EOF`.
    Builder,
    /// A shell: `RUN cat <<EOF`.
    Shell,
}

/// What a name holds while the image is built; none where that is not known.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Written {
    /// An empty one.
    pub(super) fn new(path: String, at: Location) -> Self {
        Self {
            path,
            at,
            lines: at,
            text: String::new(),
            pieces: Vec::new(),
            early: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Takes in the lines of a document of the Dockerfile `text`.
    pub(super) fn document(
        &mut self,
        text: &str,
        range: Range<usize>,
        strips_tabs: bool,
        reader: Reader,
        lookup: Lookup<'_>,
    ) {
        self.lines.span = Span::new(range.clone());
        let mut at = range.start;
        for line in text[range].split_inclusive('\n') {
            let tabs = if strips_tabs {
                line.len() - line.trim_start_matches('\t').len()
            } else {
                0
            };
            self.line(&line[tabs..], at + tabs, reader, lookup);
            at += line.len();
        }
    }

    /// Takes in a line that stands at a byte of the Dockerfile.
    fn line(&mut self, line: &str, start: usize, reader: Reader, lookup: Lookup<'_>) {
        if reader == Reader::Nobody {
            self.push_same(line, start);
            return;
        }
        let mut since = 0;
        let mut at = 0;
        while let Some(found) = line[at..].find(['$', '\\']) {
            at += found;
            let rest = &line[at..];
            if let Some(escaped) = rest.strip_prefix('\\') {
                let next = escaped.chars().next();
                let drops =
                    reader == Reader::Builder || matches!(next, Some('$' | '`' | '\\' | '\n'));
                let joins = reader == Reader::Shell && next == Some('\n');
                let used = 1 + next.map_or(0, char::len_utf8);
                if drops {
                    self.push_same(&line[since..at], start + since);
                    since = if joins { at + used } else { at + 1 };
                }
                at += used;
                continue;
            }
            let (value, used) = replaced(rest, reader, lookup);
            let name = name_of(rest)
                .filter(|name| !name.starts_with(|first: char| first.is_ascii_digit()));
            let is_of_script = name.is_none() && value.is_some();
            if is_of_script || name.is_some_and(|name| lookup(&name).is_none()) {
                self.early.push(Early {
                    at: Span::new(start + at..start + at + used),
                    is_of_script,
                });
            }
            match value {
                Some(value) => {
                    self.push_same(&line[since..at], start + since);
                    self.push(&value, Span::new(start + at..start + at + used));
                    since = at + used;
                }
                None => self.unknown.extend(name_of(rest)),
            }
            at += used;
        }
        self.push_same(&line[since..], start + since);
    }

    /// Adds what stands there as it is.
    pub(super) fn push_same(&mut self, text: &str, start: usize) {
        if !text.is_empty() {
            self.piece(text, Span::new(start..start + text.len()), true);
        }
    }

    /// Adds what was made from a place.
    pub(super) fn push(&mut self, text: &str, from: Span) {
        self.piece(text, from, false);
    }

    fn piece(&mut self, text: &str, from: Span, is_same: bool) {
        self.pieces.push(Piece {
            start: self.text.len(),
            from,
            is_same,
        });
        self.text.push_str(text);
    }

    /// Is an edit at a place of its text one of the file? Not where what was filled in may hold commands of its own.
    pub fn is_verbatim(&self) -> bool {
        let ends = self.pieces.iter().skip(1).map(|piece| piece.start);
        let mut ends = ends.chain([self.text.len()]);
        self.pieces.iter().all(|piece| {
            let end = ends.next().unwrap_or(self.text.len());
            let made = &self.text[piece.start..end];
            piece.is_same
                || !made
                    .trim()
                    .contains(['\n', ';', '&', '|', '(', ')', '<', '>'])
        })
    }

    /// Is its text what is written there, but for [`early`](Self::early)? Otherwise values of the build are in it, or
    /// backslashes are gone.
    pub fn is_literal(&self) -> bool {
        let is_early = |from: Span| self.early.iter().any(|early| early.at == from);
        let made = self.pieces.iter().filter(|piece| !piece.is_same);
        let gap = |pair: &[Piece]| pair[0].from.end != pair[1].from.start;
        made.clone().all(|piece| is_early(piece.from)) && !self.pieces.windows(2).any(gap)
    }

    /// Is it a script of a shell, by its first line? Without one a shell takes it for its own.
    pub fn is_shell(&self) -> bool {
        let first = self.text.lines().next().unwrap_or_default();
        !first.starts_with("#!") || first.split(['/', ' ']).any(|word| word.ends_with("sh"))
    }

    /// As a shell reads it, with what is known filled in, and its places those of the Dockerfile. What the script puts into
    /// the environment is in `variables` afterwards.
    pub fn script(&self, variables: &mut Variables) -> Script {
        variables.forget(self.unknown.iter().cloned());
        let mut script = parse(&self.text, 0, IN_IMAGE);
        *variables = fill(&mut script, &self.text, 0, variables);
        variables.relocate(&|at| self.place(at));
        script.relocate(&|at| self.place(at));
        script
    }

    /// The place in the Dockerfile of a place in the text.
    fn place(&self, at: Location) -> Location {
        if at.file != IN_IMAGE {
            return at;
        }
        let piece = |byte: usize| {
            let after = self.pieces.partition_point(|piece| piece.start <= byte);
            self.pieces.get(after.saturating_sub(1)).copied()
        };
        let (start, end) = (at.span.start as usize, at.span.end as usize);
        let (Some(first), Some(last)) = (piece(start), piece(end.saturating_sub(1).max(start)))
        else {
            return self.at;
        };
        let begin = first.from.start
            + if first.is_same {
                (start - first.start) as u32
            } else {
                0
            };
        let stop = if last.is_same {
            last.from.start + (end - last.start) as u32
        } else {
            last.from.end
        };
        Location {
            file: self.at.file,
            span: Span {
                start: begin,
                end: stop.max(begin),
            },
        }
    }
}

/// What comes in the place of the `$…` that a text begins with, and how many bytes that is.
fn replaced(text: &str, reader: Reader, lookup: Lookup<'_>) -> (Option<String>, usize) {
    let next = text[1..].chars().next();
    match next {
        // no arguments while an image is built
        Some('@' | '*' | '1'..='9') => (Some(String::new()), 2),
        Some('#' | '?' | '-' | '$' | '!' | '0') if reader == Reader::Builder => {
            (Some(String::new()), 2)
        }
        Some('(') => (None, 1),
        _ => variable(text, lookup),
    }
}

/// The name behind the `$` that a text begins with.
fn name_of(text: &str) -> Option<String> {
    let name = text[1..].trim_start_matches('{');
    let end = name
        .find(|letter| !is_name_letter(letter))
        .unwrap_or(name.len());
    (end > 0).then(|| name[..end].to_owned())
}

#[cfg(test)]
mod tests;
