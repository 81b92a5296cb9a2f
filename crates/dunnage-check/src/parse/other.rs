//! Files that say which image is built from which Dockerfile: skaffold.yaml, kustomization.yaml, CI workflows, bake files.

use super::Problem;
use crate::source::Location;
use crate::source::{FileId, Source};

/// An image's name, and what it is made from or replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// As manifests call it.
    pub name: String,
    /// The folder that it is built in, below the root.
    pub context: Option<String>,
    /// The Dockerfile, below the root.
    pub dockerfile: Option<String>,
    /// Another name for it (kustomize's `newName`).
    pub renamed: Option<String>,
    /// A build's target stage.
    pub target: Option<String>,
    /// Where it is said.
    pub at: Location,
}

/// Parses a file that links images to Dockerfiles, by its name.
pub fn parse(source: &Source, id: FileId) -> Result<Vec<ImageName>, Problem> {
    let _ = (source, id);
    Ok(Vec::default())
}
