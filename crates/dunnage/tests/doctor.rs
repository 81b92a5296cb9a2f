//! What `dunnage doctor` says of real processes. Containers are the lab's (`lab/cases/doctor-*`).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/running.rs"]
mod running;

use running::Running;
use serde_json::Value;
use std::process::{Command, Output};

/// Starts a Python program and waits for its line.
fn start(program: &str, words: &[&str], variables: &[(&str, &str)]) -> Running {
    running::start(
        Command::new("python3")
            .args(words)
            .args(["-c", program])
            .env_remove("PYTHONUNBUFFERED")
            .envs(variables.iter().copied()),
    )
}

const WAITS: &str = "import sys; print('ready', flush=True); sys.stdin.read()";

fn doctor(running: &Running, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunnage"))
        .args(["doctor", "--pid", &running.pid()])
        .args(words)
        .output()
        .unwrap()
}

fn report(running: &Running) -> Value {
    let output = doctor(running, &["--format", "json"]);
    let failed = output.status.code().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "dunnage.doctor/1");
    // what is process 1 of the machine, and how full the machine is, is not this test's
    assert_eq!(failed == 0, report["summary"]["fail"] == 0, "{report:#}");
    report
}

fn verdict<'r>(report: &'r Value, name: &str) -> &'r Value {
    let verdicts = report["verdicts"].as_array().unwrap();
    verdicts
        .iter()
        .find(|verdict| verdict["name"] == name)
        .unwrap()
}

#[test]
fn the_process_that_is_named_is_looked_at_and_its_secrets_stay_with_it() {
    let variables = [("OMP_NUM_THREADS", "3"), ("API_TOKEN", "very-secret")];
    let running = start(WAITS, &[], &variables);
    let report = report(&running);
    let python = &report["facts"]["python"];
    assert_eq!(python["pid"], running.0.id());
    assert!(python["version"].as_str().unwrap().starts_with("3."));
    assert_eq!(python["environment"]["OMP_NUM_THREADS"], "3");
    assert_eq!(python["stdout"], "pipe");
    assert_eq!(verdict(&report, "stdout")["rule"], "IMG002");
    let output = doctor(&running, &[]);
    for text in [report.to_string().into_bytes(), output.stdout] {
        assert!(!String::from_utf8(text).unwrap().contains("very-secret"));
    }
}

#[test]
fn a_person_reads_no_line_of_more_than_80_columns() {
    let running = start(WAITS, &["-u"], &[]);
    let output = doctor(&running, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Python believes"), "{text}");
    assert!(text.contains("ok    stdout           unbuffered"), "{text}");
    let is_narrow = |line: &str| line.chars().count() <= 80;
    assert!(text.lines().all(is_narrow), "{text}");
    assert!(output.stderr.is_empty());
}

#[test]
fn a_child_that_nobody_waits_for_is_named_with_its_parent() {
    let program = "
import os, subprocess, sys
child = subprocess.Popen(['true'])
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
print('ready', flush=True)
sys.stdin.read()
";
    let running = start(program, &[], &[]);
    let report = report(&running);
    let zombies = report["facts"]["processes"]["zombies"].as_array().unwrap();
    let ours = |zombie: &&Value| zombie["parent"]["pid"] == running.0.id();
    assert_eq!(zombies.iter().filter(ours).count(), 1, "{zombies:?}");
    assert_ne!(verdict(&report, "zombies")["status"], "ok");
}

#[test]
fn a_process_that_is_not_there_is_a_failure_of_ours() {
    let output = Command::new(env!("CARGO_BIN_EXE_dunnage"))
        .args(["doctor", "--pid", "2147483646"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no process 2147483646"), "{said}");
}

#[test]
fn a_program_that_is_no_python_is_told_so_and_its_container_is_judged() {
    let sleep = Command::new("sleep")
        .arg("600")
        .spawn()
        .map(Running)
        .unwrap();
    let report = report(&sleep);
    assert!(report["facts"]["python"]["version"].is_null());
    let refused = report["facts"]["refused"].to_string();
    assert!(refused.contains("not a CPython"), "{refused}");
    assert_eq!(verdict(&report, "cpu-count")["status"], "unknown");
}
