//! What `dunnage dump` shows of real processes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

#[path = "support/running.rs"]
mod running;

use running::{Running, start};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const PROGRAM: &str = "
import sys, threading, time
def outer():
    inner()
def inner():
    print('ready', flush=True)
    sys.stdin.read()
outer()
";

/// Starts the program, and waits until it waits for its stdin: it says that it is ready a moment before.
fn start_python() -> Running {
    let program = start(&mut python());
    for _ in 0..3000 {
        let output = dump(&["--format", "json", &program.pid()]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let thread = &json["processes"][0]["threads"][0];
        if thread["frames"][0]["line"] == 7 && thread["state"] == "S" {
            return program;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{:?}", dump(&[&program.pid()]));
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]);
    command
}

fn dump(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunnage"))
        .arg("dump")
        .args(words)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_person_sees_the_line_of_each_call() {
    let program = start_python();
    let output = dump(&[&program.pid()]);
    let text = text(&output.stdout);
    // stderr may name a supervisor of another test that was asked first and had nothing to say
    assert!(output.status.success(), "{output:?}");
    assert!(
        text.starts_with(&format!("process {}: ", program.pid())),
        "{text}"
    );
    let frames: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("    "))
        .map(|line| line.split_ascii_whitespace().collect())
        .collect();
    assert_eq!(
        frames,
        [
            ["inner", "<string>:7"],
            ["outer", "<string>:4"],
            ["<module>", "<string>:8"]
        ]
    );
    assert!(text.contains("MainThread: sleeps"), "{text}");
}

#[test]
fn a_program_gets_the_same_as_json() {
    let program = start_python();
    let output = dump(&["--format", "json", &program.pid()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], "dunnage.dump/1");
    let process = &json["processes"][0];
    assert_eq!(process["pid"].to_string(), program.pid());
    assert!(process["command"].as_str().unwrap().contains("python3"));
    assert!(process["error"].is_null() && process["gil"] == true);
    let thread = &process["threads"][0];
    assert_eq!(
        (&thread["state"], &thread["torn"]),
        (&"S".into(), &false.into())
    );
    assert_eq!(
        thread["frames"][0],
        serde_json::json!({"function": "inner", "file": "<string>", "line": 7})
    );
}

#[test]
fn a_process_that_cannot_be_read_has_a_reason_and_the_others_are_shown() {
    let sleep = Command::new("sleep")
        .arg("600")
        .spawn()
        .map(Running)
        .unwrap();
    let program = start_python();
    let output = dump(&[&sleep.pid(), &program.pid(), "2147483646"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = text(&output.stdout);
    assert!(text.contains("is not a CPython"), "{text}");
    assert!(text.contains("process 2147483646 is gone"), "{text}");
    assert!(text.contains("<string>:7"), "{text}");
}

#[test]
fn another_users_process_is_refused_with_both_users_named() {
    if dunnage_sys::current_uid() != 0 {
        println!("skipped: reading another user's process needs root to have two users");
        return;
    }
    let program = start_python();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("dunnage");
    fs::copy(env!("CARGO_BIN_EXE_dunnage"), &copy).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["dump", &program.pid()])
        .output()
        .unwrap();
    let text = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text.contains("it belongs to user 0 and we are user 65534 without CAP_SYS_PTRACE"),
        "{text}"
    );
    // and root reads the other user's
    let theirs = start(Command::new("setpriv").args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        PROGRAM,
    ]));
    let output = dump(&[&theirs.pid()]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_process_of_a_pid_namespace_below_ours_is_read_under_our_ids() {
    if dunnage_sys::current_uid() != 0 {
        println!("skipped: a PID namespace needs root");
        return;
    }
    let unshare = start(Command::new("unshare").args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "python3",
        "-c",
        PROGRAM,
    ]));
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", unshare.pid())).unwrap();
    let output = dump(&["--format", "json", children.trim()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let thread = &json["processes"][0]["threads"][0];
    assert_eq!(thread["tid"].to_string(), children.trim());
    assert_eq!(thread["frames"][0]["function"], "inner");
}

#[test]
fn without_a_process_those_below_pid_1_are_found() {
    if dunnage_sys::current_uid() != 0 {
        println!("skipped: a PID namespace needs root");
        return;
    }
    // PID 1 is a shell there; at its end the kernel ends the others
    let script = r#"{ python3 -c "$0" & } | { read -r line; "$1" dump --format json; }"#;
    let program = PROGRAM.replace("sys.stdin.read()", "time.sleep(600)");
    let output = Command::new("unshare")
        .args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            script,
            &program,
        ])
        .arg(env!("CARGO_BIN_EXE_dunnage"))
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["processes"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(
        json["processes"][0]["threads"][0]["frames"][0]["function"],
        "inner"
    );
}
