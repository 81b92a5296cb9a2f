//! FILE001.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::workload::Workload;
use crate::parse::Model;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{FileId, Source};

rule! {
    /// ## What it finds
    ///
    /// A Dockerfile, manifest, Compose file, script or module that its parser does not understand. Nothing in it was
    /// checked, and workloads that it is part of are known in part only. An info of a module that no workload is seen to run:
    /// code of Python 2, a tool aside.
    ///
    /// ## Why
    ///
    /// A checker that skips silently what it cannot read looks like one that found nothing. Helm and Jinja templates
    /// (with `{{` or `{%`) are no finding: they are counted in the last line; check what they render to.
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
            let finding = Finding::new(&RULE, *at, format!("not understood: {message}"));
            findings.push(if is_aside(context, &file.source) {
                finding.severity(Severity::Info)
            } else {
                finding
            });
        }
    }
}

/// Is it Python that no workload is seen to run: neither named by a command nor beside a module that one runs?
fn is_aside(context: &Context<'_>, source: &Source) -> bool {
    let path = source.path.strip_suffix(".py").unwrap_or(&source.path);
    let is_module = path != source.path || source.text.lines().next().is_some_and(is_python);
    let runs = |workload: &Workload| {
        let app = workload.server().and_then(|server| server.app.as_ref());
        let is_named = app.is_some_and(|app| {
            let name = app.value.split(':').next().unwrap_or_default();
            let name = match name.strip_suffix(".py") {
                Some(name) => name.trim_start_matches("./").to_owned(),
                None => name.replace('.', "/"),
            };
            path == name || path.ends_with(&format!("/{name}"))
        });
        let is_beside =
            |id: &FileId| context.repository.file(*id).source.folder() == source.folder();
        is_named || workload.modules.iter().any(is_beside)
    };
    is_module && !context.graph.workloads.iter().any(runs)
}

fn is_python(line: &str) -> bool {
    line.starts_with("#!") && line.contains("python")
}
