//! MEM002.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, replace_scalar};
use crate::graph::Workload;
use crate::graph::kubernetes::Cluster;
use crate::rules::manifest::{Manifest, memory, python_services, times};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A memory request below the memory limit. (Where only the limit is written, Kubernetes takes it as the request.)
    ///
    /// ## Why
    ///
    /// The scheduler counts requests. What lies between request and limit is lent to several pods at once, and memory, unlike
    /// CPU, cannot be taken back: when the node runs short, the kubelet evicts those that use more than they requested, and
    /// the kernel kills by an `oom_score_adj` that grows as the request shrinks. A Python worker seldom shrinks once it has
    /// grown, so it stays above its request.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// resources:
    ///   requests: {memory: 256Mi}
    ///   limits: {memory: 2Gi}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// resources:
    ///   requests: {memory: 2Gi}
    ///   limits: {memory: 2Gi}
    /// ```
    ///
    /// ## Fix
    ///
    /// Unsafe: the request becomes the limit. The pod then needs a node with that much to spare.
    ///
    /// ## References
    ///
    /// - [Pod quality of service classes](https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/)
    /// - [Node-pressure eviction](https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/)
    pub(super) static RULE = {
        id: "MEM002",
        name: "memory-request-below-limit",
        title: "memory between request and limit is lent, and called back by a kill",
        family: Family::Mem,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Pedantic,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let cluster = Cluster::of(context.repository);
    for (workload, manifest) in python_services(context) {
        let limits = &workload.limits;
        let (Some(limit), Some(request)) = (&limits.memory, &limits.memory_request) else {
            continue;
        };
        if request.value >= limit.value || cluster.is_sized_by_autoscaler(&manifest.owner) {
            continue;
        }
        let message = format!(
            "{} of memory is promised to this container, and it may grow to {}, {} times as much: on a full node it is evicted for that",
            memory(request.value),
            memory(limit.value),
            times(limit.value, request.value)
        );
        let is_wide = limit.value > request.value.saturating_mul(2);
        let severity = if is_wide {
            Severity::Warning
        } else {
            Severity::Info
        };
        let finding = Finding::new(&RULE, request.at, message)
            .severity(severity)
            .within(workload)
            .because(limit.at, format!("the limit is {}", memory(limit.value)));
        findings.push(finding.fix(fix(workload, &manifest)));
    }
}

fn fix(workload: &Workload, manifest: &Manifest<'_>) -> Option<Fix> {
    let resources = manifest.container.get("resources")?;
    let request = resources.at(&["requests", "memory"])?;
    let limit = resources.at(&["limits", "memory"])?.text()?;
    (workload.limits.memory_request.as_ref()?.at.span == request.span).then_some(())?;
    Some(Fix::changing(
        format!("request the limit of {limit}"),
        vec![replace_scalar(
            manifest.target,
            request,
            &New::plain(limit),
        )?],
    ))
}
