//! OBS001.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, yaml};
use crate::graph::workload::{Origin, Workload};
use crate::repository::Repository;
use crate::rules::about::{about, node, pythons, runs_dunnage};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A container without a `terminationMessagePolicy`, whose program writes no termination message. Shown to the pedantic:
    /// nothing breaks, and a night is shorter with it.
    ///
    /// ## Why
    /// `kubectl describe pod` shows why the last container ended, if it left a message. By default that is the file
    /// `/dev/termination-log`, which a Python program does not write. With `FallbackToLogsOnError` it is the last 80 lines
    /// or 2 KiB of the log of a container that failed: the traceback, without looking for the log of a pod that is gone.
    ///
    /// `PYTHONFAULTHANDLER` is not asked for here: dumping a running program with several threads crashed it in 8 of 8 runs
    /// (CPython 3.9 to 3.13), and it breaks a JVM in the same process.
    ///
    /// ## Example
    /// ```yaml
    /// containers:
    ///   - name: web
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// containers:
    ///   - name: web
    ///     terminationMessagePolicy: FallbackToLogsOnError
    /// ```
    ///
    /// ## Fix
    /// Safe: the line above. The program does not see it.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
    pub(in crate::rules) static RULE = {
        id: "OBS001",
        name: "no-last-words",
        title: "nothing tells `kubectl describe` why the program ended",
        family: Family::Obs,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Pedantic,
        by_run: "writes the termination message when the program is killed: by whom, and what it did then",
        check: check,
    };
}

const POLICY: &str = "terminationMessagePolicy";

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| {
        matches!(workload.origin, Origin::Kubernetes { .. }) && !runs_dunnage(workload)
    }) {
        let Some((_, container)) = node(context.repository, workload) else {
            continue;
        };
        if container.get(POLICY).is_some() || container.get("terminationMessagePath").is_some() {
            continue;
        }
        let mut finding = Finding::new(
            &RULE,
            workload.at,
            "no terminationMessagePolicy: `kubectl describe` will not say why it ended",
        );
        finding = finding.fix(fall_back(context.repository, workload));
        findings.push(about(finding, workload));
    }
}

fn fall_back(repository: &Repository, workload: &Workload) -> Option<Fix> {
    let (file, container) = node(repository, workload)?;
    let value = yaml::New::text("FallbackToLogsOnError");
    let edit = yaml::set(Target::of(repository, file), container, &[POLICY], &value)?;
    Some(Fix::safe("show the end of the log there", vec![edit]))
}
