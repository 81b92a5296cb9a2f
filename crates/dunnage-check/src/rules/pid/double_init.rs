//! PID007.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, words};
use crate::rules::about::{about, pythons};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// An init inside the image that is not process 1, because Compose's `init: true` or a pod's
    /// `shareProcessNamespace: true` puts another process there, and that does not reap where it is not process 1.
    ///
    /// ## Why
    /// Orphans are handed to process 1, or to the nearest ancestor that asked for them
    /// (`prctl(PR_SET_CHILD_SUBREAPER)`). tini asks only with `-s`; without it and not as process 1 it prints a warning at
    /// every start and reaps nothing. The outer one does, so nothing is lost but the inner one's use, and the warning stays
    /// in the log.
    ///
    /// ## Example
    /// ```yaml
    /// services:
    ///   web:
    ///     build: .          # ENTRYPOINT ["tini", "--"]
    ///     init: true
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// ENTRYPOINT ["tini", "-s", "--"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: `-s` for tini. It stays quiet and works in both places. Dropping `init: true` mends this manifest only.
    ///
    /// ## References
    /// - <https://github.com/krallin/tini#subreaping>
    pub(in crate::rules) static RULE = {
        id: "PID007",
        name: "double-init",
        title: "an init below another process 1 that reaps nothing there",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "asks for orphans wherever it runs",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let (Some(init), Some(outer)) = (workload.init(), workload.life.foreign_init) else {
            continue;
        };
        if init.is_subreaper {
            continue;
        }
        let message = format!("{} is not process 1 here, so it reaps nothing", init.name);
        let mut finding =
            Finding::new(&RULE, init.at, message).because(outer, "another process is process 1");
        let target = Target::of(context.repository, init.at.file);
        let is_written = context
            .repository
            .file(init.at.file)
            .source
            .slice(init.at.span)
            .contains("tini");
        if init.name == "tini" && is_written {
            finding = finding.fix(
                words::insert_after(target, init.at.span, &["-s"]).map(|edit| {
                    Fix::changing("let tini reap where it is not process 1", vec![edit])
                }),
            );
        }
        findings.push(about(finding, workload));
    }
}
