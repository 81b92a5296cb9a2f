//! `dunnage record` from a session as `kubectl exec` makes it: the supervisor looks for it.

use super::support::*;
use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// A session in the namespaces of a run that may not read the application: root without `CAP_SYS_PTRACE`.
fn session(run: &Run, words: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["-t", &run.supervisor().to_string(), "--pid", "--mount"])
        .args([
            "setpriv",
            "--bounding-set=-sys_ptrace",
            "--inh-caps=-sys_ptrace",
        ])
        .args([DUNNAGE, "record"])
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn output(run: &Run, words: &[&str]) -> Output {
    session(run, words).output().unwrap()
}

const APPLICATION: &str = "import os,threading,time\n\
     os.setgid(12345); os.setuid(12345)\n\
     def work():\n    while True:\n        end = time.monotonic() + 0.01\n        while time.monotonic() < end: pass\n        time.sleep(0.01)\n\
     [threading.Thread(target=work, name='work').start() for _ in range(2)]\n\
     print('up', flush=True); time.sleep(600)\n";

fn start_application(options: &[&str]) -> Run {
    let run = start(Place::Init, options, &["python3", "-c", APPLICATION]);
    run.wait_for("up");
    run
}

/// The child of `nsenter`, which is the session.
fn inner(nsenter: u32) -> i32 {
    let path = format!("/proc/{nsenter}/task/{nsenter}/children");
    for _ in 0..6000 {
        let children = std::fs::read_to_string(&path).unwrap();
        if let Some(child) = children.split_ascii_whitespace().next() {
            return child.parse().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nsenter made no child");
}

#[test]
fn the_supervisor_looks_for_a_session_that_may_not_look_itself() {
    if !needs_init("the_supervisor_looks_for_a_session") {
        return;
    }
    let run = start_application(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let words = [
        "--duration",
        "600ms",
        "--rate",
        "500",
        "-o",
        path.to_str().unwrap(),
    ];
    let found = output(&run, &words);
    let stderr = String::from_utf8_lossy(&found.stderr).into_owned();
    assert!(found.status.success(), "{stderr}");
    assert!(stderr.contains("through the supervisor"), "{stderr}");
    let recording: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(recording["quality"]["permission"], "supervisor");
    let process = &recording["processes"][0];
    assert_eq!(process["has_gil"], true);
    let names: Vec<_> = process["threads"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|thread| thread["name"].as_str())
        .collect();
    assert!(names.contains(&"work"), "{names:?}");
    assert!(!process["gil"].as_array().unwrap().is_empty());
    // and without the supervisor it says what is missing
    let run = start_application(&["--control", "off"]);
    let words = ["--duration", "100ms", "-o", path.to_str().unwrap()];
    let found = output(&run, &words);
    let stderr = String::from_utf8_lossy(&found.stderr).into_owned();
    assert!(stderr.contains("may not be read"), "{stderr}");
}

#[test]
fn one_at_a_time_and_whoever_has_it_is_named_until_it_ends() {
    if !needs_init("one_at_a_time") {
        return;
    }
    let run = start_application(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first_path, second_path) = (path("first.json"), path("second.json"));
    let start_first = || {
        let mut first = session(&run, &["-o", &first_path]);
        first.stderr(Stdio::null()).stdout(Stdio::null());
        first.spawn().unwrap()
    };
    let mut first = start_first();
    // the first has it once the second is told so
    let words = ["--duration", "20ms", "-o", &second_path];
    let refused = (0..1000).any(|_| {
        if first.try_wait().unwrap().is_some() {
            // on a busy machine the second may be the faster one, and the first is told so
            first = start_first();
        }
        let found = output(&run, &words);
        let stderr = String::from_utf8_lossy(&found.stderr).into_owned();
        stderr.contains("is recording already")
    });
    assert!(refused);
    dunnage_sys::kill(inner(first.id()), 2).unwrap();
    assert!(first.wait().unwrap().success());
    let recording: Value = serde_json::from_slice(&std::fs::read(&first_path).unwrap()).unwrap();
    assert!(!recording["looks"].as_array().unwrap().is_empty());
    // a client that is killed leaves nothing behind that is in the way
    let mut killed = session(&run, &["-o", &first_path])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    dunnage_sys::kill(inner(killed.id()), 9).unwrap();
    killed.wait().unwrap();
    let works_again = (0..1000).any(|_| output(&run, &words).status.success());
    assert!(works_again);
}
