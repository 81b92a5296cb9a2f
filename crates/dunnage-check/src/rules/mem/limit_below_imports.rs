//! MEM003.

use super::footprint::at_least;
use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::bytes_in_words;
use crate::rules::about::{about, pythons};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A memory limit that the imports of one process fill: it is below what the program's packages were measured to take
    /// (an error), or less than half as much again (a warning).
    ///
    /// ## Why
    /// A package costs memory before it has done anything. The numbers are the anonymous memory of a process that imports it
    /// and nothing else, over a bare interpreter (CPython 3.11.7, glibc 2.36, x86-64, 2026-11-29, medians of 5 or 7):
    /// scikit-learn 1.9 80 MiB, matplotlib 39, pandas 3.1 38, boto3 with one client 34, SQLAlchemy 28, Django 24, FastAPI 23,
    /// Flask 16, NumPy 9. What a set of packages takes is counted so that it is a lower bound. A program that is killed while
    /// it imports restarts, imports, and is killed again: CrashLoopBackOff with 137 and an empty log.
    ///
    /// ## Example
    /// ```yaml
    /// resources: {limits: {memory: 96Mi}}     # and scikit-learn
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// resources: {limits: {memory: 512Mi}}
    /// ```
    ///
    /// ## Fix
    /// None by itself: what the program needs beside its imports stands in no file. `dunnage doctor` in the running container
    /// says what it uses.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/tasks/configure-pod-container/assign-memory-resource/>
    pub(in crate::rules) static RULE = {
        id: "MEM003",
        name: "limit-below-imports",
        title: "the memory limit is filled by the imports alone",
        family: Family::Mem,
        severity: Severity::Error,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let (Some(limit), Some((bytes, package))) = (
            &workload.limits.memory,
            at_least(context.repository, workload),
        ) else {
            continue;
        };
        if limit.value * 2 >= bytes * 3 {
            continue;
        }
        let severity = if limit.value < bytes {
            Severity::Error
        } else {
            Severity::Warning
        };
        let message = format!(
            "the imports take at least {} of the limit of {}, {package} most of it",
            bytes_in_words(bytes),
            bytes_in_words(limit.value)
        );
        let mut finding = Finding::new(&RULE, limit.at, message).severity(severity);
        if let Some(at) = workload.packages.get(package) {
            finding = finding.because(*at, format!("{package} is a dependency"));
        }
        findings.push(about(finding, workload));
    }
}
