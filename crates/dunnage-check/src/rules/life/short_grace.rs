//! LIFE006.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, replace_scalar};
use crate::graph::Workload;
use crate::parse::command::ServerKind;
use crate::rules::manifest::{Manifest, answers_requests, python_services};
use crate::rules::{Context, Family, Persona, rule};

/// Less than this is no time to finish requests in, in seconds.
const SHORT: u32 = 10;
/// What Kubernetes gives by itself, in seconds.
const USUAL: u32 = 30;

rule! {
    /// ## What it finds
    ///
    /// A pod that answers requests and whose `terminationGracePeriodSeconds` is below 10. (Where the server's own time to
    /// stop is known, LIFE005 compares the two instead.)
    ///
    /// ## Why
    ///
    /// The grace period is everything there is between SIGTERM and SIGKILL: the `preStop` hook, the requests that are
    /// running, `atexit`, the last batch of logs and spans. SIGKILL cannot be caught, and what it ends has no traceback. With
    /// 0 there is no SIGTERM that anything could react to.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   terminationGracePeriodSeconds: 5
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// spec:
    ///   terminationGracePeriodSeconds: 30
    /// ```
    ///
    /// A pod that has finished earlier ends earlier.
    ///
    /// ## Fix
    ///
    /// Unsafe: 30 s, which is the default of Kubernetes.
    ///
    /// ## References
    ///
    /// - [Pod termination](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination)
    pub(super) static RULE = {
        id: "LIFE006",
        name: "short-grace",
        title: "too little time between SIGTERM and SIGKILL to finish requests",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Keeps the last part of the grace period free to record what was still running.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let life = &workload.life;
        let Some(at) = life.grace_at else {
            continue;
        };
        if life.grace >= SHORT || !answers_requests(workload) || is_counted(workload) {
            continue;
        }
        let (severity, message) = if life.grace == 0 {
            let message =
                "a grace period of 0 s: SIGKILL comes at once, and every running request is cut";
            (Severity::Error, message.to_owned())
        } else {
            let message = format!(
                "SIGKILL comes {} s after the pod is told to end, preStop included: running requests are cut",
                life.grace
            );
            (Severity::Warning, message)
        };
        let finding = Finding::new(&RULE, at, message)
            .severity(severity)
            .within(workload);
        findings.push(finding.fix(fix(&manifest)));
    }
}

/// Where the server's own time to stop is known, LIFE005 compares the two and says by how much.
fn is_counted(workload: &Workload) -> bool {
    workload.life.grace > 0
        && workload.server().is_some_and(|server| {
            server.graceful_timeout.is_some() || server.kind == ServerKind::Gunicorn
        })
}

fn fix(manifest: &Manifest<'_>) -> Option<Fix> {
    let node = manifest.pod.get("terminationGracePeriodSeconds")?;
    Some(Fix::changing(
        format!("give {USUAL} s"),
        vec![replace_scalar(manifest.target, node, &New::plain(USUAL))?],
    ))
}
