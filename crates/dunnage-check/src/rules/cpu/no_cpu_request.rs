//! CPU009.

use crate::finding::{Confidence, Finding, Severity};
use crate::rules::manifest::python_services;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python container whose `resources` name memory, but neither a request nor a limit of CPU. (A container without
    /// any `resources` is MEM001's; where only the limit is written, Kubernetes takes it as the request.)
    ///
    /// ## Why
    ///
    /// A request of nothing is a `cpu.shares` of 2, where a request of one CPU is 1,024: on a busy node the kernel gives
    /// this container a five-hundredth of what its neighbour gets, and the scheduler puts it where there is no CPU left,
    /// since it asked for none. Nothing is throttled and no counter says so; requests just take seconds.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// resources:
    ///   limits: {memory: 512Mi}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// resources:
    ///   requests: {cpu: 500m}
    ///   limits: {memory: 512Mi}
    /// ```
    ///
    /// ## Fix
    ///
    /// None: what the program needs at its usual load is to be measured.
    ///
    /// ## References
    ///
    /// - [How Kubernetes applies resource requests](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#how-pods-with-resource-limits-are-run)
    pub(super) static RULE = {
        id: "CPU009",
        name: "no-cpu-request",
        title: "a container without a CPU request gets what others leave",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let limits = &workload.limits;
        let names_memory = limits.memory.is_some() || limits.memory_request.is_some();
        if limits.cpu.is_some() || limits.cpu_request.is_some() || !names_memory {
            continue;
        }
        let Some(resources) = manifest.container.key("resources") else {
            continue;
        };
        let message = "no CPU request: on a busy node this container gets a five-hundredth of the share of one that requests 1 CPU";
        findings.push(Finding::new(&RULE, manifest.at(resources), message).within(workload));
    }
}
