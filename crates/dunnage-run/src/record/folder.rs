//! The report folder: where record files lie, and whether they will still be there when somebody looks.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dunnage_cgroup::parse::parse_mountinfo;
use dunnage_sys::{Folder, current_uid, read_bounded};

use super::format::Run;

/// The most files that are kept of runs that are over.
const KEPT: usize = 15;

/// The most names of a folder that are looked at.
const MAX_NAMES: usize = 4096;

/// How often another name is tried where one is taken.
const NAMES_TRIED: u32 = 16;

/// The most that is read of `mountinfo`.
const MAX_MOUNTINFO: u64 = 4 << 20;

/// An open report folder.
#[derive(Debug)]
pub struct ReportFolder {
    path: PathBuf,
    folder: Folder,
}

/// What a folder lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The root file system, which is a container's own and goes with it.
    Root,
    /// A file system in memory.
    Memory,
    /// Another mount.
    Volume,
    /// It cannot be told.
    Unknown,
}

impl ReportFolder {
    /// Opens a folder; a link in its place is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            folder: Folder::open(path)?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it lies on.
    pub fn place(&self) -> Place {
        let mut mountinfo = Vec::new();
        let read = read_bounded(
            Path::new("/proc/self/mountinfo"),
            MAX_MOUNTINFO,
            &mut mountinfo,
        );
        match (read, std::fs::canonicalize(&self.path)) {
            (Ok(()), Ok(path)) => find_place(&mountinfo, &path),
            _ => Place::Unknown,
        }
    }

