//! The reader against a real kernel: cgroups of v1 that the tests make and move themselves into.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test's helper fails as the test does, and says what it skipped"
)]

mod support;

use dunnage_cgroup::{Confidence, Hierarchy, Overrides, ReadError, Reader, Root, read_limits};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Stage, enter, set};

fn limits() -> dunnage_cgroup::Limits {
    read_limits(&Root::system(), &Overrides::default(), Some(64))
}

fn assert_cpus(actual: Option<f64>, expected: f64) {
    let actual = actual.expect("a quota is set");
    assert!(
        (actual - expected).abs() < 1e-9,
        "{actual} is not {expected}"
    );
}

#[test]
fn a_quota_and_its_changes_are_read_from_the_kernel() {
    let Some(mut stage) = Stage::new("a_quota_and_its_changes_are_read_from_the_kernel", "cpu")
    else {
        return;
    };
    let cgroup = stage.make("quota").unwrap();
    set(&cgroup, "cpu.cfs_quota_us", "150000");
    enter(&cgroup);
    let found = limits();
    assert_cpus(found.cpu.limit, 1.5);
    assert_eq!(found.cpu.effective.confidence, Confidence::Leaf);
    let source = cgroup.join("cpu.cfs_quota_us");
    assert_eq!(found.cpu.effective.source, source.display().to_string());
    assert_ne!(found.hierarchy, Hierarchy::None);
    let mut reader = Reader::open(&Root::system());
    assert_cpus(reader.cpu_limit().unwrap(), 1.5);
    set(&cgroup, "cpu.cfs_quota_us", "390000");
    assert_cpus(reader.cpu_limit().unwrap(), 3.9);
    set(&cgroup, "cpu.cfs_quota_us", "-1");
    assert_eq!(reader.cpu_limit().unwrap(), None);
    assert_eq!(limits().cpu.effective.confidence, Confidence::Affinity);
    assert_eq!(reader.times_reopened(), 0);
}

#[test]
fn an_ancestor_s_quota_binds() {
    let Some(mut stage) = Stage::new("an_ancestor_s_quota_binds", "cpu") else {
        return;
    };
    let leaf = stage.make("pod/container").unwrap();
    let pod = leaf.parent().unwrap().to_path_buf();
    set(&pod, "cpu.cfs_quota_us", "150000");
    enter(&leaf);
    let found = limits();
    assert_cpus(found.cpu.limit, 1.5);
    assert_eq!(found.cpu.effective.confidence, Confidence::Ancestor);
    assert!(
        found
            .cpu
            .effective
            .source
            .starts_with(&pod.display().to_string())
    );
    assert_cpus(Reader::open(&Root::system()).cpu_limit().unwrap(), 1.5);
}

#[test]
fn a_moved_process_is_followed() {
    let Some(mut stage) = Stage::new("a_moved_process_is_followed", "cpu") else {
        return;
    };
    let (first, second) = (stage.make("first").unwrap(), stage.make("second").unwrap());
    set(&first, "cpu.cfs_quota_us", "150000");
    set(&second, "cpu.cfs_quota_us", "120000");
    enter(&first);
    let mut reader = Reader::open(&Root::system()).check_every(Duration::ZERO);
    assert_cpus(reader.cpu_limit().unwrap(), 1.5);
    enter(&second);
    assert_cpus(reader.cpu_limit().unwrap(), 1.2);
    assert_eq!(reader.times_reopened(), 1);
}

#[test]
fn after_its_cgroup_vanished_the_process_is_found_again_at_the_next_read() {
    let name = "after_its_cgroup_vanished_the_process_is_found_again_at_the_next_read";
    let Some(mut stage) = Stage::new(name, "cpu") else {
        return;
    };
    let (first, second) = (stage.make("gone").unwrap(), stage.make("left").unwrap());
    set(&first, "cpu.cfs_quota_us", "150000");
    set(&second, "cpu.cfs_quota_us", "120000");
    enter(&first);
    let mut reader = Reader::open(&Root::system()).check_every(Duration::MAX);
    assert_cpus(reader.cpu_limit().unwrap(), 1.5);
    enter(&second);
    stage.remove(&first);
    assert!(!first.exists());
    assert_cpus(reader.cpu_limit().unwrap(), 1.2);
    assert_eq!(reader.times_reopened(), 1);
}

