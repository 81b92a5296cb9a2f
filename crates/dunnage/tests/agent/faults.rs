//! The agent is broken on purpose: the application does not notice.

use std::fs;
use std::os::unix::net::UnixListener;

use super::support::*;

const APPLICATION: &str = "import os, sys, subprocess\n\
    print('work', sys.path[1:])\n\
    print(subprocess.call([sys.executable, '-c', 'print(1)']))\n\
    sys.stderr.write('a word of its own\\n')\n\
    sys.exit(3)\n";

/// A program, what to set, and what is broken about it.
struct Fault<'a> {
    name: &'a str,
    program: &'a Program,
    variables: Vec<(&'a str, &'a str)>,
}

/// The application prints and ends below each fault as it does plainly.
fn assert_unnoticed(faults: &[Fault<'_>]) {
    for python in pythons() {
        let plain = printed(python.plainly().args(["-c", APPLICATION]));
        assert_eq!(plain.code, Some(3));
        // what is too old for the agent reads nothing of it: one fault is as good as another
        let tried = if python.has_agent() { faults.len() } else { 1 };
        for fault in faults.iter().take(tried) {
            let mut packed = fault.program.exec(&python);
            packed
                .args(["-c", APPLICATION])
                .envs(fault.variables.iter().copied());
            let packed = printed(&mut packed);
            assert_eq!(packed, plain, "{}, {:?}", fault.name, python.version);
        }
    }
}

/// The same program with a variable that has another value each time.
fn assert_unnoticed_values(variable: &str, values: &[&str]) {
    let program = Program::new();
    let faults: Vec<_> = values
        .iter()
        .map(|value| Fault {
            name: value,
            program: &program,
            variables: vec![(variable, value)],
        })
        .collect();
    assert_unnoticed(&faults);
}

#[test]
fn an_agent_that_fails_is_an_agent_that_is_absent() {
    let sources = [
        ("an error in a module", "{}['no']"),
        ("no Python", "def ("),
        ("an import", "import nowhere"),
        ("no start", "pass"),
        ("an error at the start", "def start(door): {}['no']"),
        ("no memory", "def start(door): raise MemoryError"),
        ("recursion", "def start(door): start(door)"),
    ];
    let programs = sources.map(|(_, source)| Program::with_agent(source));
    let faults: Vec<_> = sources
        .iter()
        .zip(&programs)
        .map(|((name, _), program)| Fault {
            name,
            program,
            variables: Vec::new(),
        })
        .collect();
    assert_unnoticed(&faults);
}

#[test]
fn a_failure_is_said_in_one_line_where_that_is_asked_for() {
    let program = Program::new();
    for python in pythons_with_agent("a failure that is said") {
        // a socket's path may have at most 107 bytes
        let path = "/x".repeat(100);
        let mut command = program.exec(&python);
        command
            .args(["-c", "print(1)"])
            .env("DUNNAGE_SOCKET", &path);
        assert_eq!(printed(&mut command).stderr, "");
        let said = printed(command.env("DUNNAGE_DEBUG", "1")).stderr;
        assert!(said.starts_with("dunnage: agent: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_supervisor_that_cannot_be_spoken_to_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "").unwrap();
    let _stream = UnixListener::bind(path("stream")).unwrap();
    drop(UnixListener::bind(path("refused")).unwrap());
    let names = ["absent", "file", "stream", "refused", "absent/socket"].map(path);
    let mut values: Vec<_> = names.iter().map(String::as_str).collect();
    let long = "/x".repeat(3000);
    values.extend(["relative", "/", &long]);
    assert_unnoticed_values("DUNNAGE_SOCKET", &values);
}

#[test]
fn counts_that_are_no_numbers_are_not_told() {
    let values = ["-1", "", "0x10", "many", "99999999999999999999"];
    assert_unnoticed_values("DUNNAGE_CPU_COUNT", &values);
}

#[test]
fn a_program_that_is_gone_is_not_missed() {
    let leave = "import os, subprocess, sys\n\
        os.remove(sys.argv[1])\n\
        print(subprocess.call([sys.executable, '-c', 'import sys; sys.exit(5)']))\n";
    for python in pythons() {
        let program = Program::new();
        let mut command = program.exec(&python);
        assert_eq!(words(command.args(["-c", leave]).arg(&program.path)), ["5"]);
        assert!(!program.path.exists());
    }
}
