//! PID016.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::rules::about::{about, pythons};
use crate::rules::shells::lost_words;
use crate::rules::{Context, Family, Persona, rule};

/// So many words show what is lost.
const SHOWN: usize = 4;

rule! {
    /// ## What it finds
    /// `sh -c` whose text is one bare word, with more words behind it, in a Dockerfile, a manifest or a Compose file.
    ///
    /// ## Why
    /// `-c` takes one word as the text. What follows becomes `$0`, `$1` and so on, which the text would have to ask for:
    /// `["sh", "-c", "celery", "-A", "shop", "worker"]` runs `celery` without an argument, which prints its usage and ends.
    /// `python` reads a program from an empty input and ends with 0. The container starts anew for ever, or is done
    /// without having done anything. Tried with dash 0.5.12, bash 5.2 and busybox 1.35.
    ///
    /// Silent where one word follows that is only a name for `$0`: `sh`, `--`, or the program's own. PID001 and PID002 say
    /// nothing here: what ends at once is not stopped.
    ///
    /// ## Example
    /// ```yaml
    /// command: ["sh", "-c", "celery", "-A", "shop", "worker"]
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// command: ["celery", "-A", "shop", "worker"]
    /// ```
    /// or, where a shell is needed, all of it as one text: `["sh", "-c", "exec celery -A shop worker"]`.
    ///
    /// ## Fix
    /// By hand: whether the shell was meant, only you know.
    ///
    /// ## References
    /// - <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/sh.html>
    pub(in crate::rules) static RULE = {
        id: "PID016",
        name: "words-lost-behind-sh-c",
        title: "`sh -c` takes one word: what stands behind it never reaches the program",
        family: Family::Pid,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some(lost) = lost_words(workload) else {
            continue;
        };
        let shown: Vec<&str> = lost
            .words
            .iter()
            .take(SHOWN)
            .map(|word| word.text.as_str())
            .collect();
        let more = if lost.words.len() > SHOWN { " …" } else { "" };
        let (shell, program) = (lost.shell, &lost.program.text);
        let message = format!(
            "`{shell} -c` runs `{program}` alone: `{}{more}` never reaches it",
            shown.join(" ")
        );
        let title = format!("leave `{shell} -c` out, or write the command as one text");
        let finding = Finding::new(&RULE, lost.program.at, message).fix(Fix::by_hand(title));
        let finding = about(finding, workload);
        // what a manifest says itself holds whatever its image is built from
        let is_whole = lost.program.at.file == workload.at.file;
        findings.push(if is_whole {
            finding.confidence(Confidence::High)
        } else {
            finding
        });
    }
}
