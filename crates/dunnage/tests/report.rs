//! `dunnage report` as it is called.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/report/{name}/record.jsonl"))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunnage"));
    command
        .arg("report")
        .args(words)
        .env_remove("DUNNAGE_REPORT_DIR")
        .stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A report folder: an older run with a record, a newer without.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::copy(
        fixture("growth"),
        path("dunnage-20261129T155100.000Z-a.jsonl"),
    )
    .unwrap();
    let empty = r#"{"part":"run","schema":"dunnage.record/1","command":"python app.py"}"#;
    fs::write(path("dunnage-20261130T000000.000Z-a.jsonl"), empty).unwrap();
    fs::write(path("zzz.jsonl"), "not a record").unwrap();
    folder
}

#[test]
fn of_a_folder_the_newest_record_is_shown_wherever_the_folder_is_named() {
    let folder = folder();
    let named = command(&[folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    let told = command(&[])
        .env("DUNNAGE_REPORT_DIR", folder.path())
        .output()
        .unwrap();
    assert!(stdout(&named).starts_with("Memory record 1 of gunicorn"));
    assert_eq!(stdout(&named), stdout(&told));
}

#[test]
fn a_file_whose_writer_lives_is_not_called_dead() {
    let folder = folder();
    let path = folder.path().join("dunnage-20261129T155100.000Z-a.jsonl");
    let writer = fs::File::open(&path).unwrap();
    // lines are broken where they are full
    let said = || {
        let text = stdout(&command(&[path.to_str().unwrap()]).output().unwrap());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(said().contains("killed from outside"));
    writer.lock().unwrap();
    assert!(said().contains("The application still runs."));
}

#[test]
fn a_record_can_come_from_elsewhere_through_a_pipe() {
    let file = fs::File::open(fixture("growth")).unwrap();
    let output = command(&["-", "--format", "json"])
        .stdin(file)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(json["schema"], "dunnage.report/1");
}

#[test]
fn what_cannot_be_shown_is_named_and_has_its_own_code() {
    let failed = |words: &[&str]| {
        let output = command(words).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(failed(&[empty.path().to_str().unwrap()]).0, Some(1));
    let (code, said) = failed(&[]);
    assert!(
        code == Some(2) && said.contains("DUNNAGE_REPORT_DIR"),
        "{said}"
    );
    let (code, said) = failed(&["/missing"]);
    assert!(code == Some(2) && said.contains("/missing"), "{said}");
    let other = folder();
    let (code, said) = failed(&[other.path().join("zzz.jsonl").to_str().unwrap()]);
    assert!(code == Some(2) && said.contains("no record file"), "{said}");
    let growth = fixture("growth");
    let (code, said) = failed(&[growth.to_str().unwrap(), "--record", "7"]);
    assert!(code == Some(2) && said.contains("no record 7"), "{said}");
}
