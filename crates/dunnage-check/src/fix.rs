//! Edits that mend a finding: bytes replaced, everything else untouched.
//!
//! A rule makes its edits by the builders of this folder, each for a kind of file: [`yaml`], [`dockerfile`], [`shell`],
//! [`python`], and [`words`] for command lines wherever they are written. They take a [`Target`], the file's text, and
//! places of its model.

mod diff;
pub mod dockerfile;
mod ignore;
mod mend;
pub mod python;
pub mod shell;
mod target;
#[cfg(test)]
mod testing;
pub mod words;
pub mod yaml;

pub use diff::unified_diff;
pub use ignore::ignore;
pub use mend::{Applied, Change, Mended, Refused, best, mend};
pub use target::Target;

use crate::source::{FileId, Span};

/// May a fix be applied without a person who looks at it?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safety {
    /// The program does what it did before, but for what was wrong: `--fix`.
    Safe,
    /// Behaviour changes, or a value was chosen for the user: `--fix=unsafe`.
    Unsafe,
    /// Told, never applied: it has no edits, or they are an example.
    Manual,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// In which file.
    pub file: FileId,
    /// Which bytes go; empty to insert before `start`.
    pub span: Span,
    /// What comes in their place.
    pub text: String,
}

/// What mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in the imperative: "run the program with exec".
    pub title: String,
    /// Who may apply it.
    pub safety: Safety,
    /// Do not overlap. All are applied or none.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// One that `--fix` applies.
    pub fn safe(title: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self {
            title: title.into(),
            safety: Safety::Safe,
            edits,
        }
    }

    /// One that changes behaviour or chooses a value, which `--fix=unsafe` applies.
    pub fn changing(title: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self {
            title: title.into(),
            safety: Safety::Unsafe,
            edits,
        }
    }

    /// One that a person must make.
    pub fn by_hand(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            safety: Safety::Manual,
            edits: Vec::new(),
        }
    }
}

/// The text after the edits, which belong to one file. An edit that is there twice is made once: two findings may need
/// the same import. New lines end as the file's first one does.
///
/// # Errors
/// Edits that overlap, or whose span is not of this text, change nothing.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, Conflict> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.span);
    sorted.dedup();
    let mut result = String::with_capacity(text.len());
    let is_dos = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
    let mut done = 0;
    for edit in sorted {
        let range = edit.span.range();
        if range.start < done || text.get(range.clone()).is_none() {
            return Err(Conflict(edit.span));
        }
        result.push_str(&text[done..range.start]);
        if is_dos {
            result.push_str(&edit.text.replace("\r\n", "\n").replace('\n', "\r\n"));
        } else {
            result.push_str(&edit.text);
        }
        done = range.end;
    }
    result.push_str(&text[done..]);
    Ok(result)
}

/// Two edits want the same bytes, or an edit is not of the text that it was applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("edits overlap or do not fit at bytes {}..{}", .0.start, .0.end)]
pub struct Conflict(pub Span);
