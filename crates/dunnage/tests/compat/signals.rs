//! Signals 1–64, one by one: the same ones reach the program, and the others do the same to the init.

use super::support::*;
use std::path::Path;

/// The child blocks everything and writes down what comes, by number.
const RECORDER: &str = "\
import signal
every = range(1, 65)
signal.pthread_sigmask(signal.SIG_BLOCK, set(every) - {32, 33})
print('up', flush=True)
while True:
    print(signal.sigwait(set(every) - {32, 33}), flush=True)
";

/// Comes after every other signal wherever both wait, since lower numbers are taken first.
const PROBE: i32 = 64;
const CONT: i32 = 18;
const KILL: i32 = 9;

/// What a signal that was sent to the init did to the program.
#[derive(Debug, PartialEq, Eq)]
struct Effect {
    sent: i32,
    received: Vec<i32>,
    stopped: bool,
}

/// Sends each signal to a running init.
fn effects(
    place: Place,
    program: &Path,
    options: &[&str],
    sent: impl Iterator<Item = i32>,
) -> Vec<Effect> {
    let words: Vec<&str> = options
        .iter()
        .copied()
        .chain(["--", "python3", "-c", RECORDER])
        .collect();
    let run = start(place, command(place, program, &words));
    let mut seen = run
        .wait_for_lines(|lines| lines.iter().any(|line| line == "up"))
        .len();
    let (init, child) = (run.init(), run.child());
    let mut effects = Vec::new();
    for signal in sent {
        send(init, signal);
        if signal != PROBE {
            send(init, PROBE);
        }
        let mut stopped = false;
        wait_until("the probe", || {
            // a CONT that is passed on takes a waiting stop signal away: not before the child has acted upon it, which
            // shows only when what a stopped init has passed on is there
            let init_stopped = place == Place::Below && state(init) == Some('T');
            let settled = init_stopped && !has_pending(child);
            if state(child) == Some('T') {
                stopped = true;
                send(init, CONT);
            } else if settled {
                send(init, CONT);
            }
            run.stdout()
                .lines()
                .skip(seen)
                .any(|line| line == PROBE.to_string())
        });
        let lines = run.wait_for_lines(|lines| lines.len() > seen);
        let received = lines[seen..].iter().map(|line| line.parse().unwrap());
        let received = received
            .filter(|number| *number == signal || ![PROBE, CONT].contains(number))
            .collect();
        effects.push(Effect {
            sent: signal,
            received,
            stopped,
        });
        settle(&run, init, &mut seen);
    }
    send(init, KILL);
    if place == Place::Below {
        send(child, KILL);
    }
    run.finish();
    effects
}

/// Whether signals wait for a process.
fn has_pending(pid: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let sets = text.lines().filter_map(|line| {
        line.strip_prefix("SigPnd:")
            .or(line.strip_prefix("ShdPnd:"))
    });
    sets.into_iter()
        .any(|set| set.trim().bytes().any(|digit| digit != b'0'))
}

/// Waits until nothing of the last step is under way: a probe that comes alone.
fn settle(run: &Run, init: i32, seen: &mut usize) {
    let before = run.wait_for_lines(|_| true).len();
    send(init, PROBE);
    let probe = PROBE.to_string();
    // a CONT may still come first
    let lines = run.wait_for_lines(|lines| lines.iter().skip(before).any(|line| *line == probe));
    *seen = lines.len();
}

/// 32 and 33 are the C library's; KILL and STOP cannot be waited for; faults end tini where it is not PID 1.
fn sendable(place: Place, name: &str) -> impl Iterator<Item = i32> {
    let fatal = place == Place::Below && name == "tini";
    (1..=64).filter(move |signal| {
        let kept = fatal && FAULTS.contains(signal);
        !(kept || matches!(signal, 9 | 19 | 32 | 33))
    })
}

const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// Another one, none, a stop as itself, a stop dropped, and the last of two rules.
const REWRITES: &[&str] = &[
    "-r", "1:2", "-r", "3:0", "-r", "20:20", "-r", "21:0", "-r", "15:9", "-r", "15:10",
];

#[test]
fn the_same_signals_reach_the_program() {
    for (name, choices) in [
        ("tini", [&[] as &[_], &["-s"], &["-g"]]),
        ("dumb-init", [&[], &["-c"], REWRITES]),
    ] {
        let Some(pair) = Pair::of(name) else { continue };
        for options in choices {
            for place in places() {
                let look = |program| effects(place, program, options, sendable(place, name));
                let (real, ours) = (look(&pair.real), look(&pair.ours));
                for (ours, real) in ours.iter().zip(&real) {
                    assert_eq!(ours, real, "ours is not as {name} {options:?} ({place:?})");
                }
                let same = ours
                    .iter()
                    .filter(|effect| effect.received == [effect.sent]);
                assert!(same.count() >= 48, "{ours:?}");
            }
        }
    }
}

#[test]
fn signals_that_the_init_keeps_do_the_same_to_it() {
    for name in ["tini", "dumb-init"] {
        let Some(pair) = Pair::of(name) else { continue };
        for signal in FAULTS.into_iter().chain([32, 33]) {
            pair.same_at(Place::Below, &format!("signal {signal}"), |program, place| {
                let script = "ulimit -c 0; exec \"$0\" -- sh -c 'trap \"\" 4 5 6 7 8 11 31; echo up; sleep 60; :'";
                let run = start(place, command(place, Path::new("sh"), &["-c", script, program.to_str().unwrap()]));
                run.wait_for_lines(|lines| !lines.is_empty());
                let (init, child) = (run.init(), run.child());
                send(init, signal);
                // those that live on are ended in a way that tells
                send(init, 15);
                let code = run.finish().code;
                let _ = dunnage_sys::kill_group(child, KILL);
                code
            });
        }
    }
}
