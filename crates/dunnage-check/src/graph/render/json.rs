//! `dunnage.graph/1`: what the tree says, for programs. Bytes and thousandths of a CPU are integers, what is not known is
//! null.

use super::super::Graph;
use super::super::workload::{Origin, Probe, Python, Workload};
use super::{place, server_name, step_in_words};
use crate::parse::command::{Server, Step};
use crate::repository::Repository;
use crate::source::{Location, Stated};
use serde_json::{Value, json};

/// As JSON, indented.
pub fn render_json(repository: &Repository, graph: &Graph) -> String {
    let workloads: Vec<Value> = graph
        .workloads
        .iter()
        .map(|workload| of_workload(repository, workload))
        .collect();
    let value = json!({ "schema": "dunnage.graph/1", "workloads": workloads });
    crate::render::pretty(&value)
}

fn of_workload(repository: &Repository, workload: &Workload) -> Value {
    let at = |location: Location| place(repository, location);
    let (limits, life) = (&workload.limits, &workload.life);
    let number = |value: &Option<Stated<u64>>| value.as_ref().map(|value| value.value);
    json!({
        "name": workload.name,
        "at": at(workload.at),
        "kind": match &workload.origin {
            Origin::Kubernetes { kind, .. } => kind.as_str(),
            Origin::Compose { .. } => "service",
            Origin::Dockerfile => "Dockerfile",
        },
        "python": match workload.python {
            Python::Yes => "yes",
            Python::No => "no",
            Python::Unknown => "unknown",
        },
        "confidence": workload.confidence,
        "image": workload.image.as_ref().map(|image| &image.value),
        "dockerfile": workload.built.map(|built| &repository.file(built.file).source.path),
        "command": workload.command.iter().map(|word| &word.text).collect::<Vec<_>>(),
        "environment": environment(workload),
        "steps": workload.steps.iter().map(|step| of_step(repository, step)).collect::<Vec<_>>(),
        "pid1": workload.first,
        "script": workload.script.as_ref().map(|script| &repository.file(script.at.file).source.path),
        "modules": workload.modules.iter().map(|id| &repository.file(*id).source.path).collect::<Vec<_>>(),
        "packages": workload.packages.keys().collect::<Vec<_>>(),
        "limits": {
            "millicpu": number(&limits.cpu),
            "millicpu_request": number(&limits.cpu_request),
            "memory_bytes": number(&limits.memory),
            "memory_request_bytes": number(&limits.memory_request),
            "pids": limits.pids.as_ref().map(|pids| pids.value),
        },
        "probes": {
            "liveness": workload.probes.liveness.as_deref().map(of_probe),
            "readiness": workload.probes.readiness.as_deref().map(of_probe),
            "startup": workload.probes.startup.as_deref().map(of_probe),
        },
        "grace_seconds": life.grace,
        "pre_stop_seconds": life.pre_stop.as_ref().and_then(|pre_stop| pre_stop.value),
        "is_finite": life.is_finite,
        "chain": workload.chain.iter().map(|link| json!({ "at": at(link.at), "note": link.note })).collect::<Vec<_>>(),
    })
}

/// Names of variables, and values that are short numbers: others may be secrets, and this text ends up in logs.
fn environment(workload: &Workload) -> Value {
    let is_number = |text: &str| {
        (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let variables = workload.environment.iter();
    variables
        .map(|(name, value)| {
            (
                name.clone(),
                json!(Some(&value.value).filter(|text| is_number(text))),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn of_step(repository: &Repository, step: &Step) -> Value {
    let kind = match step {
        Step::Init(_) => "init",
        Step::Shell { .. } => "shell",
        Step::Script { .. } => "script",
        Step::Wrapper { .. } => "wrapper",
        Step::Supervisor { .. } => "supervisor",
        Step::Server(_) => "server",
        Step::Other { .. } => "other",
    };
    let mut value = json!({
        "kind": kind,
        "text": step_in_words(step),
        "at": super::step_at(step).map(|at| place(repository, at)),
    });
    if let Step::Server(server) = step {
        value["server"] = of_server(server);
    }
    value
}

fn of_server(server: &Server) -> Value {
    json!({
        "name": server_name(server.kind),
        "app": server.app.as_ref().map(|app| &app.value),
        "workers": server.workers.as_ref().map(|workers| workers.value),
        "threads": server.threads.as_ref().map(|threads| threads.value),
        "worker_class": server.worker_class.as_ref().map(|class| &class.value),
        "graceful_timeout_seconds": server.graceful_timeout.as_ref().map(|timeout| timeout.value),
    })
}

fn of_probe(probe: &Probe) -> Value {
    json!({
        "action": probe.action,
        "timeout_seconds": probe.timeout.0,
        "period_seconds": probe.period,
        "failures": probe.failures,
    })
}
