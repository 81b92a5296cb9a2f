//! LIFE009.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::Workload;
use crate::parse::command::{ServerKind, Step};
use crate::rules::about::pythons;
use crate::rules::shells::stays_deaf;
use crate::rules::term::{self, Hears};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    ///
    /// A pod that is sent to spot or preemptible nodes, and whose program does not learn of SIGTERM: a shell or a wrapper
    /// is PID 1 and keeps it, or Python is PID 1 and no module of the program installs a handler.
    ///
    /// ## Why
    ///
    /// A spot node is taken away with 25 to 120 seconds of notice (GKE 25, Azure 30, AWS 120), and the pod gets what is
    /// left of it as SIGTERM and grace. For PID 1 a signal without a handler is ignored, so the notice passes unused and
    /// SIGKILL ends the work in the middle, several times a day instead of at a rollout. Jobs count too: they lose all
    /// work since their last checkpoint.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// nodeSelector: {cloud.google.com/gke-spot: "true"}
    /// containers:
    /// - name: train
    ///   command: [python, train.py]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```python
    /// signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # then `finally` and `atexit` run
    /// ```
    ///
    /// ## Fix
    ///
    /// None here: what has to be saved is yours to say. `dunnage run --` before the command makes SIGTERM end a Python.
    ///
    /// ## References
    ///
    /// - [pid_namespaces(7)](https://man7.org/linux/man-pages/man7/pid_namespaces.7.html)
    /// - [GKE Spot VMs: graceful termination](https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms)
    pub(super) static RULE = {
        id: "LIFE009",
        name: "spot-without-shutdown",
        title: "a spot node's notice passes unused",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "Is PID 1 itself and forwards SIGTERM, which then ends a Python that has no handler; `--term exit` lets `finally` and `atexit` run.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some(spot) = workload
            .life
            .spot
            .filter(|_| workload.life.foreign_init.is_none())
        else {
            continue;
        };
        let Some((at, why)) = deaf(context, workload) else {
            continue;
        };
        let message = format!(
            "this pod runs on nodes that are taken away, and {why}: the notice passes unused, then SIGKILL"
        );
        let finding = Finding::new(&RULE, spot, message)
            .within(workload)
            .because(at, why);
        findings.push(finding);
    }
}

/// Who is PID 1 and does not react to SIGTERM.
fn deaf(context: &Context<'_>, workload: &Workload) -> Option<(Location, &'static str)> {
    match workload.first()? {
        Step::Shell { at, .. } | Step::Script { at, .. } if stays_deaf(workload) => {
            Some((*at, "a shell is PID 1 and keeps SIGTERM to itself"))
        }
        Step::Server(server) if server.kind == ServerKind::Python => {
            let is_known = !workload.modules.is_empty();
            let at = server.app.as_ref().map_or(workload.at, |app| app.at);
            (is_known && term::hears(context.repository, workload) == Hears::No)
                .then_some((at, "Python is PID 1 and has no handler for SIGTERM"))
        }
        _ => None,
    }
}
