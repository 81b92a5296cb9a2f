//! From `/proc/self/cgroup` and `/proc/self/mountinfo` to the folders that hold a controller's files.
//!
//! The process's path is relative to its cgroup namespace; a mount shows some folder of the hierarchy as its top. The
//! path less the mount's root is the folder below the mount point; every folder from there up to the mount point is a
//! level whose limit holds too. Levels above the mount point, or above the namespace, cannot be seen: then nothing found
//! is not the same as no limit.

mod path;

use crate::Hierarchy;
use crate::parse::{CgroupLine, Mount, parse_cgroup_file, parse_mountinfo};
use crate::root::{MOUNTINFO_BYTES, Reading, Root, TABLE_BYTES, path_from};
use path::CgroupPath;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

pub(crate) const CGROUP_FILE: &str = "/proc/self/cgroup";
const MOUNTINFO_FILE: &str = "/proc/self/mountinfo";

/// Which interface a controller's folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The folders that a controller's limits are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub version: Version,
    /// Folders as paths of the inside, from the process's own cgroup to the highest one that can be seen.
    pub levels: Vec<PathBuf>,
    /// Whether the first of `levels` is the process's own cgroup, and not just an ancestor of it.
    pub has_leaf: bool,
    /// Why levels above the last one, or the leaf, cannot be seen; `None` where all can.
    pub hidden: Option<Hidden>,
}

impl Chain {
    /// The lowest folder, the process's own if [`Chain::has_leaf`].
    pub fn leaf(&self) -> &Path {
        self.levels.first().map_or(Path::new("/"), PathBuf::as_path)
    }
}

/// Why some levels cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// The mount, or the cgroup namespace, begins below the top of the hierarchy.
    Ancestors,
    /// The process is in a cgroup whose folder is not there.
    Leaf,
}

/// Why no folder at all can be read for a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// No file system with this controller is mounted where we can see it.
    NotMounted,
    /// The process's own path is not known.
    NoPath,
    /// The process is in a cgroup outside of what is mounted.
    Outside,
}

/// What the two files say, read and resolved once.
#[derive(Debug, Clone)]
pub(crate) struct Cgroups {
    root: Root,
    cgroup: Vec<u8>,
    /// Of the cgroup file systems alone: a node has thousands of others.
    mounts: Vec<Mount<'static>>,
    is_whole: bool,
    cpu: OnceCell<Result<Chain, Unseen>>,
    memory: OnceCell<Result<Chain, Unseen>>,
    unified: OnceCell<Result<Chain, Unseen>>,
}

impl Cgroups {
    pub fn read(reading: &mut Reading) -> Self {
        Self::read_of(reading, CGROUP_FILE)
    }

    /// Another process's, by its `/proc/PID/cgroup`: below the mounts and the namespace that we see.
    pub fn read_of(reading: &mut Reading, membership: &str) -> Self {
        let mut read = |path, limit| reading.read(Path::new(path), limit).unwrap_or_default();
        let cgroup = read(membership, TABLE_BYTES);
        let mountinfo = read(MOUNTINFO_FILE, MOUNTINFO_BYTES);
        Self {
            root: reading.root.clone(),
            mounts: parse_mountinfo(&mountinfo)
                .filter(Mount::is_cgroup)
                .map(Mount::into_owned)
                .collect(),
            is_whole: !cgroup.is_empty() && !mountinfo.is_empty(),
            cgroup,
            cpu: OnceCell::new(),
            memory: OnceCell::new(),
            unified: OnceCell::new(),
        }
    }

