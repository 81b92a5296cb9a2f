//! What manifests say about a container, and what objects say about each other.
//!
//! [`Cluster`] holds the objects of a repository as a cluster would: a Service finds the pods that it selects, a LimitRange
//! fills in what a container leaves out, a ConfigMap gives an environment, a Kustomize patch (a workload without an image)
//! adds to the object that it names. [`Cluster::containers`] gives every container that really runs something.

mod environment;
mod life;
mod limits;
mod probes;
mod replicas;
mod requests;
mod selectors;

use crate::parse::Model;
use crate::parse::command::Word;
use crate::parse::kubernetes::Object;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated};
pub use environment::Environment;
use std::collections::HashMap;

/// An object and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// Its file.
    pub file: FileId,
    /// Which of the file's objects.
    pub index: usize,
    /// The object.
    pub object: &'a Object,
    /// The folder of the file.
    folder: &'a str,
}

impl<'a> Placed<'a> {
    /// An object of a file.
    pub fn of(repository: &'a Repository, file: FileId, index: usize) -> Option<Self> {
        let parsed = repository.file(file);
        let Model::Kubernetes(objects) = &parsed.model else {
            return None;
        };
        Some(Self {
            file,
            index,
            object: objects.get(index)?,
            folder: parsed.source.folder(),
        })
    }
}

/// All objects of a repository.
#[derive(Debug, Default)]
pub struct Cluster<'a> {
    objects: Vec<Placed<'a>>,
    /// By kind and what each is looked for by: see [`selectors::lookup`].
    by_use: HashMap<(&'a str, String), Vec<Placed<'a>>>,
    /// Containers without an image, by the kind and the name of their object.
    patches: HashMap<(&'a str, &'a str), Vec<(FileId, &'a Node)>>,
    /// Numbers of pods that Kustomize sets, by the name of the object.
    replicas: HashMap<&'a str, u32>,
}

/// A container that runs something.
#[derive(Debug)]
pub struct Container<'a> {
    /// The object that declares it.
    pub owner: Placed<'a>,
    /// Its pod's `spec`.
    pub pod: &'a Node,
    /// Its own node, as it is written.
    pub node: &'a Node,
    /// Which container of the pod: `containers` first, `initContainers` behind them. [`container_node`] finds it again.
    pub index: usize,
    /// `name`.
    pub name: &'a str,
    /// An init container that ends before the others start.
    pub is_init: bool,
    /// An init container with `restartPolicy: Always`: it runs beside the others.
    pub is_sidecar: bool,
    /// What patches of the repository add to it.
    patches: Vec<(FileId, &'a Node)>,
}

impl<'a> Cluster<'a> {
    /// Of all files.
    pub fn of(repository: &'a Repository) -> Self {
        let objects = repository
            .files()
            .filter_map(|(file, parsed)| match &parsed.model {
                Model::Kubernetes(objects) => Some((file, objects.len())),
                _ => None,
            })
            .flat_map(|(file, count)| (0..count).map(move |index| (file, index)))
            .filter_map(|(file, index)| Placed::of(repository, file, index))
            .filter(|placed| !placed.object.node.is_null())
            .collect();
        Self {
            replicas: replicas::patched(repository),
            ..Self::index(objects)
        }
    }

    fn index(objects: Vec<Placed<'a>>) -> Self {
        let mut cluster = Self::default();
        for placed in &objects {
            let Object { kind, name, .. } = placed.object;
            if let Some(key) = selectors::lookup(placed.object) {
                let same = cluster.by_use.entry((kind, key)).or_default();
                same.push(*placed);
            }
            let pod = placed.object.pod_spec();
            for (node, _) in pod.into_iter().flat_map(container_nodes) {
                // a workload without an image is a patch of one that has it
                if node.get("image").is_none() {
                    let patches = cluster.patches.entry((kind, name)).or_default();
                    patches.push((placed.file, node));
                }
            }
        }
        Self { objects, ..cluster }
    }

    /// Every container with an image, in the order of files.
    pub fn containers(&self) -> Vec<Container<'a>> {
        let mut found = Vec::new();
        for owner in &self.objects {
            let Some(pod) = owner.object.pod_spec() else {
                continue;
            };
            for (index, (node, is_of_init)) in container_nodes(pod).enumerate() {
                if node.get("image").is_none() {
                    continue;
                }
                let name = node.get("name").and_then(Node::text).unwrap_or_default();
                let is_sidecar =
                    is_of_init && node.get("restartPolicy").and_then(Node::text) == Some("Always");
                found.push(Container {
                    owner: *owner,
                    pod,
                    node,
                    index,
                    name,
                    is_init: is_of_init && !is_sidecar,
                    is_sidecar,
                    patches: self.patches(owner, name),
                });
            }
        }
        found
    }

    /// Containers without an image of objects with the same kind and name.
    fn patches(&self, owner: &Placed<'a>, container: &str) -> Vec<(FileId, &'a Node)> {
        let Object { kind, name, .. } = owner.object;
        let patches = self.patches.get(&(kind.as_str(), name.as_str()));
        patches
            .into_iter()
            .flatten()
            .filter(|(_, node)| node.get("name").and_then(Node::text) == Some(container))
            .copied()
            .collect()
    }
}

