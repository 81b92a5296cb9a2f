//! LIFE012.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::workload::Origin;
use crate::parse::command::ServerKind;
use crate::rules::about::{about, mentions, pythons};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A Celery worker in Kubernetes with the default grace period of 30 s, whose configuration does not acknowledge late.
    ///
    /// ## Why
    /// At SIGTERM a worker takes no new task and waits for those that run, for as long as they take. 30 s later the kernel
    /// kills it. A task is acknowledged when it begins, unless `task_acks_late` says otherwise: what was killed in the middle
    /// is gone from the queue and nobody starts it again.
    ///
    /// ## Example
    /// ```yaml
    /// command: [celery, -A, shop, worker]      # no terminationGracePeriodSeconds
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// terminationGracePeriodSeconds: 600       # longer than the longest task
    /// ```
    /// or, for tasks that may run twice:
    /// ```python
    /// app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
    /// ```
    ///
    /// ## Fix
    /// None by itself: how long a task takes, and whether it may run twice, stands in no file.
    ///
    /// ## References
    /// - <https://docs.celeryq.dev/en/stable/userguide/tasks.html#Task.acks_late>
    /// - <https://docs.celeryq.dev/en/stable/userguide/workers.html#stopping-the-worker>
    pub(in crate::rules) static RULE = {
        id: "LIFE012",
        name: "tasks-lost-at-stop",
        title: "a Celery worker is killed after 30 s, and its tasks were acknowledged when they began",
        family: Family::Life,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        let is_default = workload.life.grace_at.is_none()
            && matches!(workload.origin, Origin::Kubernetes { .. });
        let Some(server) = workload
            .server()
            .filter(|server| is_default && server.kind == ServerKind::Celery)
        else {
            continue;
        };
        let is_late = mentions(context.repository, workload, &["acks_late", "ACKS_LATE"]);
        let is_beat = server.app.is_none() || server.unknown.iter().any(|option| option == "beat");
        if is_late || is_beat || workload.modules.is_empty() {
            continue;
        }
        let message = "tasks that run longer than the default grace of 30 s are killed and, acknowledged early, lost";
        findings.push(about(Finding::new(&RULE, workload.at, message), workload));
    }
}