    /// Whether both files could be read.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn lines(&self) -> impl Iterator<Item = CgroupLine<'_>> {
        parse_cgroup_file(&self.cgroup)
    }

    /// The bytes of `/proc/self/cgroup`: while they stay the same, so does everything that was resolved from them.
    pub fn membership(&self) -> &[u8] {
        &self.cgroup
    }

    /// Which hierarchies are mounted. A named v1 hierarchy does not count.
    pub fn hierarchy(&self) -> Hierarchy {
        let mounts = || self.mounts.iter();
        let v1 = mounts().any(|mount| !mount.is_v2() && !mount.is_named());
        let v2 = mounts().any(Mount::is_v2);
        match (v1, v2) {
            (true, false) => Hierarchy::V1,
            (false, true) => Hierarchy::V2,
            (true, true) => Hierarchy::Hybrid,
            (false, false) => Hierarchy::None,
        }
    }

    /// The folders of the CPU controller.
    pub fn cpu(&self) -> Result<&Chain, Unseen> {
        let chain = self.cpu.get_or_init(|| self.chain("cpu"));
        chain.as_ref().map_err(|unseen| *unseen)
    }

    /// The folders of the memory controller.
    pub fn memory(&self) -> Result<&Chain, Unseen> {
        let chain = self.memory.get_or_init(|| self.chain("memory"));
        chain.as_ref().map_err(|unseen| *unseen)
    }

    /// The folders of the unified hierarchy, whichever controllers it holds.
    pub fn unified(&self) -> Result<&Chain, Unseen> {
        let chain = self.unified.get_or_init(|| {
            let line = self.lines().find(CgroupLine::is_v2);
            let mounts = self.mounts.iter().filter(|mount| mount.is_v2());
            find_chain(&self.root, Version::V2, line, mounts)
        });
        chain.as_ref().map_err(|unseen| *unseen)
    }

    /// The folders of a controller. A controller that a v1 hierarchy holds is on v1, whatever else is mounted.
    pub fn chain(&self, controller: &str) -> Result<Chain, Unseen> {
        let line = self.lines().find(|line| line.has_controller(controller));
        let mut on_v1 = self
            .mounts
            .iter()
            .filter(|mount| mount.has_v1_controller(controller))
            .peekable();
        if line.is_some() || on_v1.peek().is_some() {
            find_chain(&self.root, Version::V1, line, on_v1)
        } else {
            self.unified().cloned()
        }
    }
}

fn find_chain<'a>(
    root: &Root,
    version: Version,
    line: Option<CgroupLine<'a>>,
    mounts: impl Iterator<Item = &'a Mount<'static>>,
) -> Result<Chain, Unseen> {
    let mut mounts: Vec<_> = mounts.collect();
    if mounts.is_empty() {
        return Err(Unseen::NotMounted);
    }
    let line = line.ok_or(Unseen::NoPath)?;
    let process = CgroupPath::parse(line.path).ok_or(Unseen::NoPath)?;
    // the mount that shows most of the hierarchy first; of two alike, the later one, which may lie over the earlier
    mounts.reverse();
    mounts.sort_by_key(|mount| mount.root.len());
    let mut chains = mounts
        .iter()
        .filter_map(|mount| chain_in(root, version, &process, mount));
    let first = chains.next().ok_or(Unseen::Outside)?;
    if first.has_leaf {
        return Ok(first);
    }
    Ok(chains.find(|chain| chain.has_leaf).unwrap_or(first))
}

/// The chain as one mount shows it; `None` where the process is outside of the mount.
fn chain_in(root: &Root, version: Version, process: &CgroupPath, mount: &Mount) -> Option<Chain> {
    let top = CgroupPath::parse(&mount.root)?;
    let below = process.below(&top)?;
    let mount_point = path_from(&mount.mount_point);
    if mount_point
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        return None;
    }
    let leaf = mount_point.join(path_from(&below.names.join(&b'/')));
    let mut levels: Vec<PathBuf> = leaf
        .ancestors()
        .take(below.names.len() + 1)
        .map(Path::to_path_buf)
        .collect();
    // an empty relative path leaves a trailing slash behind
    if let Some(last) = levels.last_mut() {
        *last = mount_point;
    }
    let leaf = levels.first()?.clone();
    levels.retain(|level| root.is_dir(level));
    let has_leaf = below.is_whole && levels.first() == Some(&leaf);
    let hidden = if !has_leaf {
        Some(Hidden::Leaf)
    } else if top.is_root() && !process.is_outside() && is_true_root(root, version, levels.last()?)
    {
        None
    } else {
        Some(Hidden::Ancestors)
    };
    Some(Chain {
        version,
        levels,
        has_leaf,
        hidden,
    })
}

/// Whether a folder is the top of its hierarchy, and not just the root of a cgroup namespace, which looks the same by path.
///
/// v1 has files that stand at the top only (kernel: `CFTYPE_ONLY_ON_ROOT` in `kernel/cgroup/cgroup-v1.c`), v2 files that
/// stand everywhere but there (`CFTYPE_NOT_ON_ROOT`). A folder that shows neither these nor what every v2 cgroup has is no
/// top: another file system lies over it, or it cannot be read.
fn is_true_root(root: &Root, version: Version, top: &Path) -> bool {
    let has = |name: &str| root.exists(&top.join(name));
    match version {
        Version::V1 => ["release_agent", "cgroup.sane_behavior"]
            .into_iter()
            .any(has),
        Version::V2 => {
            has("cgroup.controllers")
                && !["cgroup.type", "cgroup.events", "cpu.max", "memory.max"]
                    .into_iter()
                    .any(has)
        }
    }
}

#[cfg(test)]
mod tests;
