//! Faults around us: nothing hangs, the exit code survives.

use super::support::*;
use std::io::Read;
use std::process::{Command, Stdio};

#[test]
fn a_stderr_that_nobody_reads_holds_nobody_up() {
    for place in places("a_stderr_that_nobody_reads") {
        // a pipe full of the application's words, then a run that wants to say something
        let script = "import fcntl,os,sys\n\
             fcntl.fcntl(2, fcntl.F_SETFL, os.O_NONBLOCK)\n\
             try:\n    while True: os.write(2, b'x' * 4096)\n\
             except BlockingIOError: pass\n\
             fcntl.fcntl(2, fcntl.F_SETFL, 0)\n\
             os.execvp(sys.argv[1], sys.argv[1:])\n";
        let mut prepared = command(place, &[], &["sh", "-c", "exit 12"]);
        let words: Vec<_> = std::iter::once(prepared.get_program().to_owned())
            .chain(prepared.get_args().map(ToOwned::to_owned))
            .collect();
        prepared = Command::new("python3");
        prepared
            .args(["-c", script])
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = prepared.spawn().unwrap();
        let mut status = None;
        wait_until("a run with a full stderr", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(12));
        let mut text = Vec::new();
        child.stderr.take().unwrap().read_to_end(&mut text).unwrap();
        assert!(text.iter().all(|byte| *byte == b'x'), "nothing was torn");
    }
}

#[test]
fn a_stderr_whose_reader_is_gone_is_nothing_to_die_of() {
    for place in places("a_stderr_whose_reader_is_gone") {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut prepared = command(place, &[], &["sh", "-c", "sleep 0.2; exit 13"]);
        prepared.stderr(writer);
        assert_eq!(prepared.status().unwrap().code(), Some(13), "{place:?}");
    }
}

#[test]
fn closed_streams_are_no_failure() {
    for place in places("closed_streams_are_no_failure") {
        let mut prepared = command(place, &[], &["sh", "-c", "exit 13"]);
        let words: Vec<_> = std::iter::once(prepared.get_program().to_owned())
            .chain(prepared.get_args().map(ToOwned::to_owned))
            .collect();
        prepared = Command::new("sh");
        prepared
            .args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh"])
            .args(words);
        assert_eq!(prepared.status().unwrap().code(), Some(13));
    }
}

#[test]
fn a_supervisor_that_was_stopped_goes_on_where_it_was() {
    for place in places("a_supervisor_that_was_stopped") {
        let run = start(place, &[], &["python3", "-c", &graceful(0.0)]);
        run.wait_for("up");
        let supervisor = run.supervisor();
        send(supervisor, "STOP");
        wait_until("stopped", || {
            stat_field(supervisor, 0).as_deref() == Some("T")
        });
        send(supervisor, "TERM");
        send(supervisor, "CONT");
        let finished = run.finish();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (0, "up\ntold\ndone\n")
        );
    }
}

#[test]
fn a_child_that_replaces_itself_by_another_program_is_still_the_child() {
    for place in places("a_child_that_replaces_itself") {
        let run = start(
            place,
            &[],
            &[
                "sh",
                "-c",
                "echo up; exec sh -c 'trap \"exit 21\" TERM; echo in; while :; do sleep 0.05; done'",
            ],
        );
        run.wait_for("in");
        run.signal("TERM");
        assert_eq!(run.finish().code, 21);
    }
}

#[test]
fn no_process_to_be_had_is_125_and_said() {
    let mut limited = Command::new("python3");
    let script = "import os,resource,sys\n\
         os.setgid(65534); os.setuid(65534)\n\
         resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n\
         os.execvp(sys.argv[1], sys.argv[1:])\n";
    let copy = tempfile::Builder::new()
        .prefix("dunnage-test-")
        .tempdir_in("/tmp")
        .unwrap();
    let program = copy.path().join("dunnage");
    std::fs::copy(DUNNAGE, &program).unwrap();
    Command::new("chmod")
        .arg("755")
        .args([copy.path(), &program])
        .status()
        .unwrap();
    limited
        .args(["-c", script])
        .arg(&program)
        .args(["run", "--", "true"]);
    let output = limited.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if stderr.contains("PermissionError") {
        println!("skipped: no_process_to_be_had_is_125_and_said: needs root");
        return;
    }
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("cannot make a process"), "{stderr}");
}

#[test]
fn with_few_open_files_allowed_a_signal_still_finds_its_way_through_a_shell() {
    for place in places("with_few_open_files_allowed") {
        for limit in ["16", "32"] {
            let prepared = command(
                place,
                &[],
                &["sh", "-c", "cd . && python3 -c \"$0\"", &graceful(0.0)],
            );
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--nofile={limit}:{limit}"));
            limited
                .arg(prepared.get_program())
                .args(prepared.get_args());
            let run = start_command(limited);
            run.wait_for("up");
            run.signal("TERM");
            let finished = run.finish();
            assert_eq!(
                finished.stdout, "up\ntold\ndone\n",
                "{limit} in {place:?}: {}",
                finished.stderr
            );
            assert_eq!(finished.code, 143);
        }
    }
}

#[test]
fn whether_memory_is_given_back_is_told_to_the_child_and_the_option_comes_before_the_variable() {
    let print = ["sh", "-c", "echo \"${DUNNAGE_RELEASE-unset}\""];
    let told = |options: &[&str], variable: Option<&str>| {
        let mut command = command(Place::Below, options, &print);
        if let Some(value) = variable {
            command.env("DUNNAGE_RELEASE", value);
        }
        start_command(command).finish()
    };
    for (options, variable, expected) in [
        (&[][..], None, "unset"),
        (&["--release", "off"], None, "off"),
        (&[], Some("off"), "off"),
        (&["--release", "on"], Some("off"), "unset"),
    ] {
        assert_eq!(told(options, variable).stdout.trim(), expected);
    }
    let finished = told(&[], Some("perhaps"));
    assert_eq!(finished.code, 125);
    assert!(
        finished.stderr.contains("DUNNAGE_RELEASE"),
        "{}",
        finished.stderr
    );
}
