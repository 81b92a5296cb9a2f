//! Shutdown of a container.

use super::{Cluster, Container, place};
use crate::graph::workload::Life;
use crate::parse::yaml::Node;
use crate::source::{Location, Stated};

/// What Kubernetes gives where a pod says nothing, in seconds.
const DEFAULT_GRACE: u32 = 30;

impl Container<'_> {
    /// How it is ended, and who notices.
    pub fn life(&self, cluster: &Cluster<'_>) -> Life {
        let owner = &self.owner.object;
        let grace = self.pod.get("terminationGracePeriodSeconds");
        let restart = self.pod.get("restartPolicy").and_then(Node::text);
        let shared = self
            .pod
            .get("shareProcessNamespace")
            .filter(|node| node.flag() == Some(true));
        let is_job = matches!(owner.kind.as_str(), "Job" | "CronJob");
        Life {
            grace: grace
                .and_then(|node| node.number()?.try_into().ok())
                .unwrap_or(DEFAULT_GRACE),
            grace_at: grace.map(|node| self.place(node)),
            pre_stop: self.pre_stop(),
            service: cluster.service_of(self),
            is_only_scraped: cluster.is_only_scraped(self),
            most_pods: cluster.most_pods(&self.owner),
            foreign_init: shared.map(|node| self.place(node)),
            is_finite: is_job || self.is_init || restart.is_some_and(|policy| policy != "Always"),
            spot: self.spot(),
            stop_signal: self.get("lifecycle").and_then(|(file, node)| {
                let signal = node.get("stopSignal")?;
                let stated = Stated::new(signal.text()?.to_owned(), place(file, signal));
                Some(Box::new(stated))
            }),
        }
    }

    fn pre_stop(&self) -> Option<Stated<Option<u32>>> {
        let (file, lifecycle) = self.get("lifecycle")?;
        let hook = lifecycle.get("preStop").filter(|hook| !hook.is_null())?;
        let sleep = hook.at(&["sleep", "seconds"]).and_then(Node::number);
        let seconds = match sleep {
            Some(seconds) => u32::try_from(seconds).ok(),
            None => hook.at(&["exec", "command"]).and_then(slept),
        };
        Some(Stated::new(seconds, place(file, hook)))
    }

    /// Where the pod says that it may run on machines that are taken away.
    fn spot(&self) -> Option<Location> {
        let selected = self.pod.get("nodeSelector").map(Node::entries);
        let selector = selected
            .unwrap_or_default()
            .iter()
            .find(|(key, value)| names_spot(key) || names_spot(value))
            .map(|(key, value)| (key, value));
        let tolerations = self.pod.get("tolerations").map(Node::items);
        let toleration = tolerations.unwrap_or_default().iter().find(|toleration| {
            toleration.entries().iter().any(|(key, value)| {
                matches!(key.text(), Some("key" | "value")) && names_spot(value)
            })
        });
        match (selector, toleration) {
            (Some((key, value)), _) => Some(Location {
                file: self.owner.file,
                span: key.span.to(value.span),
            }),
            (None, Some(toleration)) => Some(self.place(toleration)),
            (None, None) => self.spot_affinity(),
        }
    }

    fn spot_affinity(&self) -> Option<Location> {
        let affinity = self.pod.at(&[
            "affinity",
            "nodeAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "nodeSelectorTerms",
        ])?;
        let expressions = affinity
            .items()
            .iter()
            .filter_map(|term| term.get("matchExpressions"))
            .flat_map(Node::items);
        let wanted = expressions
            .filter(|expression| expression.get("operator").and_then(Node::text) == Some("In"))
            .find(|expression| {
                let values = expression
                    .get("values")
                    .map(Node::items)
                    .unwrap_or_default();
                values.iter().any(names_spot)
                    && values.iter().all(|value| value.text() != Some("on-demand"))
            })?;
        Some(self.place(wanted))
    }
}

/// `spot` or `preemptible` as a word of a key or a value: `cloud.google.com/gke-spot`, `SPOT`; not `hotspot`.
fn names_spot(node: &Node) -> bool {
    let text = node.text().unwrap_or_default().to_ascii_lowercase();
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| matches!(word, "spot" | "preemptible"))
}

/// The seconds of `sleep N` in a command, alone or within a shell's text; none if it does something else as well as
/// sleep for a time that is not written.
fn slept(command: &Node) -> Option<u32> {
    let text: Vec<&str> = command.items().iter().filter_map(Node::text).collect();
    let text = text.join(" ");
    let mut words = text
        .split(|c: char| c.is_whitespace() || c == ';' || c == '&')
        .filter(|word| !word.is_empty());
    words.find(|word| matches!(word.rsplit('/').next(), Some("sleep")))?;
    let seconds: f64 = words.next()?.trim_end_matches('s').parse().ok()?;
    (0.0..1e9).contains(&seconds).then(|| seconds.ceil() as u32)
}
