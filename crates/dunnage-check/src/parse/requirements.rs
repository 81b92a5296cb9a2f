//! What a project depends on: names only, normalised as PEP 503 says.

use crate::source::Stated;

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
