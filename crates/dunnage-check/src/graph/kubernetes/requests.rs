//! On which ports somebody outside of a container asks it, as far as that is sure.
//!
//! A containerPort asks nothing, it is documentation. Where several containers share a pod, and so its addresses, a port is
//! the one's that declares it; where a mesh puts a proxy into the pod, nobody outside talks to the program at all.

use super::selectors::ports_of;
use super::{Cluster, Container, Placed, place};
use crate::graph::workload::{Asker, Request};
use crate::parse::yaml::Node;
use crate::source::Location;

/// Words of annotations and labels by which a proxy comes into the pod.
const PROXIES: [&str; 7] = [
    "consul.hashicorp",
    "dapr.io",
    "inject",
    "istio",
    "kuma.io",
    "linkerd",
    "openservicemesh",
];

/// What [`Probes`](crate::graph::workload::Probes) are called in a container.
const PROBES: [&str; 3] = ["readinessProbe", "livenessProbe", "startupProbe"];

impl Container<'_> {
    /// The ports of Services and of probes that are surely this container's. None of an init container, on the host's
    /// network, or behind a proxy that asks on localhost.
    pub fn requests(&self, cluster: &Cluster<'_>) -> Vec<Request> {
        if self.is_init || self.is_on_host() || self.is_proxied() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for service in cluster.services_of(self) {
            self.ask_by(service, &mut found);
        }
        for kind in PROBES {
            found.extend(self.asked_by_probe(kind));
        }
        found.retain(|request| self.owns(request.port));
        found
    }

    fn ask_by(&self, service: &Placed<'_>, found: &mut Vec<Request>) {
        let spec = |key: &str| service.object.node.at(&["spec", key]);
        // who asks a headless Service chooses the port himself
        if spec("clusterIP").and_then(Node::text) == Some("None") {
            return;
        }
        for port in spec("ports").map(Node::items).unwrap_or_default() {
            let Some(target) = port.get("targetPort").or_else(|| port.get("port")) else {
                continue;
            };
            let at = place(service.file, target);
            found.extend(self.request(target, Asker::Service, at));
        }
    }

    fn asked_by_probe(&self, kind: &str) -> Option<Request> {
        let (file, said) = self.said(kind)?;
        let probe = said.get(kind)?;
        let action = ["httpGet", "tcpSocket", "grpc"]
            .iter()
            .find_map(|action| probe.get(action))?;
        if action.get("host").is_some() {
            return None;
        }
        let port = action.get("port")?;
        self.request(port, Asker::Probe, place(file, port))
    }

    /// A port by its number or by the name that the container gives it.
    fn request(&self, port: &Node, by: Asker, at: Location) -> Option<Request> {
        let said = port.text()?;
        let named = ports_of(self.node)
            .into_iter()
            .find(|(name, _)| *name == Some(said));
        let number = match named {
            Some((_, number)) => number?,
            None => said,
        };
        let port = number.parse().ok()?;
        Some(Request { port, by, at })
    }

    /// Is a port this container's, and no other's of the pod?
    fn owns(&self, port: u16) -> bool {
        let is_declared = |container: &Node| {
            let mut ports = ports_of(container).into_iter();
            ports.any(|(_, number)| number.and_then(|number| number.parse().ok()) == Some(port))
        };
        let mut others = super::container_nodes(self.pod)
            .filter(|(node, is_of_init)| {
                !is_of_init || node.get("restartPolicy").and_then(Node::text) == Some("Always")
            })
            .map(|(node, _)| node)
            .filter(|node| node.span != self.node.span)
            .peekable();
        others.peek().is_none() || (is_declared(self.node) && !others.any(is_declared))
    }

    fn is_on_host(&self) -> bool {
        self.pod.get("hostNetwork").and_then(Node::flag) == Some(true)
    }

    /// Is a proxy put in front of it: by a mesh, or as Knative does for its Services?
    fn is_proxied(&self) -> bool {
        let object = self.owner.object;
        let metadata = match object.kind.as_str() {
            "Service" => return true,
            "Pod" => object.node.get("metadata"),
            _ => object.node.at(&["spec", "template", "metadata"]),
        };
        let marks = ["annotations", "labels"].map(|key| metadata.and_then(|node| node.get(key)));
        marks
            .into_iter()
            .flatten()
            .flat_map(Node::entries)
            .any(|(key, _)| {
                let key = key.text().unwrap_or_default().to_ascii_lowercase();
                PROXIES.iter().any(|word| key.contains(word))
            })
    }
}
