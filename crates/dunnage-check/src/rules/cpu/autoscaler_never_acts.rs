//! CPU013.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::kubernetes::{Cluster, Placed};
use crate::graph::render::cpu_in_words;
use crate::graph::workload::Workload;
use crate::parse::yaml::Node;
use crate::rules::manifest::{Manifest, python_services};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    ///
    /// A HorizontalPodAutoscaler (or KEDA's `cpu` trigger) on CPU utilization that cannot act: its target lies at or above
    /// the most that the CPU limit lets the container use, or the container has no CPU request to measure by.
    ///
    /// ## Why
    ///
    /// Utilization is use divided by the **request**. The limit caps use, so it caps utilization at limit ÷ request: with a
    /// request of 500m and a limit of 500m it never exceeds 100 %, and an average over pods and seconds stays below even
    /// that. A target at the cap is never passed: pods are throttled, latency explodes, and the autoscaler sees a workload
    /// that is just right. Without a request there is no utilization at all, and the autoscaler reports
    /// `FailedGetResourceMetric` and does nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # container: requests.cpu 500m, limits.cpu 500m
    /// metrics:
    /// - type: Resource
    ///   resource: {name: cpu, target: {type: Utilization, averageUtilization: 100}}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// # container: requests.cpu 500m, limits.cpu "1"
    /// metrics:
    /// - type: Resource
    ///   resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
    /// ```
    ///
    /// ## Fix
    ///
    /// None: lower the target, or raise the limit, or write the request.
    ///
    /// ## References
    ///
    /// - [Horizontal Pod Autoscaling, algorithm details](https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details)
    pub(super) static RULE = {
        id: "CPU013",
        name: "autoscaler-never-acts",
        title: "an autoscaler on CPU whose target the limit makes unreachable",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Exports throttling (`--listen`, `/metrics`), which tells what utilization hides.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let cluster = Cluster::of(context.repository);
    for (workload, manifest) in python_services(context) {
        let Some(scaler) = cluster.autoscaler_of(&manifest.owner) else {
            continue;
        };
        let target = target_of(scaler, manifest.container).or_else(|| target_of_keda(scaler));
        if let Some(target) = target {
            judge(workload, &manifest, &target, findings);
        }
    }
}

/// A utilization that an autoscaler aims at.
struct Target {
    percent: u64,
    at: Location,
}

fn judge(
    workload: &Workload,
    manifest: &Manifest<'_>,
    target: &Target,
    findings: &mut Vec<Finding>,
) {
    let limits = &workload.limits;
    let percent = target.percent;
    let request = limits.cpu_request.as_ref().or(limits.cpu.as_ref());
    let Some(request) = request else {
        let name = manifest.container.get("name").unwrap_or(manifest.container);
        let message = format!(
            "an autoscaler aims at {percent} % of the CPU request, and this container has no request: it cannot measure, and does nothing"
        );
        let finding = Finding::new(&RULE, manifest.at(name), message)
            .confidence(Confidence::Medium)
            .within(workload);
        findings.push(finding.because(target.at, format!("the target is {percent} %")));
        return;
    };
    let Some(limit) = limits.cpu.as_ref().filter(|_| request.value > 0) else {
        return;
    };
    let most = limit.value.saturating_mul(100) / request.value;
    // an average over pods and time stays some percent below the cap
    if percent.saturating_mul(100) < most.saturating_mul(95) {
        return;
    }
    let message = format!(
        "the autoscaler waits for {percent} % of the request of {}, and the limit of {} stops the container at {most} %: it never acts",
        cpu_in_words(request.value),
        cpu_in_words(limit.value)
    );
    let finding = Finding::new(&RULE, target.at, message)
        .within(workload)
        .because(
            limit.at,
            format!("the limit is {}", cpu_in_words(limit.value)),
        );
    findings.push(finding);
}

/// `autoscaling/v1` and `v2`: of the pod, or of the container by its name.
fn target_of(scaler: &Placed<'_>, container: &Node) -> Option<Target> {
    let spec = scaler.object.node.get("spec")?;
    let at = |node: &Node| Location {
        file: scaler.file,
        span: node.span,
    };
    if let Some(node) = spec.get("targetCPUUtilizationPercentage") {
        return Some(Target {
            percent: node.number()?,
            at: at(node),
        });
    }
    let metrics = spec.get("metrics").map(Node::items).unwrap_or_default();
    metrics.iter().find_map(|metric| {
        let resource = metric.get("resource").or_else(|| {
            let resource = metric.get("containerResource")?;
            (resource.get("container")?.text() == container.get("name")?.text()).then_some(resource)
        })?;
        if resource.get("name")?.text() != Some("cpu") {
            return None;
        }
        let node = resource
            .at(&["target", "averageUtilization"])
            .or_else(|| resource.get("targetAverageUtilization"))?;
        Some(Target {
            percent: node.number()?,
            at: at(node),
        })
    })
}

fn target_of_keda(scaler: &Placed<'_>) -> Option<Target> {
    let triggers = scaler.object.node.at(&["spec", "triggers"])?;
    triggers.items().iter().find_map(|trigger| {
        let text = |key| trigger.get(key).and_then(Node::text);
        let metadata = trigger.get("metadata")?;
        let kind = text("metricType").or_else(|| metadata.get("type").and_then(Node::text));
        if text("type") != Some("cpu") || kind != Some("Utilization") {
            return None;
        }
        let node = metadata.get("value")?;
        Some(Target {
            percent: node.number()?,
            at: Location {
                file: scaler.file,
                span: node.span,
            },
        })
    })
}
