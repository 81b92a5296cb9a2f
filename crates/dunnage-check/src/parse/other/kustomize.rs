//! How many pods a kustomization asks for: `replicas`, and patches that are written out in it.

use crate::parse::yaml::{self, Node};

/// Each object's name and count.
pub(super) fn replicas(node: &Node) -> Vec<(String, u32)> {
    let items = |key| node.get(key).map(Node::items).unwrap_or_default();
    let counts = items("replicas").iter().filter_map(|entry| {
        let name = entry.get("name")?.text()?.to_owned();
        Some((name, number(entry.get("count")?)?))
    });
    let patches = ["patches", "patchesJson6902"]
        .into_iter()
        .flat_map(items)
        .flat_map(of_patch);
    counts.chain(patches).collect()
}

/// A patch beside its target: a list of operations, or a part of an object.
fn of_patch(entry: &Node) -> Vec<(String, u32)> {
    let target = entry.at(&["target", "name"]).and_then(Node::text);
    let text = entry.get("patch").and_then(Node::text).unwrap_or_default();
    let documents = yaml::parse(text).unwrap_or_default();
    let found = documents.iter().filter_map(|patch| {
        let name = target.or_else(|| patch.at(&["metadata", "name"])?.text())?;
        let sets = |operation: &&Node| {
            operation.get("path").and_then(Node::text) == Some("/spec/replicas")
        };
        let operation = patch.items().iter().find(sets);
        let count = operation
            .and_then(|operation| operation.get("value"))
            .or_else(|| patch.at(&["spec", "replicas"]))?;
        Some((name.to_owned(), number(count)?))
    });
    found.collect()
}

fn number(node: &Node) -> Option<u32> {
    node.number()?.try_into().ok()
}
