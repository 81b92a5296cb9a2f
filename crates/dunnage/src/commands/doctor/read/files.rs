//! Folders that a process writes to, as it sees them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dunnage_python::process::read_status;
use dunnage_sys::{read_link_bounded, read_space};

use super::Refused;
use crate::commands::doctor::facts::{Folder, Heartbeat, Python};

/// What decides whether somebody may write into a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Writer {
    user: u32,
    groups: Vec<u32>,
    overrides_rights: bool,
}

/// CAP_DAC_OVERRIDE in `CapEff` (capabilities(7)).
const CAP_DAC_OVERRIDE: u32 = 1;

impl Writer {
    fn read(pid: i32) -> Self {
        let ids = |key| {
            let fields = read_status(&pid.to_string(), key).unwrap_or_default();
            fields
                .iter()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>()
        };
        let capabilities = read_status(&pid.to_string(), "CapEff");
        let capabilities =
            capabilities.and_then(|fields| u64::from_str_radix(fields.first()?, 16).ok());
        let mut groups = ids("Groups");
        groups.extend(ids("Gid").get(1));
        Self {
            // the effective one
            user: ids("Uid").get(1).copied().unwrap_or(u32::MAX),
            groups,
            overrides_rights: capabilities.is_some_and(|mask| mask >> CAP_DAC_OVERRIDE & 1 == 1),
        }
    }

    /// Writing into a folder takes its write and its search right.
    fn may_write(&self, mode: u32, user: u32, group: u32) -> bool {
        let rights = if self.user == user {
            mode >> 6
        } else if self.groups.contains(&group) {
            mode >> 3
        } else {
            mode
        };
        self.overrides_rights || rights & 0o3 == 0o3
    }
}

/// The folders that `tempfile` tries, in its order, and `/dev/shm`.
pub(super) fn read_folders(
    pid: i32,
    python: Option<&Python>,
    refused: &mut Refused,
) -> Vec<Folder> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let root = match std::fs::metadata(&root) {
        Ok(_) => root,
        Err(error) => {
            refused.note(
                format!("/proc/{pid}/root"),
                format!("{error}; folders are told as we see them"),
            );
            PathBuf::from("/")
        }
    };
    let writer = Writer::read(pid);
    let environment = python.and_then(|python| python.environment.as_ref());
    let named = ["TMPDIR", "TEMP", "TMP"]
        .into_iter()
        .filter_map(|name| environment?.get(name).cloned());
    let own = read_link_bounded(&PathBuf::from(format!("/proc/{pid}/cwd")));
    let own = own
        .ok()
        .map(|path| String::from_utf8_lossy(&path).into_owned());
    let usual = ["/tmp", "/var/tmp"].map(str::to_owned);
    let paths = named.chain(usual).chain(own).chain(["/dev/shm".to_owned()]);
    let mut folders: Vec<Folder> = Vec::new();
    for path in paths.filter(|path| path.starts_with('/')) {
        if !folders.iter().any(|folder| folder.path == path) {
            folders.push(read_folder(&root, path, &writer));
        }
    }
    folders
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn read_folder(root: &Path, path: String, writer: &Writer) -> Folder {
    let place = inside(root, &path);
    let found = std::fs::metadata(&place)
        .ok()
        .filter(std::fs::Metadata::is_dir);
    let (Some(found), Ok(space)) = (found, read_space(&place)) else {
        return Folder {
            path,
            ..Folder::default()
        };
    };
    Folder {
        file_system: Some(space.kind.unwrap_or("another").to_owned()),
        bytes: space.bytes,
        available: space.available,
        is_read_only: space.is_read_only,
        is_writable: !space.is_read_only
            && writer.may_write(found.mode(), found.uid(), found.gid()),
        path,
    }
}

/// gunicorn's workers change the times of a file without a name, several times a second; where it lies on a disk, that waits
/// for the disk (`gunicorn/workers/workertmp.py`).
pub(super) fn read_heartbeat(pid: i32, path: &str) -> Heartbeat {
    let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
    let space = read_space(&inside(&PathBuf::from(format!("/proc/{pid}/root")), parent)).ok();
    Heartbeat {
        file_system: space.and_then(|space| space.kind).map(str::to_owned),
        path: path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_follows_user_then_group_then_others() {
        let writer = Writer {
            user: 1000,
            groups: vec![1000, 5],
            overrides_rights: false,
        };
        assert!(writer.may_write(0o1777, 0, 0));
        assert!(!writer.may_write(0o755, 0, 0));
        assert!(writer.may_write(0o770, 0, 5));
        // the owner's own rights count, even where those of others are wider
        assert!(!writer.may_write(0o577, 1000, 1000));
        let root = Writer {
            overrides_rights: true,
            ..writer
        };
        assert!(root.may_write(0o755, 0, 0));
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_file_system() {
        let folder = read_folder(Path::new("/"), "/no/such".to_owned(), &Writer::default());
        assert_eq!((folder.file_system, folder.is_writable), (None, false));
    }
}
