//! From an image's name to the Dockerfile that it is built from.
//!
//! Nothing in Kubernetes says it, so everything that a repository says elsewhere is asked, the surest first: the hints of
//! `dunnage.toml`, what Compose, skaffold and CI build under which name, then conventions: the folder that is called as the
//! image is, `Dockerfile.NAME`, the only Dockerfile beside the manifest. Each link has a confidence, and none is better
//! than a wrong one: an official image's name is never linked by convention.

mod asked;
mod convention;
mod name;
mod ports;
mod project;

use super::workload::Built;
use crate::finding::{Confidence, Evidence};
use crate::parse::Model;
use crate::parse::other::ImageName;
use crate::repository::Repository;
use crate::source::{FileId, Location, names_development};
pub(super) use asked::Asked;
pub(super) use convention::suffix;
pub(super) use name::Reference;
use std::collections::{BTreeMap, BTreeSet};

/// What a person says where the files do not: `[images]` of `dunnage.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// From an image's name, without tag, to its Dockerfile.
    pub images: BTreeMap<String, Hint>,
}

/// One line of `[images]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// The Dockerfile, below the folder that is checked.
    pub dockerfile: String,
    /// The stage, where it is not the last.
    pub target: Option<String>,
    /// The folder that it is built in, where it is not the Dockerfile's.
    pub context: Option<String>,
}

impl Hints {
    /// From the lines `image = "path/Dockerfile"` or `image = "path/Dockerfile#stage"`.
    pub fn of(images: &BTreeMap<String, String>) -> Self {
        let hint = |line: &str| {
            let (dockerfile, target) = match line.split_once('#') {
                Some((path, stage)) => (path, Some(stage.to_owned())),
                None => (line, None),
            };
            Hint {
                dockerfile: dockerfile.to_owned(),
                target,
                context: None,
            }
        };
        Self {
            images: images
                .iter()
                .map(|(name, line)| (name.clone(), hint(line)))
                .collect(),
        }
    }
}

/// How an image was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The stage.
    pub(super) built: Built,
    /// The folder that it is built in.
    pub(super) context: String,
    /// How sure.
    pub(super) confidence: Confidence,
    /// What says so.
    pub(super) evidence: Evidence,
}

/// A folder, a Dockerfile in it and a stage, as a build names them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Build<'a> {
    /// Below the root.
    pub(super) context: Option<&'a str>,
    /// Below the root.
    pub(super) dockerfile: Option<&'a str>,
    /// A stage's name.
    pub(super) target: Option<&'a str>,
}

/// Everything that names images.
#[derive(Debug)]
pub(super) struct Images<'a> {
    repository: &'a Repository,
    hints: &'a Hints,
    /// Builds with the names of what they make.
    builds: Vec<(Reference, &'a ImageName)>,
    /// Other names: manifest's → registry's.
    renames: Vec<(Reference, Reference)>,
    /// Compose services that build and name an image.
    services: Vec<(Reference, Link)>,
    dockerfiles: Vec<FileId>,
    /// Names of Compose services that build, each with its Dockerfile; none where that is not here.
    composed: Vec<(String, Option<FileId>)>,
    /// Images that a Compose file pulls while it builds others.
    pulled: Vec<Reference>,
    /// The one image of the manifests that can only be the one Dockerfile's.
    only: Option<String>,
    /// Which images would have a Dockerfile for being the only one, and what speaks for each.
    claims: BTreeMap<FileId, BTreeMap<String, convention::Claim>>,
    /// What images are called after without their project's name.
    by_project: project::Guesses,
    /// What images are called after by their container's name.
    by_container: project::Guesses,
}

impl<'a> Images<'a> {
    pub(super) fn new(repository: &'a Repository, hints: &'a Hints) -> Self {
        let mut images = Self {
            repository,
            hints,
            builds: Vec::new(),
            renames: Vec::new(),
            services: Vec::new(),
            dockerfiles: Vec::new(),
            composed: Vec::new(),
            pulled: Vec::new(),
            only: None,
            claims: BTreeMap::new(),
            by_project: BTreeMap::new(),
            by_container: BTreeMap::new(),
        };
        for (id, file) in repository.files() {
            match &file.model {
                Model::Dockerfile(dockerfile) if !dockerfile.stages.is_empty() => {
                    images.dockerfiles.push(id);
                }
                Model::Links(links) => images.add_names(&links.images),
                _ => {}
            }
        }
        images
    }

