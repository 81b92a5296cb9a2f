//! What rules over workloads share: whom they look at, the nodes that declare him, and edits at the right file.

use crate::finding::Finding;
use crate::fix::{Edit, Fix, Target, dockerfile, yaml};
use crate::graph::compose::service_node;
use crate::graph::kubernetes::container_node;
use crate::graph::workload::{Origin, Python, Workload};
use crate::parse::Model;
use crate::parse::command::Server;
use crate::parse::dockerfile::Stage;
use crate::parse::python::Module;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::rules::Context;
use crate::source::{FileId, Span, Stated};
use dunnage_policy::plan::{Policy, count_threads};

/// The workloads that are Python.
pub(super) fn pythons<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Workload> {
    context
        .graph
        .workloads
        .iter()
        .filter(|workload| workload.python == Python::Yes)
}

/// Does dunnage start it? Then what `run` does by itself needs no finding.
pub(super) fn runs_dunnage(workload: &Workload) -> bool {
    workload.init().is_some_and(|init| init.name == "dunnage")
}

/// A finding about a workload: with its name, its chain, and no surer than its weakest link.
pub(super) fn about(finding: Finding, workload: &Workload) -> Finding {
    let mut finding = finding.within(workload);
    let own = std::mem::take(&mut finding.evidence);
    let chain = workload.chain.iter().filter(|link| link.at != finding.at);
    finding.evidence = chain.cloned().chain(own).collect();
    asked_for(finding, workload)
}

/// A number that is a variable's is found where the variable is set: with the place that asks for it.
fn asked_for(finding: Finding, workload: &Workload) -> Finding {
    let origins = workload.server().map(|server| server.origins.iter());
    let at = finding.at;
    origins
        .into_iter()
        .flatten()
        .filter(|origin| origin.at == at)
        .fold(finding, |finding, origin| {
            finding.because(origin.asked, origin.note.clone())
        })
}

/// How long it may take to stop: a Dockerfile by itself does not say who will stop it.
pub(super) fn grace_in_words(workload: &Workload) -> String {
    match workload.origin {
        Origin::Dockerfile => {
            "the whole grace period (10 s with Docker, 30 s on Kubernetes)".to_owned()
        }
        _ => format!("{} s", workload.life.grace),
    }
}

/// The container's or the service's node, and its file.
pub(super) fn node<'a>(
    repository: &'a Repository,
    workload: &Workload,
) -> Option<(FileId, &'a Node)> {
    let file = workload.at.file;
    let node = match (&workload.origin, &repository.file(file).model) {
        (
            Origin::Kubernetes {
                object, container, ..
            },
            Model::Kubernetes(objects),
        ) => container_node(objects.get(*object)?.pod_spec()?, *container)?,
        (Origin::Compose { service }, _) => service_node(repository, file, service)?,
        _ => return None,
    };
    Some((file, node))
}

/// The pod's `spec`, and its file.
pub(super) fn pod<'a>(
    repository: &'a Repository,
    workload: &Workload,
) -> Option<(FileId, &'a Node)> {
    let file = workload.at.file;
    match (&workload.origin, &repository.file(file).model) {
        (Origin::Kubernetes { object, .. }, Model::Kubernetes(objects)) => {
            Some((file, objects.get(*object)?.pod_spec()?))
        }
        _ => None,
    }
}

/// The stage that its image is built from, and its file.
pub(super) fn stage<'a>(
    repository: &'a Repository,
    workload: &Workload,
) -> Option<(FileId, &'a Stage)> {
    let built = workload.built?;
    match &repository.file(built.file).model {
        Model::Dockerfile(dockerfile) => Some((built.file, dockerfile.stages.get(built.stage)?)),
        _ => None,
    }
}

/// Sets a variable where the workload is declared.
pub(super) fn set_env(
    repository: &Repository,
    workload: &Workload,
    name: &str,
    value: &str,
) -> Option<Edit> {
    if let Some((file, node)) = node(repository, workload) {
        let target = Target::of(repository, file);
        return match workload.origin {
            Origin::Compose { .. } => yaml::set_service_env(target, node, name, value),
            _ => yaml::set_container_env(target, node, name, value),
        };
    }
    let (file, stage) = stage(repository, workload)?;
    Some(dockerfile::set_env(
        Target::of(repository, file),
        stage,
        name,
        value,
    ))
}

/// Starts it under dunnage, in its image.
pub(super) fn use_dunnage(repository: &Repository, workload: &Workload) -> Option<Fix> {
    if matches!(
        workload.start,
        Some(crate::graph::workload::StartPlace::Manifest {
            command: Some(_),
            ..
        })
    ) {
        return None;
    }
    let (file, stage) = stage(repository, workload)?;
    dockerfile::use_dunnage(Target::of(repository, file), stage)
}

/// The facts of its modules.
pub(super) fn modules<'a>(
    repository: &'a Repository,
    workload: &'a Workload,
) -> impl Iterator<Item = (FileId, &'a Module)> {
    workload
        .modules
        .iter()
        .filter_map(|id| Some((*id, repository.module(*id)?)))
}

/// Does one of its modules import the package? A dependency that none imports may be another program's.
pub(super) fn is_imported(repository: &Repository, workload: &Workload, package: &str) -> bool {
    let at = workload.packages.get(package);
    at.is_some_and(|at| matches!(repository.file(at.file).model, Model::Python(_)))
}

/// Does a text of its modules or of its script hold one of these words?
pub(super) fn mentions(repository: &Repository, workload: &Workload, words: &[&str]) -> bool {
    let modules = workload.modules.iter();
    let modules = modules.map(|id| repository.file(*id).source.text.as_str());
    let script = workload.script.as_ref();
    let script = script.map(|script| repository.file(script.at.file).source.slice(script.at.span));
    modules
        .chain(script)
        .any(|text| words.iter().any(|word| text.contains(word)))
}

/// Its server, the number of its workers, and the limit that they share, where the files tell all three.
pub(super) fn workers_under<'a>(
    workload: &'a Workload,
    limit: Option<&'a Stated<u64>>,
) -> Option<(&'a Server, &'a Stated<u32>, &'a Stated<u64>)> {
    let server = workload.server()?;
    Some((server, server.workers.as_ref()?, limit?))
}

/// Writes another number of workers in its place, whether the place is the number or `--workers=64` with it.
pub(super) fn start_workers(
    repository: &Repository,
    workers: &Stated<u32>,
    count: u32,
    title: impl Into<String>,
) -> Option<Fix> {
    let target = Target::of(repository, workers.at.file);
    let old = workers.value.to_string();
    let mut places = target.slice(workers.at.span).match_indices(&old);
    let (place, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let start = workers.at.span.start as usize + place;
    let edit = target.replace(Span::new(start..start + old.len()), count.to_string());
    Some(Fix::changing(title, vec![edit]))
}

/// Threads for a compute pool of each of `workers` processes: what `dunnage plan` would set under this limit.
pub(super) fn planned_threads(millicpu: u64, workers: u32) -> u32 {
    count_threads(
        Policy::Latency,
        Some(millicpu as f64 / 1000.0),
        workers,
        u32::MAX,
    )
}

/// The number of CPUs that `dunnage run` tells Python under this limit: rounded up, at least 2.
pub(super) fn told_cpus(millicpu: u64) -> u32 {
    count_threads(
        Policy::Throughput,
        Some(millicpu as f64 / 1000.0),
        1,
        u32::MAX,
    )
    .max(2)
}