    /// Makes a file that nobody has made, called after the time and the host.
    pub(super) fn create(&self, run: &Run) -> io::Result<(String, File)> {
        let stem = stem(run);
        let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
        for number in 1..=NAMES_TRIED {
            let name = match number {
                1 => format!("{stem}.jsonl"),
                _ => format!("{stem}-{number}.jsonl"),
            };
            match self.folder.create_file(&name) {
                Ok(file) => return Ok((name, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove_file(name)
    }

    /// The names of record files, the newest first.
    pub(super) fn names(&self) -> Vec<String> {
        names_in(&self.path)
    }

    /// Opens and locks a file whose writer is gone; `None` where it lives, or the file is not one that we wrote: whoever
    /// may write in the folder may plant one, or a second name of something else.
    pub(super) fn open_left(&self, name: &str) -> Option<File> {
        let file = self.folder.open_file(name).ok()?;
        let about = file.metadata().ok()?;
        let is_ours = about.uid() == current_uid() && about.nlink() == 1;
        (is_ours && file.try_lock().is_ok()).then_some(file)
    }

    /// Removes the oldest files of runs that are over, so that [`KEPT`] stay.
    pub fn prune(&self) {
        let left = self.names().into_iter();
        let left = left.filter_map(|name| Some((self.open_left(&name)?, name)));
        for (_locked, name) in left.skip(KEPT) {
            let _ = self.remove(&name);
        }
    }
}

/// The newest record file in a folder that holds a record; without one, the newest.
pub fn newest(folder: &Path) -> Option<PathBuf> {
    let names = names_in(folder);
    let holds = |name: &&String| {
        super::read_record(&folder.join(name)).is_ok_and(|file| !file.records.is_empty())
    };
    let chosen = names.iter().find(holds).or(names.first())?;
    Some(folder.join(chosen))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .take(MAX_NAMES)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_record_name(name))
        .collect();
    // a name begins with the time
    names.sort_unstable_by(|one, other| other.cmp(one));
    names
}

/// Whether a name is one that we give; such a name is safe to print.
fn is_record_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let middle = name
        .strip_prefix("dunnage-")
        .and_then(|rest| rest.strip_suffix(".jsonl"));
    middle.is_some_and(|middle| middle.len() <= 100 && middle.bytes().all(is_plain))
}

/// `dunnage-20261129T160512.123Z-shop-6d4f`: the time without its punctuation, and of the host's name what is plain.
fn stem(run: &Run) -> String {
    let time = run.time.bytes().filter(|byte| !b"-:".contains(byte));
    let host = run.host.as_deref().unwrap_or("host").bytes().take(63);
    let plain = |byte: u8| {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            char::from(byte)
        } else {
            '_'
        }
    };
    let time: String = time.map(char::from).collect();
    let host: String = host.map(plain).collect();
    format!("dunnage-{time}-{host}")
}

fn find_place(mountinfo: &[u8], path: &Path) -> Place {
    let path = path.as_os_str().as_bytes();
    let is_below = |point: &[u8]| {
        let rest = path.strip_prefix(point);
        point == b"/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    // of two mounts at one point the later hides the earlier
    let mount = parse_mountinfo(mountinfo)
        .filter(|mount| is_below(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.len());
    match mount {
        None => Place::Unknown,
        Some(mount) if matches!(&*mount.fs_type, b"tmpfs" | b"ramfs") => Place::Memory,
        Some(mount) if mount.mount_point.as_ref() == b"/" => Place::Root,
        Some(_) => Place::Volume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"1 0 0:1 / / rw - overlay overlay rw\n\
        2 1 0:2 / /proc rw - proc proc rw\n\
        3 1 8:1 /pods/x /reports rw - ext4 /dev/sda1 rw\n\
        4 1 0:3 / /dev/shm rw - tmpfs shm rw\n\
        5 1 8:1 /y /a\\040b rw - ext4 /dev/sda1 rw\n";

    #[test]
    fn a_folder_is_on_a_volume_only_if_the_nearest_mount_is_not_the_root() {
        let place = |path: &str| find_place(MOUNTS, Path::new(path));
        assert_eq!(place("/reports"), Place::Volume);
        assert_eq!(place("/reports/deeper"), Place::Volume);
        assert_eq!(place("/a b/c"), Place::Volume);
        assert_eq!(place("/reports2"), Place::Root);
        assert_eq!(place("/tmp"), Place::Root);
        assert_eq!(place("/dev/shm/x"), Place::Memory);
        assert_eq!(find_place(b"", Path::new("/tmp")), Place::Unknown);
    }

    #[test]
    fn names_are_plain_and_sort_by_time() {
        let run = |time: &str, host: Option<&str>| Run {
            time: time.to_owned(),
            host: host.map(str::to_owned),
            ..Run::default()
        };
        let name = stem(&run("2026-11-29T16:05:12.123Z", Some("shop/../6d4f\n")));
        assert_eq!(name, "dunnage-20261129T160512.123Z-shop____6d4f_");
        assert!(is_record_name(&format!("{name}.jsonl")));
        assert!(name < stem(&run("2026-11-29T16:05:12.124Z", None)));
        for bad in [
            "dunnage-.json",
            "x.jsonl",
            "dunnage-a b.jsonl",
            "dunnage-\u{202e}.jsonl",
        ] {
            assert!(!is_record_name(bad), "{bad}");
        }
    }

    #[test]
    fn only_what_we_wrote_ourselves_is_taken_for_a_file_that_was_left() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = ReportFolder::open(scratch.path()).unwrap();
        std::fs::write(scratch.path().join("precious"), "").unwrap();
        std::fs::hard_link(
            scratch.path().join("precious"),
            scratch.path().join("dunnage-1.jsonl"),
        )
        .unwrap();
        std::os::unix::fs::symlink("precious", scratch.path().join("dunnage-2.jsonl")).unwrap();
        std::fs::create_dir(scratch.path().join("dunnage-3.jsonl")).unwrap();
        std::fs::write(scratch.path().join("dunnage-4.jsonl"), "").unwrap();
        let ours = folder.names().into_iter();
        let ours: Vec<_> = ours
            .filter(|name| folder.open_left(name).is_some())
            .collect();
        assert_eq!(ours, ["dunnage-4.jsonl"]);
    }

    #[test]
    fn the_oldest_files_are_removed_but_none_of_a_living_writer() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = ReportFolder::open(scratch.path()).unwrap();
        for number in 10..40 {
            std::fs::write(scratch.path().join(format!("dunnage-{number}.jsonl")), "").unwrap();
        }
        let living = folder.folder.open_file("dunnage-10.jsonl").unwrap();
        living.lock().unwrap();
        folder.prune();
        let names = folder.names();
        assert_eq!(names.len(), KEPT + 1);
        assert_eq!(names.first().unwrap(), "dunnage-39.jsonl");
        assert_eq!(names.last().unwrap(), "dunnage-10.jsonl");
    }
}
