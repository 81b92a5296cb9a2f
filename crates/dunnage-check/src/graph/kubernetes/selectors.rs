//! Which objects of a repository speak about which pods.
//!
//! A repository is not one cluster: it may hold ten examples that all call themselves `app: web`. Objects belong together
//! if they are in one namespace, as far as they say one, and their files lie close: in one folder, in one below the other,
//! or in folders side by side.

use super::{Cluster, Container, Placed, place};
use crate::parse::kubernetes::Object;
use crate::parse::yaml::Node;
use crate::source::{FileId, Location};

/// What an object is looked for by, next to its kind: the first label of a Service's selector, the target of an autoscaler,
/// the name of a ConfigMap. None for what nobody looks for.
pub(super) fn lookup(object: &Object) -> Option<String> {
    match object.kind.as_str() {
        "Service" => {
            let selector = object.node.at(&["spec", "selector"])?;
            label(selector.entries().first()?)
        }
        "HorizontalPodAutoscaler" | "ScaledObject" => target(object, "scaleTargetRef"),
        "VerticalPodAutoscaler" => target(object, "targetRef"),
        "ConfigMap" => Some(object.name.to_string()),
        "LimitRange" => Some(String::new()),
        _ => None,
    }
}

fn label((key, value): &(Node, Node)) -> Option<String> {
    Some(format!("{}={}", key.text()?, value.text()?))
}

/// `Deployment/shop`; KEDA takes a Deployment where it says no kind.
fn target(object: &Object, key: &str) -> Option<String> {
    let target = object.node.at(&["spec", key])?;
    let kind = target.get("kind").and_then(Node::text);
    let name = target.get("name")?.text()?;
    Some(format!("{}/{name}", kind.unwrap_or("Deployment")))
}

impl<'a> Cluster<'a> {
    fn used<'b>(
        &'b self,
        near: &'b Placed<'_>,
        kind: &'static str,
        key: String,
    ) -> impl Iterator<Item = &'b Placed<'a>> {
        let objects = self.by_use.get(&(kind, key)).map(Vec::as_slice);
        objects
            .unwrap_or_default()
            .iter()
            .filter(move |other| are_close(near, other))
    }

    /// A Service that sends requests to the container's pod: the place of its selector.
    pub fn service_of(&self, container: &Container<'_>) -> Option<Location> {
        let service = self.services_of(container).next()?;
        let selector = service.object.node.at(&["spec", "selector"])?;
        Some(place(service.file, selector))
    }

    /// Are there Services that send requests to the container, and do all of them lead to a port for metrics?
    pub(super) fn is_only_scraped(&self, container: &Container<'_>) -> bool {
        let mut services = self.services_of(container).peekable();
        services.peek().is_some() && services.all(|service| leads_to_metrics(service, container))
    }

    /// The Services that send requests to the container.
    pub(super) fn services_of<'b>(
        &'b self,
        container: &'b Container<'_>,
    ) -> impl Iterator<Item = &'b Placed<'a>> {
        let labels = container.owner.object.pod_labels();
        labels
            .iter()
            .filter(|_| !container.is_init)
            .filter_map(label)
            .flat_map(|label| self.used(&container.owner, "Service", label))
            .filter(move |service| {
                let selector = service.object.node.at(&["spec", "selector"]);
                selector.is_some_and(|selector| selects(selector.entries(), labels))
                    && reaches(service, container)
            })
    }

    /// The autoscaler of a workload: HorizontalPodAutoscaler or KEDA's ScaledObject.
    pub fn autoscaler_of<'b>(&'b self, owner: &'b Placed<'_>) -> Option<&'b Placed<'a>> {
        let name = title(owner);
        self.used(owner, "HorizontalPodAutoscaler", name.clone())
            .chain(self.used(owner, "ScaledObject", name))
            .next()
    }

    /// Is it a VerticalPodAutoscaler that sets the workload's requests?
    pub fn is_sized_by_autoscaler(&self, owner: &Placed<'_>) -> bool {
        let mut scalers = self.used(owner, "VerticalPodAutoscaler", title(owner));
        scalers.next().is_some()
    }

    /// What a LimitRange of the namespace gives to containers that say nothing: the item with `default` and
    /// `defaultRequest`.
    pub(super) fn limit_range(&self, owner: &Placed<'_>) -> Option<(FileId, &'a Node)> {
        self.used(owner, "LimitRange", String::new())
            .find_map(|range| {
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
        self.used(owner, "ConfigMap", name.to_owned()).next()
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

/// Does a port of the Service lead to this container of the pod? Unless the pod's ports tell otherwise, it does.
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
    // without ports nothing is sent anywhere
    targets.iter().any(|target| matches(&declared, target))
        || (declared.is_empty() && targets.iter().any(|target| !matches(&others, target)))
        || (!declared.is_empty() && others.is_empty())
}

/// Do all ports of the Service that lead to this container of the pod serve metrics: by their name, or by a number that is
/// known for it where another container of the pod serves what the pod is for?
fn leads_to_metrics(service: &Placed<'_>, container: &Container<'_>) -> bool {
    let is_named = |name: &str| {
        let mut parts = name.split(['-', '_']);
        parts.any(|part| matches!(part, "metrics" | "prometheus" | "prom"))
    };
    let declared = ports_of(container.node);
    let containers = container.pod.get("containers").map(Node::items);
    let has_others = containers.unwrap_or_default().len() > 1;
    let ports = service.object.node.at(&["spec", "ports"]);
    let mut ports = ports.map(Node::items).unwrap_or_default().iter();
    let mut is_any = false;
    let all = ports.all(|port| {
        let text = |key| port.get(key).and_then(Node::text);
        let target = text("targetPort").or(text("port")).unwrap_or_default();
        let own = declared
            .iter()
            .find(|(name, number)| *name == Some(target) || *number == Some(target));
        if own.is_none() && has_others {
            // another container's
            return true;
        }
        is_any = true;
        let number = own.and_then(|(_, number)| *number).unwrap_or(target);
        let names = [text("name"), Some(target), own.and_then(|(name, _)| *name)];
        names.into_iter().flatten().any(is_named)
            || (has_others && matches!(number, "9090" | "9100" | "9113" | "9121" | "9187"))
    });
    all && is_any
}

/// The ports that a container declares: name and number.
pub(super) fn ports_of(container: &Node) -> Vec<(Option<&str>, Option<&str>)> {
    let ports = container.get("ports").map(Node::items).unwrap_or_default();
    ports
        .iter()
        .map(|port| {
            let text = |key| port.get(key).and_then(Node::text);
            (text("name"), text("containerPort"))
        })
        .collect()
}

fn title(owner: &Placed<'_>) -> String {
    format!("{}/{}", owner.object.kind, owner.object.name)
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
