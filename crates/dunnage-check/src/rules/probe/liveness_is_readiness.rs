//! PROBE002.

use super::liveness_timeout_under_quota::severity;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, set};
use crate::graph::workload::Probe;
use crate::rules::manifest::{Manifest, python_services};
use crate::rules::{Context, Family, Persona, rule};

/// Seconds: who fails for longer than this is hardly only busy.
const BUSY: u64 = 30;

/// How much longer than readiness a liveness probe that asks the same should bear failures.
const PATIENCE: u32 = 3;

rule! {
    /// ## What it finds
    ///
    /// A liveness probe that asks what the readiness probe asks and gives up as soon. An info where that takes more than 30 s:
    /// what fails for so long may as well be restarted. An info as well where PROBE003 warns that the same probe is too short for the
    /// CPU limit: one remedy, a longer timeout, is worth most there.
    ///
    /// ## Why
    ///
    /// A server that is slow because it is busy fails both at once. Readiness alone would take it out of the Service until
    /// it has caught up; liveness kills it, the requests that it held are lost, its share goes to the others, and they
    /// fail next. If the endpoint looks at a database, an outage of the database restarts every pod. The same cheap endpoint
    /// for both is fine where liveness is much more patient, as the Kubernetes documentation advises.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// readinessProbe: {httpGet: {path: /healthz, port: 8000}}
    /// livenessProbe: {httpGet: {path: /healthz, port: 8000}}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// readinessProbe: {httpGet: {path: /healthz, port: 8000}}
    /// livenessProbe: {httpGet: {path: /healthz, port: 8000}, failureThreshold: 9}
    /// ```
    ///
    /// ## Fix
    ///
    /// Unsafe: liveness bears failures three times as long as readiness does. A program that hangs is restarted that much
    /// later.
    ///
    /// ## References
    ///
    /// - [Liveness, readiness and startup probes](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/)
    pub(super) static RULE = {
        id: "PROBE002",
        name: "liveness-is-readiness",
        title: "liveness asks what readiness asks, so being busy means being killed",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Offers `/livez` and `/readyz` (`--listen`), which are never the same: the one is about the supervisor, the other about starting, draining and memory.",
        check: check,
    };
}

/// Seconds for which a probe bears failures.
fn patience(probe: &Probe) -> u64 {
    u64::from(probe.period) * u64::from(probe.failures)
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let (Some(live), Some(ready)) = (&workload.probes.liveness, &workload.probes.readiness)
        else {
            continue;
        };
        // an exec probe that looks at a file or a socket costs nothing and seldom fails for being busy; who runs the same
        // command twice has a command that tells whether the program works
        if live.action != ready.action || patience(live) > patience(ready) {
            continue;
        }
        let message = format!(
            "liveness asks the same as readiness ({}) and gives up as soon: a busy pod is killed where it should only get no requests, after {} s",
            live.action,
            patience(live)
        );
        let finding = Finding::new(&RULE, live.at, message)
            .within(workload)
            .because(
                ready.at,
                format!("readiness gives up after {} s", patience(ready)),
            );
        let is_late = severity(context, workload).is_some_and(|late| late > Severity::Info);
        let finding = if is_late || patience(live) > BUSY {
            finding.severity(Severity::Info)
        } else {
            finding
        };
        findings.push(finding.fix(fix(&manifest, live, ready)));
    }
}

fn fix(manifest: &Manifest<'_>, live: &Probe, ready: &Probe) -> Option<Fix> {
    let node = manifest.container.get("livenessProbe")?;
    let key = manifest.container.key("livenessProbe")?;
    // a patch's probe is mended where it stands
    (manifest.at(key) == live.at).then_some(())?;
    let wanted = patience(ready) * u64::from(PATIENCE);
    let failures = wanted.div_ceil(u64::from(live.period.max(1)));
    let edit = set(
        manifest.target,
        node,
        &["failureThreshold"],
        &New::plain(failures),
    )?;
    Some(Fix::changing(
        format!("let liveness bear {failures} failures"),
        vec![edit],
    ))
}
