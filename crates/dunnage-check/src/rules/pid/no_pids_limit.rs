//! PID015.

use crate::finding::{Confidence, Finding, Severity};
use crate::rules::manifest::{first_call, python_compose, starts_process};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python service of a Compose file that starts processes and has no `pids_limit`. (In Kubernetes the limit is the
    /// kubelet's `podPidsLimit`; no manifest can set it, and `dunnage doctor` reads it.)
    ///
    /// ## Why
    ///
    /// Process ids are the machine's, by default 32,768 or four million. Zombies and a loop that forks use them up, and then
    /// nothing on the machine can start a process, the shell with which you would look among it. With `pids_limit` the fork
    /// fails in this container alone.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// services:
    ///   worker: {build: .}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// services:
    ///   worker: {build: ., pids_limit: 512}
    /// ```
    ///
    /// ## Fix
    ///
    /// None: threads count too, and how many the program needs is yours to say.
    ///
    /// ## References
    ///
    /// - [Compose: pids_limit](https://docs.docker.com/reference/compose-file/services/#pids_limit)
    /// - [The pids controller](https://docs.kernel.org/admin-guide/cgroup-v2.html#pid)
    pub(super) static RULE = {
        id: "PID015",
        name: "no-pids-limit",
        title: "processes that leak use up the machine's process ids",
        family: Family::Pid,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "Reaps every orphan, so that zombies do not add up.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, _, service, _) in python_compose(context) {
        let is_set = service.get("pids_limit").is_some() || workload.limits.pids.is_some();
        if is_set {
            continue;
        }
        let spawn = first_call(context, workload, starts_process);
        if let Some(at) = spawn {
            let message =
                "no pids_limit: a program that leaks processes uses up those of the whole machine";
            let finding = Finding::new(&RULE, workload.at, message).within(workload);
            findings.push(finding.because(at, "starts a process"));
        }
    }
}
