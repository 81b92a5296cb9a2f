//! From a path in an image to a file of the repository, by what `COPY` says.

use super::images::{is_below, join, normalise};
use crate::parse::Model;
use crate::parse::dockerfile::{Stage, Written};
use crate::repository::Repository;
use crate::source::FileId;

/// Where programs are that are named without a folder.
const PATH: [&str; 5] = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
];

/// An image's files, as far as they come from the repository.
#[derive(Debug, Clone)]
pub(super) struct Files<'a> {
    repository: &'a Repository,
    /// The folder that the image is built in.
    context: String,
    workdir: String,
    /// Sources below the repository's root and the absolute destination, the last `COPY` first.
    copies: Vec<(Vec<String>, String)>,
    /// What the Dockerfile holds the text of, the last first.
    written: Vec<&'a Written>,
}

/// A script of an image.
#[derive(Debug, Clone, Copy)]
pub(super) enum ScriptFile<'a> {
    /// A file of the repository: of a shell, or of Python.
    File(FileId),
    /// A part of a Dockerfile.
    Written(&'a Written),
}

impl<'a> Files<'a> {
    /// Of a stage and of those before it that it may take files from.
    pub(super) fn new(
        repository: &'a Repository,
        context: &str,
        stages: &[&'a Stage],
        workdir: Option<&str>,
    ) -> Self {
        let own = stages
            .iter()
            .find_map(|stage| stage.workdir.as_ref())
            .map(|workdir| workdir.value.as_str());
        let workdir = workdir.or(own).unwrap_or("/");
        let mut copies = Vec::new();
        for stage in stages {
            let workdir = stage
                .workdir
                .as_ref()
                .map_or(workdir, |own| own.value.as_str());
            for (sources, destination, _) in stage.copies.iter().rev() {
                let is_folder =
                    destination.ends_with('/') || destination.ends_with("/.") || destination == ".";
                let absolute = absolute(workdir, destination);
                let end = if is_folder || sources.len() > 1 {
                    "/"
                } else {
                    ""
                };
                copies.push((sources.clone(), format!("{absolute}{end}")));
            }
        }
        Self {
            repository,
            context: normalise(context),
            workdir: absolute("/", workdir),
            copies,
            written: stages
                .iter()
                .flat_map(|stage| stage.written.iter().rev())
                .collect(),
        }
    }

    /// The folder that a program is started in.
    pub(super) fn workdir(&self) -> &str {
        &self.workdir
    }

    /// The script at a path, or of a name that `PATH` is searched for.
    pub(super) fn script(&self, path: &str) -> Option<ScriptFile<'a>> {
        let written = self.written.iter().find(|file| {
            let own = absolute("/", &file.path);
            if path.contains('/') {
                own == absolute(&self.workdir, path)
            } else {
                let folder = own.strip_suffix(path).and_then(|own| own.strip_suffix('/'));
                folder.is_some_and(|folder| PATH.contains(&folder) || folder == self.workdir)
            }
        });
        if let Some(written) = written {
            return Some(ScriptFile::Written(written));
        }
        let id = if path.contains('/') {
            self.find(path)
        } else {
            self.find_program(path)
        }?;
        let is_script = matches!(
            self.repository.file(id).model,
            Model::Shell(_) | Model::Python(_)
        );
        is_script.then_some(ScriptFile::File(id))
    }

    /// The script that a path means where nothing is copied to it: the one that is copied by its name. What moved it is not
    /// seen, or it is missing there.
    pub(super) fn script_meant(&self, path: &str) -> Option<ScriptFile<'a>> {
        let (_, name) = path.rsplit_once('/')?;
        let named = |source: &&String| source.rsplit('/').next() == Some(name);
        let sources = self.copies.iter().flat_map(|(sources, _)| sources);
        let mut found = sources
            .filter(named)
            .filter_map(|source| self.find_source(source));
        let only = found
            .next()
            .filter(|only| found.all(|other| other == *only))?;
        let is_script = matches!(self.repository.file(only).model, Model::Shell(_));
        is_script.then_some(ScriptFile::File(only))
    }

    /// The file at a path of the image, absolute or from the working directory.
    pub(super) fn find(&self, path: &str) -> Option<FileId> {
        let path = absolute(&self.workdir, path);
        self.contexts().find_map(|context| {
            self.copies.iter().find_map(|(sources, destination)| {
                sources
                    .iter()
                    .find_map(|source| self.copied(context, source, destination, &path))
            })
        })
    }

    /// A program that is named without a folder: found by `PATH`, so any copied file of the name, but not one of the working
    /// directory only.
    pub(super) fn find_program(&self, name: &str) -> Option<FileId> {
        PATH.iter()
            .find_map(|folder| self.find(&format!("{folder}/{name}")))
            .or_else(|| self.find(name))
    }

    /// Folders of the repository that stand at a place of `sys.path`: what was copied to the working directory or above it.
    pub(super) fn roots(&self) -> Vec<String> {
        let mut roots = Vec::new();
        for context in self.contexts() {
            for (sources, destination) in &self.copies {
                for source in sources {
                    let source = join(context, source);
                    let destination = destination.trim_end_matches('/');
                    let root = if destination == self.workdir.trim_end_matches('/') {
                        Some(source)
                    } else {
                        // COPY shop /app/shop under WORKDIR /app
                        is_below(destination, self.workdir.trim_end_matches('/'))
                            .then(|| {
                                let rest = destination[self.workdir.trim_end_matches('/').len()..]
                                    .trim_matches('/');
                                source
                                    .strip_suffix(rest)
                                    .map(|root| root.trim_end_matches('/').to_owned())
                            })
                            .flatten()
                    };
                    roots.extend(root);
                }
            }
        }
        roots.push(self.context.clone());
        let mut seen = std::collections::BTreeSet::new();
        roots.retain(|root| seen.insert(root.clone()));
        roots
    }

    /// The file of the repository at a source of the build's context.
    pub(super) fn find_source(&self, source: &str) -> Option<FileId> {
        self.contexts()
            .find_map(|context| self.repository.at(&join(context, source)))
    }

    /// The build's folder, and the root, where many build everything.
    fn contexts(&self) -> impl Iterator<Item = &str> {
        let root = (!self.context.is_empty()).then_some("");
        std::iter::once(self.context.as_str()).chain(root)
    }

    fn copied(&self, context: &str, source: &str, destination: &str, path: &str) -> Option<FileId> {
        let source_path = join(context, source);
        let into = destination.trim_end_matches('/');
        if let Some((folder, pattern)) = glob(&source_path) {
            let (parent, name) = path.rsplit_once('/')?;
            return (parent == into && matches(pattern, name))
                .then(|| self.repository.at(&join(folder, name)))
                .flatten();
        }
        if let Some(file) = self.repository.at(&source_path) {
            let name = source_path.rsplit('/').next().unwrap_or_default();
            let is_it = path == destination
                || path
                    .strip_prefix(into)
                    .and_then(|rest| rest.strip_prefix('/'))
                    == Some(name);
            return is_it.then_some(file);
        }
        let rest = path.strip_prefix(into)?.strip_prefix('/')?;
        self.repository.at(&join(&source_path, rest))
    }
}