    fn add_names(&mut self, names: &'a [ImageName]) {
        for name in names {
            let Some(reference) = Reference::parse(&name.name) else {
                continue;
            };
            if let Some(renamed) = name.renamed.as_deref().and_then(Reference::parse) {
                self.renames.push((reference.clone(), renamed));
            }
            if name.context.is_some() || name.dockerfile.is_some() {
                self.builds.push((reference, name));
            }
        }
    }

    /// A Compose service that builds what it names makes that name known to manifests.
    pub(super) fn add_service(&mut self, image: &str, link: Link) {
        if let Some(reference) = Reference::parse(image) {
            self.services.push((reference, link));
        }
    }

    /// A Compose service that builds, from this Dockerfile if it is here.
    pub(super) fn add_built(&mut self, service: &str, dockerfile: Option<FileId>) {
        self.composed.push((service.to_owned(), dockerfile));
    }

    /// An image that a Compose file pulls while it builds others.
    pub(super) fn add_pulled(&mut self, image: &str) {
        // a name without an owner can be pulled from nowhere
        let reference = Reference::parse(image).filter(|name| name.path.contains('/'));
        self.pulled.extend(reference);
    }

    /// Where a repository has one Dockerfile and its manifests one image that is nobody else's, they belong together, whatever
    /// the image is called. `asked` are all images of all manifests.
    pub(super) fn settle(&mut self, asked: &[Asked<'_>]) {
        let may_have_one = |asked: &&Asked<'_>| {
            let mut files = self.dockerfiles.iter();
            files.any(|file| !self.is_of_another(*file, asked))
        };
        let own: BTreeSet<String> = asked
            .iter()
            .filter(may_have_one)
            .filter_map(|asked| Reference::parse(&asked.image))
            .filter(Reference::may_be_own)
            .map(|name| name.path)
            .collect();
        // a name without an owner can be pulled from nowhere: if there is one, it is the one that is built
        let bare: Vec<&String> = own.iter().filter(|path| !path.contains('/')).collect();
        let only = match (&bare[..], own.len()) {
            ([only], _) => Some((*only).clone()),
            (_, 1) => own.first().cloned(),
            _ => None,
        };
        self.only = only.filter(|_| self.dockerfiles.len() == 1);
        self.by_project = self.by_project(asked);
        self.claims = self.claims(asked);
        self.by_container = self.by_container(asked);
    }

    /// Is an image's name one that a repository may build?
    pub(super) fn may_be_own(image: &str) -> bool {
        Reference::parse(image).is_some_and(|name| name.may_be_own())
    }

    /// The stage of a build whose folder and file are said.
    pub(super) fn built(&self, build: Build<'_>) -> Option<(Built, String)> {
        let context = build.context.map(normalise).unwrap_or_default();
        let path = match build.dockerfile {
            Some(path) => normalise(path),
            None => join(&context, "Dockerfile"),
        };
        let file = [
            path.clone(),
            join(&context, &path),
            join(&context, "Containerfile"),
        ]
        .iter()
        .find_map(|path| self.repository.at(path))?;
        Some((
            Built {
                file,
                stage: self.stage(file, build.target)?,
            },
            context,
        ))
    }

    /// The stage of this name, or the last.
    fn stage(&self, file: FileId, target: Option<&str>) -> Option<usize> {
        let Model::Dockerfile(dockerfile) = &self.repository.file(file).model else {
            return None;
        };
        let named = target.and_then(|target| {
            dockerfile.stages.iter().position(|stage| {
                stage
                    .name
                    .as_ref()
                    .is_some_and(|name| name.value.eq_ignore_ascii_case(target))
            })
        });
        named.or_else(|| dockerfile.stages.len().checked_sub(1))
    }

    /// What is to be said of a stage that is taken for being the last, and is called as if nobody deployed it.
    fn ends_for_development(&self, built: Built) -> String {
        let Model::Dockerfile(dockerfile) = &self.repository.file(built.file).model else {
            return String::new();
        };
        let stage = dockerfile.stages.get(built.stage);
        match stage.and_then(|stage| stage.name.as_ref()) {
            Some(name) if names_development(&name.value) => {
                format!(
                    ", and a build without a target ends in its stage {}",
                    name.value
                )
            }
            _ => String::new(),
        }
    }

