//! A Compose file: its services.

use super::Problem;
use super::yaml::{self, Node, Value};
use crate::source::{FileId, Source, Span};
use std::collections::HashMap;

/// A Compose file.
#[derive(Debug, Clone)]
pub struct Compose {
    /// Each service: its name and its node, `extends` of the same file and merge keys resolved.
    pub services: Vec<(String, Node)>,
    /// All of it.
    pub node: Node,
}

/// How many services one may extend another through.
const MAX_EXTENDS: usize = 8;

/// Parses a Compose file.
///
/// # Errors
/// What is not YAML. A file without services has none.
pub fn parse(source: &Source, _id: FileId) -> Result<Compose, Problem> {
    let node = yaml::parse(&source.text)?
        .into_iter()
        .find(|node| node.get("services").is_some())
        .unwrap_or(Node {
            value: Value::Null,
            span: Span::default(),
        });
    let entries = node.get("services").map(Node::entries).unwrap_or_default();
    let by_name: HashMap<&str, &Node> = entries
        .iter()
        .filter_map(|(name, service)| Some((name.text()?, service)))
        .collect();
    let services = entries
        .iter()
        .filter(|(_, service)| matches!(service.value, Value::Mapping(_)))
        .filter_map(|(name, service)| Some((name.text()?.to_owned(), extended(service, &by_name))))
        .collect();
    Ok(Compose { services, node })
}

/// A service with what it inherits from services of the same file. What it inherits from another file is not known.
fn extended(service: &Node, by_name: &HashMap<&str, &Node>) -> Node {
    let mut whole = service.clone();
    let mut next = parent(service, by_name);
    for _ in 0..MAX_EXTENDS {
        let Some(base) = next else { break };
        inherit(&mut whole, base);
        next = parent(base, by_name);
    }
    whole
}

fn parent<'a>(service: &Node, by_name: &HashMap<&str, &'a Node>) -> Option<&'a Node> {
    let extends = service.get("extends")?;
    let name = match extends.get("file") {
        Some(_) => return None,
        None => extends.get("service").unwrap_or(extends).text()?,
    };
    by_name.get(name).copied()
}

/// Adds the keys that a mapping lacks, and those that its mappings lack.
fn inherit(node: &mut Node, base: &Node) {
    let Value::Mapping(entries) = &mut node.value else {
        return;
    };
    for (key, value) in base.entries() {
        let own = entries
            .iter_mut()
            .find(|(name, _)| name.text() == key.text());
        match own {
            Some((_, own)) => inherit(own, value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
}
