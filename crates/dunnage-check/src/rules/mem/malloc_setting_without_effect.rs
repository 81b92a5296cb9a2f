//! MEM005.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::dockerfile::Libc;
use crate::rules::about::{about, pythons, stage};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A variable for glibc's allocator (`MALLOC_ARENA_MAX`, `MALLOC_TRIM_THRESHOLD_`, `MALLOC_MMAP_THRESHOLD_`,
    /// `MALLOC_TOP_PAD_`) in an image whose C library is musl.
    ///
    /// This rule is not the one that its number had in older lists: those asked for `MALLOC_ARENA_MAX=2` everywhere. In
    /// measurements it returned nothing that `malloc_trim` does not, and it costs speed where threads allocate, so no rule
    /// asks for it.
    ///
    /// ## Why
    /// Alpine's programs use musl's `malloc`, which has no arenas and reads none of these variables. The line looks like a
    /// measure against growth and is none; whoever looks for the growth later believes that it was taken care of.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3.12-alpine
    /// ENV MALLOC_ARENA_MAX=2
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// FROM python:3.12-slim
    /// ```
    /// if the growth is of glibc's kind, or no such line.
    ///
    /// ## Fix
    /// None by itself.
    ///
    /// ## References
    /// - mallopt(3), "Environment variables"
    /// - <https://wiki.musl-libc.org/functional-differences-from-glibc.html>
    pub(in crate::rules) static RULE = {
        id: "MEM005",
        name: "malloc-setting-without-effect",
        title: "a variable for glibc's allocator in an image with musl",
        family: Family::Mem,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

const VARIABLES: [&str; 4] = [
    "MALLOC_ARENA_MAX",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.base.libc == Libc::Musl) {
        for name in VARIABLES {
            let Some(stated) = workload
                .environment
                .get(name)
                .filter(|stated| !stated.value.is_empty())
            else {
                continue;
            };
            let message = format!("{name} has no effect: the image's C library is musl");
            let mut finding = Finding::new(&RULE, stated.at, message);
            if let Some((_, stage)) = stage(context.repository, workload) {
                finding =
                    finding.because(stage.base.at, format!("is built from {}", stage.base.value));
            }
            findings.push(about(finding, workload));
        }
    }
}
