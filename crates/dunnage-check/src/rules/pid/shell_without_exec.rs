//! PID002.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Target;
use crate::graph::workload::Workload;
use crate::parse::dockerfile::Form;
use crate::parse::shell;
use crate::repository::Repository;
use crate::rules::about::{about, pythons, runs_dunnage, stage};
use crate::rules::shells::{self, Staying, mended, shell_note, staying};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// `sh -c "…"` written out, in a Dockerfile, a manifest or a Compose file, without `exec` before the program.
    ///
    /// ## Why
    /// JSON form does not help where the words are a shell's: dash starts the program as its child and stays as process 1.
    /// It has no handler for SIGTERM, so the kernel drops the signal, and the container is killed at the end of the grace
    /// period (measured: 5 of 5 forms with dash 0.5.12, `cd`, `export`, `|` and `||` among them). bash and busybox become a
    /// plain last command by themselves; where the image's shell is known to do so, this rule is silent. busybox does not
    /// where a line break stands behind it (tried with 1.35), as at the end of a block `|` or `>` of YAML; `|-` leaves it
    /// out.
    ///
    /// An info in a Compose file for a developer's machine, where nobody is woken by a stop of 10 s: a program for development
    /// (`runserver`, `--reload`), the project's own source mounted over the image's without a restart policy, `develop.watch`
    /// that synchronises files, or a folder of examples. A warning there for a worker, whose tasks are lost. A service that
    /// another one waits for to end well (`service_completed_successfully`) is no service, nor is one of `restart: "no"` that
    /// neither serves nor loops.
    ///
    /// ## Example
    /// ```yaml
    /// command: ["sh", "-c", "cd /app && gunicorn shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// command: ["sh", "-c", "cd /app && exec gunicorn shop.wsgi:app"]
    /// ```
    ///
    /// ## Fix
    /// Safe: `exec` before the last command. Nothing changes but that the shell is gone once it has nothing more to do.
    /// Unsafe: dunnage as the init of an image whose own command this is, too where a server has several workers.
    ///
    /// ## References
    /// - <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#exec>
    pub(in crate::rules) static RULE = {
        id: "PID002",
        name: "shell-without-exec",
        title: "`sh -c` without exec leaves a shell in front of the program, which then never hears SIGTERM",
        family: Family::Pid,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "passes signals on to the children of a shell that stays",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        if runs_dunnage(workload) {
            continue;
        }
        for shell in staying(workload) {
            if is_shell_form(context.repository, workload, shell.at) {
                continue;
            }
            let target = Target::of(context.repository, shell.at.file);
            if shells::handles_term(&shell::parse(target.slice(shell.at.span), 0, shell.at.file)) {
                continue;
            }
            let finding = describe(&shell, workload);
            let mend = shell.become_program(target);
            let finding = mended(finding, context.repository, workload, mend);
            findings.push(about(finding, workload));
        }
    }
}

/// That is PID001's.
fn is_shell_form(repository: &Repository, workload: &Workload, at: Location) -> bool {
    let Some((_, stage)) = stage(repository, workload) else {
        return false;
    };
    [&stage.entrypoint, &stage.command]
        .into_iter()
        .flatten()
        .any(|start| start.arguments == at && matches!(start.form, Form::Shell(_)))
}

fn describe(shell: &Staying, workload: &Workload) -> Finding {
    let subject = format!("`{} -c`", shell.name);
    let mut finding = shell.finding(&RULE, shell.last, &subject, workload);
    if let (Some(note), Some(image), "sh") = (
        shell_note(workload.base.shell),
        &workload.image,
        shell.name.as_str(),
    ) {
        finding = finding.because(image.at, note);
    }
    finding
}