    /// The folder that a Dockerfile is built in, where a build of any name says so; else its own.
    pub(super) fn context_of(&self, file: FileId) -> String {
        let path = &self.repository.file(file).source;
        let said = self.builds.iter().find_map(|(_, said)| {
            let dockerfile = normalise(said.dockerfile.as_deref()?);
            (dockerfile == path.path)
                .then(|| said.context.as_deref().map(normalise))
                .flatten()
        });
        said.unwrap_or_else(|| path.folder().to_owned())
    }

    /// Does a build, other than a Compose service's, name a stage of a Dockerfile?
    pub(super) fn names_a_target(&self, file: FileId) -> bool {
        let path = &self.repository.file(file).source.path;
        self.builds.iter().any(|(_, said)| {
            let dockerfile = said.dockerfile.as_deref().map(normalise);
            said.target.is_some() && dockerfile.as_ref() == Some(path)
        })
    }

    /// Where a stage stands.
    pub(super) fn place(&self, built: Built) -> Location {
        let span = match &self.repository.file(built.file).model {
            Model::Dockerfile(dockerfile) => dockerfile.stages[built.stage].base.at.span,
            _ => crate::source::Span::default(),
        };
        Location {
            file: built.file,
            span,
        }
    }

    /// What the image of a manifest is built from.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Option<Link> {
        let reference = Reference::parse(&asked.image)?;
        if let Some(link) = self.hinted(&reference, asked.at) {
            return Some(link);
        }
        let known = self.known(reference);
        known
            .iter()
            .find_map(|reference| self.said(reference))
            .or_else(|| {
                known
                    .iter()
                    .find_map(|reference| self.by_convention(reference, asked))
            })
    }

    /// A name, and what kustomize replaces it by.
    fn known(&self, reference: Reference) -> Vec<Reference> {
        let renamed = self.renames.iter();
        let renamed = renamed.filter(|(from, _)| from.matches(&reference).is_some());
        let renamed: Vec<Reference> = renamed.map(|(_, to)| to.clone()).collect();
        std::iter::once(reference).chain(renamed).collect()
    }

    fn hinted(&self, reference: &Reference, at: Location) -> Option<Link> {
        let hint = self.hints.images.iter().find_map(|(name, hint)| {
            let named = Reference::parse(name)?;
            (named.matches(reference) == Some(Confidence::High) || named.path == reference.base())
                .then_some(hint)
        })?;
        let (built, context) = self.built(Build {
            context: hint
                .context
                .as_deref()
                .or_else(|| Some(folder(&hint.dockerfile))),
            dockerfile: Some(&hint.dockerfile),
            target: hint.target.as_deref(),
        })?;
        let note = format!(
            "dunnage.toml says that it is built from {}",
            hint.dockerfile
        );
        Some(Link {
            built,
            context,
            confidence: Confidence::High,
            evidence: Evidence { at, note },
        })
    }

    /// What some file says outright.
    fn said(&self, reference: &Reference) -> Option<Link> {
        let services = self.services.iter().filter_map(|(name, link)| {
            let confidence = name.matches(reference)?;
            Some(Link {
                confidence: confidence.min(link.confidence),
                ..link.clone()
            })
        });
        let builds = self.builds.iter().filter_map(|(name, said)| {
            let confidence = name.matches(reference)?;
            let (built, context) = self.built(Build {
                context: said.context.as_deref(),
                dockerfile: said.dockerfile.as_deref(),
                target: said.target.as_deref(),
            })?;
            let path = &self.repository.file(built.file).source.path;
            let mut note = format!("{} is built from {path}", name.path);
            if said.target.is_none() {
                note += &self.ends_for_development(built);
            }
            let evidence = Evidence { at: said.at, note };
            Some(Link {
                built,
                context,
                confidence,
                evidence,
            })
        });
        // the first of the surest
        services.chain(builds).reduce(|best, other| {
            if other.confidence > best.confidence {
                other
            } else {
                best
            }
        })
    }
}

/// Is a folder the other one or below it?
pub(super) fn is_below(folder: &str, root: &str) -> bool {
    root.is_empty()
        || folder
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The folder of a path; empty for the root.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path of the repository: `.`, `..` and empty parts resolved.
pub(super) fn normalise(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Two parts of a path.
pub(super) fn join(folder: &str, path: &str) -> String {
    normalise(&format!("{folder}/{path}"))
}

#[cfg(test)]
mod tests;
