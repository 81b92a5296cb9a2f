//! `dunnage dump` from a session as `kubectl exec` makes it: the supervisor reads for it.

use super::support::*;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

/// A session in the namespaces of a run, without the variables of the run.
fn session(run: &Run, prefix: &[&str], words: &[&str]) -> Output {
    Command::new("nsenter")
        .args(["-t", &run.supervisor().to_string(), "--pid", "--mount"])
        .args(prefix)
        .arg(DUNNAGE)
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

/// An application that works on as another user, which this session may not read: root without `CAP_SYS_PTRACE`.
const APPLICATION: &str = "import os,threading,time\n\
     os.setgid(12345); os.setuid(12345)\n\
     def counting_sheep(): time.sleep(600)\n\
     threading.Thread(target=counting_sheep).start()\n\
     print('up', flush=True); time.sleep(600)\n";
const WITHOUT_PTRACE: [&str; 3] = [
    "setpriv",
    "--bounding-set=-sys_ptrace",
    "--inh-caps=-sys_ptrace",
];

fn start_application(options: &[&str]) -> Run {
    let run = start(Place::Init, options, &["python3", "-c", APPLICATION]);
    run.wait_for("up");
    run
}

#[test]
fn the_supervisor_reads_for_a_session_that_may_not_read_itself() {
    if !needs_init("the_supervisor_reads_for_a_session") {
        return;
    }
    let run = start_application(&[]);
    let output = session(&run, &WITHOUT_PTRACE, &["dump", "--format", "json"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    let dump: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(dump["schema"], "dunnage.dump/1");
    let functions: Vec<_> = dump["processes"][0]["threads"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|thread| thread["frames"].as_array().unwrap())
        .filter_map(|frame| frame["function"].as_str())
        .collect();
    assert!(functions.contains(&"counting_sheep"), "{functions:?}");
    // and the session alone could not have read it
    let run = start_application(&["--control", "off"]);
    let output = session(&run, &WITHOUT_PTRACE, &["dump"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("may not be read"), "{stdout}");
}

#[test]
fn what_is_not_below_the_supervisor_is_read_without_it_and_what_is_not_there_is_said() {
    if !needs_init("what_is_not_below_the_supervisor") {
        return;
    }
    let run = start_application(&[]);
    let humming = "import os,sys\n\
         def humming():\n    print(os.getpid(), flush=True); sys.stdin.read()\n\
         humming()";
    let mut python = Command::new("nsenter")
        .args(["-t", &run.supervisor().to_string(), "--pid", "--mount"])
        .args(["python3", "-c", humming])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    let mut lines = BufReader::new(python.stdout.take().unwrap());
    lines.read_line(&mut pid).unwrap();
    let output = session(&run, &[], &["dump", pid.trim(), "4194303"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("humming"), "{stdout}");
    assert!(
        stdout.contains("no process below the supervisor"),
        "{stdout}"
    );
    drop(python.stdin.take());
    python.wait().unwrap();
}

#[test]
fn another_users_session_is_told_that_it_is_not_let_in() {
    if !needs_init("another_users_session") {
        return;
    }
    let run = start_application(&[]);
    let other = [
        "setpriv",
        "--reuid=12346",
        "--regid=12346",
        "--clear-groups",
    ];
    let output = session(&run, &other, &["dump"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("not let in"), "{stderr}");
}

#[test]
fn a_descendant_that_gave_up_its_rights_gets_no_tracebacks() {
    if !needs_init("a_descendant_that_gave_up_its_rights") {
        return;
    }
    let script = "import json,os,socket\n\
         os.setgid(12345); os.setuid(12345)\n\
         s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(os.environ['DUNNAGE_SOCKET'])\n\
         s.send(json.dumps({'op': 'dump'}).encode()); print(s.recv(65536).decode())\n";
    let finished = start(Place::Init, &[], &["python3", "-c", script]).finish();
    assert!(
        finished.stdout.contains("for root and"),
        "{}",
        finished.stdout
    );
}
