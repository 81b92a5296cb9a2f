//! Bytes as lines and columns, with each text's lines found once.

use crate::repository::Repository;
use crate::source::{FileId, Location, Span};
use std::cell::OnceCell;

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// The places of a repository's files, as they are told.
pub struct Places<'a> {
    repository: &'a Repository,
    prefix: &'a str,
    /// The first byte of each line of each file that was asked for.
    lines: Vec<OnceCell<Vec<u32>>>,
}

impl<'a> Places<'a> {
    /// `prefix` goes before each path: the folder that is checked, as the user named it, with its `/`.
    pub fn new(repository: &'a Repository, prefix: &'a str) -> Self {
        let lines = repository.files().map(|_| OnceCell::new()).collect();
        Self {
            repository,
            prefix,
            lines,
        }
    }

    /// A file's path as it is told.
    pub fn path(&self, file: FileId) -> String {
        format!("{}{}", self.prefix, self.repository.file(file).source.path)
    }

    /// Where a place begins.
    pub fn start(&self, at: Location) -> Position {
        self.position(at.file, at.span.start)
    }

    /// Where a place ends: the character after its last.
    pub fn end(&self, at: Location) -> Position {
        self.position(at.file, at.span.end.max(at.span.start))
    }

    /// A line's text without its end; empty beyond the last.
    pub fn line(&self, file: FileId, line: u32) -> &'a str {
        let text = self.repository.file(file).source.text.as_str();
        let lines = self.lines(file);
        let index = (line as usize).wrapping_sub(1);
        let Some(start) = lines.get(index) else {
            return "";
        };
        let end = lines.get(index + 1).map_or(text.len(), |end| *end as usize);
        text.get(*start as usize..end)
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r'])
    }

    /// The bytes of the line that a place begins on, with its end.
    pub fn line_span(&self, at: Location) -> Span {
        let lines = self.lines(at.file);
        let line = self.start(at).line as usize;
        let text = &self.repository.file(at.file).source.text;
        Span {
            start: lines.get(line - 1).copied().unwrap_or_default(),
            end: lines.get(line).copied().unwrap_or(text.len() as u32),
        }
    }

    fn position(&self, file: FileId, byte: u32) -> Position {
        let text = self.repository.file(file).source.text.as_str();
        let lines = self.lines(file);
        let byte = (byte as usize).min(text.len());
        let line = lines
            .partition_point(|start| *start as usize <= byte)
            .max(1);
        let start = lines.get(line - 1).copied().unwrap_or_default() as usize;
        let before = text.as_bytes().get(start..byte).unwrap_or_default();
        let column = String::from_utf8_lossy(before).chars().count() + 1;
        Position {
            line: line as u32,
            column: column as u32,
        }
    }

    fn lines(&self, file: FileId) -> &[u32] {
        self.lines[file.0 as usize].get_or_init(|| {
            let text = self.repository.file(file).source.text.as_bytes();
            let is_newline = |byte: &&u8| **byte == b'\n';
            let mut lines = Vec::with_capacity(1 + text.iter().filter(is_newline).count());
            let after = |(index, byte): (usize, &u8)| (*byte == b'\n').then_some(index as u32 + 1);
            lines.push(0);
            lines.extend(text.iter().enumerate().filter_map(after));
            lines
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn repository(text: &str) -> Repository {
        Repository::parse(vec![("a.py".to_owned(), text.to_owned())])
    }

    proptest! {
        #[test]
        fn a_place_is_where_counting_from_the_start_says(text in "[a\u{e9}\u{4e2d}\n\r]{0,30}", at in 0u32..40) {
            let repository = repository(&text);
            let places = Places::new(&repository, "");
            let span = Span { start: at, end: at };
            let position = places.start(Location { file: FileId(0), span });
            let counted = repository.file(FileId(0)).source.line_column(at);
            prop_assert_eq!((position.line, position.column), counted);
        }
    }

    #[test]
    fn a_line_comes_without_its_end_and_beyond_the_last_is_nothing() {
        let repository = repository("a = 1\r\nb = 2");
        let places = Places::new(&repository, "shop/");
        assert_eq!(places.path(FileId(0)), "shop/a.py");
        assert_eq!(places.line(FileId(0), 1), "a = 1");
        assert_eq!(places.line(FileId(0), 2), "b = 2");
        assert_eq!(places.line(FileId(0), 3), "");
        assert_eq!(places.line(FileId(0), 0), "");
    }
}
