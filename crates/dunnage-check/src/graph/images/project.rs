//! What an image is called without its project's name, and what its container is.
//!
//! The images of one repository are called `shop-web` and `shop-worker` and its folders `web` and `worker`: what all images
//! of one owner have in common is the project's name, and says nothing of which is which. Where an image's own name says
//! nothing at all, the container's may. Both are weaker than a name that is the folder's, so that a link is made only
//! where exactly one Dockerfile and one image fit each other.

use super::convention::{PLAIN_FOLDERS, suffix};
use super::{Asked, Images, Reference, is_below};
use crate::names::plain;
use crate::repository::Repository;
use crate::source::FileId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many words of a name may be the project's: names come from outside.
const MOST_WORDS: usize = 4;

/// How many words at both ends of images' names are the project's, by the images' namespace.
#[derive(Debug, Default)]
pub(super) struct Projects(BTreeMap<String, Shared>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Shared {
    first: usize,
    last: usize,
}

/// Dockerfiles by the words that they are called by: the folder's, or the file's ending.
type Called = HashMap<String, Vec<FileId>>;

/// Which Dockerfile an image is called after, and what says so.
pub(super) type Guesses = BTreeMap<String, (FileId, String)>;

impl Projects {
    /// Of everything that manifests run. One image alone shares nothing.
    pub(super) fn of(own: &[Reference]) -> Self {
        let mut bases: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
        for reference in own {
            let group = bases.entry(namespace(reference)).or_default();
            group.insert(words(reference.base()));
        }
        let shared = |bases: BTreeSet<Vec<String>>| {
            let bases: Vec<_> = bases.into_iter().collect();
            let [one, others @ ..] = &bases[..] else {
                return Shared::default();
            };
            if others.is_empty() {
                return Shared::default();
            }
            let least = |count: fn(&[String], &[String]) -> usize| {
                let counts = others.iter().map(|other| count(one, other));
                counts.min().unwrap_or_default().min(MOST_WORDS)
            };
            Shared {
                first: least(|a, b| a.iter().zip(b).take_while(|(a, b)| a == b).count()),
                last: least(|a, b| {
                    let pairs = a.iter().rev().zip(b.iter().rev());
                    pairs.take_while(|(a, b)| a == b).count()
                }),
            }
        };
        let groups = bases.into_iter();
        Self(
            groups
                .map(|(namespace, bases)| (namespace, shared(bases)))
                .collect(),
        )
    }

    /// What is left of an image's name without some or all of what it shares.
    fn without(&self, reference: &Reference) -> BTreeSet<String> {
        let shared = self
            .0
            .get(&namespace(reference))
            .copied()
            .unwrap_or_default();
        let words = words(reference.base());
        let mut left = BTreeSet::new();
        for first in 0..=shared.first {
            for last in 0..=shared.last {
                let end = words.len().saturating_sub(last);
                if first + last > 0 && first < end {
                    left.insert(words[first..end].join("-"));
                }
            }
        }
        left
    }
}

impl Images<'_> {
    /// The Dockerfiles that are called as an image is without its project's name, each for one image.
    pub(super) fn by_project(&self, asked: &[Asked<'_>]) -> Guesses {
        let own = asked.iter();
        let own = own.filter_map(|asked| Reference::parse(&asked.image));
        let own: Vec<_> = own.filter(Reference::may_be_own).collect();
        let projects = Projects::of(&own);
        self.guesses(asked, &BTreeSet::new(), |reference, called, _| {
            let left = projects.without(reference);
            let files = left.iter().filter_map(|word| called.get(word));
            let files: BTreeSet<FileId> = files.flatten().copied().collect();
            let note = format!(
                "{} without the name that all images here share",
                reference.base()
            );
            (files, note)
        })
    }

    /// The Dockerfiles that are called as an image's container or workload is, each for one image; none that is another
    /// image's by its name.
    pub(super) fn by_container(&self, asked: &[Asked<'_>]) -> Guesses {
        let by_name = asked.iter().filter_map(|asked| {
            let reference = Reference::parse(&asked.image)?;
            let known = self.known(reference);
            known.iter().find_map(|name| self.called(name, asked))
        });
        let taken = by_name.chain(self.by_project.values().map(|(file, _)| *file));
        self.guesses(asked, &taken.collect(), |_, called, asked| {
            let own = if asked.shares_pod { 1 } else { 2 };
            let mut names = asked.names.iter().take(own);
            let found = names.find_map(|name| Some((name, called.get(&plain(name))?)));
            let Some((name, files)) = found else {
                return (BTreeSet::new(), String::new());
            };
            let files: BTreeSet<FileId> = files.iter().copied().collect();
            let manifest = self.repository.file(asked.at.file).source.folder();
            // one above the manifest that nobody names may be the image as well
            let mut others = self.dockerfiles.iter().filter(|id| !files.contains(id));
            let is_other = others.any(|id| {
                let folder = self.repository.file(*id).source.folder();
                is_below(manifest, folder) && !self.is_named(*id)
            });
            if is_other {
                return (BTreeSet::new(), String::new());
            }
            (files, format!("the container's name, {name},"))
        })
    }

    /// One Dockerfile for one image, where nothing speaks against it.
    fn guesses(
        &self,
        asked: &[Asked<'_>],
        taken: &BTreeSet<FileId>,
        fitting: impl Fn(&Reference, &Called, &Asked<'_>) -> (BTreeSet<FileId>, String),
    ) -> Guesses {
        let called = called(self.repository, &self.dockerfiles);
        // an image that two containers would have from two files has neither
        let mut found: BTreeMap<String, BTreeMap<FileId, String>> = BTreeMap::new();
        for asked in asked {
            let Some(reference) = Reference::parse(&asked.image) else {
                continue;
            };
            for reference in self.known(reference) {
                if !self.may_be_built(&reference, asked) || self.called(&reference, asked).is_some()
                {
                    continue;
                }
                let (files, note) = fitting(&reference, &called, asked);
                let files = files.into_iter().filter(|file| {
                    let composed: Vec<_> = self.composed_as(&reference, asked).collect();
                    !self.is_named(*file)
                        && !taken.contains(file)
                        && !asked.contradicts(&self.ports(*file))
                        && (composed.is_empty() || composed.contains(&Some(*file)))
                });
                let notes = found.entry(reference.path.clone()).or_default();
                notes.extend(files.map(|file| {
                    let path = &self.repository.file(file).source.path;
                    (file, format!("{note} is what {path} seems to be called"))
                }));
            }
        }
        let mut images_of: BTreeMap<FileId, usize> = BTreeMap::new();
        for file in found.values().flat_map(BTreeMap::keys) {
            *images_of.entry(*file).or_default() += 1;
        }
        let only = found.into_iter().filter_map(|(image, files)| {
            let (file, note) = files.first_key_value().filter(|_| files.len() == 1)?;
            (images_of.get(file) == Some(&1)).then(|| (image, (*file, note.clone())))
        });
        only.collect()
    }
}

/// A Dockerfile with an ending is called by that, another by its folder.
fn called(repository: &Repository, dockerfiles: &[FileId]) -> Called {
    let mut called: Called = HashMap::new();
    for file in dockerfiles {
        let source = &repository.file(*file).source;
        let folder = source.folder().rsplit('/').next().unwrap_or_default();
        let word = suffix(source.name()).unwrap_or(folder);
        if !word.is_empty() && !PLAIN_FOLDERS.contains(&word) {
            called.entry(plain(word)).or_default().push(*file);
        }
    }
    called
}

/// The registry and the path before the last part.
fn namespace(reference: &Reference) -> String {
    let registry = reference.registry.as_deref().unwrap_or_default();
    let above = reference
        .path
        .rsplit_once('/')
        .map_or("", |(above, _)| above);
    format!("{registry}/{above}")
}

fn words(base: &str) -> Vec<String> {
    let name = plain(base);
    let words = name.split('-').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
