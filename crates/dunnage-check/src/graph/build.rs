//! From what declares a workload to the workload: its image, its command, its program, what holds in it.

use super::development;
use super::effective::{self, Image, Line, Override};
use super::ending;
use super::files::{Files, lineage};
use super::images::{Link, Reference};
use super::kubernetes::Environment;
use super::listens;
use super::packages;
use super::python::{Signs, judge};
use super::reach;
use super::scripts::Scripts;
use super::steps::{self, Surroundings};
use super::workload::{Built, Life, Limits, Origin, Probes, Python, Request, StartPlace, Workload};
use crate::finding::{Confidence, Evidence};
use crate::parse::Model;
use crate::parse::command::{Init, Server, ServerKind, Step};
use crate::parse::dockerfile::{Base, Stage};
use crate::parse::shell::fill::Variables;
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated, keep_letters};
use std::collections::{BTreeMap, BTreeSet};

/// What a manifest, or a Dockerfile by itself, says.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) at: Location,
    pub(super) origin: Origin,
    pub(super) image: Option<Stated<String>>,
    /// What the image is built from.
    pub(super) link: Option<Link>,
    pub(super) over: Override,
    /// Where the two parts of `over` stand.
    pub(super) over_at: (Option<Location>, Option<Location>),
    pub(super) environment: Environment,
    pub(super) workdir: Option<String>,
    pub(super) limits: Limits,
    pub(super) probes: Probes,
    pub(super) life: Life,
    pub(super) requests: Vec<Request>,
}

/// The stages that an image is made of, nearest first.
fn stages(repository: &Repository, built: Built) -> Vec<&Stage> {
    let Model::Dockerfile(dockerfile) = &repository.file(built.file).model else {
        return Vec::new();
    };
    lineage(repository, built.file, built.stage)
        .into_iter()
        .filter_map(|index| dockerfile.stages.get(index))
        .collect()
}

/// The folder that an image's program starts in.
pub(super) fn workdir(repository: &Repository, built: Built) -> Option<&str> {
    let stages = stages(repository, built);
    let workdir = stages.iter().find_map(|stage| stage.workdir.as_ref());
    workdir.map(|workdir| workdir.value.as_str())
}

/// Makes the workload.
pub(super) fn workload(
    repository: &Repository,
    scripts: &Scripts,
    mut declared: Declared,
) -> Workload {
    let stages = declared
        .link
        .as_ref()
        .map(|link| stages(repository, link.built))
        .unwrap_or_default();
    let stage = stages.first().copied();
    let files = declared.link.as_ref().map(|link| {
        Files::new(
            repository,
            &link.context,
            &stages,
            declared.workdir.as_deref(),
        )
    });
    let base = base_of(stage, declared.image.as_ref());
    let said = std::mem::take(&mut declared.environment);
    let variables = variables(stage, &said);
    let mut environment = environment(stage, said.variables);
    let image = stage
        .map(image_of)
        .or_else(|| bare_python(declared.image.as_ref()));
    let line = effective::line(image, &declared.over);
    let mut path = line.as_ref().map(|line| {
        let around = Surroundings {
            repository,
            files: files.as_ref(),
            scripts,
            shell: base.shell,
            variables: variables.clone(),
        };
        steps::follow(around, inherited_init(stage, &base, &declared), line)
    });
    let (installed, installs) = files
        .as_ref()
        .map(|files| packages::installed(repository, files, &stages))
        .unwrap_or_default();
    let mut chain = chain(&declared);
    let mut confidence = declared
        .link
        .as_ref()
        .map_or(Confidence::High, |link| link.confidence);
    let mut steps = Vec::new();
    let (mut script, mut first) = (None, None);
    if let Some(path) = path.take() {
        confidence = confidence.min(path.confidence);
        chain.extend(path.evidence(repository));
        let exports = path.variables.exports();
        environment.extend(exports.map(|(name, value)| (name.clone(), value.clone())));
        // what a script sets on some paths only is not known any more
        for name in path.variables.lost_since(&variables) {
            if let Some(value) = environment.get_mut(name) {
                value.value.clear();
            }
        }
        (steps, script, first) = (path.steps, path.script.map(Box::new), path.first);
        steps.shrink_to_fit();
    }
    let python = judge(&Signs {
        steps: &steps,
        base,
        image: stage
            .map(|stage| stage.base.value.as_str())
            .or(declared.image.as_ref().map(|image| image.value.as_str())),
        is_built: stage.is_some(),
        installs,
    });
    say_in_letters(&mut declared.name, &mut chain);
    let mut workload = Workload {
        start: start(&declared.over_at, stage),
        name: declared.name,
        at: declared.at,
        origin: declared.origin,
        image: declared.image,
        built: declared.link.as_ref().map(|link| link.built),
        base,
        python,
        command: line.as_ref().map(Line::words).unwrap_or_default(),
        steps,
        first,
        script,
        environment,
        unknown_environment: said.unknown,
        modules: Vec::new(),
        packages: installed,
        limits: declared.limits,
        probes: declared.probes,
        life: declared.life,
        requests: declared.requests,
        missed: None,
        ends: false,
        is_deployed: false,
        is_left_over: false,
        developer: None,
        chain,
        confidence,
    };
    if workload.python != Python::No {
        add_python(repository, files.as_ref(), &said.hidden, &mut workload);
    }
    stop_signal(stage, &mut workload);
    workload
}

