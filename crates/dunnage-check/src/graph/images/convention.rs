//! What names suggest about an image, and what speaks against it.
//!
//! A guess is worth as much as what contradicts it is looked for: a port that the image does not listen on, a Compose file
//! that builds the service from another Dockerfile or pulls it, an owner that is not the one of the images that are built
//! here, several images that would all be the one Dockerfile's.

use super::ports::Ports;
use super::project::Guesses;
use super::{Asked, Images, Link, Reference, is_below, normalise};
use crate::finding::{Confidence, Evidence};
use crate::graph::workload::Built;
use crate::names::is_same;
use crate::parse::Model;
use crate::parse::dockerfile::Start;
use crate::repository::Repository;
use crate::source::{FileId, Location};
use std::collections::{BTreeMap, BTreeSet};

/// Folders that say nothing about the image that is built there.
pub(super) const PLAIN_FOLDERS: [&str; 8] = [
    "build",
    "container",
    "deploy",
    "docker",
    "dockerfiles",
    "image",
    "images",
    "src",
];

/// What Compose builds for these is not what a cluster runs.
const FOR_DEVELOPMENT: [&str; 6] = ["ci", "dev", "development", "local", "test", "tests"];

/// What speaks for an image that would have the only Dockerfile.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Claim {
    /// Its name or its workload's is one of the Dockerfile's.
    is_related: bool,
    /// It declares a port that the image listens on.
    fits: bool,
}

