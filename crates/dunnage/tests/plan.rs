//! What `dunnage plan` prints and what `dunnage exec` becomes.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn dunnage(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunnage"));
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The exit code and what was said.
fn refusal(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn lines_for_a_shell_hold_what_is_set_and_nothing_else() {
    let output = dunnage(&["plan", "--cpu-limit", "0.5", "--format", "env"])
        .env("VIPS_CONCURRENCY", "3")
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "OMP_NUM_THREADS=1\n");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn json_says_what_was_overridden() {
    let words = [
        "plan",
        "--cpu-limit=500m",
        "--memory-limit=64Mi",
        "--format=json",
    ];
    let output = dunnage(&words).output().unwrap();
    let plan: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(plan["schema"], "dunnage.plan/1");
    assert_eq!(plan["cpu"]["limit"], 0.5);
    assert_eq!(plan["cpu"]["confidence"], "override");
    assert_eq!(plan["memory"]["limit_bytes"], 64 << 20);
    assert_eq!(plan["env"][0]["name"], "OMP_NUM_THREADS");
    assert_eq!(plan["env"][0]["action"], "set");
}

#[test]
fn exec_becomes_the_command_with_the_plans_environment() {
    let script = "echo $PPID $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS $DUNNAGE_PLANNED; exit 7";
    let mut command = dunnage(&["exec", "--cpu-limit=0.5", "--", "sh", "-c", script]);
    let output = command
        .env("OMP_NUM_THREADS", "")
        .env("OPENBLAS_NUM_THREADS", "9")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    // its parent is ours: nothing of dunnage stays between
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{} 1 9 1\n", std::process::id())
    );
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn limits_stated_as_options_reach_the_application_as_variables() {
    let script = "echo [$DUNNAGE_CPU_LIMIT] [$DUNNAGE_MEMORY_LIMIT]";
    let told = |words: &[&str]| {
        let words: Vec<_> = words
            .iter()
            .chain(&["--", "sh", "-c", script])
            .copied()
            .collect();
        let output = dunnage(&words)
            .env("DUNNAGE_CPU_LIMIT", "3")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for command in ["run", "exec"] {
        assert_eq!(
            told(&[command, "--cpu-limit=1500m", "--memory-limit=512Mi"]),
            "[1.5] [536870912]\n"
        );
        assert_eq!(told(&[command]), "[3] []\n");
    }
    let observed = ["run", "--mode=observe", "--cpu-limit=1500m"];
    assert_eq!(told(&observed), "[3] []\n");
}

#[test]
fn exec_inside_a_planned_environment_changes_nothing() {
    let mut command = dunnage(&[
        "exec",
        "--cpu-limit=0.5",
        "--",
        "sh",
        "-c",
        "echo [$OMP_NUM_THREADS]",
    ]);
    assert_eq!(
        stdout(&command.env("DUNNAGE_PLANNED", "1").output().unwrap()),
        "[]\n"
    );
    command
        .env_remove("DUNNAGE_PLANNED")
        .env("DUNNAGE_DISABLE", "1");
    assert_eq!(stdout(&command.output().unwrap()), "[]\n");
}

#[test]
fn exec_hands_signals_on_as_it_found_them() {
    // a writer without a reader dies of SIGPIPE, which Rust's runtime would have ignored
    let mut command = dunnage(&["exec", "--", "sh", "-c", "kill -PIPE $$; echo alive"]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let blocked = stdout(
        &dunnage(&["exec", "--", "grep", "SigBlk", "/proc/self/status"])
            .output()
            .unwrap(),
    );
    let ours = fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(
        ours.lines().any(|line| line == blocked.trim_end()),
        "{blocked}"
    );
}

#[test]
fn exec_refuses_with_the_codes_of_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    for (words, code, said) in [
        (vec!["exec", "--"], 125, "no command"),
        (vec!["exec", "--cpu-limit=many", "--", "true"], 125, "many"),
        (
            vec!["exec", "--", plain.to_str().unwrap()],
            126,
            "cannot run",
        ),
        (
            vec!["exec", "--", "no-such-command"],
            127,
            "no-such-command",
        ),
    ] {
        let (found, text) = refusal(&mut dunnage(&words));
        assert_eq!(found, Some(code), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
    }
}

#[test]
fn a_malformed_variable_is_named() {
    let (code, text) = refusal(dunnage(&["plan"]).env("DUNNAGE_WORKERS", "many"));
    assert_eq!(code, Some(2));
    assert!(text.contains("DUNNAGE_WORKERS"), "{text}");
}
