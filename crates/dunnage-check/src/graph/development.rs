//! Does a Compose service run on a developer's own machine? There a stop of 10 s, or a limit, is nobody's alarm. It shows by the
//! name of its file or of its image's, by a server or a reloader for development, by the project's own source mounted over what the image holds, or by a folder of
//! examples. A service with a restart policy is meant to stay, mounted or not, but for one whose image a manifest runs by another
//! command: production is there. A mounted file or a folder of configuration or data says nothing. A pod is a developer's where it
//! is told of an emulator of a cloud's service, which holds nobody's data; where its image comes from, or that it is one
//! alone, says nothing: small clusters are so, too. And is it deployed? A file that is called so says it, and a restart policy where
//! nothing is mounted.

use super::compose::service_node;
use super::images::{is_below, join};
use super::workload::{Origin, Workload};
use crate::finding::Evidence;
use crate::parse::Model;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::source::{FileId, Location, names_development, names_production};
use std::collections::BTreeSet;

/// Folders that hold a program in images where nothing else is said.
const CODE: [&str; 8] = [
    "/app",
    "/code",
    "/opt/app",
    "/project",
    "/src",
    "/srv/app",
    "/usr/src/app",
    "/workspace",
];

/// Folders beside a program that are no part of it.
const BESIDE: [&str; 30] = [
    "assets",
    "backup",
    "backups",
    "cache",
    "cert",
    "certs",
    "conf",
    "config",
    "configs",
    "data",
    "database",
    "db",
    "docs",
    "files",
    "fixtures",
    "log",
    "logs",
    "media",
    "migrations",
    "models",
    "output",
    "outputs",
    "public",
    "reports",
    "secrets",
    "ssl",
    "static",
    "storage",
    "tmp",
    "uploads",
];

/// How many files of a mounted folder are looked at.
const MOST_FILES: usize = 256;

/// Says of a workload whose program is known where it runs.
pub(super) fn add(
    repository: &Repository,
    workload: &mut Workload,
    workdir: Option<&str>,
    hidden: &BTreeSet<String>,
) {
    let emulator = emulator(workload, hidden);
    workload.is_deployed = emulator.is_none() && is_deployed(repository, workload, workdir);
    let sign = emulator.or_else(|| sign(repository, workload, workdir));
    workload.developer = sign.map(Box::new);
}

/// The variable by which Google's and Firebase's clients talk to an emulator; an empty one is none. Those that are `hidden`
/// have a value that the files do not tell.
fn emulator(workload: &Workload, hidden: &BTreeSet<String>) -> Option<Evidence> {
    let mut variables = workload.environment.iter();
    let (name, host) = variables.find(|(name, host)| {
        name.ends_with("_EMULATOR_HOST") && (!host.value.is_empty() || hidden.contains(*name))
    })?;
    Some(Evidence {
        at: host.at,
        note: format!("{name}: an emulator, as on a developer's machine"),
    })
}

/// Is it what a cluster runs, or a Compose file for more than a developer's machine, whatever its image and its server are
/// for?
fn is_deployed(repository: &Repository, workload: &Workload, workdir: Option<&str>) -> bool {
    let source = &repository.file(workload.at.file).source;
    match &workload.origin {
        Origin::Kubernetes { .. } => !names_development(&source.path),
        Origin::Compose { .. } if names_production(&source.path) => true,
        Origin::Compose { service } => {
            let node = service_node(repository, workload.at.file, service);
            let is_kept_alone = node.is_some_and(|node| {
                let is_shown = mounts(node).any(|mount| mount.is_of_examples())
                    || kept_in_step(repository, workload, workdir).is_some();
                is_kept(node) && !is_shown
            });
            is_kept_alone
                && of_names(repository, workload).is_none()
                && !is_replaced(repository, workload.at.file, service)
        }
        Origin::Dockerfile => false,
    }
}

/// Does a Compose file for production beside this one say the service anew? It is looked for by its usual names, since
/// there may be as many services as files.
fn is_replaced(repository: &Repository, file: FileId, service: &str) -> bool {
    let folder = repository.file(file).source.folder();
    let names = ["docker-compose", "compose"].into_iter().flat_map(|name| {
        let kinds = ["prod", "production"].into_iter();
        kinds.flat_map(move |kind| ["yml", "yaml"].map(|end| format!("{name}.{kind}.{end}")))
    });
    let mut others = names.filter_map(|name| repository.at(&join(folder, &name)));
    others.any(|id| id != file && service_node(repository, id, service).is_some())
}

fn mounts(node: &Node) -> impl Iterator<Item = Mount<'_>> {
    let volumes = node.get("volumes").map(Node::items).unwrap_or_default();
    volumes.iter().filter_map(Mount::of)
}

/// What shows it, and where.
fn sign(repository: &Repository, workload: &Workload, workdir: Option<&str>) -> Option<Evidence> {
    if workload.is_deployed || matches!(workload.origin, Origin::Kubernetes { .. }) {
        return None;
    }
    let by_name = of_names(repository, workload);
    let Origin::Compose { service } = &workload.origin else {
        return by_name;
    };
    if by_name.is_some() {
        return by_name;
    }
    let file = workload.at.file;
    let node = service_node(repository, workload.at.file, service)?;
    let said = |at, note: &str| Evidence {
        at,
        note: note.to_owned(),
    };
    let place = |node: &Node| Location {
        file,
        span: node.span,
    };
    if let Some(mount) = mounts(node).find(Mount::is_of_examples) {
        return Some(said(place(mount.node), "mounts examples, to try it out"));
    }
    if !is_kept(node)
        && let Some(sign) = kept_in_step(repository, workload, workdir)
    {
        return Some(sign);
    }
    let at = workload.server()?.development?;
    Some(said(
        at,
        "a server for development, as on a developer's machine",
    ))
}

