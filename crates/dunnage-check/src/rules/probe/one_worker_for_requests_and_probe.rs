//! PROBE007.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, words};
use crate::graph::workload::{Origin, Probe, Workload};
use crate::parse::command::{Server, ServerKind};
use crate::repository::Repository;
use crate::rules::about::{about, pythons};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// gunicorn with one sync worker (its default) in one thread, behind a liveness probe over HTTP or TCP that gives up
    /// before gunicorn does. A worker that is silent for `--timeout` (30 s by default) is ended and replaced by gunicorn
    /// itself, so a probe that is as patient as that, as the default of 3 failures in 30 s, kills nothing that would not be ended: silent.
    ///
    /// ## Why
    /// A sync worker answers one request at a time. While it works on a slow one the probe waits in the listen queue; after
    /// `timeoutSeconds` (1 by default) it counts as failed, and after `failureThreshold` of them the kubelet kills a pod that
    /// is healthy and busy. The requests go to the other pods, which are now busier. `--timeout 120`, set so that a slow
    /// request may end, is of no use where the kubelet ends it after 30 s.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["gunicorn", "app:app", "--timeout=120"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["gunicorn", "app:app", "--timeout=120", "--threads=4"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe, since the application must be safe to run in threads: `--threads=4`, which makes the worker a `gthread`.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/design.html#worker-model>
    pub(in crate::rules) static RULE = {
        id: "PROBE007",
        name: "probe-behind-requests",
        title: "one sync worker answers requests and the liveness probe, one after the other",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// Seconds after which gunicorn ends a silent worker where nobody says another number.
const USUAL_TIMEOUT: u32 = 30;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| {
        matches!(workload.origin, Origin::Kubernetes { .. }) && workload.is_service()
    }) {
        let Some(server) = workload.server().filter(|server| is_one_by_one(server)) else {
            continue;
        };
        let Some(probe) = workload
            .probes
            .liveness
            .as_ref()
            .filter(|probe| probe.exec.is_empty())
        else {
            continue;
        };
        if ends_first(server, probe) {
            continue;
        }
        // WEB_CONCURRENCY, GUNICORN_CMD_ARGS may come from there
        let is_unknown = workload.unknown_environment.is_some()
            || workload.environment.contains_key("GUNICORN_CMD_ARGS");
        let message = format!(
            "one sync worker answers requests and this probe: a request of over {} s kills the pod",
            patience(probe)
        );
        let confidence = if is_unknown {
            Confidence::Low
        } else {
            Confidence::High
        };
        let mut finding = Finding::new(&RULE, probe.at, message).confidence(confidence);
        if let Some(app) = &server.app {
            finding = finding.because(app.at, "gunicorn starts 1 sync worker");
        }
        finding = finding.fix(add_threads(context.repository, workload, server));
        findings.push(about(finding, workload));
    }
}

/// Is it gunicorn with one sync worker, for certain?
pub(super) fn is_one_by_one(server: &Server) -> bool {
    let is_sync = server
        .worker_class
        .as_ref()
        .is_none_or(|class| class.value == "sync");
    let one = |value: &Option<crate::source::Stated<u32>>| {
        value.as_ref().is_none_or(|value| value.value == 1)
    };
    server.kind == ServerKind::Gunicorn
        && is_sync
        && one(&server.workers)
        && one(&server.threads)
        && server.unknown.is_empty()
        // a configuration that could not be read may say anything
        && server.config.is_none()
}

/// How long a request may take until the kubelet gives up: failures × period.
fn patience(probe: &Probe) -> u64 {
    u64::from(probe.period) * u64::from(probe.failures)
}

/// Does gunicorn end a worker that hangs no later than the probe gives up?
fn ends_first(server: &Server, probe: &Probe) -> bool {
    let timeout = server
        .timeout
        .as_ref()
        .map_or(USUAL_TIMEOUT, |timeout| timeout.value);
    // 0 is for ever
    timeout > 0 && patience(probe) >= u64::from(timeout)
}

fn add_threads(repository: &Repository, _workload: &Workload, server: &Server) -> Option<Fix> {
    let app = server.app.as_ref()?;
    let edit = words::insert_after(
        Target::of(repository, app.at.file),
        app.at.span,
        &["--threads=4"],
    )?;
    Some(Fix::changing("let the worker have 4 threads", vec![edit]))
}
