//! What declares workloads: containers of manifests, services of Compose files, Dockerfiles that nothing refers to.
//!
//! What is declared takes as much memory as what is made of it, and there may be a hundred thousand: each becomes its workload
//! at once.

mod alone;
mod left_over;

use super::build::{self, Declared};
use super::compose::{self, Service};
use super::development;
use super::effective::{Override, split};
use super::images::{Asked, Build, Images, Link, folder, is_below, join};
use super::kubernetes::{Cluster, Container};
use super::scripts::Scripts;
use super::workload::{Built, Origin, StartPlace, Workload};
use crate::finding::{Confidence, Evidence};
use crate::parse::Model;
use crate::parse::command::Word;
use crate::parse::yaml::{Node, Value};
use crate::repository::Repository;
use crate::source::{FileId, Location, Span};
use left_over::InUse;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// The workloads of everything that is declared, in the order of their places.
pub(super) fn all(repository: &Repository, images: &mut Images<'_>) -> Vec<Workload> {
    let cluster = Cluster::of(repository);
    let containers = cluster.containers();
    let services = services(repository);
    // services first: what Compose builds under a name is known to manifests
    let links = links(repository, images, &services);
    settle(images, &containers, &links);
    let scripts = Scripts::of(containers.len() + links.len());
    let made = |declared| build::workload(repository, &scripts, declared);
    let declared = links
        .into_iter()
        .map(|(service, link)| of_service(repository, images, service, link));
    let declared: Vec<Declared> = declared.collect();
    let mut found: Vec<Workload> = declared.into_par_iter().map(made).collect();
    found.par_extend(
        containers
            .par_iter()
            .map(|container| made(of_container(&cluster, container, images))),
    );
    look_again(repository, &mut found);
    let dockerfiles = alone::dockerfiles(repository, images, &found);
    let in_use = InUse::of(repository, &found);
    let running = found.len();
    found.par_extend(dockerfiles.into_par_iter().map(made));
    for workload in &mut found[running..] {
        workload.is_left_over = in_use.leaves(&repository.file(workload.at.file).source.path);
    }
    found.sort_by_key(|workload| workload.at);
    found
}

/// A service that mounts the source is a developer's where a manifest runs its image by another command.
fn look_again(repository: &Repository, found: &mut [Workload]) {
    let replaces = |workload: &&Workload| {
        let is_container = matches!(workload.origin, Origin::Kubernetes { is_init: false, .. });
        is_container
            && workload.is_service()
            && matches!(workload.start, Some(StartPlace::Manifest { .. }))
    };
    let replaced: BTreeSet<Built> = found
        .iter()
        .filter(replaces)
        .filter_map(|workload| workload.built)
        .collect();
    // that its server is one for development may as well be a fault of the image
    let is_said = |workload: &Workload| {
        let sign = workload.developer.as_deref();
        sign.is_some_and(|sign| sign.at.file == workload.at.file)
    };
    let is_asked = |workload: &&mut Workload| !workload.is_deployed && !is_said(workload);
    for workload in found.iter_mut().filter(is_asked) {
        if let Some(built) = workload.built.filter(|built| replaced.contains(built)) {
            let workdir = build::workdir(repository, built);
            let sign = development::kept_in_step(repository, workload, workdir);
            workload.developer = sign.map(Box::new).or(workload.developer.take());
        }
    }
}

fn of_container(cluster: &Cluster<'_>, container: &Container<'_>, images: &Images<'_>) -> Declared {
    let limits = container.limits(cluster);
    let environment = container.environment(cluster, &limits);
    let image = container.image();
    let owner = container.owner.object;
    let link = container_asks(container).and_then(|asked| images.find(&asked));
    let (mut command, mut arguments) = (container.command(), container.arguments());
    for words in command.iter_mut().chain(&mut arguments) {
        environment.expand_words(words);
    }
    let place = |key: &str| {
        container.node.get(key).map(|node| Location {
            file: container.owner.file,
            span: node.span,
        })
    };
    Declared {
        name: container.title(),
        at: container.at(),
        origin: Origin::Kubernetes {
            kind: owner.kind.to_string(),
            object: container.owner.index,
            container: container.index,
            is_init: container.is_init,
        },
        image,
        link,
        over_at: (
            place("command").filter(|_| command.is_some()),
            place("args").filter(|_| arguments.is_some()),
        ),
        over: Override {
            entrypoint: command,
            command: arguments,
        },
        environment,
        workdir: container
            .node
            .get("workingDir")
            .and_then(Node::text)
            .map(str::to_owned),
        limits,
        probes: container.probes(),
        life: container.life(cluster),
        requests: container.requests(cluster),
    }
}

