//! What a kept reader notices when the files change under it, on copies of recorded containers.

#![allow(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use dunnage_cgroup::{Overrides, ReadError, Reader, Root, read_limits};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

/// A v2 machine whose process is in `/app`, with a second cgroup `/other`.
fn machine() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "proc/self/cgroup", "0::/app\n");
    put(&folder, "proc/self/mountinfo", MOUNT);
    put(&folder, "sys/fs/cgroup/app/cpu.max", "50000 100000\n");
    put(&folder, "sys/fs/cgroup/app/memory.current", "1000\n");
    put(&folder, "sys/fs/cgroup/app/memory.max", "4000\n");
    put(&folder, "sys/fs/cgroup/app/memory.stat", "anon 1\n");
    put(&folder, "sys/fs/cgroup/other/cpu.max", "150000 100000\n");
    put(&folder, "sys/fs/cgroup/other/memory.current", "2000\n");
    folder
}

fn put(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn open(folder: &TempDir) -> Reader {
    Reader::open(&Root::at(folder.path()))
}

#[test]
fn a_limit_that_changes_is_seen_at_the_next_read() {
    let folder = machine();
    let mut reader = open(&folder);
    assert_eq!(reader.cpu_limit().unwrap(), Some(0.5));
    put(&folder, "sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    put(&folder, "sys/fs/cgroup/app/memory.max", "9000\n");
    assert_eq!(reader.cpu_limit().unwrap(), Some(2.0));
    assert_eq!(reader.memory().unwrap().limit, Some(9000));
    put(&folder, "sys/fs/cgroup/app/cpu.max", "max 100000\n");
    assert_eq!(reader.cpu_limit().unwrap(), None);
    assert_eq!(reader.times_reopened(), 0);
}

#[test]
fn a_limit_that_is_set_on_an_ancestor_later_is_seen_at_the_next_read() {
    let folder = machine();
    put(&folder, "sys/fs/cgroup/cpu.max", "max 100000\n");
    let mut reader = open(&folder);
    assert_eq!(reader.cpu_limit().unwrap(), Some(0.5));
    put(&folder, "sys/fs/cgroup/cpu.max", "25000 100000\n");
    assert_eq!(reader.cpu_limit().unwrap(), Some(0.25));
}

#[test]
fn a_process_that_was_moved_is_followed() {
    let folder = machine();
    let mut reader = open(&folder).check_every(Duration::ZERO);
    assert_eq!(reader.memory_usage().unwrap(), 1000);
    assert_eq!(reader.times_reopened(), 0);
    put(&folder, "proc/self/cgroup", "0::/other\n");
    assert_eq!(reader.memory_usage().unwrap(), 2000);
    assert_eq!(reader.cpu_limit().unwrap(), Some(1.5));
    assert_eq!(reader.times_reopened(), 1);
}

#[test]
fn a_file_that_is_missing_is_named() {
    let folder = machine();
    let mut reader = open(&folder);
    let error = reader.memory_events().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/sys/fs/cgroup/app/memory.events cannot be read: "),
        "{error}"
    );
    let error = reader.throttling().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/sys/fs/cgroup/app/cpu.stat "),
        "{error}"
    );
}

#[test]
fn garbage_is_an_error_that_names_the_file_and_no_number() {
    let folder = machine();
    let mut reader = open(&folder);
    put(&folder, "sys/fs/cgroup/app/memory.current", "many\n");
    put(&folder, "sys/fs/cgroup/app/cpu.max", "0 100000\n");
    for error in [
        reader.memory_usage().unwrap_err(),
        reader.cpu_limit().unwrap_err(),
    ] {
        assert!(
            matches!(&error, ReadError::Malformed { path, .. } if path.starts_with("/sys/fs/cgroup/app")),
            "{error}"
        );
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_answered_for_by_its_parent() {
    let folder = machine();
    put(&folder, "proc/self/cgroup", "0::/app/gone\n");
    let mut reader = open(&folder);
    assert!(matches!(
        reader.memory_usage(),
        Err(ReadError::NotVisible { .. })
    ));
    assert_eq!(
        reader.cpu_limit().unwrap(),
        Some(0.5),
        "the parent's quota holds all the same"
    );
}

fn open_files(below: &Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.starts_with(below))
        .count()
}

#[test]
fn a_dropped_reader_leaves_no_descriptor_behind() {
    for guarded in [false, true] {
        let folder = machine();
        let root = Root::at(folder.path());
        let reader = if guarded {
            Reader::open_guarded(&root)
        } else {
            Reader::open(&root)
        };
        assert!(open_files(folder.path()) > 3);
        drop(reader);
        assert_eq!(open_files(folder.path()), 0);
    }
}

#[test]
fn a_limit_that_changes_is_seen_by_the_next_full_reading() {
    let folder = machine();
    let root = Root::at(folder.path());
    let effective = || {
        read_limits(&root, &Overrides::default(), Some(8))
            .cpu
            .effective
    };
    assert!((effective().value - 0.5).abs() < 1e-9);
    put(&folder, "sys/fs/cgroup/app/cpu.max", "390000 100000\n");
    assert!((effective().value - 3.9).abs() < 1e-9);
}
