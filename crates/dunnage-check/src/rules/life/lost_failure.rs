//! LIFE011.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target};
use crate::graph::workload::Workload;
use crate::parse::command::Step;
use crate::parse::shell::{self, Command, Script};
use crate::rules::about::{about, pythons};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span};

rule! {
    /// ## What it finds
    /// A Job, CronJob or init container whose `sh -c` text goes on after a command that failed, or whose program writes into
    /// a pipe.
    ///
    /// ## Why
    /// A shell's exit code is that of the last command. In `a; b` and on lines of their own the failure of `a` is gone once
    /// `b` has run; in `a | tee log` the code is that of `tee`. Kubernetes then marks the Job complete, does not retry it,
    /// and starts the application after a migration that never happened. `set -e` ends the text at the first failure;
    /// `set -o pipefail` (bash, busybox) lets a pipe fail with any of its parts.
    ///
    /// ## Example
    /// ```yaml
    /// command: ["sh", "-c", "python manage.py migrate; python manage.py loaddata shop"]
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// command: ["sh", "-c", "set -e; python manage.py migrate; python manage.py loaddata shop"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: `set -e` first. A command that was meant to fail in silence now ends the text.
    ///
    /// ## References
    /// - <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#set>
    /// - <https://kubernetes.io/docs/concepts/workloads/controllers/job/#handling-pod-and-container-failures>
    pub(in crate::rules) static RULE = {
        id: "LIFE011",
        name: "lost-failure",
        title: "a Job succeeds though one of its commands failed",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| !workload.is_service()) {
        let Some((text, exits_on_error)) = text_of(workload) else {
            continue;
        };
        let target = Target::of(context.repository, text.file);
        let Some((written, start)) = inside(target, text) else {
            continue;
        };
        let script = shell::parse(written, start, text.file);
        let (at, message, fix) = if let Some(command) = lost_in_pipe(&script) {
            let message = format!("the exit code of {} is lost in a pipe", what(command));
            (command.at, message, None)
        } else if let Some(command) = lost_in_list(&script).filter(|_| !exits_on_error) {
            let message = format!("{} may fail unseen: the text goes on", what(command));
            (command.at, message, Some(set_e(target, &script)))
        } else {
            continue;
        };
        let mut finding = Finding::new(&RULE, at, message);
        finding = finding.fix(fix.flatten());
        findings.push(about(finding, workload));
    }
}

/// The text that its shell was given, and whether it ends at the first failure.
fn text_of(workload: &Workload) -> Option<(Location, bool)> {
    workload.steps.iter().find_map(|step| match step {
        Step::Shell {
            at, exits_on_error, ..
        } => Some((*at, *exits_on_error)),
        _ => None,
    })
}

/// The text without its quotes or its block's first line, and where it begins. None where it holds escapes.
fn inside(target: Target<'_>, text: Location) -> Option<(&str, u32)> {
    let written = target.slice(text.span);
    let start = text.span.start;
    match written.as_bytes().first()? {
        b'|' | b'>' => {
            // a folded block joins its lines: not what is written
            let head = written.find('\n').filter(|_| written.starts_with('|'))? + 1;
            Some((&written[head..], start + head as u32))
        }
        b'"' | b'\'' => {
            let inner = written.get(1..written.len().checked_sub(1)?)?;
            (!inner.contains(['\\', '\n'])).then_some((inner, start + 1))
        }
        _ => Some((written, start)),
    }
}

fn works(command: &Command) -> bool {
    let is_harmless = matches!(
        command.name(),
        "sleep" | "cd" | "mkdir" | "ls" | "date" | "env" | "source" | "." | "cat" | "rm" | "kill"
    );
    !command.is_aside() && !is_harmless && !command.is_background && !command.is_tested
}

fn lost_in_list(script: &Script) -> Option<&Command> {
    if script.exits_on_error {
        return None;
    }
    let before = script.commands.get(..script.last_list)?;
    before
        .iter()
        .find(|command| works(command) && command.depth == 0)
}

fn lost_in_pipe(script: &Script) -> Option<&Command> {
    if script.has_pipefail {
        return None;
    }
    let is_lost =
        |command: &&Command| works(command) && command.is_piped_on && command.name() != "echo";
    let found = script.commands.iter().find(is_lost)?;
    // only what is a program of its own: `ps | grep` is looked at for its last
    let is_program = matches!(
        crate::parse::command::read(&found.words).pop(),
        Some(Step::Server(_))
    );
    is_program.then_some(found)
}

fn what(command: &Command) -> String {
    let words = command.words.iter().take(3).map(|word| word.text.as_str());
    format!("`{}`", words.collect::<Vec<_>>().join(" "))
}

fn set_e(target: Target<'_>, script: &Script) -> Option<Fix> {
    let first = script.commands.first()?;
    let at = first.at.span.start;
    Some(Fix::changing(
        "end the text at the first failure",
        vec![target.replace(Span { start: at, end: at }, "set -e; ")],
    ))
}
