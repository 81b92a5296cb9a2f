//! IMG002.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::graph::workload::Workload;
use crate::repository::Repository;
use crate::rules::about::{about, modules, pythons, set_env, stage};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// A program that prints to stdout, in an image without `PYTHONUNBUFFERED` and without `python -u`.
    ///
    /// ## Why
    /// In a container stdout is a pipe, and CPython then collects 8 KiB before it writes. Lines arrive late, in lumps, and
    /// those of the last moments before an OOM kill or the SIGKILL at the end of the grace period never do: just those that
    /// would have said why. `logging` writes to stderr, which is written line by line since Python 3.9, so that only
    /// programs that `print` are named.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3.12-slim
    /// CMD ["python", "-m", "shop"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// ENV PYTHONUNBUFFERED=1
    /// ```
    ///
    /// ## Fix
    /// Safe: the variable is set. Output is the same, only sooner; a program that prints much makes more system calls.
    ///
    /// ## References
    /// - <https://docs.python.org/3/using/cmdline.html#envvar-PYTHONUNBUFFERED>
    pub(in crate::rules) static RULE = {
        id: "IMG002",
        name: "buffered-output",
        title: "what the program printed last is lost when it is killed",
        family: Family::Img,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some(server) = workload.server() else {
            continue;
        };
        let is_set = workload
            .variable("PYTHONUNBUFFERED")
            .is_some_and(|value| !value.is_empty());
        if is_set || server.is_unbuffered {
            continue;
        }
        let Some((print, count)) = prints(context.repository, workload) else {
            continue;
        };
        let at = stage(context.repository, workload).map_or(workload.at, |(_, stage)| stage.from);
        let message =
            "PYTHONUNBUFFERED is not set: what was printed last is lost when the program is killed";
        let note = match count {
            1 => "prints to stdout".to_owned(),
            2 => "prints to stdout, here and at one more place".to_owned(),
            _ => format!("prints to stdout, here and at {} more places", count - 1),
        };
        let finding = Finding::new(&RULE, at, message).because(print, note);
        let edit = set_env(context.repository, workload, "PYTHONUNBUFFERED", "1");
        let finding =
            finding.fix(edit.map(|edit| Fix::safe("write each line at once", vec![edit])));
        findings.push(about(finding, workload));
    }
}

/// The first `print` that writes to a buffered stdout, and how many there are.
fn prints(repository: &Repository, workload: &Workload) -> Option<(Location, usize)> {
    let calls = modules(repository, workload).flat_map(|(_, module)| &module.calls);
    let calls = calls.filter(|call| {
        let is_other = |keyword: &str| matches!(keyword, "file" | "flush");
        let mut keywords = call
            .arguments
            .iter()
            .filter_map(|argument| argument.keyword.as_deref());
        call.name == "print" && !keywords.any(is_other)
    });
    let places: Vec<Location> = calls.map(|call| call.at).collect();
    Some((*places.first()?, places.len()))
}
