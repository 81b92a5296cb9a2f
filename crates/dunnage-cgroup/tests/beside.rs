//! What is read once beside the limits, from folders as v1 and v2 show them.

#![allow(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use dunnage_cgroup::{Confidence, Overrides, Reader, Root};
use std::fs;
use tempfile::TempDir;

fn machine(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const V1: &str = "31 23 0:27 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                  32 23 0:28 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";

#[test]
fn the_tightest_pids_limit_is_told_with_the_count_at_its_level() {
    let folder = machine(&[
        ("proc/self/cgroup", "0::/pod/app\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/pod/app/pids.max", "max\n"),
        ("sys/fs/cgroup/pod/app/pids.current", "3\n"),
        ("sys/fs/cgroup/pod/pids.max", "100\n"),
        ("sys/fs/cgroup/pod/pids.current", "90\n"),
        ("sys/fs/cgroup/pod/app/memory.oom.group", "1\n"),
        (
            "sys/fs/cgroup/pod/app/memory.stat",
            "anon 9\nanon_thp 4194304\n",
        ),
    ]);
    let beside = Reader::open(&Root::at(folder.path())).beside();
    let pids = beside.pids.unwrap();
    assert_eq!(pids.current, Some(90));
    let limit = pids.limit.unwrap();
    assert_eq!((limit.value, limit.confidence), (100, Confidence::Ancestor));
    assert_eq!(limit.source, "/sys/fs/cgroup/pod/pids.max");
    assert!(beside.oom_group.unwrap().value);
    assert_eq!(beside.huge_bytes, Some(4 << 20));
}

#[test]
fn on_v1_no_group_is_killed_and_no_limit_is_no_number() {
    let folder = machine(&[
        ("proc/self/cgroup", "2:pids:/\n1:memory:/\n"),
        ("proc/self/mountinfo", V1),
        ("sys/fs/cgroup/pids/pids.max", "max\n"),
        ("sys/fs/cgroup/pids/pids.current", "12\n"),
        ("sys/fs/cgroup/memory/memory.oom.group", "1\n"),
        (
            "sys/fs/cgroup/memory/memory.stat",
            "rss_huge 1\ntotal_rss_huge 2\n",
        ),
    ]);
    let beside = Reader::open(&Root::at(folder.path())).beside();
    let pids = beside.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (Some(12), None));
    assert_eq!((beside.oom_group, beside.huge_bytes), (None, Some(2)));
    assert_eq!(
        beside.memory_folder.unwrap().to_str(),
        Some("/sys/fs/cgroup/memory")
    );
}

#[test]
fn the_cgroup_of_another_process_is_found_by_its_id() {
    let folder = machine(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/77/cgroup", "0::/app\n"),
        ("proc/self/mountinfo", V2),
        ("sys/fs/cgroup/app/cpu.max", "50000 100000\n"),
        ("sys/fs/cgroup/app/memory.max", "4096\n"),
    ]);
    let mut reader = Reader::open_of(&Root::at(folder.path()), 77);
    let limits = reader.limits(&Overrides::default(), Some(4));
    assert_eq!(limits.cpu.limit, Some(0.5));
    assert_eq!(limits.memory.limit.unwrap().value, 4096);
}
