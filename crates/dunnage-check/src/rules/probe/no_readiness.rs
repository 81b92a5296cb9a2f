//! PROBE001.

use crate::finding::{Confidence, Finding, Severity};
use crate::rules::manifest::{is_dashboard, is_unseen, python_services};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python container that a Service of the repository sends requests to, without a `readinessProbe`. An info for a
    /// dashboard that somebody opens now and then (Celery's flower, TensorBoard), for a program that is seen to end by
    /// itself, where neither the command nor the image's Dockerfile is known, and where no other pod could answer meanwhile:
    /// one replica of a Deployment whose strategy is Recreate, or of a StatefulSet. An autoscaler's maximum and a count of
    /// Kustomize are counted as replicas. Nothing where no request reaches the server as it is (NET001, NET002), and where
    /// all that the Service asks is a port of metrics, by its name or by `prometheus_client.start_http_server`: a scrape that
    /// is missed harms nobody.
    ///
    /// ## Why
    ///
    /// Without a readiness probe a container is ready as soon as its process exists. Python then still imports: seconds
    /// for pandas or torch, more under a CPU limit. Until the port listens, every request that the Service sends there is
    /// refused, at each rollout, each scale-up and each restart. The rollout itself goes on just as blindly: a version that
    /// dies at import replaces all that worked.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// containers:
    /// - name: web
    ///   ports: [{containerPort: 8000}]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// containers:
    /// - name: web
    ///   ports: [{containerPort: 8000}]
    ///   readinessProbe:
    ///     httpGet: {path: /ready, port: 8000}
    ///     timeoutSeconds: 5
    /// ```
    ///
    /// ## Fix
    ///
    /// By hand: only you know which path tells that the program can work.
    ///
    /// ## References
    ///
    /// - [Configure liveness, readiness and startup probes](https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/)
    pub(super) static RULE = {
        id: "PROBE001",
        name: "no-readiness",
        title: "a Service sends requests before the program can answer",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Answers `/readyz` (`--listen`), which turns unready when a shutdown begins; a probe has to be pointed at it.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let Some(service) = workload.life.service else {
            continue;
        };
        let matters = workload.missed.is_none() && !workload.life.is_only_scraped;
        if workload.probes.readiness.is_some() || !matters {
            continue;
        }
        let message =
            "no readinessProbe: requests arrive while Python still imports, and are refused";
        let mut finding = Finding::new(&RULE, workload.at, message)
            .within(workload)
            .because(service, "a Service sends requests to it");
        let wakes_nobody = is_dashboard(workload)
            || !workload.is_service()
            || is_unseen(workload)
            || manifest.is_replaced_alone(workload);
        if wakes_nobody {
            finding = finding.severity(Severity::Info);
        }
        findings.push(finding);
    }
}
