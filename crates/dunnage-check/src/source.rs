//! A text and the places in it. Every value that a rule may blame keeps the bytes that it was written in.

use std::collections::HashSet;
use std::ops::Range;

/// A name or a value, as a pointer to a text that others share. A large repository has millions, most of them the same few.
pub type Short = arcstr::ArcStr;

/// The names and values of a file, each kept once.
#[derive(Debug, Default)]
pub struct Texts(HashSet<Short>);

impl Texts {
    /// What is longer is seldom met again.
    const MOST_BYTES: usize = 64;

    /// A text, shared with who asked for the same before.
    pub fn share(&mut self, text: &str) -> Short {
        if text.len() > Self::MOST_BYTES {
            return text.into();
        }
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new = Short::from(text);
        self.0.insert(new.clone());
        new
    }
}

/// Would a terminal obey it, or show a text in another order for it? Letters that files say do neither where they are shown.
pub(crate) fn is_obeyed(letter: char) -> bool {
    let turns = matches!(
        letter,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    turns || letter.is_control()
}

/// A text of one line in which nothing is obeyed: a replacement character stands for what would be, a blank for a line's end.
pub(crate) fn keep_letters(text: &mut String) {
    if text.contains(is_obeyed) {
        let line = text.replace(['\n', '\t'], " ");
        *text = line.replace(is_obeyed, "\u{fffd}");
    }
}

/// Which file of a [`crate::Repository`]: its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Bytes of a text, `start..end`. Both are character boundaries of the text that it belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// From a range of bytes. Texts of 4 GiB and more are refused long before.
    pub fn new(range: Range<usize>) -> Self {
        Self {
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    /// As a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Which file.
    pub file: FileId,
    /// Which bytes of it.
    pub span: Span,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Location,
}

impl<T> Stated<T> {
    /// A value with its place.
    pub fn new(value: T, at: Location) -> Self {
        Self { value, at }
    }
}

/// A file's path, below the folder that is checked, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// With `/` between its parts, never absolute.
    pub path: String,
    /// All of it; UTF-8, at most [`Source::MAX_BYTES`].
    pub text: String,
}

impl Source {
    /// Files beyond this are not parsed: 64 MiB.
    pub const MAX_BYTES: usize = 64 << 20;

    /// The text at a span; empty if the span is not of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, byte: u32) -> (u32, u32) {
        let before = &self.text.as_bytes()[..(byte as usize).min(self.text.len())];
        let line = before.split(|byte| *byte == b'\n').count();
        let begin = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
        (line as u32, column as u32)
    }

    /// The name of the file without its folders.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The folder of the file, empty for the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Is a file or a folder called for production: `docker-compose.prod.yml`?
pub(crate) fn names_production(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(['/', '.', '-', '_']);
    parts.any(|part| matches!(part, "prod" | "production"))
}

/// Is a file, a folder or a stage called for development or tests: `Dockerfile.dev`, `docker-compose.local.yml`?
pub(crate) fn names_development(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.split(['/', '.', '-', '_']).any(|part| {
        matches!(
            part,
            "dev"
                | "devel"
                | "develop"
                | "development"
                | "devcontainer"
                | "local"
                | "debug"
                | "test"
                | "tests"
                | "testing"
        )
    })
}
