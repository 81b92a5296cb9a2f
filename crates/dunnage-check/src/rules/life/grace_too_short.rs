//! LIFE005.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, yaml};
use crate::graph::render::server_name;
use crate::graph::workload::{Origin, Workload};
use crate::parse::command::{Server, ServerKind};
use crate::repository::Repository;
use crate::rules::about::{about, node, pod, pythons};
use crate::rules::shells::stays_deaf;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// A grace period that is shorter than what the shutdown takes by the other settings: the sleep of `preStop` plus the
    /// time that the server gives its requests (gunicorn's `graceful_timeout`, 30 s if nothing says otherwise; uvicorn's
    /// `--timeout-graceful-shutdown`).
    ///
    /// ## Why
    /// The grace period of a pod counts from the moment at which it is deleted, and `preStop` runs first and inside it. With
    /// `preStop: sleep 15` and a grace of 30 s the server gets SIGTERM 15 s before SIGKILL, and a request that it would have
    /// waited 30 s for is cut in the middle. Neither side says anything: the log just ends.
    ///
    /// ## Example
    /// ```yaml
    /// terminationGracePeriodSeconds: 30     # gunicorn --graceful-timeout 30
    /// lifecycle: {preStop: {sleep: {seconds: 15}}}
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// terminationGracePeriodSeconds: 50
    /// ```
    ///
    /// ## Fix
    /// Unsafe: `preStop` plus the server's time plus 5 s for the rest. A shorter `--graceful-timeout` is the other way.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination>
    /// - <https://docs.gunicorn.org/en/stable/settings.html#graceful-timeout>
    pub(in crate::rules) static RULE = {
        id: "LIFE005",
        name: "grace-shorter-than-shutdown",
        title: "the grace period ends before preStop and the server's own shutdown do",
        family: Family::Life,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// What is left of the grace for everything else.
const MARGIN: u32 = 5;

/// gunicorn's default.
const GUNICORN: u32 = 30;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context)
        .filter(|workload| workload.is_service() && workload.origin != Origin::Dockerfile)
    {
        let Some(server) = workload.server() else {
            continue;
        };
        let Some((shutdown, said)) = shutdown(server) else {
            continue;
        };
        let life = &workload.life;
        let sleep = life
            .pre_stop
            .as_ref()
            .and_then(|pre_stop| pre_stop.value)
            .unwrap_or(0);
        if stays_deaf(workload) {
            // another finding: the server does not even begin to stop
            continue;
        }
        // two defaults that differ are no decision of anybody's
        let is_decided = said.is_some() || life.grace_at.is_some() || sleep > 0;
        if !is_decided || sleep + shutdown <= life.grace {
            continue;
        }
        let at = life
            .grace_at
            .or(life.pre_stop.as_ref().map(|pre_stop| pre_stop.at))
            .or(said)
            .unwrap_or(workload.at);
        let message = message(workload, server, sleep, shutdown);
        // a default that nobody has looked at may be longer than any request
        let severity = if said.is_some() {
            Severity::Error
        } else {
            Severity::Warning
        };
        let mut finding =
            explain(Finding::new(&RULE, at, message), workload, said, server).severity(severity);
        finding = finding.fix(raise(
            context.repository,
            workload,
            sleep + shutdown + MARGIN,
        ));
        findings.push(about(finding, workload));
    }
}

/// Seconds that the server gives its requests, and where that is said.
fn shutdown(server: &Server) -> Option<(u32, Option<Location>)> {
    if let Some(timeout) = &server.graceful_timeout {
        return Some((timeout.value, Some(timeout.at)));
    }
    let is_unknown = server
        .unknown
        .iter()
        .any(|option| option.contains("graceful"));
    (server.kind == ServerKind::Gunicorn && !is_unknown).then_some((GUNICORN, None))
}

fn message(workload: &Workload, server: &Server, sleep: u32, shutdown: u32) -> String {
    let grace = workload.life.grace;
    let name = server_name(server.kind);
    if sleep == 0 {
        return format!("{name} takes up to {shutdown} s to stop, and is killed after {grace}");
    }
    format!(
        "preStop takes {sleep} s and {name} up to {shutdown} s, and the pod is killed after {grace}"
    )
}

fn explain(
    mut finding: Finding,
    workload: &Workload,
    said: Option<Location>,
    server: &Server,
) -> Finding {
    if let Some(pre_stop) = workload
        .life
        .pre_stop
        .as_ref()
        .filter(|pre_stop| pre_stop.at != finding.at)
    {
        finding = finding.because(pre_stop.at, "preStop runs first");
    }
    match said {
        Some(at) => finding.because(
            at,
            format!(
                "{} waits so long for its requests",
                server_name(server.kind)
            ),
        ),
        None => finding,
    }
}

fn raise(repository: &Repository, workload: &Workload, seconds: u32) -> Option<Fix> {
    let edit = if let Some((file, pod)) = pod(repository, workload) {
        let value = yaml::New::plain(seconds);
        yaml::set(
            Target::of(repository, file),
            pod,
            &["terminationGracePeriodSeconds"],
            &value,
        )?
    } else {
        let (file, service) = node(repository, workload)?;
        let value = yaml::New::text(format!("{seconds}s"));
        yaml::set(
            Target::of(repository, file),
            service,
            &["stop_grace_period"],
            &value,
        )?
    };
    Some(Fix::changing(format!("give it {seconds} s"), vec![edit]))
}
