//! Sockets: where the server listens and who asks there.

mod loopback_listener;
mod nobody_listens_there;

use super::about::about;
use super::{Context, Rule};
use crate::finding::{Confidence, Finding, Severity};
use crate::graph::Workload;
use crate::graph::reach::{Missed, Why};
use crate::graph::workload::{Asker, Request};

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[&loopback_listener::RULE, &nobody_listens_there::RULE];

/// The workloads that do not get what is sent to them, for this reason.
fn missed<'a>(context: &Context<'a>, why: Why) -> impl Iterator<Item = (&'a Workload, &'a Missed)> {
    let workloads = context.graph.workloads.iter();
    workloads.filter_map(move |workload| {
        let missed = workload.missed.as_deref()?;
        (missed.why == why).then_some((workload, missed))
    })
}

/// A finding about it: as sure as the links are, and no error where one of them is a guess.
fn about_missed(missed: &Missed, finding: Finding, workload: &Workload) -> Finding {
    let finding = about(finding, workload);
    if missed.is_firm {
        finding.confidence(Confidence::High)
    } else {
        finding.severity(Severity::Warning)
    }
}

/// Who asks, for a link of the chain.
fn asks(request: &Request) -> String {
    let port = request.port;
    match request.by {
        Asker::Service => format!("a Service sends requests to port {port}"),
        Asker::Probe => format!("a probe asks port {port}"),
        Asker::Host => format!("a port of the host leads to port {port}"),
    }
}
