//! The names, and `DUNNAGE_COMPAT`.

use super::support::*;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// Ours under a name, linked or copied; needs nothing installed.
fn called(name: &str, copy: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    if copy {
        std::fs::copy(DUNNAGE, &path).unwrap();
    } else {
        symlink(DUNNAGE, &path).unwrap();
    }
    (folder, path)
}

#[test]
fn each_name_stands_for_its_program_and_no_other_does() {
    for name in ["tini", "tini-static", "docker-init", "dumb-init"] {
        for copy in [false, true] {
            let (_folder, path) = called(name, copy);
            let version = outcome(Place::Below, command(Place::Below, &path, &["--version"]));
            let like = if name == "dumb-init" {
                "dumb-init"
            } else {
                "tini"
            };
            assert!(
                version.code == 0
                    && version.stdout.starts_with("dunnage ")
                    && version.stdout.contains(&format!("called as {like};")),
                "{version:?}"
            );
            let mut quiet = command(Place::Below, &path, &["--", "sh", "-c", "exit 9"]);
            quiet
                .env("TINI_SUBREAPER", "")
                .env("DUNNAGE_LOG_LEVEL", "debug");
            assert_eq!(
                outcome(Place::Below, quiet),
                Outcome {
                    code: 9,
                    stdout: String::new(),
                    spoke: false
                }
            );
        }
    }
    let (_folder, path) = called("init", false);
    assert_eq!(
        outcome(Place::Below, command(Place::Below, &path, &["--", "true"])).code,
        2
    );
}

/// A run under `DUNNAGE_COMPAT=extend`: its code, what the program printed, the events.
fn extended(name: &str, words: &[&str]) -> (i32, String, Vec<Value>) {
    let (_folder, path) = called(name, false);
    let mut prepared = command(Place::Below, &path, words);
    prepared
        .env("DUNNAGE_COMPAT", "extend")
        .env("DUNNAGE_LOG_FORMAT", "json")
        .env("DUNNAGE_CPU_LIMIT", "1")
        .env_remove("OMP_NUM_THREADS");
    let mut run = start(Place::Below, prepared);
    let status = run.outer.wait().unwrap();
    let events = run
        .stderr()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (status.code().unwrap(), run.stdout(), events)
}

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

#[test]
fn extended_it_plans_logs_and_waits_for_strays_and_the_options_count() {
    let script = "echo $OMP_NUM_THREADS; setsid sleep 60 & kill -TERM $$";
    let (code, stdout, events) = extended("tini", &["-g", "-e", "143", "--", "sh", "-c", script]);
    assert_eq!((code, stdout.as_str()), (0, "1\n"), "{events:?}");
    assert_eq!(named(&events, "started").len(), 1);
    assert_eq!(named(&events, "strays_told").len(), 1, "{events:?}");
    assert_eq!(named(&events, "ended")[0]["child_code"], 143);

    let script = "trap 'echo quit; exit 4' QUIT; kill -TERM $PPID; while :; do sleep 0.05; done";
    let (code, stdout, events) = extended("dumb-init", &["-c", "-r", "15:3", "sh", "-c", script]);
    assert_eq!((code, stdout.as_str()), (4, "quit\n"), "{events:?}");
    assert_eq!(named(&events, "ended").len(), 1);
}

#[test]
fn extended_or_not_a_bad_option_is_the_programs_failure_and_a_bad_variable_ours() {
    for (name, value, words, code, told) in [
        ("tini", "extend", &["-e", "300", "true"] as &[_], 1, "-e"),
        ("dumb-init", "extend", &["-r", "x", "true"], 1, "-r"),
        ("tini", "extended", &["--", "true"], 125, "DUNNAGE_COMPAT"),
        ("dumb-init", "1", &["true"], 125, "DUNNAGE_COMPAT"),
    ] {
        let (_folder, path) = called(name, false);
        let mut prepared = command(Place::Below, &path, words);
        prepared.env("DUNNAGE_COMPAT", value);
        let mut run = start(Place::Below, prepared);
        assert_eq!(run.outer.wait().unwrap().code(), Some(code));
        assert!(run.stderr().contains(told), "{}", run.stderr());
    }
}
