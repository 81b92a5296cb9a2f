//! CPU007.

use crate::finding::{Confidence, Evidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, replace_scalar, set};
use crate::graph::Workload;
use crate::graph::render::cpu_in_words;
use crate::repository::Repository;
use crate::rules::compute;
use crate::rules::manifest::{Manifest, answers_requests, is_dashboard, python_services};
use crate::rules::probe::severity_of_late_liveness;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python container that answers requests under a CPU limit below 1. It is a warning where the files show that it will
    /// be felt:
    ///
    /// - the limit is at most `250m`, so that every request takes a multiple of its time;
    /// - the program imports what computes (NumPy, pandas, scikit-learn, Pillow, a library of models or of documents), or
    ///   installs a library of models and is not among the files itself;
    /// - its processes have several threads each, together 4 or more, that use the quota up at once.
    ///
    /// Else it is an info: a small server that mostly waits rarely uses half of a CPU. So is a dashboard (Celery's flower, TensorBoard).
    /// And so it is where PROBE003 says what the limit does to a liveness probe of 1 s: it is the same harm. What it does to
    /// many processes says CPU006.
    /// A container that nothing asks (no Service, and neither a port nor a probe) is left alone.
    ///
    /// ## Why
    ///
    /// The kernel enforces a limit in periods of 100 ms. Under `500m` one busy thread uses its 50 ms, then the whole
    /// container stands still until the period ends: every request, every probe, every heartbeat. A request that needs
    /// 85 ms of CPU then takes 97 to 99 ms at the median and up to 181 ms, against 85 and 93 without a limit, although the
    /// container used only 27 % of a CPU (limit 500m, cgroup v1, CPython 3.11, 25 requests, two runs). More threads make it
    /// worse: two use up the period in 25 ms. Python runs at most one thread of bytecode at a time, so below 1 even a
    /// program that is tuned perfectly is stopped under load.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// resources:
    ///   requests: {cpu: 250m}
    ///   limits: {cpu: 500m}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// resources:
    ///   requests: {cpu: 250m}
    ///   limits: {cpu: "1"}
    /// ```
    ///
    /// The request is what the scheduler counts and what decides on a busy node; it can stay small.
    ///
    /// ## Fix
    ///
    /// Unsafe: the limit becomes 1. A request that was not written was the limit; it is written out, so that the pod still
    /// fits where it did.
    ///
    /// ## References
    ///
    /// - [CFS bandwidth control](https://docs.kernel.org/scheduler/sched-bwc.html)
    /// - [Resource management for pods and containers](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/)
    pub(super) static RULE = {
        id: "CPU007",
        name: "cpu-limit-below-one",
        title: "a server under a CPU limit below 1 is stopped in every busy period",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Sizes every pool for the limit, so that fewer threads use it up, and says when and how long the container was stopped; it cannot raise the limit.",
        check: check,
    };
}

/// From here down a request takes at least four times the CPU that it needs.
const TIGHT_MILLICPU: u64 = 250;

/// So many threads use up half of a CPU in an eighth of the period.
const MANY_THREADS: u32 = 4;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let Some(limit) = &workload.limits.cpu else {
            continue;
        };
        if limit.value >= 1_000 || !answers_requests(workload) || !is_asked(workload, &manifest) {
            continue;
        }
        let runs = limit.value / 10;
        let message = format!(
            "a CPU limit of {} lets one busy thread run {runs} ms of every 100 ms, then the whole container stands still for the other {} ms",
            cpu_in_words(limit.value),
            100 - runs
        );
        let mut finding = Finding::new(&RULE, limit.at, message).within(workload);
        let sign = sign(context.repository, workload);
        let is_felt = sign.is_some() || limit.value <= TIGHT_MILLICPU;
        let is_said = severity_of_late_liveness(context, workload).is_some();
        if !is_felt || is_said || is_dashboard(workload) || !workload.is_service() {
            finding = finding.severity(Severity::Info);
        }
        if let Some(sign) = sign {
            finding = finding.because(sign.at, sign.note);
        }
        if let Some(service) = workload.life.service {
            finding = finding.because(service, "a Service sends requests to it");
        }
        findings.push(finding.fix(fix(workload, &manifest)));
    }
}

/// Can anything reach it: a Service, or a port or a probe beside its server?
fn is_asked(workload: &Workload, manifest: &Manifest<'_>) -> bool {
    let probes = &workload.probes;
    let has_probe = [&probes.liveness, &probes.readiness, &probes.startup]
        .iter()
        .any(|probe| probe.is_some());
    workload.life.service.is_some() || has_probe || manifest.container.get("ports").is_some()
}

/// What shows that it wants more CPU than that at once.
fn sign(repository: &Repository, workload: &Workload) -> Option<Evidence> {
    if let Some((library, at)) = compute::imports(repository, workload) {
        let note = format!("{library}, which computes, is imported");
        return Some(Evidence { at, note });
    }
    if let Some((library, at)) = compute::installs(workload).filter(|_| workload.modules.is_empty())
    {
        let note = format!("{library}, which computes, is installed");
        return Some(Evidence { at, note });
    }
    let server = workload.server()?;
    let threads = server
        .threads
        .as_ref()
        .filter(|threads| threads.value > 1)?;
    let processes = server.workers.as_ref().map_or(1, |workers| workers.value);
    let all = processes.saturating_mul(threads.value);
    (all >= MANY_THREADS).then(|| Evidence {
        at: threads.at,
        note: format!("{all} threads share it"),
    })
}

/// Only where the limit is written in the container itself: a patch or a LimitRange is for somebody else too.
fn fix(workload: &Workload, manifest: &Manifest<'_>) -> Option<Fix> {
    let resources = manifest.container.get("resources")?;
    let limit = resources.at(&["limits", "cpu"])?;
    let mut edits = vec![replace_scalar(manifest.target, limit, &New::text("1"))?];
    if workload.limits.cpu_request.is_none() {
        let request = New::text(limit.text()?);
        edits.push(set(
            manifest.target,
            resources,
            &["requests", "cpu"],
            &request,
        )?);
    }
    Some(Fix::changing(
        "raise the limit to 1 CPU and keep the request",
        edits,
    ))
}
