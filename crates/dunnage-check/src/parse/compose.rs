//! A Compose file: its services.

use super::yaml::Node;

/// A Compose file.
#[derive(Debug, Clone)]
pub struct Compose {
    /// Each service: its name and its node, `extends` of the same file and merge keys resolved.
    pub services: Vec<(String, Node)>,
    /// All of it.
    pub node: Node,
}
