//! The text that edits are made for.

use super::Edit;
use crate::repository::Repository;
use crate::source::{FileId, Span};

/// A file that edits are made for. All builders of edits take one.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Which file.
    pub file: FileId,
    /// All of its text.
    pub text: &'a str,
}

impl<'a> Target<'a> {
    /// A file of a repository.
    pub fn of(repository: &'a Repository, file: FileId) -> Self {
        Self {
            file,
            text: &repository.file(file).source.text,
        }
    }

    /// How its lines end: `\r\n` if the first does.
    pub fn newline(self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if self.text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// The text at a span; empty if the span is not of this text.
    pub fn slice(self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// An edit that puts a text in the place of a span.
    pub fn replace(self, span: Span, text: impl Into<String>) -> Edit {
        Edit {
            file: self.file,
            span,
            text: text.into(),
        }
    }

    /// An edit that puts a text before a byte.
    pub fn insert(self, at: usize, text: impl Into<String>) -> Edit {
        self.replace(Span::new(at..at), text)
    }

    /// An edit that takes whole lines away, from the one that holds `start` to the one that holds the byte before `end`.
    pub(super) fn remove_lines(self, start: usize, end: usize) -> Edit {
        let from = self.line_start(start);
        let to = self.line_end(end.max(start + 1) - 1);
        if let Some(newline) = self.text[to..].find('\n') {
            return self.replace(Span::new(from..to + newline + 1), "");
        }
        // the last line without a newline: the newline before it goes, so that the text ends as it did
        let before = self.text[..from].trim_end_matches('\n');
        let before = before.trim_end_matches('\r').len();
        self.replace(Span::new(before..to), "")
    }

    /// The first byte of the line that holds a byte.
    pub(super) fn line_start(self, at: usize) -> usize {
        let at = at.min(self.text.len());
        self.text.as_bytes()[..at]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1)
    }

    /// Where the line that holds a byte ends, before its newline of one or two bytes.
    pub(super) fn line_end(self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let bytes = self.text.as_bytes();
        let newline = bytes[at..].iter().position(|byte| *byte == b'\n');
        match newline {
            Some(length) if length > 0 && bytes[at + length - 1] == b'\r' => at + length - 1,
            Some(length) => at + length,
            None => bytes.len(),
        }
    }

    /// The white space that the line which holds a byte begins with.
    pub(super) fn indentation(self, at: usize) -> &'a str {
        let line = &self.text[self.line_start(at)..self.line_end(at)];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    /// In which column a byte stands, from 0, in characters.
    pub(super) fn column(self, at: usize) -> usize {
        self.text
            .get(self.line_start(at)..at)
            .map_or(0, |before| before.chars().count())
    }

    /// Is this a place of the text, between two characters?
    pub(super) fn holds(self, span: Span) -> bool {
        span.start <= span.end && self.text.get(span.range()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use crate::fix::apply;
    use crate::fix::testing::target;

    #[test]
    fn lines_end_before_their_newline_of_one_or_two_bytes() {
        let text = target("ab\r\ncd\n\nef");
        assert_eq!(text.newline(), "\r\n");
        assert_eq!((text.line_start(1), text.line_end(1)), (0, 2));
        assert_eq!((text.line_start(5), text.line_end(5)), (4, 6));
        assert_eq!((text.line_start(7), text.line_end(7)), (7, 7));
        assert_eq!((text.line_start(9), text.line_end(9)), (8, 10));
    }

    #[test]
    fn lines_are_removed_whole_and_the_end_of_the_text_stays_as_it_was() {
        let remove = |text: &str, word: &str| {
            let at = text.find(word).unwrap();
            apply(text, &[target(text).remove_lines(at, at + word.len())]).unwrap()
        };
        assert_eq!(remove("a\n b\nc\n", "b"), "a\nc\n");
        assert_eq!(remove("a\r\nb\r\nc", "b"), "a\r\nc");
        assert_eq!(remove("a\nb\nc", "c"), "a\nb");
        assert_eq!(remove("a\r\nc", "c"), "a");
        assert_eq!(remove("a", "a"), "");
    }
}
