//! PROBE003.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, set};
use crate::graph::render::cpu_in_words;
use crate::graph::workload::{Probe, Workload};
use crate::parse::command::ServerKind;
use crate::rules::manifest::{Manifest, python_services};
use crate::rules::reach::is_reached;
use crate::rules::{Context, Family, Persona, rule};

/// From this limit on a container is rarely stopped for so long that a second passes.
const ROOMY: u64 = 2_000;
/// Up to this one it is stopped for half of every busy period.
const TIGHT: u64 = 500;
/// What is advised, in seconds.
const ADVISED: u32 = 5;

rule! {
    /// ## What it finds
    ///
    /// A liveness probe with a timeout of one second, which is the default, on a container whose CPU limit is below 2. A
    /// `tcpSocket` probe is not meant: the kernel accepts for the program. Nor is an `exec` probe, unless it asks the program
    /// over HTTP. An info from a limit of 1 on where one event loop serves: one thread can hardly use the quota up.
    /// Nothing where no probe reaches the server as it is (NET001, NET002).
    ///
    /// ## Why
    ///
    /// The probe's answer comes from the same process, under the same quota, behind the requests that are already there. A
    /// container at its limit stands still for up to 90 of every 100 ms, so 300 ms of work become seconds: at `500m` a
    /// thread that slept 1 ms woke up 34 to 76 ms late (99th percentile, matrix products, cgroup v1), for every step of the
    /// answer. Three late answers and the kubelet kills a program that was only busy; the others take its load and are next.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// resources: {limits: {cpu: 500m}}
    /// livenessProbe:
    ///   httpGet: {path: /healthz, port: 8000}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// resources: {limits: {cpu: 500m}}
    /// livenessProbe:
    ///   httpGet: {path: /healthz, port: 8000}
    ///   timeoutSeconds: 5
    /// ```
    ///
    /// ## Fix
    ///
    /// Unsafe: the timeout becomes 5 s. A program that hangs is restarted some seconds later.
    ///
    /// ## References
    ///
    /// - [Configure probes](https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes)
    /// - [CFS bandwidth control](https://docs.kernel.org/scheduler/sched-bwc.html)
    pub(super) static RULE = {
        id: "PROBE003",
        name: "liveness-timeout-under-quota",
        title: "a liveness probe of one second under a small CPU limit kills what is busy",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Answers `/livez` (`--listen`) from PID 1, apart from the application's threads; the quota still holds for both.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let (Some(live), Some(limit)) = (&workload.probes.liveness, &workload.limits.cpu) else {
            continue;
        };
        let (seconds, written) = live.timeout;
        let is_short = seconds <= 1 && limit.value < ROOMY;
        if !is_short || !asks_the_program(live) || !is_reached(context, workload) {
            continue;
        }
        let default = if written.is_none() {
            ", the default"
        } else {
            ""
        };
        let message = format!(
            "the liveness probe waits 1 s{default}, and a CPU limit of {} makes a busy program slower than that: {} late answers and it is killed",
            cpu_in_words(limit.value),
            live.failures
        );
        let finding = Finding::new(&RULE, written.unwrap_or(live.at), message)
            .severity(severity(workload, limit.value))
            .within(workload)
            .because(
                limit.at,
                format!("the CPU limit is {}", cpu_in_words(limit.value)),
            );
        findings.push(finding.fix(fix(&manifest, live)));
    }
}

/// Does the answer come from the program, so that it waits behind its work?
fn asks_the_program(live: &Probe) -> bool {
    let clients = ["curl", "wget", "urllib", "requests", "httpx", "http://"];
    if live.exec.is_empty() {
        !live.action.starts_with("tcp")
    } else {
        clients.iter().any(|client| live.action.contains(client))
    }
}

/// Does one event loop serve, a thread that cannot use more than one CPU?
fn is_one_loop(workload: &Workload) -> bool {
    workload.server().is_some_and(|server| {
        let workers = server.workers.as_ref().map_or(1, |workers| workers.value);
        let is_known = server.unknown.is_empty();
        let is_loop = matches!(
            server.kind,
            ServerKind::Uvicorn | ServerKind::Hypercorn | ServerKind::Daphne | ServerKind::FastApi
        );
        is_loop && is_known && workers == 1
    })
}

fn severity(workload: &Workload, limit: u64) -> Severity {
    if limit >= 1_000 && is_one_loop(workload) {
        Severity::Info
    } else if limit <= TIGHT {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn fix(manifest: &Manifest<'_>, live: &Probe) -> Option<Fix> {
    let node = manifest.container.get("livenessProbe")?;
    let key = manifest.container.key("livenessProbe")?;
    // a patch's probe is mended where it stands
    (manifest.at(key) == live.at).then_some(())?;
    let edit = set(
        manifest.target,
        node,
        &["timeoutSeconds"],
        &New::plain(ADVISED),
    )?;
    Some(Fix::changing(format!("wait {ADVISED} s"), vec![edit]))
}