/// What a container says of its image.
fn container_asks<'a>(container: &'a Container<'_>) -> Option<Asked<'a>> {
    let image = container.image()?;
    let items = |key| container.node.get(key).map(Node::items).unwrap_or_default();
    let text = |node: &'a Node, key| node.get(key).and_then(Node::text);
    let ports: Vec<u16> = items("ports")
        .iter()
        .filter_map(|port| text(port, "containerPort")?.parse().ok())
        .collect();
    let variables = items("env").iter();
    let variables = variables.filter_map(|variable| Some((text(variable, "name")?, variable)));
    let sets_port = variables.clone().any(|(name, variable)| {
        let value = text(variable, "value").and_then(|value| value.parse().ok());
        name.ends_with("PORT") && value.is_some_and(|value| ports.contains(&value))
    });
    let is_started = ["command", "args"].iter().any(|key| !items(key).is_empty());
    Some(Asked {
        image: image.value,
        at: image.at,
        names: vec![container.name, &container.owner.object.name],
        has_command: is_started,
        sets_port,
        shares_pod: container.shares_pod(),
        variables: variables.map(|(name, _)| name).collect(),
        ports,
    })
}

/// What a Compose service that builds nothing says of its image.
fn service_asks<'a>(service: &Service<'a>) -> Option<Asked<'a>> {
    let image = service.image()?;
    let requests = service.requests();
    let is_started = ["command", "entrypoint"]
        .iter()
        .any(|key| service.node.get(key).is_some());
    Some(Asked {
        image: image.value,
        at: image.at,
        names: vec![service.name],
        ports: requests.iter().map(|request| request.port).collect(),
        variables: Vec::new(),
        has_command: is_started,
        // any of its variables may hold it
        sets_port: true,
        shares_pod: false,
    })
}

/// Which image can only be the only Dockerfile's. A service that builds says by itself what its image is, and so does one
/// that it overrides.
fn settle(
    images: &mut Images<'_>,
    containers: &[Container<'_>],
    services: &[(&Service<'_>, Option<Link>)],
) {
    let builds = |service: &Service<'_>, link: &Option<Link>| {
        service.node.get("build").is_some() || link.is_some()
    };
    let of_services = services
        .iter()
        .filter(|(service, link)| !builds(service, link))
        .filter_map(|(service, _)| service_asks(service));
    let asked: Vec<_> = containers
        .iter()
        .filter_map(container_asks)
        .chain(of_services)
        .collect();
    images.settle(&asked);
}

fn services(repository: &Repository) -> Vec<Service<'_>> {
    let models = repository
        .files()
        .filter_map(|(id, file)| match &file.model {
            Model::Compose(model) => Some((id, model)),
            _ => None,
        });
    models
        .flat_map(|(id, model)| compose::services(id, model))
        .collect()
}

/// The services that run something, each with what it builds or what the one builds that it overrides; what they say about
/// images becomes known.
fn links<'a, 'b>(
    repository: &Repository,
    images: &mut Images<'_>,
    services: &'b [Service<'a>],
) -> Vec<(&'b Service<'a>, Option<Link>)> {
    let builds = |service: &&Service<'_>| service.node.get("build").is_some();
    let building: BTreeSet<FileId> = services
        .iter()
        .filter(builds)
        .map(|service| service.file)
        .collect();
    let mut found = Vec::new();
    for service in services {
        let own = build_of(repository, images, service);
        let file = own.as_ref().map(|link| link.built.file);
        if file.is_some() || builds_elsewhere(repository, service) {
            images.add_built(service.name, file);
        }
        let link = own.or_else(|| overridden(repository, images, services, service));
        match (&link, service.image()) {
            (Some(link), Some(image)) => images.add_service(&image.value, link.clone()),
            (None, Some(image)) if !builds(&service) && building.contains(&service.file) => {
                images.add_pulled(&image.value);
            }
            _ => {}
        }
        if link.is_some() || service.image().is_some() {
            found.push((service, link));
        }
    }
    found
}

