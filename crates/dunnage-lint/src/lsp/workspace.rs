//! One folder of the editor: its files as they are on disk under those that are open, and what was found in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use dunnage_check::{Baseline, FileId, Report, Repository, Settings};

use crate::check::{config, walk};

/// A file that is open in the editor.
#[derive(Debug, Clone)]
pub struct Buffer {
    pub text: String,
    pub version: Option<i64>,
}

/// A folder.
pub struct Workspace {
    /// As the editor calls it.
    named: PathBuf,
    /// Without links.
    root: PathBuf,
    settings: Settings,
    baseline: Baseline,
    report: Option<Report>,
    /// By the path below the folder.
    buffers: BTreeMap<String, Buffer>,
    /// Paths whose text in the report is not the one that holds now.
    changed: BTreeSet<String>,
    /// Must the disk be read again?
    is_stale: bool,
    /// Files that the editor was told something about.
    pub told: BTreeSet<String>,
}

impl Workspace {
    pub fn open(named: PathBuf) -> anyhow::Result<Self> {
        let root = fs::canonicalize(&named).with_context(|| named.display().to_string())?;
        Ok(Self {
            named,
            root,
            settings: Settings::default(),
            baseline: Baseline::default(),
            report: None,
            buffers: BTreeMap::new(),
            changed: BTreeSet::new(),
            is_stale: true,
            told: BTreeSet::new(),
        })
    }

    /// A path below the folder, as files of a report are called.
    pub fn inside(&self, path: &Path) -> Option<String> {
        let below = path
            .strip_prefix(&self.named)
            .or_else(|_| path.strip_prefix(&self.root))
            .ok()?;
        let is_plain = below
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let below = below
            .to_str()
            .filter(|below| is_plain && !below.is_empty())?;
        Some(below.to_owned())
    }

    /// A file's path as the editor calls it.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.named.join(path)
    }

    pub fn is_called(&self, path: &Path) -> bool {
        self.named == path
    }

    /// A file was opened or edited.
    pub fn put(&mut self, path: String, buffer: Buffer) {
        // a file that was not there when the disk was read, and is now
        let is_new = self.file(&path).is_none() && !self.buffers.contains_key(&path);
        self.is_stale |= is_new;
        self.changed.insert(path.clone());
        self.buffers.insert(path, buffer);
    }

    /// A file was closed: what is on disk holds.
    pub fn close(&mut self, path: &str) {
        if self.buffers.remove(path).is_some() {
            self.is_stale = true;
        }
    }

    /// Something changed on disk.
    pub fn touch(&mut self, path: &str) {
        // what the editor holds is newer than what it has just written
        let is_known = self.buffers.contains_key(path) && self.file(path).is_some();
        self.is_stale |= !is_known;
    }

    pub fn is_dirty(&self) -> bool {
        self.is_stale || !self.changed.is_empty()
    }

    pub fn version(&self, path: &str) -> Option<i64> {
        self.buffers.get(path)?.version
    }

    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    pub fn file(&self, path: &str) -> Option<FileId> {
        self.report.as_ref()?.repository.at(path)
    }

    /// Reads what changed and looks again.
    pub fn look(&mut self) -> anyhow::Result<()> {
        let kept = if self.is_stale {
            None
        } else {
            self.report.take()
        };
        let mut repository = match kept {
            Some(report) => report.repository,
            None => self.load()?,
        };
        for path in std::mem::take(&mut self.changed) {
            let buffer = self.buffers.get(&path);
            if let (Some(id), Some(buffer)) = (repository.at(&path), buffer) {
                repository.replace(id, buffer.text.clone());
            }
        }
        self.is_stale = false;
        self.report = Some(dunnage_check::check(
            repository,
            &self.settings,
            &self.baseline,
        ));
        Ok(())
    }

    /// Forgets what was found, after a failure: the disk is read when something changes.
    pub fn forget(&mut self) {
        self.report = None;
        self.is_stale = false;
        self.changed.clear();
    }

    fn load(&mut self) -> anyhow::Result<Repository> {
        // only settings of the folder itself: nothing above it is read
        let settings = config::of_folder(&self.root)?;
        self.settings = settings.unwrap_or_default();
        self.baseline = self.load_baseline()?;
        let roots = walk::Roots::of(std::slice::from_ref(&self.root))?;
        let (repository, _) = walk::load(&roots, &self.settings.exclude)?;
        self.changed.extend(self.buffers.keys().cloned());
        Ok(repository)
    }

    fn load_baseline(&self) -> anyhow::Result<Baseline> {
        let Some(name) = &self.settings.baseline else {
            return Ok(Baseline::default());
        };
        let path =
            fs::canonicalize(self.root.join(name)).with_context(|| format!("baseline {name}"))?;
        anyhow::ensure!(
            path.starts_with(&self.root),
            "the baseline {name} is not in the folder"
        );
        Ok(Baseline::parse(&fs::read_to_string(path)?)?)
    }
}
