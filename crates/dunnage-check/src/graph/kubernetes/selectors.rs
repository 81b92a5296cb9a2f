//! Which objects of a repository speak about which pods.
//!
//! A repository is not one cluster: it may hold ten examples that all call themselves `app: web`. Objects belong together
//! if they are in one namespace, as far as they say one, and their files lie close: in one folder, in one below the other,
//! or in folders side by side.

use super::{Cluster, Container, Placed, place};
use crate::parse::yaml::Node;
use crate::source::{FileId, Location};

impl<'a> Cluster<'a> {
    fn of_kind<'b>(
        &'b self,
        near: &'b Placed<'_>,
        kind: &str,
    ) -> impl Iterator<Item = &'b Placed<'a>> {
        let objects = self.by_kind.get(kind).map(Vec::as_slice);
        objects
            .unwrap_or_default()
            .iter()
            .filter(move |other| are_close(near, other))
    }

    /// Is there any autoscaler?
    pub fn has_autoscalers(&self) -> bool {
        ["HorizontalPodAutoscaler", "ScaledObject"]
            .iter()
            .any(|kind| self.by_kind.contains_key(kind))
    }

    /// A Service that sends requests to the container's pod: the place of its selector.
    pub fn service_of(&self, container: &Container<'_>) -> Option<Location> {
        if container.is_init {
            return None;
        }
        let labels = container.owner.object.pod_labels();
        self.of_kind(&container.owner, "Service")
            .find_map(|service| {
                let selector = service.object.node.at(&["spec", "selector"])?;
                let is_match = selects(selector.entries(), labels) && reaches(service, container);
                is_match.then(|| place(service.file, selector))
            })
    }

    /// The autoscaler of a workload: HorizontalPodAutoscaler or KEDA's ScaledObject.
    pub fn autoscaler_of<'b>(&'b self, owner: &'b Placed<'_>) -> Option<&'b Placed<'a>> {
        let scalers = self.of_kind(owner, "HorizontalPodAutoscaler");
        scalers
            .chain(self.of_kind(owner, "ScaledObject"))
            .find(|scaler| targets(scaler, owner, "scaleTargetRef"))
    }

    /// Is it a VerticalPodAutoscaler that sets the workload's requests?
    pub fn is_sized_by_autoscaler(&self, owner: &Placed<'_>) -> bool {
        self.of_kind(owner, "VerticalPodAutoscaler")
            .any(|scaler| targets(scaler, owner, "targetRef"))
    }

    /// The PodDisruptionBudget that selects a workload's pods.
    pub fn budget_of<'b>(&'b self, owner: &'b Placed<'_>) -> Option<&'b Placed<'a>> {
        self.of_kind(owner, "PodDisruptionBudget").find(|budget| {
            let selector = budget.object.node.at(&["spec", "selector", "matchLabels"]);
            selector.is_some_and(|selector| selects(selector.entries(), owner.object.pod_labels()))
        })
    }

    /// What a LimitRange of the namespace gives to containers that say nothing: the item with `default` and
    /// `defaultRequest`.
    pub(super) fn limit_range(&self, owner: &Placed<'_>) -> Option<(FileId, &'a Node)> {
        self.of_kind(owner, "LimitRange").find_map(|range| {
            let limits = range.object.node.at(&["spec", "limits"])?;
            let of_container =
                |item: &&Node| item.get("type").and_then(Node::text) == Some("Container");
            Some((range.file, limits.items().iter().find(of_container)?))
        })
    }

    /// A ConfigMap by its name.
    pub(super) fn config_map<'b>(
        &'b self,
        owner: &'b Placed<'_>,
        name: &str,
    ) -> Option<&'b Placed<'a>> {
        self.of_kind(owner, "ConfigMap")
            .find(|map| map.object.name == name)
    }
}

fn are_close(a: &Placed<'_>, b: &Placed<'_>) -> bool {
    let is_same_namespace = match (&a.object.namespace, &b.object.namespace) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    is_same_namespace && are_near(a.folder, b.folder)
}

fn are_near(a: &str, b: &str) -> bool {
    let parent = |folder: &str| folder.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    let is_below = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_below(a, b) || is_below(b, a) || (parent(a).is_some() && parent(a) == parent(b))
}

/// Are all labels of a selector among those of a pod? An empty selector selects nothing here.
fn selects(selector: &[(Node, Node)], labels: &[(Node, Node)]) -> bool {
    !selector.is_empty()
        && selector.iter().all(|(key, value)| {
            labels
                .iter()
                .any(|(name, label)| name.text() == key.text() && label.text() == value.text())
        })
}

/// Does a port of the Service lead to this container of the pod? Unless ports tell otherwise, it does.
fn reaches(service: &Placed<'_>, container: &Container<'_>) -> bool {
    let declared = ports_of(container.node);
    let others: Vec<(Option<&str>, Option<&str>)> = container
        .pod
        .get("containers")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter(|other| other.span != container.node.span)
        .flat_map(ports_of)
        .collect();
    let ports = service.object.node.at(&["spec", "ports"]);
    let targets = ports
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|port| port.get("targetPort").or_else(|| port.get("port"))?.text());
    let matches = |ports: &[(Option<&str>, Option<&str>)], target: &str| {
        ports
            .iter()
            .any(|(name, number)| *name == Some(target) || *number == Some(target))
    };
    let targets: Vec<&str> = targets.collect();
    targets.is_empty()
        || targets.iter().any(|target| matches(&declared, target))
        || (declared.is_empty() && targets.iter().any(|target| !matches(&others, target)))
        || (!declared.is_empty() && others.is_empty())
}

fn ports_of(container: &Node) -> Vec<(Option<&str>, Option<&str>)> {
    let ports = container.get("ports").map(Node::items).unwrap_or_default();
    ports
        .iter()
        .map(|port| {
            let text = |key| port.get(key).and_then(Node::text);
            (text("name"), text("containerPort"))
        })
        .collect()
}

fn targets(scaler: &Placed<'_>, owner: &Placed<'_>, key: &str) -> bool {
    let Some(target) = scaler.object.node.at(&["spec", key]) else {
        return false;
    };
    let is = |key, value: &str| target.get(key).and_then(Node::text) == Some(value);
    let kind = target
        .get("kind")
        .and_then(Node::text)
        .unwrap_or("Deployment");
    kind == owner.object.kind && is("name", &owner.object.name)
}

#[cfg(test)]
mod tests {
    use super::are_near;

    #[test]
    fn files_belong_together_in_one_folder_below_it_or_beside_it() {
        assert!(are_near("deploy", "deploy"));
        assert!(are_near("deploy/base", "deploy"));
        assert!(are_near("deploy/services", "deploy/deployments"));
        assert!(are_near("", "deploy"));
        assert!(!are_near("one/deploy", "two/deploy"));
        assert!(!are_near("one", "two"));
    }
}
