//! Probes of a container.

use super::{Container, place};
use crate::graph::workload::{Probe, Probes};
use crate::parse::yaml::Node;
use crate::source::Location;

impl Container<'_> {
    /// Its probes, each its own or a patch's.
    pub fn probes(&self) -> Probes {
        let read = |key: &str| {
            let (file, said) = self.said(key)?;
            let at = place(file, said.key(key)?);
            probe(self, at, said.get(key)?).map(Box::new)
        };
        Probes {
            liveness: read("livenessProbe"),
            readiness: read("readinessProbe"),
            startup: read("startupProbe"),
        }
    }

    /// The number of a port that may be named.
    fn port(&self, port: &Node) -> String {
        let Some(name) = port.text() else {
            return String::new();
        };
        let number = self
            .node
            .get("ports")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .find(|declared| declared.get("name").and_then(Node::text) == Some(name))
            .and_then(|declared| declared.get("containerPort")?.text());
        number.unwrap_or(name).to_owned()
    }
}

fn probe(container: &Container<'_>, at: Location, node: &Node) -> Option<Probe> {
    let exec: Vec<String> = node
        .at(&["exec", "command"])
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|word| word.text().map(str::to_owned))
        .collect();
    let action = if exec.is_empty() {
        network_action(container, node)?
    } else {
        format!("exec {}", exec.join(" "))
    };
    let number = |key: &str, default: u32| {
        let value = node.get(key).and_then(Node::number);
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(default)
    };
    Some(Probe {
        at,
        action,
        exec,
        timeout: (
            number("timeoutSeconds", 1),
            node.get("timeoutSeconds").map(|node| place(at.file, node)),
        ),
        period: number("periodSeconds", 10),
        failures: number("failureThreshold", 3),
        delay: number("initialDelaySeconds", 0),
    })
}

fn network_action(container: &Container<'_>, node: &Node) -> Option<String> {
    let port = |kind: &Node| {
        kind.get("port")
            .map(|port| container.port(port))
            .unwrap_or_default()
    };
    if let Some(http) = node.get("httpGet") {
        let path = http.get("path").and_then(Node::text).unwrap_or("/");
        return Some(format!("http {} {path}", port(http)));
    }
    if let Some(tcp) = node.get("tcpSocket") {
        return Some(format!("tcp {}", port(tcp)));
    }
    let grpc = node.get("grpc")?;
    let service = grpc.get("service").and_then(Node::text).unwrap_or_default();
    Some(
        format!("grpc {} {service}", port(grpc))
            .trim_end()
            .to_owned(),
    )
}
