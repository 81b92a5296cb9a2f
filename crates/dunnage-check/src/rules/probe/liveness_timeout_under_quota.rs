//! PROBE003.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, set};
use crate::graph::render::cpu_in_words;
use crate::graph::workload::{Probe, Workload};
use crate::parse::command::ServerKind;
use crate::repository::Repository;
use crate::rules::compute::{
    computes, computes_in_threads, imports, processes_at_once, threads_at_once,
};
use crate::rules::manifest::{Manifest, python_services};
use crate::rules::probe::one_worker_for_requests_and_probe::is_one_by_one;
use crate::rules::{Context, Family, Persona, rule};

/// From this limit on a container is rarely stopped for so long that a second passes.
const ROOMY: u64 = 2_000;
/// From this one on, which one thread of Python cannot use up, it is stopped for what runs beside it only.
const ONE: u64 = 1_000;
/// Up to this one it is stopped for half of every busy period.
const TIGHT: u64 = 500;
/// Up to this one even a small program's start and its seldom work take a multiple of a second.
const TINY: u64 = 200;
/// From so many threads for each CPU on it does not help that they mostly wait.
const MANY: u64 = 8;
/// So many are no crowd under any limit: a development server has them that starts one for each request.
const FEW: u64 = 2;
/// What is advised, in seconds.
const ADVISED: u32 = 5;

rule! {
    /// ## What it finds
    ///
    /// A liveness probe with a timeout of one second, which is the default, on a container whose CPU limit is below 2. A
    /// `tcpSocket` probe is not meant: the kernel accepts for the program. Nor is an `exec` probe, unless it asks the program
    /// over HTTP. Nothing where no probe reaches the server as it is (NET001, NET002).
    ///
    /// How bad it is depends on what the files show of the program:
    ///
    /// - Below a limit of 1 it is a warning where the program computes (its modules import NumPy, pandas, a library of models or
    ///   documents, or it installs one and is not among the files itself), where several processes share the limit, where there
    ///   are 8 threads for each CPU, where one sync worker of gunicorn answers one request after the other, and up to `200m`,
    ///   where the start alone takes five times its CPU. Up to `500m` it is an error where the program computes or several
    ///   processes share the limit.
    /// - From a limit of 1 on it is a warning where the program computes in more processes or threads than the limit has CPUs,
    ///   also in those that Polars, PyTorch and the like start for each CPU of the node; where there are 8 for each CPU; and of
    ///   MLflow and Airflow, whose own workers are four.
    /// - Else it is an info: one process that mostly waits for others (a small API, a to-do list) rarely uses up its quota for
    ///   so long that three answers in a row are late.
    ///
    /// Streamlit answers the probe beside the program's threads: never an error, and only what is imported counts.
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
        let Some(severity) = severity(context, workload) else {
            continue;
        };
        let (Some(live), Some(limit)) = (&workload.probes.liveness, &workload.limits.cpu) else {
            continue;
        };
        let written = live.timeout.1;
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
            .severity(severity)
            .within(workload)
            .because(
                limit.at,
                format!("the CPU limit is {}", cpu_in_words(limit.value)),
            );
        findings.push(finding.fix(fix(&manifest, live)));
    }
}

/// Does the limit make the liveness probe of this container late, and how bad is it? Other rules ask, who would say the
/// same once more.
pub(in crate::rules) fn severity(context: &Context<'_>, workload: &Workload) -> Option<Severity> {
    let live = workload.probes.liveness.as_ref()?;
    let limit = workload.limits.cpu.as_ref()?.value;
    let is_short = live.timeout.0 <= 1 && limit < ROOMY;
    (is_short && asks_the_program(live) && workload.missed.is_none()).then(|| {
        if limit >= ONE {
            from_one_on(context.repository, workload, limit)
        } else {
            below_one(context.repository, workload, limit)
        }
    })
}

/// Does the answer come from the program, so that it waits behind its work?
pub(super) fn asks_the_program(live: &Probe) -> bool {
    let clients = ["curl", "wget", "urllib", "requests", "httpx", "http://"];
    if live.exec.is_empty() {
        !live.action.starts_with("tcp")
    } else {
        clients.iter().any(|client| live.action.contains(client))
    }
}

fn from_one_on(repository: &Repository, workload: &Workload, limit: u64) -> Severity {
    let threads = threads_at_once(repository, workload);
    let is_more = threads * 1_000 > limit || computes_in_threads(repository, workload);
    if is_more && is_felt(repository, workload) || is_crowded(threads, limit) {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn below_one(repository: &Repository, workload: &Workload, limit: u64) -> Severity {
    let is_busy = processes_at_once(workload) > 1 || is_felt(repository, workload);
    if is_busy && limit <= TIGHT && !is_beside(workload) {
        Severity::Error
    } else if is_busy
        || limit <= TINY
        || is_crowded(threads_at_once(repository, workload), limit)
        || workload.server().is_some_and(is_one_by_one)
    {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// Does it compute, for so long that the probe feels it?
fn is_felt(repository: &Repository, workload: &Workload) -> bool {
    if is_beside(workload) {
        imports(repository, workload).is_some()
    } else {
        computes(repository, workload)
    }
}

/// Does Streamlit answer the probe, on its own loop, while the program runs in other threads?
fn is_beside(workload: &Workload) -> bool {
    let server = workload.server();
    server.is_some_and(|server| server.kind == ServerKind::Streamlit)
}

fn is_crowded(threads: u64, limit: u64) -> bool {
    threads > FEW && threads * 1_000 >= MANY * limit
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
