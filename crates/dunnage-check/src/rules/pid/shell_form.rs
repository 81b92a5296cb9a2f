//! PID001.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, dockerfile};
use crate::graph::workload::Workload;
use crate::parse::dockerfile::{Form, Stage, Start};
use crate::parse::shell;
use crate::rules::about::{about, pythons, runs_dunnage, stage};
use crate::rules::shells::{self, Staying, mended, shell_note, staying};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `CMD` or `ENTRYPOINT` in shell form, in an image whose shell stays in front of the program.
    ///
    /// ## Why
    /// Docker runs shell form as `/bin/sh -c "…"`. Debian's and Ubuntu's `sh` is dash: it starts the program as a child and
    /// waits. As process 1 the shell has no handler for SIGTERM, the kernel drops the signal, and nobody passes it on: every
    /// deploy waits for the whole grace period, and then SIGKILL cuts the requests that are open. Measured with dash
    /// 0.5.12: killed after the grace in 5 of 5 forms, the program's handler never ran; the same program in JSON form
    /// ended gracefully.
    ///
    /// Below an init the shell dies of SIGTERM at once, the init ends with it, and the kernel kills the program: 0 of 12
    /// clean-ups were finished under tini, `tini -g`, dumb-init, catatonit and pid1-rs each. The exit code 143 looks
    /// graceful. Where the init passes signals to the whole group (`tini -g`, dumb-init) the program hears it and has no time to
    /// act on it: a warning.
    ///
    /// bash becomes a last command without redirections, busybox any last command: there this rule is silent.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3.12-slim
    /// CMD gunicorn shop.wsgi:app
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["gunicorn", "shop.wsgi:app"]
    /// ```
    /// With variables: `CMD ["sh", "-c", "exec gunicorn --bind :$PORT shop.wsgi:app"]`, or `CMD exec gunicorn …`.
    ///
    /// ## Fix
    /// Safe: JSON form where the text is one command that needs no shell, else `exec` before the last command. Unsafe:
    /// dunnage as the init, which passes signals on to the children of a shell that stays and reaps what workers leave; of a
    /// server with several workers `--fix=unsafe` takes both.
    ///
    /// ## References
    /// - <https://docs.docker.com/reference/dockerfile/#shell-and-exec-form>
    /// - <https://docs.docker.com/reference/build-checks/json-args-recommended/>
    pub(in crate::rules) static RULE = {
        id: "PID001",
        name: "shell-form",
        title: "shell form leaves a shell in front of the program, which then never hears SIGTERM",
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
        let Some((file, stage)) = stage(context.repository, workload) else {
            continue;
        };
        for shell in staying(workload) {
            let starts = [(&stage.entrypoint, "ENTRYPOINT"), (&stage.command, "CMD")];
            for (start, keyword) in starts {
                let Some(start) = start.as_ref().filter(|start| start.arguments == shell.at) else {
                    continue;
                };
                let Form::Shell(text) = &start.form else {
                    continue;
                };
                let script = shell::parse(text, start.arguments.span.start, file);
                if shells::handles_term(&script) {
                    continue;
                }
                let target = Target::of(context.repository, file);
                let finding = describe(workload, stage, &shell, start, keyword);
                let mend = mend(target, &shell, start, text);
                let finding = mended(finding, context.repository, workload, mend);
                findings.push(about(finding, workload));
            }
        }
    }
}

fn describe(
    workload: &Workload,
    stage: &Stage,
    shell: &Staying,
    start: &Start,
    keyword: &str,
) -> Finding {
    let subject = format!("the shell of this {keyword}");
    let finding = shell.finding(&RULE, start.at, &subject, workload);
    match shell_note(workload.base.shell) {
        Some(note) if shell.name == "sh" => finding.because(stage.base.at, note),
        _ => finding,
    }
}

fn mend(target: Target<'_>, shell: &Staying, start: &Start, text: &str) -> Option<Fix> {
    match dockerfile::split_plain(text) {
        Some(words) => Some(Fix::safe(
            "start the program without a shell",
            vec![dockerfile::to_json_form(target, start, &words)],
        )),
        None => shell.become_program(target),
    }
}
