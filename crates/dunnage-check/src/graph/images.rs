//! From an image's name to the Dockerfile that it is built from.
//!
//! Nothing in Kubernetes says it, so everything that a repository says elsewhere is asked, the surest first: the hints of
//! `dunnage.toml`, what Compose, skaffold and CI build under which name, then conventions: the folder that is called as the
//! image is, `Dockerfile.NAME`, the only Dockerfile beside the manifest. Each link has a confidence, and none is better
//! than a wrong one: an official image's name is never linked by convention.

mod name;

use super::workload::Built;
use crate::finding::{Confidence, Evidence};
use crate::parse::Model;
use crate::parse::other::ImageName;
use crate::repository::Repository;
use crate::source::{FileId, Location};
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
    /// The one image of the manifests that can only be the one Dockerfile's.
    only: Option<String>,
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
            only: None,
        };
        for (id, file) in repository.files() {
            match &file.model {
                Model::Dockerfile(dockerfile) if !dockerfile.stages.is_empty() => {
                    images.dockerfiles.push(id);
                }
                Model::Links(names) => images.add_names(names),
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

    /// Where a repository has one Dockerfile and its manifests one image that is nobody else's, they belong together, whatever
    /// the image is called. `names` are all images of all manifests.
    pub(super) fn settle<'b>(&mut self, names: impl Iterator<Item = &'b str>) {
        let own: BTreeSet<String> = names
            .filter_map(Reference::parse)
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

    /// What an image's name in a manifest is built from. `names` are what the manifest calls the workload.
    pub(super) fn find(&self, image: &str, at: Location, names: &[&str]) -> Option<Link> {
        let reference = Reference::parse(image)?;
        if let Some(link) = self.hinted(&reference, at) {
            return Some(link);
        }
        let mut known = vec![reference];
        for (from, to) in &self.renames {
            if from.matches(&known[0]).is_some() {
                known.push(to.clone());
            }
        }
        known
            .iter()
            .find_map(|reference| self.said(reference))
            .or_else(|| {
                known
                    .iter()
                    .find_map(|reference| self.by_convention(reference, at, names))
            })
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
            let evidence = Evidence {
                at: said.at,
                note: format!("{} is built from {path}", name.path),
            };
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

    /// Does some file build it under a name of its own? Then it is no candidate for other names.
    fn is_named(&self, dockerfile: FileId) -> bool {
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

    /// What names suggest, where an image's name can only be one's own.
    fn by_convention(&self, reference: &Reference, at: Location, names: &[&str]) -> Option<Link> {
        if !reference.may_be_own() {
            return None;
        }
        let base = reference.base();
        let manifest = &self.repository.file(at.file).source;
        let called = self.dockerfiles.iter().copied().filter(|id| {
            if self.is_named(*id) {
                return false;
            }
            let source = &self.repository.file(*id).source;
            is_called(source.folder().rsplit('/').next().unwrap_or_default(), base)
                || suffix(source.name()).is_some_and(|suffix| is_called(suffix, base))
        });
        let called: Vec<_> = called.collect();
        if let Some(nearest) = nearest(self.repository, &called, manifest.folder()) {
            let path = &self.repository.file(nearest).source.path;
            return self.conventional(
                nearest,
                Confidence::Medium,
                at,
                format!("{base} is what {path} seems to be called"),
            );
        }
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
            let note = format!("{} is the only Dockerfile{above}", source.path);
            return self.conventional(*file, Confidence::Medium, at, note);
        }
        let beside: Vec<_> = self
            .dockerfiles
            .iter()
            .copied()
            .filter(|id| {
                let folder = self.repository.file(*id).source.folder();
                folder.is_empty() || is_below(manifest.folder(), folder)
            })
            .collect();
        let [only] = beside[..] else {
            return None;
        };
        if !names.iter().any(|name| is_called(name, base)) {
            return None;
        }
        let path = &self.repository.file(only).source.path;
        self.conventional(
            only,
            Confidence::Medium,
            at,
            format!("{path} is the only Dockerfile above this manifest"),
        )
    }

    fn conventional(
        &self,
        file: FileId,
        confidence: Confidence,
        at: Location,
        note: String,
    ) -> Option<Link> {
        let stage = self.stage(file, None)?;
        let context = self.context_of(file);
        Some(Link {
            built: Built { file, stage },
            context,
            confidence,
            evidence: Evidence { at, note },
        })
    }
}

/// `shop`, `shop-image`, `docker-shop`, `shop_web` and the like are `shop`.
fn is_called(candidate: &str, base: &str) -> bool {
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let candidate = plain(candidate);
    let base = plain(base);
    !candidate.is_empty()
        && (candidate == base
            || ["-image", "-docker", "-service", "-app", "-server"]
                .iter()
                .any(|end| {
                    base.strip_suffix(end) == Some(&candidate)
                        || candidate.strip_suffix(end) == Some(&base)
                }))
}

/// `worker` of `Dockerfile.worker` and of `worker.Dockerfile`.
fn suffix(name: &str) -> Option<&str> {
    name.strip_prefix("Dockerfile.")
        .or_else(|| name.strip_suffix(".Dockerfile"))
        .or_else(|| name.strip_suffix(".dockerfile"))
}

/// The one whose folder shares most with the manifest's; none where two are as near.
fn nearest(repository: &Repository, candidates: &[FileId], folder: &str) -> Option<FileId> {
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

/// Is a folder the other one or below it?
pub(super) fn is_below(folder: &str, root: &str) -> bool {
    root.is_empty()
        || folder
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn folder(path: &str) -> &str {
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