/// The containers of a pod: those of `containers`, then those of `initContainers` (true).
fn container_nodes(pod: &Node) -> impl Iterator<Item = (&Node, bool)> {
    let items = |key| pod.get(key).map(Node::items).unwrap_or_default();
    let usual = items("containers").iter().map(|node| (node, false));
    usual.chain(items("initContainers").iter().map(|node| (node, true)))
}

/// The node of a container that [`Cluster::containers`] gave an index.
pub fn container_node(pod: &Node, index: usize) -> Option<&Node> {
    container_nodes(pod).nth(index).map(|(node, _)| node)
}

impl Container<'_> {
    fn place(&self, node: &Node) -> Location {
        place(self.owner.file, node)
    }

    /// As a person calls it: "Deployment/shop container web".
    pub fn title(&self) -> String {
        let Object { kind, name, .. } = self.owner.object;
        format!("{kind}/{name} container {}", self.name)
    }

    /// Are there other containers in its pod?
    pub fn shares_pod(&self) -> bool {
        container_nodes(self.pod).count() > 1
    }

    /// Its name, or all of it: one line to point at.
    pub fn at(&self) -> Location {
        self.place(self.node.get("name").unwrap_or(self.node))
    }

    /// `image`.
    pub fn image(&self) -> Option<Stated<String>> {
        let node = self.node.get("image")?;
        Some(Stated::new(node.text()?.to_owned(), self.place(node)))
    }

    /// The words of `command`; none if the image's stay.
    pub fn command(&self) -> Option<Vec<Word>> {
        words(self.owner.file, self.node.get("command")?)
    }

    /// The words of `args`; none if the image's stay.
    pub fn arguments(&self) -> Option<Vec<Word>> {
        words(self.owner.file, self.node.get("args")?)
    }

    /// The value of a key of the container, or of a patch of it.
    fn get(&self, key: &str) -> Option<(FileId, &Node)> {
        let (file, node) = self.said(key)?;
        Some((file, node.get(key)?))
    }

    /// Who says a key: the container, or a patch of it.
    fn said(&self, key: &str) -> Option<(FileId, &Node)> {
        std::iter::once((self.owner.file, self.node))
            .chain(self.patches.iter().copied())
            .find(|(_, node)| node.get(key).is_some())
    }
}

fn place(file: FileId, node: &Node) -> Location {
    Location {
        file,
        span: node.span,
    }
}

/// The words of a list. An empty list is none: Kubernetes treats it as absent.
fn words(file: FileId, node: &Node) -> Option<Vec<Word>> {
    let words: Vec<Word> = node
        .items()
        .iter()
        .filter_map(|item| Some(Word::new(item.text()?, place(file, item))))
        .collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests;
