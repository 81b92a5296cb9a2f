//! Where a text's documents begin and end, found without parsing them.

use super::Node;
use super::build;
use crate::parse::Problem;
use crate::source::{Span, Texts};

/// One document of a text: the bytes between two `---` lines.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its text, without the `---`.
    pub text: &'a str,
    /// The byte of the file that it begins at.
    pub offset: usize,
}

impl Document<'_> {
    /// Its node; none if it holds nothing but comments. `texts` are those of the file.
    ///
    /// # Errors
    /// See [`super::parse`]; places are of the file.
    pub fn parse(&self, texts: &mut Texts) -> Result<Option<Node>, Problem> {
        build::parse(self.text, self.offset, texts).or_else(|problem| {
            let Some(joined) = closed_where_it_ends(self.text) else {
                return Err(problem);
            };
            build::parse(&joined, self.offset, texts).map_err(|_| problem)
        })
    }

    /// Its bytes in the file, without white space around them.
    pub fn span(&self) -> Span {
        let start = self.offset + (self.text.len() - self.text.trim_start().len());
        Span::new(start..(self.offset + self.text.trim_end().len()).max(start))
    }

    /// The text of a scalar under a key at the first column, as a search finds it: `kind: Pod` without quotes and comments.
    pub fn peek(&self, key: &str) -> Option<&str> {
        let value = self
            .text
            .split_inclusive('\n')
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let value = value.split(" #").next().unwrap_or_default().trim();
        Some(value.trim_matches(['"', '\'']))
    }

    /// As [`Self::peek`], of a key that is indented by two below another: `metadata`, `name`.
    pub fn peek_below(&self, parent: &str, key: &str) -> Option<&str> {
        let mut lines = self.text.lines();
        lines.find(|line| {
            line.strip_prefix(parent)
                .is_some_and(|rest| rest.trim_end() == ":")
        })?;
        let value = lines
            .take_while(|line| line.starts_with([' ', '#']))
            .find_map(|line| {
                line.strip_prefix("  ")?
                    .strip_prefix(key)?
                    .strip_prefix(':')
            })?;
        let value = value.split(" #").next().unwrap_or_default().trim();
        Some(value.trim_matches(['"', '\'']))
    }
}

/// The documents of a text in order. A line of `---` cannot stand inside a value: YAML forbids it at the first column. What
/// holds no more than comments and directives is left out.
pub fn documents(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut rest = match text.strip_prefix('\u{feff}') {
        Some(rest) => Some((rest, text.len() - rest.len())),
        None => Some((text, 0)),
    };
    std::iter::from_fn(move || {
        let (text, offset) = rest?;
        let (document, following) = match next_marker(text) {
            Some((end, begin)) => (&text[..end], Some((&text[begin..], offset + begin))),
            None => (text, None),
        };
        rest = following;
        Some(Document {
            text: document,
            offset,
        })
    })
    .filter(|document| {
        document
            .text
            .lines()
            .map(str::trim_start)
            .any(|line| !line.is_empty() && !line.starts_with(['#', '%']))
    })
}

/// The text with `]` and `}` that begin a line put at the end of the line before, byte for byte as long. YAML wants them indented
/// deeper than the key; people write them below it, and every program that they write for (kubectl, Compose) takes that.
fn closed_where_it_ends(text: &str) -> Option<String> {
    let mut joined = String::with_capacity(text.len());
    let mut is_changed = false;
    for line in text.split_inclusive('\n') {
        let is_closing = line.trim_start_matches(' ').starts_with([']', '}']);
        let last = joined.lines().next_back().unwrap_or_default();
        if is_closing && !last.contains('#') && joined.ends_with('\n') {
            let content = joined.trim_end_matches(['\n', '\r']).len();
            let ending = joined.len() - content;
            joined.truncate(content);
            joined.extend(std::iter::repeat_n(' ', ending));
            is_changed = true;
        }
        joined.push_str(line);
    }
    is_changed.then_some(joined)
}

/// Where the next `---` stands and where what follows it begins.
fn next_marker(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let at = if from == 0 && text.starts_with("---") {
            0
        } else {
            from + text.get(from..)?.find("\n---")? + 1
        };
        let after = at + 3;
        if text[after..].is_empty() || text[after..].starts_with([' ', '\t', '\n', '\r']) {
            return Some((at, after));
        }
        from = after;
    }
}
