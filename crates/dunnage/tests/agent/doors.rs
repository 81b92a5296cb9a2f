//! How the agent comes in: by PYTHONPATH, by the wheel's `.pth` file, and once by both; and who hears of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use super::support::*;

/// The wheel's second door.
const PTH: &str = include_str!("../../../../python/dunnage_agent.pth");

/// Whether the agent is there, by which door, and whether it left a trace.
const SEEN: &str = "import sys\n\
    agent = sys.modules.get('_dunnage_agent')\n\
    path = getattr(getattr(agent, '__loader__', None), 'archive', '')\n\
    print(getattr(agent, 'door', None), sys.path.count(path), path in sys.path_importer_cache)\n";

/// A user site with the second door in it, as `pip install --user` would make it.
fn install_door(base: &Path, python: &Python) {
    let (major, minor) = python.version;
    let site = base.join(format!("lib/python{major}.{minor}/site-packages"));
    fs::create_dir_all(&site).unwrap();
    fs::write(site.join("dunnage_agent.pth"), PTH).unwrap();
}

fn seen(command: &mut Command) -> String {
    words(command.args(["-c", SEEN])).join(" ")
}

#[test]
fn the_first_door_is_the_path_and_leaves_no_trace() {
    let program = Program::new();
    for python in pythons_with_agent("the first door") {
        assert_eq!(seen(&mut program.exec(&python)), "path 0 False");
    }
}

#[test]
fn the_second_door_serves_where_the_path_was_replaced() {
    let program = Program::new();
    for python in pythons_with_agent("the second door") {
        let base = tempfile::tempdir().unwrap();
        install_door(base.path(), &python);
        // a launcher that brings a sitecustomize of its own and calls no other
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("sitecustomize.py"), "").unwrap();
        let launcher = format!(
            "import os, sys; os.environ['PYTHONPATH'] = {:?} + ':' + os.environ['PYTHONPATH']; \
            os.execv(sys.executable, [sys.executable] + sys.argv[1:])",
            other.path().display().to_string()
        );
        let launched = |with_door: bool| {
            let mut command = program.exec(&python);
            if with_door {
                command.env("PYTHONUSERBASE", base.path());
            }
            command.args(["-c", &launcher]);
            seen(&mut command)
        };
        assert_eq!(launched(true), "pth 0 False", "{python:?}");
        assert!(launched(false).starts_with("None"), "{python:?}");
    }
}

#[test]
fn both_doors_are_one_agent() {
    let program = Program::new();
    for python in pythons_with_agent("both doors") {
        let base = tempfile::tempdir().unwrap();
        install_door(base.path(), &python);
        let mut command = program.exec(&python);
        command.env("PYTHONUSERBASE", base.path());
        assert_eq!(seen(&mut command), "pth 0 False", "{python:?}");
    }
}

#[test]
fn the_second_door_is_shut_without_the_variable_and_where_the_program_is_gone() {
    let program = Program::new();
    for python in pythons_with_agent("the second door, shut") {
        let base = tempfile::tempdir().unwrap();
        install_door(base.path(), &python);
        let state = |agent: &str, option: &[&str]| {
            let mut command = python.plainly();
            command.env("PYTHONUSERBASE", base.path());
            if !agent.is_empty() {
                command.env("DUNNAGE_AGENT", agent);
            }
            command.args(option);
            words(command.args([
                "-c",
                "import sys; print(sys.path, sorted(sys.modules), sorted(sys.path_importer_cache))",
            ]))
            .join(" ")
        };
        let plain = state("", &[]);
        assert!(!plain.contains("_dunnage_agent"));
        for agent in ["off", "on", "/nowhere/dunnage", "/", "/etc/passwd"] {
            assert_eq!(state(agent, &[]), plain, "{agent}, {python:?}");
        }
        let path = program.path.to_str().unwrap();
        assert!(state(path, &[]).contains("_dunnage_agent"));
        // a program that somebody else can write is somebody else's code
        let set = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o757);
        assert_eq!(state(path, &[]), plain, "{python:?}");
        set(0o755);
        if chown(path, Some(12345), None).is_ok() {
            assert_eq!(state(path, &[]), plain, "{python:?}");
            chown(path, Some(0), None).unwrap();
        } else {
            println!("skipped: agent: another user's program needs root");
        }
        assert_eq!(state(path, &["-E"]), state("", &["-E"]), "{python:?}");
    }
}

#[test]
fn a_run_inside_a_run_brings_nothing_twice_and_off_shuts_the_door() {
    let program = Program::new();
    let inner = |options: &[&str], python: &Python| {
        let mut command = program.exec(python);
        // the words behind the first `--` are a second exec
        let mut outer = Command::new(&program.path);
        outer.args([
            "exec",
            "--cpu-limit",
            "1",
            "--",
            program.path.to_str().unwrap(),
            "exec",
        ]);
        outer.args(options).arg("--").arg(&python.path);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        command = outer;
        words(command.args(["-c", "import os, sys; print('_dunnage_agent' in sys.modules, os.environ['PYTHONPATH'].count('dunnage'), sys.modules['_dunnage_agent'].door)"])).join(" ")
    };
    for python in pythons_with_agent("a run inside a run") {
        assert_eq!(inner(&[], &python), "True 1 path");
        assert_eq!(inner(&["--agent", "off"], &python), "True 1 None");
    }
}

#[test]
fn an_interpreter_says_hello_to_its_supervisor() {
    let program = Program::new();
    for python in pythons_with_agent("hello") {
        let (major, minor) = python.version;
        // it stays until it was heard: a sender that has ended cannot be told from a stranger
        let script = "while True: time.sleep(0.01)\n";
        let run = Run::start(&program, &python, &["--log-level", "debug"], script);
        let version = format!("\"python\":\"{major}.{minor}.");
        run.wait_until("hello", || {
            run.read("stderr").lines().any(|line| {
                line.contains("\"agent_present\"")
                    && line.contains(&version)
                    && line.contains("\"door\":\"path\"")
            })
        });
        run.terminate();
        assert_eq!(run.finish(), (Some(143), String::new()));
    }
}