/// A path of the image. What begins with a variable that is set nowhere here, `$HOME/shop`, is a folder of its own.
fn absolute(workdir: &str, path: &str) -> String {
    let path = if path.starts_with(['/', '$']) {
        path.to_owned()
    } else {
        format!("{workdir}/{path}")
    };
    format!("/{}", normalise(&path))
}

/// The folder and the pattern of a source with `*` in its last part.
fn glob(source: &str) -> Option<(&str, &str)> {
    let (folder, name) = source.rsplit_once('/').unwrap_or(("", source));
    name.contains('*').then_some((folder, name))
}

/// `*` stands for any characters.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// The stages that a stage's image is made of: itself, what it is from, what it copies from; nearest first. The model does
/// not keep names of stages that are referred to, so the instructions' text is asked.
pub(super) fn lineage(repository: &Repository, file: FileId, stage: usize) -> Vec<usize> {
    let file = repository.file(file);
    let Model::Dockerfile(dockerfile) = &file.model else {
        return Vec::new();
    };
    let mut found = vec![stage];
    let mut next = 0;
    while let Some(stage) = found.get(next).copied() {
        next += 1;
        let text = file.source.slice(dockerfile.stages[stage].span);
        for name in referred(text) {
            let earlier =
                dockerfile.stages[..stage]
                    .iter()
                    .enumerate()
                    .rposition(|(index, other)| {
                        name.parse() == Ok(index)
                            || other
                                .name
                                .as_ref()
                                .is_some_and(|own| own.value.eq_ignore_ascii_case(name))
                    });
            found.extend(
                earlier
                    .filter(|earlier| !found.contains(earlier))
                    .into_iter()
                    .collect::<Vec<_>>(),
            );
        }
    }
    found
}

/// Names behind `FROM` and `--from=`.
fn referred(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        if index == 0 {
            names.extend(words.clone().skip(1).find(|word| !word.starts_with("--")));
        }
        names.extend(words.find_map(|word| {
            word.strip_prefix("--from=").or_else(|| {
                let (_, rest) = word.strip_prefix("--mount=")?.split_once("from=")?;
                rest.split(',').next()
            })
        }));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{absolute, glob, matches, referred};

    #[test]
    fn a_star_stands_for_any_characters_of_a_name() {
        assert!(matches("*.sh", "run.sh") && matches("requirements*.txt", "requirements-dev.txt"));
        assert!(matches("*", "x") && matches("a*b*c", "a-b-b-c"));
        assert!(!matches("*.sh", "run.py") && !matches("a*b*c", "acb"));
        assert_eq!(glob("a/*.sh"), Some(("a", "*.sh")));
        assert_eq!(glob("a/run.sh"), None);
    }

    #[test]
    fn a_path_of_the_image_starts_at_its_root() {
        assert_eq!(absolute("/app", "run.sh"), "/app/run.sh");
        assert_eq!(absolute("/app", "./x/../run.sh"), "/app/run.sh");
        assert_eq!(absolute("/", "/run.sh"), "/run.sh");
        assert_eq!(absolute("$HOME/app", "$HOME/app"), "/$HOME/app");
        assert_eq!(absolute("$HOME/app", "./run.sh"), "/$HOME/app/run.sh");
    }

    #[test]
    fn stages_are_named_by_from_and_by_copies() {
        let text = "FROM --platform=linux/amd64 base AS final\nCOPY --chown=1 --from=build /a /a\nRUN --mount=type=bind,from=wheels,target=/w true\n";
        assert_eq!(referred(text), ["base", "build", "wheels"]);
    }
}
