//! Images that nothing runs: each by itself, as `docker run` would.
//!
//! A Dockerfile that nothing refers to is one. So is the last stage, which a build without a target makes, where all that
//! runs the Dockerfile are its stages for development: Compose's `target: development` says nothing of what is deployed.

use crate::finding::{Confidence, Evidence};
use crate::graph::build::Declared;
use crate::graph::effective::Override;
use crate::graph::images::{Images, Link};
use crate::graph::kubernetes::Environment;
use crate::graph::workload::{Built, Life, Limits, Origin, Probes, Workload};
use crate::parse::Model;
use crate::parse::dockerfile::Dockerfile;
use crate::repository::Repository;
use crate::source::{FileId, names_development};
use std::collections::{BTreeMap, BTreeSet};

/// A stop without a manifest: what `docker stop` waits.
const DOCKER_GRACE: u32 = 10;

/// The last stages of Dockerfiles that nothing among what was found runs.
pub(super) fn dockerfiles(
    repository: &Repository,
    images: &Images<'_>,
    found: &[Workload],
) -> Vec<Declared> {
    let mut used: BTreeMap<FileId, BTreeSet<usize>> = BTreeMap::new();
    for built in found.iter().filter_map(|workload| workload.built) {
        used.entry(built.file).or_default().insert(built.stage);
    }
    let mut declared = Vec::new();
    for (file, parsed) in repository.files() {
        let Model::Dockerfile(model) = &parsed.model else {
            continue;
        };
        let Some(stage) = model.stages.len().checked_sub(1) else {
            continue;
        };
        let path = &parsed.source.path;
        let note = match used.get(&file) {
            None => format!("is the image of {path}"),
            Some(stages) if is_hidden(model, stages, stage) && !images.names_a_target(file) => {
                format!("is the image of {path} where a build names no target")
            }
            Some(_) => continue,
        };
        let built = Built { file, stage };
        declared.push(alone(images, built, path.clone(), note));
    }
    declared
}

/// Are all stages that are run for development, and the last is none of them?
fn is_hidden(model: &Dockerfile, used: &BTreeSet<usize>, last: usize) -> bool {
    let is_for_development = |stage: &usize| {
        let stage = model.stages.get(*stage);
        let name = stage.and_then(|stage| stage.name.as_ref());
        name.is_some_and(|name| names_development(&name.value))
    };
    !used.contains(&last) && used.iter().all(is_for_development) && !is_for_development(&last)
}

fn alone(images: &Images<'_>, built: Built, name: String, note: String) -> Declared {
    let at = images.place(built);
    Declared {
        name,
        at,
        origin: Origin::Dockerfile,
        image: None,
        link: Some(Link {
            built,
            context: images.context_of(built.file),
            confidence: Confidence::High,
            evidence: Evidence { at, note },
        }),
        over: Override::default(),
        over_at: (None, None),
        environment: Environment::default(),
        workdir: None,
        limits: Limits::default(),
        probes: Probes::default(),
        life: Life {
            grace: DOCKER_GRACE,
            ..Life::default()
        },
        requests: Vec::new(),
    }
}
