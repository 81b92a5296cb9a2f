//! LIFE004.

use super::ignores_sigterm::{flask_run, ignores};
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::fix::yaml::{New, set};
use crate::graph::workload::{StartPlace, Workload};
use crate::parse::command::ServerKind;
use crate::rules::about::runs_dunnage;
use crate::rules::img::serves_for_development;
use crate::rules::manifest::{Manifest, is_dashboard, is_mlflow, is_unseen, python_services};
use crate::rules::shells::{staying, stays_deaf};
use crate::rules::{Context, Family, Persona, rule};

/// Seconds that an endpoint's removal usually takes to reach every node, and some.
const SLEEP: u32 = 5;

rule! {
    /// ## What it finds
    ///
    /// A Python container that a Service of the repository sends requests to, without a `preStop` hook, and without `dunnage
    /// run --drain-delay`. It comes once the signal reaches the server: not where a shell that stays or may stay, `conda
    /// run`, `hatch run` or a Python that ignores it is process 1. That one serves on until it is killed, which is another
    /// finding (PID002, PID003, PID008, LIFE001). Not where a server for development or a reloader serves, which is IMG001,
    /// and not where no second pod could answer meanwhile: one replica of a Deployment whose strategy is Recreate, or of a
    /// StatefulSet, is gone before the next one starts, with or without a sleep. Nor where no request reaches the server as
    /// it is (NET001, NET002), or none but a scrape: a port of metrics, by its name or by
    /// `prometheus_client.start_http_server`.
    ///
    /// An info for one replica: who keeps one bears that nobody answers while its node is drained, which is longer than these
    /// seconds. An autoscaler's maximum and a count of Kustomize are counted as replicas. An info, too, for a dashboard
    /// (Celery's flower, TensorBoard), for Streamlit, whose sessions break with their pod, for MLflow, whose clients try
    /// again, for a program that is seen to end by itself, and where neither the command nor the image's Dockerfile is known.
    ///
    /// ## Why
    ///
    /// When a pod ends, two things begin at once: the kubelet sends SIGTERM, and the endpoint is taken out of the Service,
    /// which has to travel to every node's rules, every ingress and every client's keep-alive pool. For those seconds new
    /// requests arrive at a server that has just closed its socket: each rollout gives a burst of refused connections. A
    /// `preStop` that only sleeps keeps the server serving until nobody sends any more.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// containers:
    /// - name: web
    ///   image: shop
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// containers:
    /// - name: web
    ///   image: shop
    ///   lifecycle:
    ///     preStop:
    ///       sleep: {seconds: 5}
    /// ```
    ///
    /// `sleep` needs Kubernetes 1.30; before that `exec: {command: [sleep, "5"]}`, if the image has it.
    ///
    /// ## Fix
    ///
    /// Unsafe: adds a sleep of 5 s. It comes out of `terminationGracePeriodSeconds`, and the pod ends that much later.
    ///
    /// ## References
    ///
    /// - [Pod termination](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination)
    /// - [Termination process for Services](https://kubernetes.io/docs/tutorials/services/pods-and-endpoint-termination-flow/)
    pub(super) static RULE = {
        id: "LIFE004",
        name: "no-pre-stop",
        title: "requests still arrive after SIGTERM, at a server that has closed",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "`--drain-delay 5s` turns readiness off and waits before it forwards SIGTERM; the default is 0.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let life = &workload.life;
        let Some(service) = life.service else {
            continue;
        };
        // what SIGTERM does not reach serves on until it is killed
        let is_deaf = stays_deaf(workload)
            || !staying(workload).is_empty()
            || flask_run(workload).is_some()
            || ignores(context.repository, workload).is_some();
        let is_pointless = manifest.is_replaced_alone(workload)
            || serves_for_development(context.repository, workload);
        if life.pre_stop.is_some() || is_deaf || is_pointless || drains(context, workload) {
            continue;
        }
        if workload.missed.is_some() || life.is_only_scraped {
            continue;
        }
        let message = "no preStop: for some seconds after SIGTERM the Service still sends requests to a server that has closed";
        let mut finding = Finding::new(&RULE, workload.at, message)
            .within(workload)
            .because(service, "a Service sends requests to it");
        // who keeps one pod bears that nobody answers while its node is drained, or while it starts anew
        let is_borne_anyway = life.most_pods <= 1;
        let wakes_nobody = is_dashboard(workload)
            || is_borne(workload)
            || !workload.is_service()
            || is_unseen(workload);
        if is_borne_anyway || wakes_nobody {
            finding = finding.severity(Severity::Info);
        }
        findings.push(finding.fix(fix(&manifest)));
    }
}

/// Is a refused request borne: by Streamlit's pages, whose sessions break with their pod anyway, and by MLflow's clients,
/// which try again?
fn is_borne(workload: &Workload) -> bool {
    let is_streamlit = workload
        .server()
        .is_some_and(|server| server.kind == ServerKind::Streamlit);
    is_streamlit || is_mlflow(workload)
}

/// Does `dunnage run` wait before it forwards SIGTERM?
fn drains(context: &Context<'_>, workload: &Workload) -> bool {
    if !runs_dunnage(workload) {
        return false;
    }
    let is_set = workload.environment.contains_key("DUNNAGE_DRAIN_DELAY");
    let places = match &workload.start {
        Some(StartPlace::Dockerfile {
            entrypoint,
            command,
        }) => [entrypoint, command].map(|start| start.as_ref().map(|start| start.at)),
        Some(StartPlace::Manifest { command, arguments }) => [*command, *arguments],
        None => [None, None],
    };
    is_set
        || places.into_iter().flatten().any(|at| {
            let source = &context.repository.file(at.file).source;
            source.slice(at.span).contains("--drain-delay")
        })
}

fn fix(manifest: &Manifest<'_>) -> Option<Fix> {
    let path = ["lifecycle", "preStop", "sleep", "seconds"];
    let edit = set(
        manifest.target,
        manifest.container,
        &path,
        &New::plain(SLEEP),
    )?;
    Some(Fix::changing(
        format!("sleep {SLEEP} s before SIGTERM"),
        vec![edit],
    ))
}
