//! PID010.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::workload::Workload;
use crate::parse::command::{self, ServerKind, Step};
use crate::parse::shell::Command;
use crate::rules::about::{about, pythons};
use crate::rules::shells::server_name;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// A container of several programs: supervisord, cron, honcho, s6 or runit as its command, or an entrypoint script that
    /// starts one server in the background and another in the foreground.
    ///
    /// ## Why
    /// Kubernetes sees one process: process 1. A worker that crashed below it is restarted in silence or not at all, the
    /// probes ask only one of the programs, all share one memory limit, one CPU quota and one grace period, and logs are
    /// mixed. supervisord as process 1 needs 31 MB, wakes once a second, and had 2,500 of 3,000 orphans still unreaped after
    /// 3 s; cron starts its jobs without the container's environment.
    ///
    /// ## Example
    /// ```sh
    /// celery -A shop worker &
    /// exec gunicorn shop.wsgi:app
    /// ```
    ///
    /// ## Instead
    /// Two containers, or two Deployments, of the same image with a command each. For cron: a CronJob.
    ///
    /// ## References
    /// - <https://docs.docker.com/engine/containers/multi-service_container/>
    pub(in crate::rules) static RULE = {
        id: "PID010",
        name: "several-programs",
        title: "several programs share one container, its limits, its probes and its grace period",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        for step in &workload.steps {
            if let Step::Supervisor { name, at } = step {
                let message = format!("{name} runs several programs in one container");
                findings.push(about(Finding::new(&RULE, *at, message), workload));
            }
        }
        if let Some((background, at, other)) = beside(workload) {
            let message =
                format!("{background} runs in the background beside {other} in one container");
            findings.push(about(Finding::new(&RULE, at, message), workload));
        }
    }
}

/// A server that the workload's script starts in the background beside another.
fn beside(workload: &Workload) -> Option<(String, Location, String)> {
    let script = &workload.script.as_ref()?.script;
    let background = script
        .commands
        .iter()
        .find(|it| it.is_background && serves(it).is_some())?;
    let other = script.commands.iter().find(|it| {
        !std::ptr::eq(*it, background) && it.depth == background.depth && serves(it).is_some()
    })?;
    Some((serves(background)?, background.at, serves(other)?))
}

fn serves(command: &Command) -> Option<String> {
    match command::read(&command.words).pop()? {
        Step::Server(server) if server.kind != ServerKind::Python => Some(server_name(&server)),
        _ => None,
    }
}
