//! The state that the program starts in: the same in everything that it inherits.

use super::support::*;
use std::path::Path;
use std::process::Command;

/// What a program finds: group, session, terminal; mask and dispositions; descriptors; environment; working folder.
const LOOK: &str = r#"
import os
parent = os.getppid()
print("leads its group:", os.getpgrp() == os.getpid(), "shares its parent's:", os.getpgrp() == os.getpgid(parent))
print("leads its session:", os.getsid(0) == os.getpid(), "shares its parent's:", os.getsid(0) == os.getsid(parent))
for line in open("/proc/self/status"):
    if line.split(":")[0] in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd", "CapEff", "NoNewPrivs", "Seccomp", "Cpus_allowed"):
        print(line.strip())
print("priority", os.getpriority(os.PRIO_PROCESS, 0), "umask", os.umask(0))
print("descriptors", sorted(os.listdir("/proc/self/fd")))
print("folder", os.getcwd())
for name in sorted(os.environ): print(name, os.environ[name])
print("whole")
"#;

/// Python that blocks and ignores, then becomes the rest of its words.
const BEFORE: &str = "\
import os, signal, sys
for number in (1, 13, 21, 40): signal.signal(number, signal.SIG_IGN)
signal.signal(25, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [10, 11, 12, 15, 22, 41])
os.execvp(sys.argv[1], sys.argv[1:])
";

fn look(place: Place, program: &Path, options: &[&str], before: bool) -> Vec<String> {
    let words: Vec<&str> = options
        .iter()
        .copied()
        .chain(["--", "python3", "-c", LOOK])
        .collect();
    let mut prepared = command(place, program, &words);
    if before {
        let mut outer = Command::new("python3");
        outer
            .args(["-c", BEFORE])
            .arg(prepared.get_program())
            .args(prepared.get_args());
        for (name, value) in prepared.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        prepared = outer;
    }
    // what is set for dunnage must not matter, and must not be lost
    prepared
        .env("DUNNAGE_GRACE", "1s")
        .env("DUNNAGE_DISABLE", "1")
        .env("OMP_NUM_THREADS", "3");
    let run = start(place, prepared);
    let lines = run.wait_for_lines(|lines| lines.last().is_some_and(|line| line == "whole"));
    assert_eq!(run.finish().code, 0);
    lines
}

#[test]
fn the_program_starts_in_the_same_state() {
    for (name, choices) in [
        ("tini", [&[] as &[_], &["-s"], &["-g"]]),
        ("dumb-init", [&[], &["-c"], &["-r", "15:2"]]),
    ] {
        let Some(pair) = Pair::of(name) else { continue };
        for options in choices {
            for before in [false, true] {
                let what = format!("{options:?}, with signals blocked and ignored: {before}");
                pair.same(&what, |program, place| {
                    look(place, program, options, before)
                });
            }
        }
    }
}

#[test]
fn dumb_init_itself_moves_out_of_the_folder_and_tini_stays() {
    let script = "i=0; while [ \"$(readlink /proc/$PPID/cwd)\" = \"$PWD\" ] && [ $i -lt 50 ]; do sleep 0.02; i=$((i + 1)); done; \
                  readlink /proc/$PPID/cwd; pwd";
    let folder = tempfile::tempdir().unwrap();
    for name in ["tini", "dumb-init"] {
        let Some(pair) = Pair::of(name) else { continue };
        pair.same("in a folder", |program, place| {
            let mut prepared = command(place, program, &["--", "sh", "-c", script]);
            prepared.current_dir(folder.path());
            outcome(place, prepared).stdout
        });
    }
}