/// A service whose source is the project's own, mounted or synchronised, whatever its restart policy.
pub(super) fn kept_in_step(
    repository: &Repository,
    workload: &Workload,
    workdir: Option<&str>,
) -> Option<Evidence> {
    let Origin::Compose { service } = &workload.origin else {
        return None;
    };
    let node = service_node(repository, workload.at.file, service)?;
    let file = workload.at.file;
    let said = |node: &Node, note: &str| Evidence {
        at: Location {
            file,
            span: node.span,
        },
        note: note.to_owned(),
    };
    let watch = node.at(&["develop", "watch"]).filter(|watch| syncs(watch));
    if let Some(watch) = watch {
        return Some(said(watch, "the source is synchronised while it runs"));
    }
    let folder = repository.file(file).source.folder();
    let own = node.get("working_dir").and_then(Node::text);
    let workdir = own.or(workdir).filter(|workdir| *workdir != "/");
    let mount = mounts(node).find(|mount| mount.is_of_source(repository, folder, workdir))?;
    let note = "mounts the source over the image's, as on a developer's machine";
    Some(said(mount.node, note))
}

/// A Dockerfile, a stage or a Compose file that is called so.
fn of_names(repository: &Repository, workload: &Workload) -> Option<Evidence> {
    let name = |file| repository.file(file).source.name();
    if let Some(built) = workload.built
        && let Model::Dockerfile(dockerfile) = &repository.file(built.file).model
        && let Some(stage) = dockerfile.stages.get(built.stage)
    {
        let stage_name = stage.name.as_ref().map_or("", |name| &name.value);
        if names_development(name(built.file)) || names_development(stage_name) {
            return Some(Evidence {
                at: Location {
                    file: built.file,
                    span: stage.from.span,
                },
                note: "an image for development, by its name".to_owned(),
            });
        }
    }
    let file = workload.at.file;
    let is_override = || name(file).split('.').any(|part| part == "override");
    (names_development(name(file)) || is_override()).then(|| Evidence {
        at: workload.at,
        note: "a file for development, by its name".to_owned(),
    })
}

/// Is it started again by itself, so that somebody wants it to stay?
fn is_kept(service: &Node) -> bool {
    let restart = service.get("restart").and_then(Node::text);
    restart.is_some_and(|restart| restart != "no")
        || service.at(&["deploy", "restart_policy"]).is_some()
}

/// Does a rule of `develop.watch` copy files into the container?
fn syncs(watch: &Node) -> bool {
    let mut actions = watch.items().iter();
    actions.any(|rule| {
        let action = rule.get("action").and_then(Node::text);
        action.is_some_and(|action| action.starts_with("sync"))
    })
}

/// A folder of the project in the container.
struct Mount<'a> {
    node: &'a Node,
    /// From the Compose file's folder.
    source: &'a str,
    target: &'a str,
}

impl<'a> Mount<'a> {
    /// None for volumes that have a name, and for folders of the host.
    fn of(node: &'a Node) -> Option<Self> {
        let (source, target) = match (node.get("source"), node.get("target")) {
            (Some(source), Some(target)) => (source.text()?, target.text()?),
            _ => node.text()?.split_once(':')?,
        };
        let target = target.split(':').next()?;
        let of_project = ["${PWD}", "$PWD"]
            .iter()
            .find_map(|here| source.strip_prefix(here))
            .map(|rest| rest.trim_start_matches('/'));
        let source = of_project.or_else(|| source.starts_with('.').then_some(source))?;
        let target = target.trim_end_matches('/');
        target.starts_with('/').then_some(Self {
            node,
            source,
            target,
        })
    }

    fn is_of_examples(&self) -> bool {
        let mut parts = self.source.trim_start_matches("./").split('/');
        let first = parts.next();
        matches!(first, Some("example" | "examples" | "demo" | "demos"))
    }

    /// Does it lie over what the program is made of?
    fn is_of_source(&self, repository: &Repository, folder: &str, workdir: Option<&str>) -> bool {
        let source = join(folder, self.source);
        let name = self.source.trim_end_matches('/').rsplit('/').next();
        let is_beside = name.is_some_and(|name| BESIDE.contains(&name));
        let is_file = name.is_some_and(|name| name.trim_start_matches('.').contains('.'));
        if is_beside || is_file {
            return false;
        }
        let roots = CODE.iter().copied().chain(workdir);
        let (mut is_root, mut is_within) = (false, false);
        for root in roots {
            let root = root.trim_end_matches('/');
            is_root |= self.target == root
                || workdir.is_some_and(|workdir| is_below(workdir, self.target));
            is_within |= is_below(self.target, root);
        }
        is_root || (is_within && holds_python(repository, &source))
    }
}

/// Is there a Python file among the first files of a folder and those below it? A program has one soon, and more are not asked, since
/// there may be as many mounts as files.
fn holds_python(repository: &Repository, folder: &str) -> bool {
    repository
        .below(folder)
        .take(MOST_FILES)
        .any(|file| matches!(file.model, Model::Python(_)))
}
