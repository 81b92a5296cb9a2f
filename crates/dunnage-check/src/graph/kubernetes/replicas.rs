//! How many pods of an object there may be at once: what an autoscaler allows at most, or what the object, or Kustomize in its
//! place, asks for. Of several overlays the one with most pods counts, since each is somebody's cluster.

use super::{Cluster, Placed, container_nodes};
use crate::parse::Model;
use crate::parse::kubernetes::Object;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use std::collections::HashMap;

/// What KEDA allows where nothing is said.
const KEDA_MOST: u32 = 100;

/// The counts that Kustomize sets, by the name of the object that they are for: `replicas` of kustomization.yaml, and patches.
pub(super) fn patched<'a>(repository: &'a Repository) -> HashMap<&'a str, u32> {
    let mut counts: HashMap<&'a str, u32> = HashMap::new();
    let mut add = |name: &'a str, count| {
        let most: &mut u32 = counts.entry(name).or_default();
        *most = (*most).max(count);
    };
    for (_, file) in repository.files() {
        match &file.model {
            Model::Links(links) => links
                .replicas
                .iter()
                .for_each(|(name, count)| add(name, *count)),
            Model::Kubernetes(objects) => objects
                .iter()
                .filter(|object| is_patch(object))
                .filter_map(|object| Some((object.name.as_str(), stated(object)?)))
                .for_each(|(name, count)| add(name, count)),
            _ => {}
        }
    }
    counts
}

/// A workload none of whose containers has an image adds to the one that has.
fn is_patch(object: &Object) -> bool {
    let pod = object.pod_spec().into_iter();
    pod.flat_map(container_nodes)
        .all(|(container, _)| container.get("image").is_none())
}

fn stated(object: &Object) -> Option<u32> {
    number(object.node.at(&["spec", "replicas"])?)
}

fn number(node: &Node) -> Option<u32> {
    node.number()?.try_into().ok()
}

impl Cluster<'_> {
    /// The most pods of an object that there may be, a rollout aside.
    pub(super) fn most_pods(&self, owner: &Placed<'_>) -> u32 {
        if owner.object.kind.as_str() == "DaemonSet" {
            // one for each node
            return u32::MAX;
        }
        if let Some(scaler) = self.autoscaler_of(owner) {
            let most = ["maxReplicas", "maxReplicaCount"]
                .iter()
                .find_map(|key| number(scaler.object.node.at(&["spec", key])?));
            return most.unwrap_or(KEDA_MOST);
        }
        let patched = self.replicas.get(owner.object.name.as_str()).copied();
        let stated = stated(owner.object).unwrap_or(1);
        stated.max(patched.unwrap_or_default())
    }
}
