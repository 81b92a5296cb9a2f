//! Dockerfiles that somebody left behind.
//!
//! Nothing refers to such a one, neither a manifest nor what builds images, and one is built that it is a copy of in another
//! folder, or one above it, whose image has its folder, too. Or what runs under its name is another project's image:
//! `Dockerfile.mlflow` beside `ghcr.io/mlflow/mlflow`. What is built is gathered once: a repository may have as many
//! Dockerfiles as files.

use crate::finding::Confidence;
use crate::graph::Workload;
use crate::graph::images::{Reference, folder, join, suffix};
use crate::parse::Model;
use crate::parse::other::ImageName;
use crate::repository::Repository;
use std::collections::BTreeSet;

/// The Dockerfiles that something builds.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Those that CI workflows, skaffold and bake files name.
    named: BTreeSet<String>,
    /// They, and those of images that run.
    all: BTreeSet<String>,
    /// The folders of those of which that is sure.
    folders: BTreeSet<String>,
    /// What images of other projects that run are called.
    ready_made: BTreeSet<String>,
}

impl InUse {
    /// By files, and by what manifests and Compose run.
    pub(super) fn of(repository: &Repository, found: &[Workload]) -> Self {
        let mut in_use = Self::default();
        for (_, file) in repository.files() {
            let Model::Links(links) = &file.model else {
                continue;
            };
            for path in links.images.iter().filter_map(dockerfile) {
                in_use.add(&path, true);
                in_use.named.insert(path);
            }
        }
        for workload in found {
            if let Some(built) = workload.built {
                let path = &repository.file(built.file).source.path;
                in_use.add(path, workload.confidence == Confidence::High);
            } else if let Some(image) = &workload.image {
                let reference = Reference::parse(&image.value);
                let others = reference.filter(|image| !image.may_be_own());
                in_use
                    .ready_made
                    .extend(others.map(|image| image.base().to_owned()));
            }
        }
        in_use
    }

    fn add(&mut self, path: &str, is_sure: bool) {
        self.all.insert(path.to_owned());
        if is_sure {
            self.folders.insert(folder(path).to_owned());
        }
    }

    /// Is the Dockerfile at a path, which runs nowhere, one that is left behind?
    pub(super) fn leaves(&self, path: &str) -> bool {
        let folder = folder(path);
        let slashes = || path.match_indices('/').map(|(at, _)| at);
        let mut copies = slashes().map(|at| &path[at + 1..]);
        let mut above = slashes()
            .filter_map(|at| folder.get(..at))
            .filter(|above| *above != folder)
            .chain((!folder.is_empty()).then_some(""));
        let is_beside = copies.any(|inner| inner.contains('/') && self.all.contains(inner))
            || above.any(|above| self.folders.contains(above));
        let name = path.rsplit('/').next().unwrap_or_default();
        let called = suffix(name).or(folder.rsplit('/').next());
        let is_replaced = called.is_some_and(|called| self.ready_made.contains(called));
        (is_beside || is_replaced) && !self.named.contains(path)
    }
}

/// The Dockerfile of a build.
fn dockerfile(image: &ImageName) -> Option<String> {
    let said = image.dockerfile.clone();
    said.or_else(|| Some(join(image.context.as_deref()?, "Dockerfile")))
}

#[cfg(test)]
mod tests {
    use super::InUse;

    #[test]
    fn a_dockerfile_is_left_behind_below_one_in_use_or_as_a_copy_of_it_or_of_a_ready_made_image_and_not_where_a_build_names_it()
     {
        let mut in_use = InUse::default();
        in_use.add("web/Dockerfile", true);
        in_use.add("jobs/Dockerfile", false);
        for (path, expected) in [
            ("web/old/Dockerfile", true),
            ("web/old/er/Dockerfile.x", true),
            ("copy/web/Dockerfile", true),
            ("copy/of/jobs/Dockerfile", true),
            // nothing is above it, and it is no other's copy
            ("web/Dockerfile", false),
            ("web/Dockerfile.old", false),
            ("webs/old/Dockerfile", false),
            ("Dockerfile", false),
            // that the one above it is in use is a guess
            ("jobs/old/Dockerfile", false),
            ("copy/Dockerfile", false),
        ] {
            assert_eq!(in_use.leaves(path), expected, "{path}");
        }
        in_use.named.insert("web/old/Dockerfile".to_owned());
        assert!(!in_use.leaves("web/old/Dockerfile"));
        in_use.ready_made.insert("mlflow".to_owned());
        for (path, expected) in [
            ("Dockerfile.mlflow", true),
            ("mlflow/Dockerfile", true),
            ("mlflow/Dockerfile.train", false),
            ("Dockerfile.train", false),
        ] {
            assert_eq!(in_use.leaves(path), expected, "{path}");
        }
        in_use.add("Dockerfile", true);
        assert!(in_use.leaves("any/Dockerfile") && !in_use.leaves("Dockerfile.old"));
    }
}
