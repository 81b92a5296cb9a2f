//! The demo on this machine: what it counts, and that it leaves nothing, whatever happens to it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it must be, and says what it skipped"
)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(1);

fn demo(scratch: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunnage"));
    command.arg("demo").args(arguments).env("TMPDIR", scratch);
    if let Some(python) = std::env::var_os("DUNNAGE_TEST_PYTHON") {
        command.arg("--python").arg(python);
    }
    command
}

/// Whether PID namespaces can be made here at all; says so if not.
fn can_unshare() -> bool {
    let words = ["--pid", "--fork", "--kill-child", "--mount-proc", "true"];
    let output = Command::new("unshare").args(words).output();
    let can = output.is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: the demo needs root and unshare for a PID namespace");
    }
    can
}

/// The folders of a demo's cgroups, wherever they are.
fn find_cgroups(pid: u32) -> Vec<PathBuf> {
    fn search(folder: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            } else if is_folder {
                search(&entry.path(), prefix, found);
            }
        }
    }
    let mut found = Vec::new();
    let prefix = format!("dunnage-demo-{pid}-");
    search(Path::new("/sys/fs/cgroup"), &prefix, &mut found);
    found
}

/// Processes whose working directory is (or was) in the scratch folder of that demo.
fn find_processes(demo: u32) -> Vec<PathBuf> {
    let folder = format!("/dunnage-demo-{demo}-");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.to_string_lossy().contains(&folder))
        })
        .collect()
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A demo in the middle of its first scenario: its applications run.
fn start_demo(scratch: &Path) -> Child {
    let child = demo(scratch, &["shutdown"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("applications run", || {
        find_processes(child.id()).len() >= 12
    });
    child
}

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    let status = Command::new("sh")
        .args(["-c", "kill -$0 $1", signal, &pid])
        .status();
    assert!(status.unwrap().success());
}

fn assert_nothing_is_left(pid: u32, scratch: &Path) {
    assert_eq!(find_cgroups(pid), Vec::<PathBuf>::new());
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
    wait_until("all processes have ended", || {
        find_processes(pid).is_empty()
    });
}

#[test]
fn a_signal_ends_the_demo_and_nothing_is_left() {
    if !can_unshare() {
        return;
    }
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let scratch = tempfile::tempdir().unwrap();
        let mut child = start_demo(scratch.path());
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert_nothing_is_left(child.id(), scratch.path());
    }
}

#[test]
fn what_a_demo_left_that_was_killed_outright_is_removed_by_the_next() {
    if !can_unshare() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut first = start_demo(scratch.path());
    let had_cgroups = !find_cgroups(first.id()).is_empty();
    send("KILL", &first);
    first.wait().unwrap();
    assert_eq!(find_cgroups(first.id()).is_empty(), !had_cgroups);
    let mut second = start_demo(scratch.path());
    send("TERM", &second);
    second.wait().unwrap();
    if had_cgroups {
        assert_nothing_is_left(first.id(), scratch.path());
    } else {
        println!("skipped: no cgroup could be made here, so none was left");
    }
    assert_nothing_is_left(second.id(), scratch.path());
}

#[test]
fn every_part_of_the_shutdown_scenario_is_better_under_dunnage() {
    if !can_unshare() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut command = demo(scratch.path(), &["shutdown", "--format", "json"]);
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["schema"], "dunnage.demo/1");
    let counted = |check: usize| &report["checks"][check]["counted"];
    assert_eq!(counted(0)["dunnage"]["good"], 12, "{report}");
    assert_eq!(counted(0)["plain"]["good"], 0, "{report}");
    assert_eq!(counted(1)["dunnage"]["good"], 2, "{report}");
    assert_eq!(counted(2)["dunnage"]["exit_code"], 137, "{report}");
    assert_eq!(report["exit_code"], 0, "{report}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_demo_that_cannot_judge_says_why_and_ends_with_3() {
    let scratch = tempfile::tempdir().unwrap();
    // an interpreter without site-packages has neither NumPy nor pandas, whatever is installed
    let bare = scratch.path().join("python");
    fs::write(&bare, "#!/bin/sh\nexec python3 -I -S \"$@\"\n").unwrap();
    let mut permissions = fs::metadata(&bare).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&bare, permissions).unwrap();
    for scenario in ["throttle", "oom"] {
        let output = Command::new(env!("CARGO_BIN_EXE_dunnage"))
            .args(["demo", scenario, "--python"])
            .arg(&bare)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(&format!("{scenario} not run: ")), "{text}");
    }
}

#[test]
fn a_python_that_is_not_there_is_named_with_the_next_step() {
    let output = Command::new(env!("CARGO_BIN_EXE_dunnage"))
        .args(["demo", "--python", "/no/such/python"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("/no/such/python") && said.contains("--python"),
        "{said}"
    );
}
