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
fn the_use_is_read_where_the_tightest_limit_is_and_moves_with_it() {
    let folder = machine();
    put(&folder, "sys/fs/cgroup/memory.max", "max\n");
    put(&folder, "sys/fs/cgroup/memory.current", "3000\n");
    put(&folder, "sys/fs/cgroup/app/memory.high", "max\n");
    let mut reader = open(&folder);
    let capacity = |reader: &mut Reader, stated| {
        let bound = reader.memory_bound(stated).unwrap();
        bound.map(|bound| bound.capacity)
    };
    assert_eq!(capacity(&mut reader, None), Some(4000));
    assert_eq!(reader.bound_usage().unwrap(), 1000);
    put(&folder, "sys/fs/cgroup/memory.max", "3500\n");
    assert_eq!(capacity(&mut reader, None), Some(3500));
    assert_eq!(reader.bound_usage().unwrap(), 3000, "the siblings' too");
    assert!(
        reader
            .bound_events()
            .unwrap()
            .ends_with("sys/fs/cgroup/memory.events")
    );
    put(&folder, "sys/fs/cgroup/app/memory.high", "2000\n");
    assert_eq!(capacity(&mut reader, None), Some(2000));
    assert_eq!(reader.bound_usage().unwrap(), 1000);
    assert_eq!(capacity(&mut reader, Some(1500)), Some(1500));
    assert_eq!(reader.times_reopened(), 0);
}

#[test]
fn swap_that_fills_is_use_and_does_not_shrink_the_capacity() {
    let folder = machine();
    let swap = |used: u64, free: u64| {
        put(
            &folder,
            "sys/fs/cgroup/app/memory.swap.current",
            &format!("{used}\n"),
        );
        put(&folder, "proc/meminfo", &format!("SwapFree: {free} kB\n"));
    };
    put(&folder, "sys/fs/cgroup/app/memory.swap.max", "max\n");
    swap(0, 4);
    let mut reader = open(&folder).check_every(Duration::ZERO);
    let mut look = || {
        let capacity = reader.memory_bound(None).unwrap().unwrap().capacity;
        (reader.bound_usage().unwrap(), capacity)
    };
    assert_eq!(look(), (1000, 4000 + 4096));
    swap(3072, 1);
    assert_eq!(look(), (1000 + 3072, 4000 + 4096));
    put(&folder, "sys/fs/cgroup/app/memory.swap.max", "0\n");
    assert_eq!(look(), (1000, 4000));
}

#[test]
fn the_bound_of_a_process_that_was_moved_is_that_of_its_new_place() {
    let folder = machine();
    put(&folder, "sys/fs/cgroup/other/memory.max", "8000\n");
    let mut reader = open(&folder).check_every(Duration::ZERO);
    assert_eq!(reader.memory_bound(None).unwrap().unwrap().capacity, 4000);
    put(&folder, "proc/self/cgroup", "0::/other\n");
    assert_eq!(reader.memory_bound(None).unwrap().unwrap().capacity, 8000);
    assert_eq!(reader.bound_usage().unwrap(), 2000);
}

#[test]
fn a_group_is_killed_where_a_level_up_to_the_one_that_binds_says_so_and_where_none_tells_nobody_knows()
 {
    let folder = machine();
    let kills = |reader: &mut Reader| {
        reader.memory_bound(None).unwrap();
        reader.bound_kills_group()
    };
    assert_eq!(kills(&mut open(&folder)), None);
    put(&folder, "sys/fs/cgroup/app/memory.oom.group", "0\n");
    assert_eq!(kills(&mut open(&folder)), Some(false));
    put(&folder, "sys/fs/cgroup/memory.oom.group", "1\n");
    assert_eq!(
        kills(&mut open(&folder)),
        Some(false),
        "it is above what binds"
    );
    put(&folder, "sys/fs/cgroup/memory.max", "3000\n");
    put(&folder, "sys/fs/cgroup/memory.current", "2000\n");
    assert_eq!(kills(&mut open(&folder)), Some(true));
    put(&folder, "sys/fs/cgroup/app/memory.oom.group", "1\n");
    put(&folder, "sys/fs/cgroup/memory.oom.group", "0\n");
    assert_eq!(kills(&mut open(&folder)), Some(true), "the container's own");
}

#[test]
fn a_reader_that_is_held_opens_nothing_and_reads_what_it_has() {
    let folder = machine();
    let mut reader = open(&folder).check_every(Duration::ZERO);
    assert_eq!(reader.memory_usage().unwrap(), 1000);
    reader.hold(true);
    put(&folder, "proc/self/cgroup", "0::/other\n");
    put(&folder, "sys/fs/cgroup/app/memory.current", "1500\n");
    assert_eq!(reader.memory_usage().unwrap(), 1500);
    reader.hold(false);
    assert_eq!(reader.memory_usage().unwrap(), 2000);
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
        let mut reader = if guarded {
            Reader::open_guarded(&root)
        } else {
            Reader::open(&root)
        };
        assert_eq!(open_files(folder.path()), 0, "nothing was asked for yet");
        reader.cpu_limit().unwrap();
        assert!(open_files(folder.path()) > 0);
        reader.memory().unwrap();
        assert!(open_files(folder.path()) > 3);
        drop(reader);
        assert_eq!(open_files(folder.path()), 0);
    }
}

#[test]
fn a_reader_reads_the_limits_as_a_full_reading_does_and_follows_a_move() {
    let folder = machine();
    let root = Root::at(folder.path());
    let overrides = Overrides::default();
    let mut reader = open(&folder).check_every(Duration::ZERO);
    for place in ["app", "other", "gone"] {
        put(&folder, "proc/self/cgroup", &format!("0::/{place}\n"));
        let limits = reader.limits(&overrides, Some(8));
        assert_eq!(limits, read_limits(&root, &overrides, Some(8)), "{place}");
    }
    assert_eq!(reader.times_reopened(), 2);
    fs::remove_file(folder.path().join("proc/self/mountinfo")).unwrap();
    fs::create_dir(folder.path().join("proc/self/mountinfo")).unwrap();
    let limits = open(&folder).limits(&overrides, Some(8));
    assert_eq!(limits, read_limits(&root, &overrides, Some(8)));
    assert!(limits.notes[0].contains("mountinfo"), "{:?}", limits.notes);
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
