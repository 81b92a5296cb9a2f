//! Resources of a container.

use super::{Cluster, Container, place};
use crate::graph::workload::Limits;
use crate::parse::quantity;
use crate::parse::yaml::Node;
use crate::source::{FileId, Stated};

/// A node with its file.
type Found<'a> = (FileId, &'a Node);

impl Container<'_> {
    /// What holds for it: its own resources, a patch's, its pod's (which bound all of its containers together), a
    /// LimitRange's. A request that is not said is the limit, if that is: Kubernetes fills it in, and no place says it.
    pub fn limits(&self, cluster: &Cluster<'_>) -> Limits {
        let file = self.owner.file;
        let own = self.node.get("resources").map(|node| (file, node));
        let patched = self.patches.iter().map(|(file, patch)| (*file, *patch));
        let patched = patched.filter_map(|(file, patch)| Some((file, patch.get("resources")?)));
        let pod = self.pod.get("resources").map(|node| (file, node));
        let said: Vec<Found<'_>> = own.into_iter().chain(patched).chain(pod).collect();
        let range = cluster.limit_range(&self.owner);
        let find = |kind: &str, default: &str, resource: &str| {
            let of =
                |(file, node): Found<'_>, kind| Some((file, node.at(&[kind, resource])?.clone()));
            said.iter()
                .find_map(|found| of(*found, kind))
                .or_else(|| of(range?, default))
        };
        let read = |kind, default, resource, parse: fn(&str) -> Option<u64>| {
            let (file, node) = find(kind, default, resource)?;
            Some(Stated::new(parse(node.text()?)?, place(file, &node)))
        };
        Limits {
            cpu: read("limits", "default", "cpu", quantity::milli),
            cpu_request: read("requests", "defaultRequest", "cpu", quantity::milli),
            memory: read("limits", "default", "memory", quantity::bytes),
            memory_request: read("requests", "defaultRequest", "memory", quantity::bytes),
            storage: read("limits", "default", "ephemeral-storage", quantity::bytes).map(Box::new),
            pids: None,
            shm: self.shm().map(Box::new),
            at: own.map(|(file, node)| place(file, node)),
        }
    }

    /// The size of what is mounted at `/dev/shm`.
    fn shm(&self) -> Option<Stated<Option<u64>>> {
        let (file, mounts) = self.get("volumeMounts")?;
        let mount = mounts.items().iter().find(|mount| {
            let path = mount.get("mountPath").and_then(Node::text);
            path.is_some_and(|path| path.trim_end_matches('/') == "/dev/shm")
        })?;
        let name = mount.get("name").and_then(Node::text)?;
        let volume = self.volume(name);
        let size = volume
            .and_then(|volume| volume.at(&["emptyDir", "sizeLimit"])?.text())
            .and_then(quantity::bytes);
        Some(Stated::new(size, place(file, volume.unwrap_or(mount))))
    }

    /// A volume of the pod.
    pub fn volume(&self, name: &str) -> Option<&Node> {
        let volumes = self.pod.get("volumes")?;
        volumes
            .items()
            .iter()
            .find(|volume| volume.get("name").and_then(Node::text) == Some(name))
    }
}
