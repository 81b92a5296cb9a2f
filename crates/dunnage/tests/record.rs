//! What `dunnage record` does with real processes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const DUNNAGE: &str = env!("CARGO_BIN_EXE_dunnage");

fn record(words: &[&str]) -> Output {
    Command::new(DUNNAGE)
        .arg("record")
        .args(words)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_command_is_recorded_to_its_end_and_its_code_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a.json", "a.html", "a.pftrace", "a.timeline.json"];
    let paths = files.map(|name| folder.path().join(name));
    let mut words = Vec::new();
    for path in &paths {
        words.extend(["-o", path.to_str().unwrap()]);
    }
    let program = "import time, sys\nend = time.monotonic() + 0.3\nwhile time.monotonic() < end: pass\nprint('own words'); sys.exit(7)";
    words.extend(["--", "python3", "-c", program]);
    let output = record(&words);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    assert!(stdout.starts_with("own words\n"), "{stdout}");
    let recording = read(&paths[0]);
    assert_eq!(recording["schema"], "dunnage.recording/1");
    assert_eq!(recording["quality"]["permission"], "ancestor");
    let process = &recording["processes"][0];
    assert!(
        process["ended"].is_u64() && process["has_gil"] == true,
        "{process}"
    );
    let page = std::fs::read_to_string(&paths[1]).unwrap();
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    assert!(std::fs::metadata(&paths[2]).unwrap().len() > 0);
    assert!(read(&paths[3])["processes"].is_array());
    for path in &paths {
        assert!(
            stderr.contains(&format!("wrote {}", path.display())),
            "{stderr}"
        );
    }
    // shown again it says the same
    let again = record(&["--from", paths[0].to_str().unwrap(), "--format", "json"]);
    let verdict: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(verdict["schema"], "dunnage.verdict/1");
    assert_eq!(verdict["about"], recording["about"]);
}

#[test]
fn a_command_that_cannot_be_run_has_the_shell_s_codes_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let output = record(&["-o", path.to_str().unwrap(), "--", "/no/such/thing"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("/no/such/thing"));
    assert!(!path.exists());
}

#[test]
fn a_command_that_ends_at_once_leaves_a_file_or_the_reason_why_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let output = record(&["-o", path.to_str().unwrap(), "--", "sh", "-c", "exit 3"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let reason =
        "the command ended (exit code 3) before it was looked at, so nothing is written. What is";
    assert_ne!(path.exists(), stderr.contains(reason), "{stderr}");
}

#[test]
fn signals_are_the_command_s_business_and_its_death_is_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let script = "trap 'echo told; exit 3' TERM; sleep 0.5; echo up; while :; do sleep 0.01; done";
    let mut running = Command::new(DUNNAGE)
        .args([
            "record",
            "-o",
            path.to_str().unwrap(),
            "--",
            "sh",
            "-c",
            script,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(running.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    dunnage_sys::kill(running.id() as i32, 15).unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    assert_eq!(
        (line.as_str(), running.wait().unwrap().code()),
        ("up\n", Some(3))
    );
    assert!(rest.starts_with("told\n"), "{rest}");
    assert!(read(&path)["processes"][0]["ended"].is_u64());
}

#[test]
fn a_process_is_recorded_for_a_time_and_goes_on_undisturbed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let mut python = Command::new("python3")
        .args(["-c", "import sys; sys.stdin.read(); print('went on')"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = python.id().to_string();
    let words = ["--pid", &pid, "--duration", "200ms", "--rate", "500", "-o"];
    let output = record(&[&words[..], &[path.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let recording = read(&path);
    assert_eq!(recording["quality"]["asked_interval"], 2_000_000);
    assert!(recording["looks"].as_array().unwrap().len() > 1);
    drop(python.stdin.take());
    let output = python.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "went on\n");
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_recorded() {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--pid", "4194303"], 1, "there is no process 4194303"),
        (
            &["-o", "a.txt"],
            2,
            "ends in .html, .json, .timeline.json or .pftrace",
        ),
        (
            &["-o", "/no/such/folder/a.html"],
            2,
            "/no/such/folder/a.html cannot be written",
        ),
        (&["--from", "/no/such/a.json"], 2, "/no/such/a.json"),
        (&["--rate", "0"], 2, "--rate"),
        (&["--pid", "1", "--", "true"], 2, "cannot be used with"),
    ];
    for (words, code, expected) in cases {
        let output = Command::new(DUNNAGE)
            .arg("record")
            .args(words)
            .current_dir(std::env::temp_dir())
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {stderr}");
        assert!(stderr.contains(expected), "{words:?}: {stderr}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{}").unwrap();
    let output = record(&["--from", file.path().to_str().unwrap()]);
    assert!(
        text(&output.stderr).contains("is no recording"),
        "{}",
        text(&output.stderr)
    );
}
