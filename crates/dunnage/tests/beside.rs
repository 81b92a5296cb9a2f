//! `dunnage check`, `explain` and `lsp` become `dunnage-check`, which lies beside the program's file.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with the program.
fn installed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("dunnage");
    fs::copy(env!("CARGO_BIN_EXE_dunnage"), &program).unwrap();
    (folder, program)
}

/// A program that stands in for the one with the rules.
fn lay(folder: &Path, script: &str) {
    let program = folder.join("dunnage-check");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

fn ask(program: &Path, words: &[&str]) -> Output {
    Command::new(program).args(words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_program_beside_gets_every_word_as_it_is_and_its_exit_code_is_the_commands() {
    let (folder, program) = installed();
    lay(folder.path(), "printf '<%s>' \"$@\"; echo told >&2; exit 7");
    for words in [
        &["check", "--help"][..],
        &["check", "--", "-V", "", "a b"],
        &["explain", "PID001", "--format=json"],
        &["lsp", "--stdio"],
        &["lsp"],
    ] {
        let output = ask(&program, words);
        let expected = format!("<{}>", words.join("><"));
        assert_eq!(text(&output.stdout), expected);
        assert_eq!(text(&output.stderr), "told\n");
        assert_eq!(output.status.code(), Some(7));
    }
}

#[test]
fn it_takes_the_place_of_this_one_with_its_stdin_and_its_signals() {
    let (folder, program) = installed();
    lay(
        folder.path(),
        "read line; echo \"$line $$\"; exec grep SigBlk /proc/self/status",
    );
    let mut child = Command::new(&program)
        .arg("lsp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let text = text(&output.stdout);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("hello {pid}"), "one process, not two");
    // an init blocks signals first of all, and they must not stay so
    assert_eq!(lines[1], "SigBlk:\t0000000000000000");
}

#[test]
fn it_is_looked_for_beside_the_file_that_a_link_leads_to() {
    let (folder, program) = installed();
    lay(folder.path(), "echo beside");
    let elsewhere = tempfile::tempdir().unwrap();
    lay(elsewhere.path(), "echo stranger");
    let link = elsewhere.path().join("dunnage");
    symlink(&program, &link).unwrap();
    assert_eq!(text(&ask(&link, &["check"]).stdout), "beside\n");
    // what a caller says that the program is called is not where it is
    let output = Command::new(&program)
        .arg0(elsewhere.path().join("dunnage"))
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "beside\n");
}

#[test]
fn without_it_the_error_says_what_where_and_what_next_and_no_other_folder_is_asked() {
    let (folder, program) = installed();
    let elsewhere = tempfile::tempdir().unwrap();
    lay(elsewhere.path(), "echo stranger");
    for command in ["check", "explain", "lsp"] {
        let output = Command::new(&program)
            .arg(command)
            .current_dir(elsewhere.path())
            .env("PATH", elsewhere.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        let told = text(&output.stderr);
        let place = fs::canonicalize(folder.path()).unwrap();
        for part in [
            "dunnage-check",
            place.to_str().unwrap(),
            "pip install dunnage",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }
}

#[test]
fn one_that_cannot_be_run_is_named_with_the_reason() {
    let (folder, program) = installed();
    let other = folder.path().join("dunnage-check");
    fs::create_dir(&other).unwrap();
    let output = ask(&program, &["check"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("dunnage: error: cannot run /") && told.contains("dunnage-check: "),
        "{told}"
    );
}

#[test]
fn the_help_names_its_commands_and_a_misspelt_one_is_known() {
    let (_folder, program) = installed();
    let help = text(&ask(&program, &["--help"]).stdout);
    for command in ["check", "explain", "lsp"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    let told = text(&ask(&program, &["checks"]).stderr);
    assert!(told.contains("'check'"), "{told}");
}
