//! What tests of edits share: a text as a target, and the place of a part of it.

use super::Target;
use crate::source::{FileId, Location, Span};

/// The text, as the first file.
pub(super) fn target(text: &str) -> Target<'_> {
    Target {
        file: FileId(0),
        text,
    }
}

/// Where a part of the text stands first.
pub(super) fn place(text: &str, part: &str) -> Location {
    let start = text.find(part).unwrap();
    Location {
        file: FileId(0),
        span: Span::new(start..start + part.len()),
    }
}