/// What is asked of Python alone: its program, whether that ends, where it runs, and whether requests reach it.
fn add_python(
    repository: &Repository,
    files: Option<&Files<'_>>,
    hidden: &BTreeSet<String>,
    workload: &mut Workload,
) {
    add_program(repository, files, workload);
    workload.ends = ending::ends(repository, workload);
    development::add(repository, workload, files.map(Files::workdir), hidden);
    workload.life.is_only_scraped |= listens::is_only_scraped(repository, workload);
    workload.missed = reach::missed(repository, workload).map(Box::new);
}

/// A file's name and a key may hold anything.
fn say_in_letters(name: &mut String, chain: &mut [Evidence]) {
    keep_letters(name);
    for evidence in chain {
        keep_letters(&mut evidence.note);
    }
}

fn base_of(stage: Option<&Stage>, image: Option<&Stated<String>>) -> Base {
    let name = stage
        .map(|stage| &stage.base.value)
        .or(image.map(|image| &image.value));
    name.map_or(Base::UNKNOWN, |name| Base::of(name))
}

fn image_of(stage: &Stage) -> Image<'_> {
    let shell = stage.shell.as_ref().and_then(|shell| shell.value.first());
    Image {
        entrypoint: stage.entrypoint.as_ref(),
        command: stage.command.as_ref(),
        shell: shell.map_or("sh", |shell| shell.rsplit('/').next().unwrap_or(shell)),
    }
}

/// The official images of Python have no `ENTRYPOINT`: what a manifest gives as arguments is the command.
fn bare_python(image: Option<&Stated<String>>) -> Option<Image<'static>> {
    let reference = Reference::parse(&image?.value)?;
    let is_bare =
        reference.registry.is_none() && matches!(reference.path.as_str(), "python" | "pypy");
    is_bare.then_some(Image {
        entrypoint: None,
        command: None,
        shell: "sh",
    })
}

/// The init that the base image's own `ENTRYPOINT` is, where nothing takes its place.
fn inherited_init(stage: Option<&Stage>, base: &Base, declared: &Declared) -> Option<Init> {
    let is_replaced =
        declared.over.entrypoint.is_some() || stage.is_some_and(|stage| stage.entrypoint.is_some());
    let name = base.init.filter(|_| !is_replaced)?;
    let at = stage
        .map(|stage| stage.from)
        .or(declared.image.as_ref().map(|image| image.at))?;
    let name = name.to_owned();
    Some(Init {
        // dumb-init does by itself, and Jupyter's images start `tini -g`
        signals_group: true,
        name,
        is_subreaper: false,
        at,
    })
}

/// `ENV` under what the manifest sets.
fn environment(
    stage: Option<&Stage>,
    over: BTreeMap<String, Stated<String>>,
) -> BTreeMap<String, Stated<String>> {
    let mut merged: BTreeMap<_, _> = stage
        .map(|stage| stage.environment.iter().cloned().collect())
        .unwrap_or_default();
    merged.extend(over);
    merged
}

/// What shells in the container know. What a manifest leaves to a Secret or an env file may take the place of `ENV`.
fn variables(stage: Option<&Stage>, said: &Environment) -> Variables {
    let is_open = said.unknown.is_some();
    let of_image = stage
        .map(|stage| stage.environment.iter())
        .into_iter()
        .flatten();
    let mut held: BTreeMap<_, _> = of_image
        .map(|(name, value)| (name.clone(), (!is_open).then(|| value.clone())))
        .collect();
    held.extend(said.variables.iter().map(|(name, value)| {
        let is_known = !said.hidden.contains(name);
        (name.clone(), is_known.then(|| value.clone()))
    }));
    Variables::of(held, is_open)
}