impl Images<'_> {
    /// What names suggest, where an image's name can only be one's own and nothing speaks against it.
    pub(super) fn by_convention(&self, reference: &Reference, asked: &Asked<'_>) -> Option<Link> {
        if !self.may_be_built(reference, asked) {
            return None;
        }
        let base = reference.base();
        if let Some(file) = self.called(reference, asked) {
            let path = &self.repository.file(file).source.path;
            let note = format!("{base} is what {path} seems to be called");
            return self.conventional(file, asked.at, note);
        }
        let known = |guesses: &Guesses| guesses.get(&reference.path).cloned();
        let alone = || {
            let alone = self.alone(reference, asked);
            alone.filter(|(file, _)| self.may_have(*file, reference))
        };
        let by_container = || {
            let known = known(&self.by_container);
            known.filter(|(file, _)| !self.is_of_another(*file, asked))
        };
        let (file, note) = known(&self.by_project)
            .or_else(alone)
            .or_else(by_container)?;
        self.conventional(file, asked.at, note)
    }

    /// Which images would have a Dockerfile for being the only one.
    pub(super) fn claims(&self, asked: &[Asked<'_>]) -> BTreeMap<FileId, BTreeMap<String, Claim>> {
        let mut claims: BTreeMap<FileId, BTreeMap<String, Claim>> = BTreeMap::new();
        for asked in asked {
            let Some(reference) = Reference::parse(&asked.image) else {
                continue;
            };
            let known = self.known(reference);
            if known.iter().any(|name| self.said(name).is_some()) {
                continue;
            }
            for reference in known {
                if !self.may_be_built(&reference, asked)
                    || self.called(&reference, asked).is_some()
                    || self.by_project.contains_key(&reference.path)
                {
                    continue;
                }
                let Some((file, _)) = self.alone(&reference, asked) else {
                    continue;
                };
                let is_related = self.is_related(file, &reference, asked);
                let fits = asked.fits(&self.ports(file));
                let claim = claims.entry(file).or_default().entry(reference.path);
                let claim = claim.or_default();
                claim.is_related |= is_related;
                claim.fits |= fits;
            }
        }
        claims
    }

    /// May an image have the only Dockerfile, beside the others that would?
    fn may_have(&self, file: FileId, reference: &Reference) -> bool {
        let Some(claims) = self.claims.get(&file).filter(|claims| claims.len() > 1) else {
            return true;
        };
        let Some(own) = claims.get(&reference.path) else {
            return true;
        };
        if claims.values().any(|claim| claim.is_related) {
            return own.is_related;
        }
        own.fits && claims.values().filter(|claim| claim.fits).count() == 1
    }

    /// Is nothing known by which it is plainly another's?
    pub(super) fn may_be_built(&self, reference: &Reference, asked: &Asked<'_>) -> bool {
        let is_pulled = || {
            let same = |pulled: &&super::Reference| {
                pulled.path == reference.path && pulled.registry == reference.registry
            };
            self.pulled.iter().find(same).is_some()
        };
        reference.may_be_own()
            && !asked.is_database()
            && !is_pulled()
            && !self.is_of_another_owner(reference)
    }

    /// Are the owners of what is built here known, and is this one none of them?
    fn is_of_another_owner(&self, reference: &Reference) -> bool {
        let Some(own) = owner(reference) else {
            return false;
        };
        let built = || {
            let services = self.services.iter().map(|(name, _)| name);
            services.chain(self.builds.iter().map(|(name, _)| name))
        };
        let owners: BTreeSet<&str> = built().filter_map(owner).collect();
        let is_placeholder = ["your", "user", "example", "<", "changeme"];
        !owners.is_empty()
            && !owners.contains(own)
            && !is_placeholder.iter().any(|word| own.contains(word))
            && !built().any(|name| name.base() == reference.base())
    }

    /// The Dockerfile whose folder or ending is the image's name.
    pub(super) fn called(&self, reference: &Reference, asked: &Asked<'_>) -> Option<FileId> {
        let base = reference.base();
        let called = self.dockerfiles.iter().copied().filter(|id| {
            let source = &self.repository.file(*id).source;
            is_called(source.folder().rsplit('/').next().unwrap_or_default(), base)
                || suffix(source.name()).is_some_and(|suffix| is_called(suffix, base))
        });
        let (named, free): (Vec<_>, Vec<_>) = called.partition(|id| self.is_named(*id));
        let folder = self.repository.file(asked.at.file).source.folder();
        let fitting: Vec<_> = free
            .iter()
            .copied()
            .filter(|id| !asked.contradicts(&self.ports(*id)))
            .collect();
        if free.is_empty() || !fitting.is_empty() {
            return nearest(self.repository, &fitting, folder);
        }
        // none of them listens where it should: one that has another name and does is the better guess
        let others: Vec<_> = named
            .into_iter()
            .filter(|id| asked.fits(&self.ports(*id)))
            .collect();
        nearest(self.repository, &others, folder)
            .or_else(|| nearest(self.repository, &free, folder))
    }

    /// The only Dockerfile that it can be, and why; the one that Compose builds the service of this name from, where that is
    /// another.
    fn alone(&self, reference: &Reference, asked: &Asked<'_>) -> Option<(FileId, String)> {
        let (file, note) = self.only_one(reference, asked)?;
        let composed: Vec<_> = self.composed_as(reference, asked).collect();
        if composed.is_empty() && self.is_of_another(file, asked) {
            return None;
        }
        if composed.is_empty() || composed.contains(&Some(file)) {
            let ports = self.ports(file);
            // EXPOSE is often stale: where there is one image and one Dockerfile, it speaks against nothing
            let is_only = self.only.as_ref() == Some(&reference.path);
            let is_other = asked.contradicts(&ports)
                && !(is_only && matches!(ports, Ports::Exposed(_)))
                && !self.is_related(file, reference, asked);
            return (!is_other).then_some((file, note));
        }
        let [Some(other)] = composed[..] else {
            return None;
        };
        let path = &self.repository.file(other).source.path;
        Some((
            other,
            format!("Compose builds {path} for a service of this name"),
        ))
    }

    fn only_one(&self, reference: &Reference, asked: &Asked<'_>) -> Option<(FileId, String)> {
        let manifest = &self.repository.file(asked.at.file).source;
        if let ([file], Some(only)) = (&self.dockerfiles[..], &self.only)
            && *only == reference.path
            && !self.is_named(*file)
        {
            let source = &self.repository.file(*file).source;
            let above = if is_below(manifest.folder(), source.folder()) {
                " above this manifest"
            } else {
                ""
            };
            return Some((
                *file,
                format!("{} is the only Dockerfile{above}", source.path),
            ));
        }
        let mut beside = self.dockerfiles.iter().copied().filter(|id| {
            let folder = self.repository.file(*id).source.folder();
            folder.is_empty() || is_below(manifest.folder(), folder)
        });
        let only = beside.next().filter(|_| beside.next().is_none())?;
        let mut names = asked.names.iter();
        if !names.any(|name| is_called(name, reference.base())) {
            return None;
        }
        let path = &self.repository.file(only).source.path;
        Some((
            only,
            format!("{path} is the only Dockerfile above this manifest"),
        ))
    }

    /// What Compose builds services of the image's or the container's name from.
    pub(super) fn composed_as<'b>(
        &'b self,
        reference: &'b Reference,
        asked: &'b Asked<'_>,
    ) -> impl Iterator<Item = Option<FileId>> + 'b {
        let is_for_development = |file: FileId| {
            let source = &self.repository.file(file).source;
            suffix(source.name()).is_some_and(|end| FOR_DEVELOPMENT.contains(&end))
        };
        let same = self.composed.iter().filter(move |(name, _)| {
            is_called(name, reference.base()) || asked.names.contains(&name.as_str())
        });
        let files = same.map(|(_, file)| *file);
        files.filter(move |file| !file.is_some_and(is_for_development))
    }

    /// Is the image, its container or its workload called as the Dockerfile's folder, its ending or a service that is built
    /// from it?
    fn is_related(&self, file: FileId, reference: &Reference, asked: &Asked<'_>) -> bool {
        let source = &self.repository.file(file).source;
        let folder = source.folder().rsplit('/').next().unwrap_or_default();
        let folder = Some(folder).filter(|name| !PLAIN_FOLDERS.contains(name));
        let services = self.composed.iter();
        let services = services.filter(|(_, built)| *built == Some(file));
        let services = services.map(|(name, _)| name.as_str());
        folder
            .into_iter()
            .chain(suffix(source.name()))
            .chain(services)
            .any(|word| asked.is_related(reference, word))
    }

    /// Is the image a known server's by its name, and neither the Dockerfile's path, its base nor its command speaks of that?
    pub(super) fn is_of_another(&self, file: FileId, asked: &Asked<'_>) -> bool {
        let parsed = self.repository.file(file);
        let (Some(server), Model::Dockerfile(dockerfile)) = (asked.server(), &parsed.model) else {
            return false;
        };
        let speaks = |text: &str| text.to_ascii_lowercase().contains(server);
        let is_its_own = dockerfile.stages.iter().any(|stage| {
            let mut starts = [&stage.entrypoint, &stage.command].into_iter().flatten();
            let text = |start: &Start| parsed.source.text.get(start.at.span.range());
            speaks(&stage.base.value) || starts.any(|start| text(start).is_some_and(speaks))
        });
        !is_its_own && !speaks(&parsed.source.path)
    }

    /// The ports that a Dockerfile's image listens on, as far as it tells.
    pub(super) fn ports(&self, file: FileId) -> Ports {
        match &self.repository.file(file).model {
            Model::Dockerfile(dockerfile) => Ports::of(dockerfile),
            _ => Ports::Exposed(Vec::new()),
        }
    }

    fn conventional(&self, file: FileId, at: Location, note: String) -> Option<Link> {
        let stage = self.stage(file, None)?;
        let built = Built { file, stage };
        let note = note + &self.ends_for_development(built);
        Some(Link {
            built,
            context: self.context_of(file),
            confidence: Confidence::Medium,
            evidence: Evidence { at, note },
        })
    }

    /// Does some file build it under a name of its own? Then it is no candidate for other names.
    pub(super) fn is_named(&self, dockerfile: FileId) -> bool {
        let path = &self.repository.file(dockerfile).source.path;
        let by_service = self
            .services
            .iter()
            .any(|(_, link)| link.built.file == dockerfile);
        by_service
            || self
                .builds
                .iter()
                .any(|(_, said)| said.dockerfile.as_deref().map(normalise).as_ref() == Some(path))
    }
}

