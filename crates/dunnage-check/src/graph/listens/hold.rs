//! What holds in a container, as far as a server's default depends on it.

use crate::finding::Confidence;
use crate::graph::images::Reference;
use crate::graph::kubernetes::Placed;
use crate::graph::workload::{Origin, Workload};
use crate::parse::Model;
use crate::parse::yaml::Node;
use crate::repository::Repository;
use crate::source::Stated;

/// What a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// Surely not set.
    Unset,
    /// Set to this.
    Is(&'a Stated<String>),
    /// The files do not tell.
    Unknown,
}

/// A workload, as the one who asks whether something else may be set.
pub(super) struct Holds<'a> {
    repository: &'a Repository,
    workload: &'a Workload,
    is_known: bool,
}

impl<'a> Holds<'a> {
    pub(super) fn of(repository: &'a Repository, workload: &'a Workload) -> Self {
        Self {
            repository,
            workload,
            is_known: is_known(repository, workload),
        }
    }

    /// Is all that is set in the container there to see?
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    pub(super) fn variable(&self, name: &str) -> Held<'a> {
        match self.workload.environment.get(name) {
            Some(said) if said.value.is_empty() || said.value.contains(['$', '`']) => Held::Unknown,
            Some(said) => Held::Is(said),
            None if self.is_known => Held::Unset,
            None => Held::Unknown,
        }
    }

    /// May a file of the image be another one than the repository's: does the pod mount a ConfigMap or a Secret?
    pub(super) fn mounts_files(&self) -> bool {
        let Origin::Kubernetes { object, .. } = self.workload.origin else {
            return false;
        };
        let file = self.workload.at.file;
        let placed = Placed::of(self.repository, file, object);
        let volumes = placed.and_then(|placed| placed.object.pod_spec()?.get("volumes"));
        let kinds = ["configMap", "secret", "projected"];
        volumes
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .any(|volume| kinds.iter().any(|kind| volume.get(kind).is_some()))
    }

    /// Is it known what is installed, and this package not among it?
    pub(super) fn lacks_package(&self, name: &str) -> bool {
        !self.workload.packages.is_empty() && !self.has_package(name)
    }

    /// Has the repository a file of this name anywhere?
    pub(super) fn has_file(&self, name: &str) -> bool {
        let mut files = self.repository.files();
        files.any(|(_, file)| file.source.name() == name)
    }

    /// Does a file of this name hold the text?
    pub(super) fn has_text(&self, name: &str, text: &str) -> bool {
        let mut files = self.repository.files().map(|(_, file)| &file.source);
        files.any(|source| source.name() == name && source.text.contains(text))
    }

    pub(super) fn has_package(&self, name: &str) -> bool {
        self.workload.packages.contains_key(name)
    }

    /// Does a text of the program hold one of these words?
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        let mut modules = self.workload.modules.iter();
        modules.any(|id| {
            let text = &self.repository.file(*id).source.text;
            words.iter().any(|word| text.contains(word))
        })
    }
}

/// Is the image built here, on one that sets nothing of its own, and does nothing read more variables on the way?
fn is_known(repository: &Repository, workload: &Workload) -> bool {
    let Some(built) = workload.built else {
        return false;
    };
    let Model::Dockerfile(dockerfile) = &repository.file(built.file).model else {
        return false;
    };
    let base = dockerfile
        .stages
        .get(built.stage)
        .map(|stage| &stage.base.value);
    let is_plain = base
        .and_then(|base| Reference::parse(base))
        .is_some_and(|base| {
            base.is_official() || base.is_of_others() || base.path.starts_with("astral-sh/")
        });
    is_plain
        && workload.confidence == Confidence::High
        && workload.unknown_environment.is_none()
        && !reads_more(workload)
}

/// `source .env`, `eval`: what they set is not known.
fn reads_more(workload: &Workload) -> bool {
    let script = workload
        .script
        .iter()
        .flat_map(|entry| &entry.script.commands);
    let mut named = script.map(crate::parse::shell::Command::name);
    let mut words = workload.command.iter().map(|word| word.text.as_str());
    named.any(|name| matches!(name, "." | "source" | "eval" | "export"))
        || words.any(|text| {
            ["source ", ". ", "eval ", "export ", "env "]
                .iter()
                .any(|word| text.contains(word))
        })
}
