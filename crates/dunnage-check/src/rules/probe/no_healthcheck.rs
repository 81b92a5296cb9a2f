//! PROBE008.

use crate::finding::{Confidence, Finding, Severity};
use crate::parse::Model;
use crate::rules::manifest::{answers_requests, python_compose};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    ///
    /// A Python service of a Compose file that others depend on, and that has no healthcheck in the file. Kubernetes
    /// ignores `HEALTHCHECK` and is never asked for one.
    ///
    /// ## Why
    ///
    /// `depends_on` alone waits for the process, not for the program: what depends on it connects while Python still
    /// imports. With `condition: service_healthy` and no healthcheck at all, Compose refuses to start.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// services:
    ///   api: {build: .}
    ///   proxy: {image: nginx, depends_on: [api]}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// services:
    ///   api:
    ///     build: .
    ///     healthcheck: {test: [CMD, curl, -fs, http://localhost:8000/ready], interval: 10s}
    ///   proxy: {image: nginx, depends_on: {api: {condition: service_healthy}}}
    /// ```
    ///
    /// ## Fix
    ///
    /// None: only you know what tells that the program can work.
    ///
    /// ## References
    ///
    /// - [Compose: depends_on](https://docs.docker.com/reference/compose-file/services/#depends_on)
    /// - [Control startup order](https://docs.docker.com/compose/how-tos/startup-order/)
    pub(super) static RULE = {
        id: "PROBE008",
        name: "no-healthcheck",
        title: "services start before the one that they depend on can answer",
        family: Family::Probe,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "Answers `/readyz` (`--listen`), which a healthcheck can ask.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, compose, service, target) in python_compose(context) {
        let name = workload.name.trim_start_matches("service ");
        let has_own =
            service.get("healthcheck").is_some() || image_has_healthcheck(context, workload);
        if has_own || !answers_requests(workload) {
            continue;
        }
        let dependent = compose.services.iter().find_map(|(other, node)| {
            let depends = node.get("depends_on")?;
            let listed = depends
                .items()
                .iter()
                .find(|item| item.text() == Some(name));
            let place = listed.or_else(|| depends.key(name))?;
            Some((other, place))
        });
        let Some((other, place)) = dependent else {
            continue;
        };
        let message = format!(
            "no healthcheck: service {other} starts when this process exists, not when it can answer"
        );
        let at = crate::source::Location {
            file: target.file,
            span: place.span,
        };
        let finding = Finding::new(&RULE, workload.at, message).within(workload);
        findings.push(finding.because(at, format!("service {other} depends on it")));
    }
}

/// Whether the image may bring one: an image that is not built here, or a Dockerfile that says `HEALTHCHECK`.
fn image_has_healthcheck(context: &Context<'_>, workload: &crate::graph::Workload) -> bool {
    let Some(built) = workload.built else {
        return true;
    };
    let file = context.repository.file(built.file);
    matches!(file.model, Model::Dockerfile(_))
        && file
            .source
            .text
            .to_ascii_uppercase()
            .contains("\nHEALTHCHECK")
}
