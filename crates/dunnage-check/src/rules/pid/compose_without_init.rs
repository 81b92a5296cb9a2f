//! PID012.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, insert_key};
use crate::parse::command::Step;
use crate::rules::manifest::python_compose;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python service of a Compose file without `init: true` whose image has no init, and whose PID 1 is Python, a server
    /// in Python, or a shell. Where that does harm for certain, PID004 (children that nobody reaps) and LIFE001 (SIGTERM
    /// ignored) say so to everybody.
    ///
    /// ## Why
    ///
    /// PID 1 gets every orphan of the container and has to reap it, and a signal that it has no handler for is ignored. A
    /// Python does neither: `docker compose stop` waits ten seconds and kills, and each child of a child that outlives its
    /// parent stays as a zombie. `init: true` puts Docker's own tini before the program: one line, nothing to install.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// services:
    ///   worker:
    ///     build: .
    ///     command: python -m worker
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// services:
    ///   worker:
    ///     build: .
    ///     init: true
    ///     command: python -m worker
    /// ```
    ///
    /// ## Fix
    ///
    /// Safe: adds `init: true`. The program becomes PID 7 or so; it gets the same signals.
    ///
    /// ## References
    ///
    /// - [Compose: init](https://docs.docker.com/reference/compose-file/services/#init)
    /// - [pid_namespaces(7)](https://man7.org/linux/man-pages/man7/pid_namespaces.7.html)
    pub(super) static RULE = {
        id: "PID012",
        name: "compose-without-init",
        title: "a Compose service without an init: Python is PID 1",
        family: Family::Pid,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Pedantic,
        by_run: "Is the init: reaps, forwards signals, and does more than `init: true`.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, _, service, target) in python_compose(context) {
        let has_init = workload.life.foreign_init.is_some() || workload.init().is_some();
        // `init: ${INIT}` and `init: false` are decisions
        if has_init || service.get("init").is_some() {
            continue;
        }
        let who = match workload.first() {
            Some(Step::Server(_)) => "Python",
            Some(Step::Shell { .. }) => "a shell",
            _ => continue,
        };
        let message = format!(
            "{who} is process 1: it ignores signals that it has no handler for, and reaps no orphans"
        );
        let finding = Finding::new(&RULE, workload.at, message).within(workload);
        let edit = insert_key(target, service, "init", &New::plain("true"));
        findings.push(
            finding.fix(
                edit.map(|edit| Fix::safe("put Docker's init before the program", vec![edit])),
            ),
        );
    }
}
