//! PID009.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::command::Step;
use crate::rules::about::{about, pythons};
use crate::rules::shells::program;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A tool that starts the program as its child and stays: `doppler run`, `infisical run`, `dockerize`, `sudo`,
    /// `timeout`, `time`, `xvfb-run`, `watchmedo auto-restart`.
    ///
    /// ## Why
    /// Whether SIGTERM reaches the program, whether its exit code comes through and who reaps orphans is then that tool's
    /// business. Tools that become what they start have no such question and are not named: `ddtrace-run`,
    /// `opentelemetry-instrument`, `newrelic-admin`, `gosu`, `su-exec`, `env`, `chamber exec`, `wait-for-it`, `nice`,
    /// `poetry run`, `dotenv run` from 1.2 on.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["sudo", "-u", "app", "python", "-m", "shop"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// USER app
    /// CMD ["python", "-m", "shop"]
    /// ```
    ///
    /// ## References
    /// - <https://github.com/tianon/gosu#why>
    pub(in crate::rules) static RULE = {
        id: "PID009",
        name: "tool-in-front",
        title: "a tool stays in front of the program, and signals and exit codes are its business",
        family: Family::Pid,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    const TOOLS: [&str; 8] = [
        "doppler run",
        "infisical run",
        "dockerize",
        "sudo",
        "timeout",
        "time",
        "xvfb-run",
        "watchmedo auto-restart",
    ];
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        for step in &workload.steps {
            if let Step::Wrapper { name, at, .. } = step
                && TOOLS.contains(&name.as_str())
            {
                let message = format!(
                    "`{name}` stays in front of {}: signals and exit codes pass through it",
                    program(workload)
                );
                findings.push(about(Finding::new(&RULE, *at, message), workload));
            }
        }
    }
}
