//! Finding and reading the files: what .gitignore leaves, without hidden folders (but `.github`), links and installed packages.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use dunnage_check::engine::Skipped;
use dunnage_check::parse::candidate::{self, Candidate};
use dunnage_check::{Repository, Source};
use dunnage_cli::output;
use ignore::overrides::{Override, OverrideBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::helm;

/// What is checked, and the folder that all paths are told below.
#[derive(Debug)]
pub struct Roots {
    base: PathBuf,
    prefix: String,
    named: Vec<PathBuf>,
}

impl Roots {
    /// Of the paths that the user named. Links among these are followed: who names one means it.
    pub fn of(named: &[PathBuf]) -> anyhow::Result<Self> {
        let mut roots = Vec::new();
        let mut base: Option<PathBuf> = None;
        for path in named {
            let name = || path.display().to_string();
            let root = fs::canonicalize(path).with_context(name)?;
            let folder = if root.is_dir() {
                root.as_path()
            } else if root.is_file() {
                root.parent().unwrap_or(&root)
            } else {
                bail!("{} is no file and no folder", name());
            };
            base = Some(match base {
                Some(base) => common(&base, folder),
                None => folder.to_owned(),
            });
            roots.push(root);
        }
        let base = base.context("no path")?;
        let here = std::env::current_dir().and_then(fs::canonicalize);
        let prefix = match here.as_deref().map(|here| base.strip_prefix(here)) {
            Ok(Ok(below)) => below.to_owned(),
            _ => base.clone(),
        };
        let mut prefix = prefix.to_string_lossy().into_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self {
            base,
            prefix,
            named: roots,
        })
    }

    /// The folder that holds all of it.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// That folder as it is told, with its `/`: nothing if it is the working directory.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn common(one: &Path, other: &Path) -> PathBuf {
    let same = one.components().zip(other.components());
    same.take_while(|(a, b)| a == b)
        .map(|(component, _): (Component<'_>, _)| component)
        .collect()
}

/// Reads and parses everything below the roots, on all CPUs.
pub fn load(roots: &Roots, exclude: &[String]) -> anyhow::Result<(Repository, Skipped)> {
    load_with(roots, exclude, |_| Ok(Vec::new()))
}

/// As [`load`]; charts are what helm makes of them.
pub fn load_rendered(roots: &Roots, exclude: &[String]) -> anyhow::Result<(Repository, Skipped)> {
    load_with(roots, exclude, |paths| helm::render(&roots.base, paths))
}

/// `render` may take paths out and give texts with paths of their own instead.
fn load_with(
    roots: &Roots,
    exclude: &[String],
    render: impl FnOnce(&mut Vec<String>) -> anyhow::Result<Vec<(String, String)>>,
) -> anyhow::Result<(Repository, Skipped)> {
    let [binary, large, unreadable] = [const { AtomicUsize::new(0) }; 3];
    let count = |counter: &AtomicUsize| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let mut paths = walk(roots, exclude, || count(&unreadable))?;
    let rendered: BTreeMap<String, String> = render(&mut paths)?.into_iter().collect();
    paths.extend(rendered.keys().cloned());
    let content = |path: &str| match rendered.get(path) {
        Some(text) => Ok(Content::Text(text.clone())),
        None => read(&roots.base.join(path)),
    };
    let repository = Repository::load(paths, |path| match content(path) {
        Ok(Content::Text(text)) => Some(text),
        Ok(Content::Binary) => {
            count(&binary);
            None
        }
        Ok(Content::Large) => {
            count(&large);
            None
        }
        Ok(Content::Other) => None,
        Err(error) => {
            output::tell(&format!("dunnage: {}{path}: {error}", roots.prefix));
            count(&unreadable);
            None
        }
    });
    let skipped = Skipped {
        binary: binary.into_inner(),
        large: large.into_inner(),
        unreadable: unreadable.into_inner(),
    };
    Ok((repository, skipped))
}

/// The paths, below the base, of all files that may be ours.
fn walk(
    roots: &Roots,
    exclude: &[String],
    mut unreadable: impl FnMut(),
) -> anyhow::Result<Vec<String>> {
    let Some((first, others)) = roots.named.split_first() else {
        return Ok(Vec::new());
    };
    let mut builder = WalkBuilder::new(first);
    for root in others {
        builder.add(root);
    }
    builder
        .hidden(false)
        // an unpacked archive has a .gitignore and no repository
        .require_git(false)
        .overrides(excluding(&roots.base, exclude)?)
        .filter_entry(|entry| entry.depth() == 0 || !is_foreign(entry));
    let mut paths = Vec::new();
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                output::tell(&format!("dunnage: {error}"));
                unreadable();
                continue;
            }
        };
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let name = entry.file_name().to_string_lossy();
        if is_file && (entry.depth() == 0 || candidate::of(&name) != Candidate::No) {
            let path = entry.path().strip_prefix(&roots.base);
            let path = path.unwrap_or(entry.path());
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(paths)
}

fn excluding(base: &Path, globs: &[String]) -> anyhow::Result<Override> {
    let mut builder = OverrideBuilder::new(base);
    for glob in globs {
        builder
            .add(&format!("!{glob}"))
            .with_context(|| format!("exclude `{glob}`"))?;
    }
    Ok(builder.build()?)
}

/// Hidden, or installed by a package manager: nothing that a person would mend.
fn is_foreign(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    if name.starts_with('.') {
        return !matches!(&*name, ".github" | ".gitlab-ci.yml" | ".gitlab-ci.yaml");
    }
    is_folder
        && (matches!(&*name, "node_modules" | "site-packages" | "__pycache__")
            || entry.path().join("pyvenv.cfg").exists())
}

/// What a file holds.
enum Content {
    Text(String),
    Binary,
    Large,
    /// Its name said nothing, and its first bytes do not either.
    Other,
}

fn read(path: &Path) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut bytes = Vec::new();
    if candidate::of(&name) == Candidate::Script {
        Read::by_ref(&mut file).take(2).read_to_end(&mut bytes)?;
        if bytes != b"#!" {
            return Ok(Content::Other);
        }
    }
    let limit = Source::MAX_BYTES as u64;
    if length > limit {
        return Ok(Content::Large);
    }
    // a vector that grows by doubling has room for half as much again on average, and texts are kept to the end
    bytes.reserve_exact(length.saturating_sub(bytes.len() as u64) as usize);
    // the file may grow while it is read
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() > Source::MAX_BYTES {
        return Ok(Content::Large);
    }
    let head = bytes.get(..8192).unwrap_or(&bytes);
    if head.contains(&0) {
        return Ok(Content::Binary);
    }
    Ok(String::from_utf8(bytes).map_or(Content::Binary, Content::Text))
}
