//! MEM001.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::rules::manifest::{python_compose, python_services};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python container without a memory limit: its own, its pod's, or a LimitRange's of the repository. A Compose service
    /// is looked at only if it has a `deploy` section, which says that it is meant for more than a laptop. An info where the
    /// program is known to end by itself: what matters there is that a Deployment starts it again and again.
    ///
    /// ## Why
    ///
    /// Without a limit the container's growth ends when the **node** has no memory left. Then the kernel chooses whom to
    /// kill by size and `oom_score_adj`, and the kubelet evicts by what exceeds its request: the process that leaks, or its
    /// neighbour. Python gives little back by itself (0.1 % of surviving small objects pin 97 % of the heap), so growth is
    /// the normal case. With a limit the kill stays in the container, is counted in its `memory.events`, and shows as
    /// `OOMKilled`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// containers:
    /// - name: web
    ///   image: shop
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// containers:
    /// - name: web
    ///   image: shop
    ///   resources:
    ///     requests: {cpu: 500m, memory: 512Mi}
    ///     limits: {memory: 512Mi}
    /// ```
    ///
    /// ## Fix
    ///
    /// By hand: the limit is the peak of the working set under load, and a quarter.
    ///
    /// ## References
    ///
    /// - [Node-pressure eviction](https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/)
    /// - [Resource management for pods and containers](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/)
    pub(super) static RULE = {
        id: "MEM001",
        name: "no-memory-limit",
        title: "a container without a memory limit takes the node's",
        family: Family::Mem,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "Watches the memory that there is, but without a limit it cannot tell how near the end is.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let limits = &workload.limits;
        if limits.memory.is_some() {
            continue;
        }
        let container = manifest.container;
        let has_none =
            limits.cpu.is_none() && limits.cpu_request.is_none() && limits.memory_request.is_none();
        let message = if has_none {
            "no resources: nothing bounds this container's memory but the node's, and on a busy node it gets the CPU that others leave"
        } else {
            "no memory limit: a leak in this container ends when the node has no memory left, and the kernel chooses whom to kill"
        };
        let node = container.key("resources").or_else(|| container.get("name"));
        let mut finding = Finding::new(&RULE, manifest.at(node.unwrap_or(container)), message);
        if workload.ends {
            finding = finding.severity(Severity::Info);
        }
        findings.push(finding.within(workload).fix(by_hand()));
    }
    for (workload, _, service, _) in python_compose(context) {
        if workload.limits.memory.is_none() && service.get("deploy").is_some() {
            let message =
                "no memory limit: a leak in this service ends when the machine has no memory left";
            let finding = Finding::new(&RULE, workload.at, message).severity(Severity::Info);
            findings.push(finding.within(workload).fix(by_hand()));
        }
    }
}

fn by_hand() -> Fix {
    Fix::by_hand("set a memory limit: the peak of the working set under load, and a quarter")
}
