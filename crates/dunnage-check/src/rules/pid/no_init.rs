//! PID005.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::{server_name, step_at};
use crate::parse::command::{ServerKind, Step};
use crate::rules::about::{about, pythons, use_dunnage};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A server that handles SIGTERM itself and is process 1, without an init. It works; it is shown to the pedantic only.
    /// Where it does harm other rules say so: PID004 for programs that make processes, LIFE001 for those that ignore
    /// SIGTERM, PID001 to PID003 for shells.
    ///
    /// ## Why
    /// For process 1 the kernel drops every signal that it has no handler for: a SIGTERM that arrives while the server is
    /// still importing the application is lost, and `kill -QUIT` or a fault that raises a signal by itself does not end it.
    /// What `kubectl exec` and health checks leave behind is reaped by process 1 or by nobody.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["uvicorn", "main:app"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// ENTRYPOINT ["dunnage", "run", "--"]
    /// CMD ["uvicorn", "main:app"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: install dunnage and start the program under it.
    ///
    /// ## References
    /// - pid_namespaces(7), "The namespace init process"
    pub(in crate::rules) static RULE = {
        id: "PID005",
        name: "no-init",
        title: "a server is process 1, without an init",
        family: Family::Pid,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Pedantic,
        by_run: "is the init",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context)
        .filter(|workload| workload.is_service() && workload.life.foreign_init.is_none())
    {
        let Some(first @ Step::Server(server)) = workload.first() else {
            continue;
        };
        let Some(at) = step_at(first).filter(|_| server.kind != ServerKind::Python) else {
            continue;
        };
        let message = format!("{} is process 1, without an init", server_name(server.kind));
        let mut finding = Finding::new(&RULE, at, message);
        finding = finding.fix(use_dunnage(context.repository, workload));
        findings.push(about(finding, workload));
    }
}
