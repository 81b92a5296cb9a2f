//! Ends: exit codes, verdicts, the termination log.

use super::cgroup::MemoryCgroup;
use super::support::*;
use std::fs;
use std::process::Command;

#[test]
fn exit_codes_are_the_childs() {
    for place in places("exit_codes_are_the_childs") {
        for code in [0, 1, 2, 42, 125, 126, 127, 128, 255] {
            assert_eq!(
                run(place, &[], &["sh", "-c", &format!("exit {code}")]).code,
                code
            );
        }
        for signal in [1, 2, 3, 6, 9, 10, 11, 13, 15] {
            let finished = run(
                place,
                &[],
                &["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$")],
            );
            assert_eq!(finished.code, 128 + signal);
            assert_eq!(finished.one("ended")["cause"], "signaled");
        }
    }
}

#[test]
fn exit_codes_are_mapped_when_asked() {
    let finished = run(
        Place::Below,
        &["--map-exit", "143=0,3=4"],
        &["sh", "-c", "kill -TERM $$"],
    );
    assert_eq!(finished.code, 0);
    let ended = finished.one("ended");
    assert_eq!(
        (ended["code"].as_u64(), ended["child_code"].as_u64()),
        (Some(0), Some(143))
    );
    assert_eq!(
        run(
            Place::Below,
            &["--map-exit", "143=0,3=4"],
            &["sh", "-c", "exit 3"]
        )
        .code,
        4
    );
}

#[test]
fn what_cannot_be_run_has_the_shells_codes_and_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let wrong = folder.path().join("wrong");
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(64, 0);
    elf[18] = 0xb7 ^ u8::from(cfg!(target_arch = "aarch64"));
    fs::write(&wrong, elf).unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "echo from a script without a first line\nexit 9\n").unwrap();
    Command::new("chmod")
        .arg("+x")
        .args([&script, &wrong, &plain])
        .status()
        .unwrap();
    let cases = [
        ("no-such-command", 127, "not found in PATH"),
        ("/no/such/file", 127, "does not exist"),
        ("/etc/passwd", 126, "not executable"),
        ("/etc", 126, "folder"),
        (script.to_str().unwrap(), 126, "/no/such/interpreter"),
        (wrong.to_str().unwrap(), 126, "this machine is"),
    ];
    for place in places("what_cannot_be_run") {
        for (command, code, reason) in cases {
            let finished = run(place, &[], &[command]);
            assert_eq!(finished.code, code, "{command}: {}", finished.stderr);
            let event = finished.one("not_executed");
            assert!(
                event["reason"].as_str().unwrap().contains(reason),
                "{event}"
            );
            assert!(finished.all("started").is_empty() && finished.all("ended").is_empty());
        }
        assert_eq!(
            run(place, &[], &[plain.to_str().unwrap()]).code,
            9,
            "as execvp does"
        );
    }
}

#[test]
fn bad_options_and_variables_are_named_and_end_with_125() {
    let output = |options: &[&str], variable: Option<(&str, &str)>| {
        let mut command = command(Place::Below, options, &["true"]);
        command.envs(variable);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for (options, variable, named) in [
        (["--no-such-option"].as_slice(), None, "--no-such-option"),
        (&["--grace", "soon"], None, "--grace"),
        (&["--rewrite", "TERM"], None, "TERM=INT"),
        (&["--map-exit", "1=999"], None, "143=0"),
        (&["--cpu-limit=-1"], None, "--cpu-limit"),
        (&[], Some(("DUNNAGE_GRACE", "soon")), "DUNNAGE_GRACE"),
        (
            &[],
            Some(("DUNNAGE_STOP_SIGNAL", "STOPP")),
            "DUNNAGE_STOP_SIGNAL",
        ),
        (&[], Some(("DUNNAGE_MODE", "watch")), "DUNNAGE_MODE"),
        (&[], Some(("DUNNAGE_DISABLE", "maybe")), "DUNNAGE_DISABLE"),
    ] {
        let (code, stderr) = output(options, variable);
        assert_eq!(code, Some(125), "{options:?} {variable:?}");
        assert!(stderr.contains(named), "{stderr}");
    }
    let (code, _) = output(&[], Some(("DUNNAGE_PORT", "tcp://10.0.0.1:80")));
    assert_eq!(code, Some(0), "a Service named dunnage is no option");
    let (code, stderr) = output(&[], Some(("DUNNAGE_GRAZE", "1")));
    assert_eq!(code, Some(0));
    assert!(
        stderr.contains("DUNNAGE_GRAZE"),
        "an unknown one gets one line: {stderr}"
    );
    let none = Command::new(DUNNAGE).arg("run").output().unwrap();
    assert_eq!(none.status.code(), Some(125));
}

#[test]
fn the_termination_log_explains_only_deaths_that_nobody_else_explains() {
    let write = |before: &str, script: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), before).unwrap();
        run(
            Place::Below,
            &["--termination-log", file.path().to_str().unwrap()],
            &["sh", "-c", script],
        );
        fs::read_to_string(file.path()).unwrap()
    };
    assert!(write("", "kill -SEGV $$").starts_with("dunnage: sh -c kill -SEGV $$ died of SIGSEGV"));
    assert_eq!(
        write("", "exit 1"),
        "",
        "an application's failure is its own to explain"
    );
    assert_eq!(write("mine", "kill -SEGV $$"), "mine");
    assert_eq!(
        write("dunnage: earlier", "exit 0"),
        "",
        "a clean end takes back what was said"
    );
    assert!(write("dunnage: earlier", "kill -9 $$").contains("which we did not send"));
}

#[test]
fn an_oom_kill_is_told_apart_from_other_kills() {
    let Some(cgroup) = MemoryCgroup::new("an_oom_kill_is_told_apart", "67108864") else {
        return;
    };
    let eat = "x = []\nwhile True: x.append(bytearray(1 << 20))";
    let command = command(Place::Below, &[], &["python3", "-c", eat]);
    let finished = start_command(cgroup.within(&command)).finish();
    assert_eq!(finished.code, 137);
    assert_eq!(finished.one("started")["memory_limit_bytes"], 67_108_864);
    assert_eq!(finished.one("oom_kill")["count"], 1);
    let ended = finished.one("ended");
    assert_eq!(ended["cause"], "oom_killed");
    assert!(
        ended["sentence"]
            .as_str()
            .unwrap()
            .contains("out of memory"),
        "{ended}"
    );
}
