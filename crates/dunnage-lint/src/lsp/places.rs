//! Places as an editor tells them: addresses of files, lines from 0, columns in units of UTF-16 or UTF-8.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use dunnage_check::Span;
use serde_json::{Value, json};

/// What a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
}

/// A text's lines.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str, encoding: Encoding) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
            encoding,
        }
    }

    /// A span as `{start, end}`.
    pub fn range(&self, span: Span) -> Value {
        let range = span.range();
        json!({"start": self.position(range.start), "end": self.position(range.end)})
    }

    fn position(&self, byte: usize) -> Value {
        let byte = byte.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= byte).max(1) - 1;
        let before = self.text.get(self.starts[line]..byte).unwrap_or_default();
        let column = match self.encoding {
            Encoding::Utf8 => before.len(),
            Encoding::Utf16 => before.encode_utf16().count(),
        };
        json!({"line": line, "character": column})
    }

    /// The byte of a position; the end of the line or of the text for one beyond it. None for what is no position.
    pub fn byte(&self, position: &Value) -> Option<usize> {
        let line = usize::try_from(position["line"].as_u64()?).ok()?;
        let column = usize::try_from(position["character"].as_u64()?).ok()?;
        let Some(start) = self.starts.get(line) else {
            return Some(self.text.len());
        };
        let end = self
            .starts
            .get(line + 1)
            .copied()
            .unwrap_or(self.text.len());
        let text = self.text.get(*start..end)?;
        let mut units = 0;
        for (at, character) in text.char_indices() {
            if units >= column || character == '\n' {
                return Some(start + at);
            }
            units += match self.encoding {
                Encoding::Utf8 => character.len_utf8(),
                Encoding::Utf16 => character.len_utf16(),
            };
        }
        Some(end)
    }
}

/// The path of a `file:` address.
pub fn path_of(uri: &str) -> Option<PathBuf> {
    let path = uri.strip_prefix("file://")?;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push((digit()? * 16 + digit()?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    let has_dots = path.components().any(|part| part.as_os_str() == "..");
    (path.is_absolute() && !has_dots && !path.as_os_str().as_bytes().contains(&0)).then_some(path)
}

/// The address of a path.
pub fn uri_of(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_units_of_the_encoding() {
        let text = "a\n\u{e9}\u{1f600}b\r\n";
        let byte = text.find('b').unwrap();
        for (encoding, column) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3)] {
            let lines = Lines::new(text, encoding);
            let position = json!({"line": 1, "character": column});
            assert_eq!(lines.range(Span::new(byte..byte))["start"], position);
            assert_eq!(lines.byte(&position), Some(byte));
            assert_eq!(
                lines.byte(&json!({"line": 1, "character": 99})),
                Some(text.len() - 1)
            );
            assert_eq!(
                lines.byte(&json!({"line": 9, "character": 0})),
                Some(text.len())
            );
            assert_eq!(lines.byte(&json!({"line": -1})), None);
        }
    }

    #[test]
    fn addresses_and_paths_are_each_others_inverse() {
        let path = Path::new("/srv/a b/\u{e9}#%.py");
        assert_eq!(uri_of(path), "file:///srv/a%20b/%C3%A9%23%25.py");
        assert_eq!(path_of(&uri_of(path)).unwrap(), path);
        assert_eq!(path_of("file:///a%3Ab").unwrap(), Path::new("/a:b"));
        for bad in [
            "http://x/",
            "file://host/a",
            "untitled:1",
            "file:///a%2",
            "file:///a%zz",
            "file:///a/../b",
            "file:///a%00",
        ] {
            assert_eq!(path_of(bad), None, "{bad}");
        }
    }
}
