//! PID006.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, words};
use crate::parse::command::{Init, Server};
use crate::rules::about::{about, pythons};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// An init that signals the whole process group, in front of a Celery worker with processes: dumb-init without
    /// `--single-child`, tini or catatonit with `-g`.
    ///
    /// ## Why
    /// Celery's main process answers SIGTERM with a warm shutdown: it waits until the running tasks have ended. Its pool
    /// processes have the default disposition for SIGTERM. When the init sends the signal to the group, they die at once,
    /// in the middle of their tasks, while the main process waits for them. Airflow's Helm chart turns dumb-init's group
    /// mode off for this reason.
    ///
    /// ## Example
    /// ```dockerfile
    /// ENTRYPOINT ["dumb-init", "--"]
    /// CMD ["celery", "-A", "shop", "worker"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// ENTRYPOINT ["dumb-init", "--single-child", "--"]
    /// ```
    /// For dumb-init in an image that is not yours: `DUMB_INIT_SETSID=0` in the environment.
    ///
    /// ## Fix
    /// Unsafe: dumb-init gets `--single-child`. What else the group held no longer hears the signal from the init.
    ///
    /// ## References
    /// - <https://github.com/celery/celery/issues/4795>
    /// - <https://github.com/apache/airflow/pull/18068>
    pub(in crate::rules) static RULE = {
        id: "PID006",
        name: "group-signals",
        title: "an init that signals the whole group ends Celery's tasks in the middle",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "signals the program alone, and the rest once it has ended",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some(init) = workload.init().filter(|init| init.signals_group) else {
            continue;
        };
        let is_off = init.name == "dumb-init" && workload.variable("DUMB_INIT_SETSID") == Some("0");
        if is_off || !workload.server().is_some_and(Server::forks_for_tasks) {
            continue;
        }
        let message = format!(
            "{} sends SIGTERM to Celery's pool processes too: they die in the middle of their tasks",
            init.name
        );
        let mut finding = Finding::new(&RULE, init.at, message);
        let target = Target::of(context.repository, init.at.file);
        finding = finding.fix(single_child(target, init));
        findings.push(about(finding, workload));
    }
}

fn single_child(target: Target<'_>, init: &Init) -> Option<Fix> {
    let is_written = target.slice(init.at.span).contains("dumb-init");
    if init.name != "dumb-init" || !is_written {
        return None;
    }
    Some(Fix::changing(
        "let dumb-init signal its child alone",
        vec![words::insert_after(
            target,
            init.at.span,
            &["--single-child"],
        )?],
    ))
}
