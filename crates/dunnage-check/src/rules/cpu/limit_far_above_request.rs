//! CPU008.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::cpu_in_words;
use crate::rules::manifest::{python_services, times};
use crate::rules::{Context, Family, Persona, rule};

/// From here on what a quiet node gives says little about a busy one.
const WIDE: u64 = 4;

rule! {
    /// ## What it finds
    ///
    /// A CPU limit that is at least four times the request.
    ///
    /// ## Why
    ///
    /// The request is what the container gets when the node is busy; the limit is what it gets when the node is idle.
    /// Pools and worker counts are sized for the limit, load tests are run on quiet nodes: the first busy node then gives a
    /// quarter of what was measured, without a single throttled period to show for it. What shows it is CPU pressure
    /// (`cpu.pressure`), not `nr_throttled`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// resources:
    ///   requests: {cpu: 100m}
    ///   limits: {cpu: "2"}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// resources:
    ///   requests: {cpu: "1"}
    ///   limits: {cpu: "2"}
    /// ```
    ///
    /// ## Fix
    ///
    /// None: only a measurement tells what the container needs.
    ///
    /// ## References
    ///
    /// - [Resource management for pods and containers](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/)
    /// - [Pressure stall information](https://docs.kernel.org/accounting/psi.html)
    pub(super) static RULE = {
        id: "CPU008",
        name: "limit-far-above-request",
        title: "a CPU limit far above the request promises what a busy node does not give",
        family: Family::Cpu,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Pedantic,
        by_run: "Reports throttling and CPU pressure, so that it can be seen which of the two slows the program down.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, _) in python_services(context) {
        let (Some(limit), Some(request)) = (&workload.limits.cpu, &workload.limits.cpu_request)
        else {
            continue;
        };
        if limit.value < request.value.saturating_mul(WIDE) || request.value == 0 {
            continue;
        }
        let message = format!(
            "the CPU limit of {} is {} times the request of {}: on a busy node this container gets the request",
            cpu_in_words(limit.value),
            times(limit.value, request.value),
            cpu_in_words(request.value)
        );
        let finding = Finding::new(&RULE, limit.at, message)
            .within(workload)
            .because(
                request.at,
                format!("the request is {}", cpu_in_words(request.value)),
            );
        findings.push(finding);
    }
}
