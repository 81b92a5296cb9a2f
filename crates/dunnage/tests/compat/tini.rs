//! What only tini does: subreaper, groups, reports, the parent's death.

use super::support::*;

/// Where an orphan goes, by its own account; the program waits for that, and with REAPED set until it is gone.
const ORPHAN: &str = r#"
out=$(mktemp)
export INIT=$PPID OUT=$out
sh -c 'python3 -c "
import os, sys, time
print(\"orphan\", os.getpid(), file=sys.stderr)
while os.getppid() == int(sys.argv[1]): time.sleep(0.01)
open(os.environ[\"OUT\"] + \".pid\", \"w\").write(str(os.getpid()))
open(os.environ[\"OUT\"], \"w\").write(\"adopted by the init: %s\\n\" % (os.getppid() == int(os.environ[\"INIT\"])))
" $$ &'
until [ -s "$out" ]; do sleep 0.02; done
while [ -n "$REAPED" ] && kill -0 "$(cat "$out.pid")" 2>/dev/null; do sleep 0.02; done
cat "$out"; rm "$out" "$out.pid"
"#;

#[test]
fn orphans_come_to_the_same_place() {
    let Some(pair) = Pair::of("tini") else { return };
    for (options, variable) in [
        (&[] as &[&str], None),
        (&["-s"], None),
        (&[], Some("TINI_SUBREAPER")),
    ] {
        pair.same(&format!("{options:?} {variable:?}"), |program, place| {
            let words: Vec<&str> = options
                .iter()
                .copied()
                .chain(["--", "sh", "-c", ORPHAN])
                .collect();
            let mut prepared = command(place, program, &words);
            prepared.envs(variable.map(|name| (name, "")));
            outcome(place, prepared).stdout
        });
    }
}

#[test]
fn reaped_orphans_are_reported_where_that_is_asked_for() {
    let Some(pair) = Pair::of("tini") else { return };
    for (options, verbosity, reported) in [
        (&["-s"] as &[&str], "1", 0),
        (&["-s", "-w"], "1", 1),
        (&["-sw"], "0", 0),
    ] {
        pair.same(&format!("{options:?}"), |program, place| {
            let words: Vec<&str> = options
                .iter()
                .copied()
                .chain(["--", "sh", "-c", ORPHAN])
                .collect();
            let mut prepared = command(place, program, &words);
            prepared.env("TINI_VERBOSITY", verbosity).env("REAPED", "1");
            let mut run = start(place, prepared);
            run.outer.wait().unwrap();
            let text = run.stderr();
            let (own, others): (Vec<_>, Vec<_>) =
                text.lines().partition(|line| line.starts_with("orphan "));
            let pid = own.first().unwrap().trim_start_matches("orphan ");
            let count = others
                .iter()
                .filter(|line| {
                    line.to_lowercase().contains("reaped") && line.ends_with(pid)
                        || line.contains(&format!("process {pid},"))
                })
                .count();
            assert_eq!(count, reported, "{text}");
            others.len()
        });
    }
}

#[test]
fn the_group_is_told_where_that_is_asked_for() {
    for (name, choices) in [
        (
            "tini",
            [
                (&[] as &[&str], None),
                (&["-g"], None),
                (&[], Some(("TINI_KILL_PROCESS_GROUP", ""))),
            ],
        ),
        (
            "dumb-init",
            [
                (&[], None),
                (&["-c"], None),
                (&[], Some(("DUMB_INIT_SETSID", "0"))),
            ],
        ),
    ] {
        let Some(pair) = Pair::of(name) else { continue };
        for (options, variable) in choices {
            // in a PID namespace the kernel ends the other one anyway
            pair.same_at(
                Place::Below,
                &format!("{options:?} {variable:?}"),
                |program, place| {
                    let script = "sleep 60 & echo $!; wait";
                    let words: Vec<&str> = options
                        .iter()
                        .copied()
                        .chain(["--", "sh", "-c", script])
                        .collect();
                    let mut prepared = command(place, program, &words);
                    prepared.envs(variable);
                    let run = start(place, prepared);
                    let lines = run.wait_for_lines(|lines| !lines.is_empty());
                    let other = lines[0].parse().unwrap();
                    send(run.init(), 15);
                    let code = run.finish().code;
                    (code, outlives(other))
                },
            );
        }
    }
}

#[test]
fn the_init_leaves_with_the_program_and_tells_the_same_ones() {
    for (name, choices) in [
        ("tini", [&[] as &[&str], &["-g"], &["-s"], &["-sg"]]),
        (
            "dumb-init",
            [&[], &["-c"], &["-r", "15:0"], &["-r", "15:18"]],
        ),
    ] {
        let Some(pair) = Pair::of(name) else { continue };
        for options in choices {
            pair.same_at(Place::Below, &format!("{options:?}"), |program, place| {
                let words: Vec<&str> = options
                    .iter()
                    .copied()
                    .chain(["--", "sh", "-c", "sleep 60 & echo $!; exit 3"])
                    .collect();
                let run = start(place, command(place, program, &words));
                let lines = run.wait_for_lines(|lines| !lines.is_empty());
                let code = run.finish().code;
                (code, outlives(lines[0].parse().unwrap()))
            });
        }
    }
}

/// Whether a process lives on after the init has left, when every signal that the init sent has arrived; ends it.
fn outlives(pid: i32) -> bool {
    // a signal that is pending is acted upon before a stop that comes later, and a stop can be waited for
    let _ = dunnage_sys::kill(pid, 19);
    wait_until("an end or a stop", || {
        !lives(pid) || state(pid) == Some('T')
    });
    let alive = lives(pid);
    let _ = dunnage_sys::kill(pid, 9);
    alive
}

#[test]
fn the_end_of_the_parent_is_passed_on_where_that_is_asked_for() {
    let Some(pair) = Pair::of("tini") else { return };
    for (signal, code) in [("SIGTERM", "15"), ("SIGUSR1", "10")] {
        pair.same_at(Place::Below, signal, |program, place| {
            let child = format!(
                "trap 'echo got {code}; exit' {code}; echo up $$; while :; do sleep 0.05; done"
            );
            let parent = "\"$@\" & read -r line; exit";
            let mut prepared = command(place, std::path::Path::new("sh"), &["-c", parent, "sh"]);
            prepared
                .arg(program)
                .args(["-s", "-p", signal, "--", "sh", "-c", &child])
                .stdin(std::process::Stdio::piped());
            let mut run = start(place, prepared);
            run.wait_for_lines(|lines| !lines.is_empty());
            drop(run.outer.stdin.take());
            run.wait_for_lines(|lines| lines.len() > 1).pop()
        });
    }
}