#[test]
fn a_cgroup_that_vanished_for_good_is_reported_by_its_file() {
    let name = "a_cgroup_that_vanished_for_good_is_reported_by_its_file";
    let Some(mut stage) = Stage::new(name, "memory") else {
        return;
    };
    let cgroup = stage.make("dead").unwrap();
    // a process of another place is shown to be in it, whose lines do not change when it goes
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc/self")).unwrap();
    fs::create_dir_all(folder.path().join("sys/fs/cgroup")).unwrap();
    symlink(
        "/sys/fs/cgroup/memory",
        folder.path().join("sys/fs/cgroup/memory"),
    )
    .unwrap();
    let path = Path::new("/").join(cgroup.strip_prefix("/sys/fs/cgroup/memory").unwrap());
    let line = format!("4:memory:{}\n", path.display());
    fs::write(folder.path().join("proc/self/cgroup"), line).unwrap();
    let mount = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    fs::write(folder.path().join("proc/self/mountinfo"), mount).unwrap();

    let mut reader = Reader::open(&Root::at(folder.path()));
    assert!(reader.memory_usage().is_ok());
    stage.remove(&cgroup);
    let error = reader.memory_usage().unwrap_err();
    assert!(matches!(error, ReadError::Vanished { .. }), "{error}");
    let file = cgroup.join("memory.usage_in_bytes");
    assert!(
        error.to_string().starts_with(&file.display().to_string()),
        "{error}"
    );
}

#[test]
fn the_memory_limit_of_an_ancestor_binds_and_kinds_of_memory_are_told() {
    let name = "the_memory_limit_of_an_ancestor_binds_and_kinds_of_memory_are_told";
    let Some(mut stage) = Stage::new(name, "memory") else {
        return;
    };
    let leaf = stage.make("pod/container").unwrap();
    let pod = leaf.parent().unwrap().to_path_buf();
    set(&pod, "memory.limit_in_bytes", "268435456");
    enter(&leaf);
    let found = limits().memory;
    let limit = found.limit.unwrap();
    assert_eq!(
        (limit.value, limit.confidence),
        (268_435_456, Confidence::Ancestor)
    );
    assert_eq!(
        limit.source,
        pod.join("memory.limit_in_bytes").display().to_string()
    );
    let mut reader = Reader::open(&Root::system());
    let ballast = vec![1_u8; 16 << 20];
    let memory = reader.memory().unwrap();
    assert_eq!(memory.limit, Some(268_435_456));
    assert!(
        memory.anon.unwrap() >= ballast.len() as u64 / 2,
        "{memory:?}"
    );
    let (usage, working_set) = (memory.usage.unwrap(), memory.working_set.unwrap());
    assert!(
        working_set <= usage && working_set >= memory.anon.unwrap() / 2,
        "{memory:?}"
    );
    assert_eq!(reader.memory_events().unwrap().oom_kill, Some(0));
    set(&pod, "memory.limit_in_bytes", "134217728");
    assert_eq!(reader.memory().unwrap().limit, Some(134_217_728));
}

#[test]
fn an_ancestor_s_limit_is_held_against_the_ancestor_s_use() {
    let name = "an_ancestor_s_limit_is_held_against_the_ancestor_s_use";
    let Some(mut stage) = Stage::new(name, "memory") else {
        return;
    };
    let sibling = stage.make("bound/sibling").unwrap();
    let leaf = stage.make("bound/container").unwrap();
    let pod = leaf.parent().unwrap().to_path_buf();
    set(&pod, "memory.limit_in_bytes", "268435456");
    enter(&sibling);
    let ballast = vec![1_u8; 64 << 20];
    enter(&leaf);
    let mut reader = Reader::open(&Root::system()).check_every(Duration::ZERO);
    let bound = reader.memory_bound(None).unwrap().unwrap();
    assert_eq!(
        (bound.limit, bound.capacity),
        (Some(268_435_456), 268_435_456)
    );
    let (all, own) = (
        reader.bound_usage().unwrap(),
        reader.memory_usage().unwrap(),
    );
    assert!(all >= own + ballast.len() as u64 / 2, "{all} of {own}");
    let memory = reader.bound_memory().unwrap();
    assert!(
        memory.working_set.unwrap() >= ballast.len() as u64 / 2,
        "{memory:?}"
    );
    assert_eq!(reader.bound_hits().unwrap(), Some(0));
    set(&leaf, "memory.limit_in_bytes", "134217728");
    assert_eq!(
        reader.memory_bound(None).unwrap().unwrap().capacity,
        134_217_728
    );
    assert!(reader.bound_usage().unwrap() < ballast.len() as u64 / 2);
    set(&leaf, "memory.limit_in_bytes", "-1");
    assert_eq!(
        reader.memory_bound(None).unwrap().unwrap().capacity,
        268_435_456
    );
}

#[test]
fn throttled_periods_are_counted() {
    let Some(mut stage) = Stage::new("throttled_periods_are_counted", "cpu") else {
        return;
    };
    let cgroup = stage.make("throttled").unwrap();
    set(&cgroup, "cpu.cfs_quota_us", "20000");
    enter(&cgroup);
    let mut reader = Reader::open(&Root::system());
    let before = reader.throttling().unwrap();
    let start = Instant::now();
    let mut now = before;
    while now.throttled == before.throttled && start.elapsed() < Duration::from_mins(1) {
        now = reader.throttling().unwrap();
    }
    assert!(now.throttled > before.throttled, "{now:?}");
    assert!(now.periods >= now.throttled, "{now:?}");
}