/// `acme` of `acme/shop` and of `ghcr.io/acme/shop`.
fn owner(reference: &Reference) -> Option<&str> {
    Some(reference.path.split_once('/')?.0)
}

/// `shop`, `shop-image`, `docker-shop`, `shop_web` and the like are `shop`.
pub(super) fn is_called(candidate: &str, base: &str) -> bool {
    const ENDS: [&str; 5] = ["-image", "-docker", "-service", "-app", "-server"];
    let is_with_end = |long: &str, short: &str| {
        let cut = long.split_at_checked(short.len());
        let is_end = |end: &str| ENDS.iter().any(|known| is_same(known, end));
        cut.is_some_and(|(start, end)| is_end(end) && is_same(start, short))
    };
    !candidate.is_empty()
        && (is_same(candidate, base)
            || is_with_end(base, candidate)
            || is_with_end(candidate, base))
}

/// `worker` of `Dockerfile.worker` and of `worker.Dockerfile`.
pub(in crate::graph) fn suffix(name: &str) -> Option<&str> {
    name.strip_prefix("Dockerfile.")
        .or_else(|| name.strip_suffix(".Dockerfile"))
        .or_else(|| name.strip_suffix(".dockerfile"))
}

/// The one whose folder shares most with the manifest's; none where two are as near.
pub(super) fn nearest(
    repository: &Repository,
    candidates: &[FileId],
    folder: &str,
) -> Option<FileId> {
    let shared = |id: FileId| {
        let other = repository.file(id).source.folder();
        other
            .split('/')
            .zip(folder.split('/'))
            .take_while(|(a, b)| a == b)
            .count()
    };
    let most = candidates.iter().map(|id| shared(*id)).max()?;
    let mut best = candidates.iter().copied().filter(|id| shared(*id) == most);
    let first = best.next();
    if best.next().is_some() { None } else { first }
}