/// The links from the manifest inwards.
fn chain(declared: &Declared) -> Vec<Evidence> {
    let mut chain = Vec::new();
    if let (Some(image), Some(link)) = (&declared.image, &declared.link) {
        chain.push(Evidence {
            at: image.at,
            note: format!("runs {}", image.value),
        });
        if link.evidence.at == image.at {
            chain[0].note = format!("runs {}: {}", image.value, link.evidence.note);
        } else {
            chain.push(link.evidence.clone());
        }
    }
    chain
}

/// Where the command is written.
fn start(
    (entrypoint, command): &(Option<Location>, Option<Location>),
    stage: Option<&Stage>,
) -> Option<StartPlace> {
    if entrypoint.is_some() || command.is_some() {
        return Some(StartPlace::Manifest {
            command: *entrypoint,
            arguments: *command,
        });
    }
    let stage = stage?;
    (stage.entrypoint.is_some() || stage.command.is_some()).then(|| StartPlace::Dockerfile {
        entrypoint: stage.entrypoint.clone().map(Box::new),
        command: stage.command.clone().map(Box::new),
    })
}

fn stop_signal(stage: Option<&Stage>, workload: &mut Workload) {
    if workload.life.stop_signal.is_none() {
        workload.life.stop_signal = stage.and_then(|stage| stage.stop_signal.clone().map(Box::new));
    }
}

/// The server's options from its configuration and the environment, its modules, and what they import.
fn add_program(repository: &Repository, files: Option<&Files<'_>>, workload: &mut Workload) {
    let roots = files.map(Files::roots).unwrap_or_default();
    let environment = &workload.environment;
    let Some(server) = workload.steps.iter_mut().find_map(|step| match step {
        Step::Server(server) => Some(server),
        _ => None,
    }) else {
        return;
    };
    configure(repository, files, environment, server);
    let Some(app) = server.app.clone() else {
        return;
    };
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let modules = match program_file(repository, files, &app.value) {
        Some(file) => super::imports::closure(repository, file, &roots),
        None => super::imports::resolve(repository, &app.value, &roots),
    };
    match (server.kind, modules.first()) {
        (ServerKind::Python, Some(entry)) => super::config::uvicorn(repository, *entry, server),
        (ServerKind::Celery, _) => super::config::celery(repository, &modules, server),
        _ => {}
    }
    for (name, at) in super::imports::packages(repository, &modules) {
        // an import says more than a list of dependencies
        workload.packages.insert(name, at);
    }
    workload.modules = modules;
}

/// `python /app/main.py`: the file.
fn program_file(repository: &Repository, files: Option<&Files<'_>>, app: &str) -> Option<FileId> {
    let file = files?.find(app)?;
    matches!(repository.file(file).model, Model::Python(_)).then_some(file)
}

/// Options that the command line does not give: gunicorn's configuration file, `WEB_CONCURRENCY`.
fn configure(
    repository: &Repository,
    files: Option<&Files<'_>>,
    environment: &BTreeMap<String, Stated<String>>,
    server: &mut Server,
) {
    let config = match (server.kind, &server.config, files) {
        (ServerKind::Gunicorn, Some(config), Some(files)) => {
            files.find(config.value.trim_start_matches("file:"))
        }
        (ServerKind::Gunicorn, None, Some(files)) => files.find("gunicorn.conf.py"),
        _ => None,
    };
    if let Some(config) = config {
        super::config::gunicorn(repository, config, server);
    }
    let has_concurrency = matches!(
        server.kind,
        ServerKind::Gunicorn | ServerKind::Uvicorn | ServerKind::Hypercorn
    );
    let said = environment
        .get("WEB_CONCURRENCY")
        .filter(|_| has_concurrency);
    let is_unknown = server
        .unknown
        .iter()
        .any(|option| option.contains("workers") || option == "-w");
    let Some(said) = said.filter(|_| server.workers.is_none() && !is_unknown) else {
        return;
    };
    match said.value.trim().parse() {
        Ok(number) => server.workers = Some(Stated::new(number, said.at)),
        Err(_) => server.unknown.push("--workers".to_owned()),
    }
}
