//! FILE001.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::Model;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Dockerfile, manifest, Compose file, script or module that its parser does not understand. Nothing in it was
    /// checked, and workloads that it is part of are known in part only.
    ///
    /// ## Why
    ///
    /// A checker that skips silently what it cannot read looks like one that found nothing. Helm and Jinja templates
    /// (with `{{`) are no finding: they are counted in the last line; check what they render to.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: web
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: web}
    /// ```
    ///
    /// If the file is right for the tool that reads it (a dialect, another template language), leave it out with
    /// `exclude` in `dunnage.toml`.
    pub(super) static RULE = {
        id: "FILE001",
        name: "does-not-parse",
        title: "a file is not understood, so nothing in it was checked",
        family: Family::File,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (_, file) in context.repository.files() {
        if let Model::Unparsed { message, at } = &file.model {
            findings.push(Finding::new(
                &RULE,
                *at,
                format!("not understood: {message}"),
            ));
        }
    }
}
