//! IMG004.

use crate::finding::{Confidence, Finding, Severity};
use crate::rules::about::{about, pythons, stage};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Stated;

rule! {
    /// ## What it finds
    /// An image with a Python that gets no security fixes any more, and an image of Python whose tag moves on to the next
    /// minor version by itself.
    ///
    /// ## Why
    /// CPython mends security holes of a version for five years. `python`, `python:latest`, `python:3` and `python:slim` are
    /// another minor version after some rebuild in October, with other wheels, removed modules and, between 3.13 and 3.14,
    /// another way to start processes.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// FROM python:3.13-slim
    /// ```
    ///
    /// ## References
    /// - <https://devguide.python.org/versions/>
    pub(in crate::rules) static RULE = {
        id: "IMG004",
        name: "old-or-moving-python",
        title: "the image's Python is out of support, or changes by itself",
        family: Family::Img,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// The month after which a version gets no security fixes (PEPs 373, 478, 494, 537, 569, 596, 619).
fn end_of_life(version: (u8, u8)) -> Option<&'static str> {
    Some(match version {
        (2, _) => "January 2020",
        (3, 0..=5) => "September 2020",
        (3, 6) => "December 2021",
        (3, 7) => "June 2023",
        (3, 8) => "October 2024",
        (3, 9) => "October 2025",
        (3, 10) => "October 2026",
        _ => return None,
    })
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let base = stage(context.repository, workload).map(|(_, stage)| &stage.base);
        let Some(image) = base.or(workload.image.as_ref()) else {
            continue;
        };
        if let Some((major, minor)) = workload.base.python
            && let Some(since) = end_of_life((major, minor))
        {
            let message = format!("Python {major}.{minor} has had no security fixes since {since}");
            findings.push(about(Finding::new(&RULE, image.at, message), workload));
        } else if moves(image) && workload.base.python.is_none() {
            let message = format!("`{}` becomes another Python by itself", image.value);
            let finding = Finding::new(&RULE, image.at, message).severity(Severity::Info);
            findings.push(about(finding, workload));
        }
    }
}

/// `python` by a tag that names no minor version.
fn moves(image: &Stated<String>) -> bool {
    if image.value.contains(['@', '$']) {
        return false;
    }
    let last = image.value.rsplit('/').next().unwrap_or_default();
    let (name, tag) = last.split_once(':').unwrap_or((last, ""));
    let first = tag.split('-').next().unwrap_or_default();
    name == "python"
        && matches!(
            first,
            "" | "latest" | "3" | "slim" | "alpine" | "bookworm" | "trixie"
        )
}