/// What a service of another file beside this one builds, where this one only says `image` of the same service, as
/// `docker-compose.prod.yml` does over `docker-compose.yml`.
fn overridden(
    repository: &Repository,
    images: &Images<'_>,
    services: &[Service<'_>],
    service: &Service<'_>,
) -> Option<Link> {
    let image = service.image()?;
    if !Images::may_be_own(&image.value) {
        return None;
    }
    let folder = |service: &Service<'_>| repository.file(service.file).source.folder();
    let mut beside = services
        .iter()
        .filter(|other| other.name == service.name && folder(other) == folder(service));
    let link = beside.find_map(|other| build_of(repository, images, other))?;
    Some(Link {
        confidence: Confidence::Medium,
        ..link
    })
}

/// The folder and the Dockerfile that `build` of a service names.
fn paths_of_build(repository: &Repository, service: &Service<'_>) -> Option<(String, String)> {
    let folder = repository.file(service.file).source.folder();
    let node = service.node.get("build")?;
    let text = |key: &str| node.get(key).and_then(Node::text);
    let context = join(folder, node.text().or(text("context")).unwrap_or("."));
    let dockerfile = join(&context, text("dockerfile").unwrap_or("Dockerfile"));
    Some((context, dockerfile))
}

/// Is the Dockerfile in a folder of its own? One at the Compose file or above it, where none is, is a path that is written
/// wrongly as often as another image.
fn builds_elsewhere(repository: &Repository, service: &Service<'_>) -> bool {
    let own = repository.file(service.file).source.folder();
    paths_of_build(repository, service)
        .is_some_and(|(_, dockerfile)| !is_below(own, folder(&dockerfile)))
}

/// What `build` of a service says.
fn build_of(repository: &Repository, images: &Images<'_>, service: &Service<'_>) -> Option<Link> {
    let node = service.node.get("build")?;
    let (context, dockerfile) = paths_of_build(repository, service)?;
    let build = Build {
        context: Some(&context),
        dockerfile: Some(&dockerfile),
        target: node.get("target").and_then(Node::text),
    };
    let (built, context) = images.built(build)?;
    let at = Location {
        file: service.file,
        span: node.span,
    };
    let note = format!("builds {dockerfile}");
    Some(Link {
        built,
        context,
        confidence: Confidence::High,
        evidence: Evidence { at, note },
    })
}

fn of_service(
    repository: &Repository,
    images: &Images<'_>,
    service: &Service<'_>,
    link: Option<Link>,
) -> Declared {
    let image = service.image();
    let link = link.or_else(|| images.find(&service_asks(service)?));
    let words = |key: &str| words(repository, service.file, service.node.get(key)?);
    let place = |key: &str| {
        service.node.get(key).map(|node| Location {
            file: service.file,
            span: node.span,
        })
    };
    let environment = service.environment();
    Declared {
        name: format!("service {}", service.name),
        at: service.at(),
        origin: Origin::Compose {
            service: service.name.to_owned(),
        },
        image,
        link,
        over: Override {
            entrypoint: words("entrypoint"),
            command: words("command"),
        },
        over_at: (place("entrypoint"), place("command")),
        environment,
        workdir: service
            .node
            .get("working_dir")
            .and_then(Node::text)
            .map(str::to_owned),
        limits: service.limits(),
        probes: service.probes(),
        life: service.life(),
        requests: service.requests(),
    }
}

/// `command` of Compose: a list, or a string that is split. `null` leaves the image's.
fn words(repository: &Repository, file: FileId, node: &Node) -> Option<Vec<Word>> {
    match &node.value {
        Value::Sequence(items) => Some(
            items
                .iter()
                .filter_map(|item| {
                    let at = Location {
                        file,
                        span: item.span,
                    };
                    Some(Word::new(compose::interpolate_word(item.text()?), at))
                })
                .collect(),
        ),
        Value::Plain(_) | Value::Quoted(_) => {
            let text = node.text()?;
            let written = repository.file(file).source.slice(node.span);
            let text = compose::interpolate_word(text);
            let inset = written.find(&*text);
            let span = inset.map_or(node.span, |inset| Span {
                start: node.span.start + inset as u32,
                end: node.span.start + (inset + text.len()) as u32,
            });
            Some(split(&text, Location { file, span }, inset.is_some()))
        }
        Value::Null | Value::Mapping(_) => None,
    }
}
