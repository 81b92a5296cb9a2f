//! IMG005.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::dockerfile::Libc;
use crate::rules::about::{about, pythons, stage};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// An Alpine image with packages that bring compiled code for computing.
    ///
    /// ## Why
    /// Alpine's C library is musl. Wheels for it are built apart, and some projects build none: with PyPI as of 2026-11-29,
    /// pip finds no musl wheel of torch,
    /// tensorflow, jaxlib, onnxruntime, xgboost, lightgbm, catboost, scikit-learn and opencv-python-headless for CPython 3.12, so that the image's build compiles them, or fails. Where there
    /// are wheels they run, over an allocator that takes one lock for all threads, and with thread stacks of 128 KiB where
    /// glibc has 8 MiB.
    ///
    /// ## Example
    /// ```dockerfile
    /// FROM python:3.12-alpine
    /// RUN pip install torch
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// FROM python:3.12-slim
    /// ```
    ///
    /// ## References
    /// - <https://peps.python.org/pep-0656/>
    /// - <https://wiki.musl-libc.org/functional-differences-from-glibc.html#Thread-stack-size>
    pub(in crate::rules) static RULE = {
        id: "IMG005",
        name: "musl-with-wheels",
        title: "compiled packages on Alpine: without wheels, or slower",
        family: Family::Img,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// Packages of which PyPI has no musl wheel.
const WITHOUT_WHEELS: &[&str] = &[
    "catboost",
    "jaxlib",
    "lightgbm",
    "onnxruntime",
    "opencv-python",
    "opencv-python-headless",
    "scikit-learn",
    "tensorflow",
    "torch",
    "xgboost",
];

/// Packages that have one.
const WITH_WHEELS: &[&str] = &["numpy", "pandas", "polars", "pyarrow", "scipy"];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.base.libc == Libc::Musl) {
        let image = stage(context.repository, workload).map(|(_, stage)| &stage.base);
        let Some(image) = image.or(workload.image.as_ref()) else {
            continue;
        };
        let of = |names: &[&str]| {
            let found = workload
                .packages
                .iter()
                .filter(|(name, _)| names.contains(&name.as_str()));
            found
                .map(|(name, at)| (name.clone(), *at))
                .collect::<Vec<_>>()
        };
        let (missing, present) = (of(WITHOUT_WHEELS), of(WITH_WHEELS));
        let (message, severity, why) = if let [first, rest @ ..] = &missing[..] {
            let names = list(first, rest);
            (
                format!("{names} has no wheel for Alpine's C library"),
                Severity::Warning,
                first,
            )
        } else if let [first, rest @ ..] = &present[..] {
            let names = list(first, rest);
            (
                format!(
                    "{names} computes over Alpine's allocator, which has one lock for all threads"
                ),
                Severity::Info,
                first,
            )
        } else {
            continue;
        };
        let finding = Finding::new(&RULE, image.at, message)
            .severity(severity)
            .because(why.1, format!("needs {}", why.0));
        findings.push(about(finding, workload));
    }
}

fn list<T>(first: &(String, T), rest: &[(String, T)]) -> String {
    match rest {
        [] => first.0.clone(),
        [second] => format!("{} (and {})", first.0, second.0),
        _ => format!("{} (and {} more)", first.0, rest.len()),
    }
}
