//! What `dunnage check --fix` and `--diff` do to files.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A comment that silences nothing, which is a finding with a safe fix.
const BEFORE: &str = "import os  # dunnage: ignore[CPU002] none\r\nprint(os)\r\n";
const AFTER: &str = "import os\r\nprint(os)\r\n";

fn check(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunnage-check"))
        .args(["check", "--select=FILE002"])
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap()
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    let file = folder.path().join("shop/app.py");
    fs::write(&file, BEFORE).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
    fs::write(folder.path().join("other.py"), "x = 1\n").unwrap();
    folder
}

#[test]
fn fix_writes_what_is_left_and_keeps_modes_and_other_files() {
    let folder = repository();
    let other = fs::metadata(folder.path().join("other.py")).unwrap();
    let output = check(folder.path(), &["--fix"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("1 fix in 1 file"), "{told}");
    let file = folder.path().join("shop/app.py");
    assert_eq!(fs::read_to_string(&file).unwrap(), AFTER);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o751);
    let same = fs::metadata(folder.path().join("other.py")).unwrap();
    assert_eq!(
        (same.ino(), same.mtime_nsec()),
        (other.ino(), other.mtime_nsec())
    );
    // nothing to do any more, and nothing else lies about
    let again = check(folder.path(), &["--diff"]);
    assert_eq!(
        (again.status.code(), again.stdout.len()),
        (Some(0), 0),
        "{again:?}"
    );
    assert_eq!(fs::read_dir(folder.path().join("shop")).unwrap().count(), 1);
}

#[test]
fn diff_changes_nothing_and_git_can_apply_it() {
    let folder = repository();
    let output = check(folder.path(), &["--diff"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let file = folder.path().join("shop/app.py");
    assert_eq!(fs::read_to_string(&file).unwrap(), BEFORE);
    let mut git = Command::new("git")
        .args(["apply", "-"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut git.stdin.take().unwrap(), &output.stdout).unwrap();
    assert!(git.wait().unwrap().success(), "{output:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), AFTER);
}

#[test]
fn a_file_outside_that_a_link_leads_to_is_not_touched() {
    let folder = repository();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("far.py"), BEFORE).unwrap();
    symlink(outside.path(), folder.path().join("far")).unwrap();
    symlink(outside.path().join("far.py"), folder.path().join("near.py")).unwrap();
    assert_eq!(check(folder.path(), &["--fix"]).status.code(), Some(0));
    assert_eq!(
        fs::read_to_string(outside.path().join("far.py")).unwrap(),
        BEFORE
    );
}
