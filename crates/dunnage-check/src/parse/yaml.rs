//! YAML as nodes with places: many documents, anchors and merge keys resolved, depth and size bounded.
//!
//! A text is first cut into documents at its `---` lines, which costs what a search costs; a document is parsed only by
//! who needs it. An alias becomes a copy of the node that it names, with the places of that node: that is where the value
//! is written. Copies are counted, so that a few lines of aliases of aliases cannot become gigabytes.

mod build;
mod documents;
mod places;

use super::Problem;
use crate::source::{Short, Span, Texts};
pub use documents::{Document, documents};
use thin_vec::ThinVec;

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// Bytes of the file: of a scalar with its quotes, of a collection from its first to its last entry.
    pub span: Span,
}

/// What a node holds. A large bundle has millions: each is a pointer and what says to what.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar without quotes, so that `true` and `1` may be read as such.
    Plain(Short),
    /// Any other scalar: unquoted, folded.
    Quoted(Short),
    /// A list.
    Sequence(ThinVec<Node>),
    /// Keys and values in order.
    Mapping(ThinVec<(Node, Node)>),
}

const _: () = assert!(size_of::<Value>() == 2 * size_of::<usize>());

impl Node {
    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|(name, _)| name.text() == Some(key))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The key's own node, for edits.
    pub fn key(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .map(|(name, _)| name)
                .find(|name| name.text() == Some(key)),
            _ => None,
        }
    }

    /// Down through mappings: `at(&["spec", "template"])`.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) | Value::Quoted(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar's text, to be kept.
    pub fn shared(&self) -> Option<Short> {
        match &self.value {
            Value::Plain(text) | Value::Quoted(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The items of a sequence; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// A scalar as a whole number; quotes do not matter, since people quote what must not be quoted.
    pub fn number(&self) -> Option<u64> {
        self.text()?.trim().parse().ok()
    }

    /// A plain `true` or `false`, in the spellings of YAML 1.1 too.
    pub fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Plain(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Is there nothing: `key:` with no value, `~`, `null`?
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }
}

/// All documents of a text, those that hold nothing left out.
///
/// # Errors
/// The first thing that is not YAML, or that nests deeper or copies more than any file for people does.
pub fn parse(text: &str) -> Result<Vec<Node>, Problem> {
    let mut nodes = Vec::new();
    let mut texts = Texts::default();
    for document in documents(text) {
        nodes.extend(document.parse(&mut texts)?);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests;
