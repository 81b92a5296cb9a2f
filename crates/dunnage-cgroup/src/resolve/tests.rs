use super::*;
use std::fs;

/// A folder with the two files of `/proc` and the cgroup folders (and files, where a name has a dot) that are named.
fn machine(cgroup: &str, mountinfo: &str, entries: &[&str]) -> (tempfile::TempDir, Cgroups) {
    let folder = tempfile::tempdir().unwrap();
    let proc = folder.path().join("proc/self");
    fs::create_dir_all(&proc).unwrap();
    fs::write(proc.join("cgroup"), cgroup).unwrap();
    fs::write(proc.join("mountinfo"), mountinfo).unwrap();
    for entry in entries {
        let path = folder.path().join(entry);
        if entry.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }
    let root = Root::at(folder.path());
    let cgroups = Cgroups::read(&mut Reading::new(&root));
    (folder, cgroups)
}

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

#[test]
fn levels_go_from_the_leaf_to_the_top_of_the_mount() {
    let (_folder, cgroups) = machine(
        "0::/a/b\n",
        V2,
        &["sys/fs/cgroup/cgroup.controllers", "sys/fs/cgroup/a/b/"],
    );
    let chain = cgroups.chain("cpu").unwrap();
    let expected = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"];
    assert_eq!(chain.levels, expected.map(PathBuf::from));
    assert_eq!((chain.has_leaf, chain.hidden), (true, None));
}

#[test]
fn a_leaf_whose_folder_is_gone_leaves_its_ancestors() {
    let (_folder, cgroups) = machine("0::/a/gone\n", V2, &["sys/fs/cgroup/a/"]);
    let chain = cgroups.chain("cpu").unwrap();
    assert_eq!(
        chain.levels,
        ["/sys/fs/cgroup/a", "/sys/fs/cgroup"].map(PathBuf::from)
    );
    assert_eq!((chain.has_leaf, chain.hidden), (false, Some(Hidden::Leaf)));
}

#[test]
fn the_root_of_a_namespace_is_told_from_the_top_of_the_hierarchy() {
    for file in ["cgroup.type", "cgroup.events", "cpu.max", "memory.max"] {
        let path = format!("sys/fs/cgroup/{file}");
        let (_folder, cgroups) = machine("0::/\n", V2, &[&path]);
        let chain = cgroups.chain("cpu").unwrap();
        assert_eq!(chain.hidden, Some(Hidden::Ancestors), "{file}");
    }
}

#[test]
fn a_folder_that_shows_no_cgroup_files_is_not_taken_for_the_top() {
    let (_folder, cgroups) = machine("0::/\n", V2, &["sys/fs/cgroup/"]);
    let chain = cgroups.chain("cpu").unwrap();
    assert_eq!(chain.hidden, Some(Hidden::Ancestors));
}

#[test]
fn a_unified_line_without_a_unified_mount_does_not_mean_v2() {
    let mountinfo = "32 31 0:29 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
    let (_folder, cgroups) = machine("1:cpu:/\n0::/\n", mountinfo, &["sys/fs/cgroup/cpu/"]);
    assert_eq!(cgroups.hierarchy(), Hierarchy::V1);
    assert_eq!(cgroups.chain("cpu").unwrap().version, Version::V1);
    assert_eq!(cgroups.unified(), Err(Unseen::NotMounted));
}

#[test]
fn a_controller_of_v1_that_is_not_mounted_is_not_looked_for_on_v2() {
    let (_folder, cgroups) = machine("1:cpu:/x\n0::/\n", V2, &["sys/fs/cgroup/"]);
    assert_eq!(cgroups.chain("cpu"), Err(Unseen::NotMounted));
    assert!(cgroups.chain("memory").is_ok());
}

#[test]
fn of_two_mounts_the_one_that_shows_the_process_is_taken() {
    let mountinfo = "1 0 0:29 /other /mnt/first rw - cgroup cgroup rw,cpu\n\
        2 0 0:29 /docker/abc /mnt/second rw - cgroup cgroup rw,cpu\n";
    let (_folder, cgroups) = machine(
        "1:cpu:/docker/abc\n",
        mountinfo,
        &["mnt/first/", "mnt/second/"],
    );
    let chain = cgroups.chain("cpu").unwrap();
    assert_eq!(chain.levels, [PathBuf::from("/mnt/second")]);
}

#[test]
fn a_mount_point_that_climbs_is_not_followed() {
    let mountinfo = "30 23 0:26 / /sys/../../.. rw - cgroup2 cgroup2 rw\n";
    let (_folder, cgroups) = machine("0::/\n", mountinfo, &["sys/"]);
    assert_eq!(cgroups.chain("cpu"), Err(Unseen::Outside));
}
