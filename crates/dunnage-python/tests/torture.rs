//! Dumps of a process that never stands still: it must not notice, and no frame may be made up.
//!
//! The short run is an ordinary test. The long one, 10,000 dumps of each version and what they cost the target, is
//! `cargo xtask torture`; `DUNNAGE_DUMPS` and `DUNNAGE_PAIRS` make it shorter, `DUNNAGE_PYTHONS=3.14,3.15` leaves the other
//! versions out, and `PYTHON_JIT=1` turns the compiler of those builds on that have one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it must be, and reports what it measured"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dunnage_python::{Frame, ProcessDump, Target, ThreadDump};
use serde::Deserialize;
use support::{Python, Running, pythons};

const PROGRAM: &str = include_str!("programs/torture.py");

/// Called without a call in the source: the callback of a weak reference runs wherever the last reference goes.
const UNCALLED: [&str; 2] = ["_remove", "_commit_removals"];

/// What an operator calls: `x in y` is `__contains__`.
fn is_operator(name: &str) -> bool {
    name.starts_with("__") && name.ends_with("__")
}

/// Where the program can be.
#[derive(Debug, Deserialize)]
struct Allowed {
    lines: BTreeMap<String, BTreeSet<u32>>,
    calls: Vec<(String, u32, BTreeSet<String>)>,
    #[serde(skip)]
    by_line: BTreeMap<(String, u32), BTreeSet<String>>,
}

impl Allowed {
    fn parse(text: &str) -> Self {
        let mut allowed: Self = serde_json::from_str(text).unwrap();
        allowed.by_line = std::mem::take(&mut allowed.calls)
            .into_iter()
            .map(|(file, line, names)| ((file, line), names))
            .collect();
        allowed
    }

    fn knows(&self, frame: &Frame) -> bool {
        // the runner's own line, `exec(compile(…))`
        if frame.file == "<string>" {
            return frame.function == "<module>" && frame.line == Some(1);
        }
        let lines = self
            .lines
            .get(&format!("{}:{}", frame.file, frame.function));
        lines.is_some_and(|lines| frame.line.is_none_or(|line| lines.contains(&line)))
    }

    fn allows(&self, caller: &Frame, callee: &Frame) -> bool {
        if caller.file == "<string>" {
            return callee.function == "<module>";
        }
        let name = callee.function.rsplit('.').next().unwrap();
        let Some(line) = caller.line else {
            return false;
        };
        UNCALLED.contains(&name)
            || is_operator(name)
            || self
                .by_line
                .get(&(caller.file.clone(), line))
                .is_some_and(|names| names.contains(name))
    }

    /// What is wrong with a thread, if anything.
    fn judge(&self, thread: &ThreadDump) -> Option<String> {
        if let Some(frame) = thread.frames.iter().find(|frame| !self.knows(frame)) {
            return Some(format!("no such place: {frame:?}"));
        }
        if thread.torn {
            return None;
        }
        let pair = thread
            .frames
            .windows(2)
            .find(|pair| !self.allows(&pair[1], &pair[0]));
        if let Some(pair) = pair {
            return Some(format!("no such call: {pair:?}"));
        }
        let outermost = thread.frames.last()?.function.as_str();
        (!outermost.ends_with("_bootstrap") && outermost != "<module>")
            .then(|| format!("it does not begin with {outermost}"))
    }
}

/// What came of many dumps.
#[derive(Debug, Default)]
struct Tally {
    dumps: usize,
    threads: usize,
    frames: usize,
    torn: usize,
    torn_lists: usize,
    times: Vec<Duration>,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, allowed: &Allowed, dump: &ProcessDump, took: Duration) {
        self.dumps += 1;
        self.times.push(took);
        self.torn_lists += usize::from(dump.threads_torn);
        for thread in &dump.threads {
            self.threads += 1;
            self.frames += thread.frames.len();
            self.torn += usize::from(thread.torn);
            self.wrong.extend(allowed.judge(thread));
        }
    }

    fn report(&mut self, python: &Python) {
        self.times.sort_unstable();
        let at = |share: usize| self.times[(self.times.len() - 1) * share / 100];
        println!(
            "CPython 3.{}: {} dumps, {} threads, {} frames, {} wrong, {} threads torn, {} lists torn; a dump p50 {:?} p90 {:?} p99 {:?}",
            python.minor,
            self.dumps,
            self.threads,
            self.frames,
            self.wrong.len(),
            self.torn,
            self.torn_lists,
            at(50),
            at(90),
            at(99)
        );
    }
}

fn start(python: &Python) -> (Running, Allowed, Target) {
    let mut program = python.run("torture.py", PROGRAM);
    let allowed = Allowed::parse(&program.line());
    let target = Target::prepare(program.pid()).unwrap();
    (program, allowed, target)
}

fn dump_often(python: &Python, dumps: usize, pause: Duration) -> Tally {
    let (mut program, allowed, target) = start(python);
    let mut tally = Tally::default();
    for _ in 0..dumps {
        let began = Instant::now();
        let dump = target.dump().unwrap();
        tally.add(&allowed, &dump, began.elapsed());
        std::thread::sleep(pause);
    }
    assert!(program.is_alive());
    // it still answers
    let (rounds, _) = progress(&mut program);
    assert!(rounds > 0);
    tally
}

fn progress(program: &mut Running) -> (u64, f64) {
    let line = program.ask();
    let (rounds, seconds) = line.split_once(' ').unwrap();
    (rounds.parse().unwrap(), seconds.parse().unwrap())
}

#[test]
fn a_process_that_never_stands_still_is_read_without_a_made_up_frame() {
    for python in pythons() {
        let mut tally = dump_often(&python, 100, Duration::from_millis(1));
        tally.report(&python);
        assert!(
            tally.wrong.is_empty(),
            "{:#?}",
            &tally.wrong[..tally.wrong.len().min(5)]
        );
        assert!(tally.frames > 1000);
    }
}

#[test]
fn the_function_of_a_holder_that_runs_on_is_never_made_up() {
    for python in pythons() {
        let (_program, allowed, target) = start(&python);
        let (mut looks, mut found) = (0, 0);
        while found < 300 && looks < 30_000 {
            looks += 1;
            let frame = target
                .gil_state()
                .and_then(|state| target.function_of(state.holder));
            if let Some(frame) = frame {
                found += 1;
                assert!(
                    allowed.knows(&frame),
                    "CPython 3.{}: {frame:?}",
                    python.minor
                );
            }
        }
        println!("CPython 3.{}: {found} of {looks} looks", python.minor);
        assert_eq!(found, 300, "CPython 3.{}", python.minor);
    }
}

#[test]
fn the_check_finds_a_call_that_never_was() {
    let python = pythons().pop().unwrap();
    let (_program, allowed, target) = start(&python);
    let mut found = 0;
    for _ in 0..100 {
        for mut thread in target.dump().unwrap().threads {
            // the innermost call exchanged for the one that made it
            if !thread.torn && thread.frames.len() > 4 {
                assert_eq!(allowed.judge(&thread), None);
                thread.frames.swap(0, 1);
                found += usize::from(allowed.judge(&thread).is_some());
            }
        }
    }
    assert!(found > 50, "{found}");
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
#[ignore = "takes minutes; see the top of this file"]
fn ten_thousand_dumps_of_each_version() {
    let dumps = setting("DUNNAGE_DUMPS", 10_000);
    for python in pythons() {
        let mut tally = dump_often(&python, dumps, Duration::from_millis(2));
        tally.report(&python);
        for wrong in tally.wrong.iter().take(10) {
            println!("  {wrong}");
        }
        assert!(tally.wrong.is_empty());
    }
}

/// Rounds in a window of wall time, and rounds a second of CPU time.
fn measure(
    program: &mut Running,
    target: Option<&Target>,
    window: Duration,
    pause: Duration,
) -> (f64, f64) {
    let (rounds, seconds) = progress(program);
    let began = Instant::now();
    while began.elapsed() < window {
        if let Some(target) = target {
            target.dump().unwrap();
        }
        std::thread::sleep(pause);
    }
    let (rounds_after, seconds_after) = progress(program);
    let made = (rounds_after - rounds) as f64;
    (
        made / began.elapsed().as_secs_f64(),
        made / (seconds_after - seconds),
    )
}

#[test]
#[ignore = "takes minutes; see the top of this file"]
fn what_ten_dumps_a_second_cost_the_target() {
    let pairs = setting("DUNNAGE_PAIRS", 60);
    let (window, pause) = (Duration::from_millis(500), Duration::from_millis(100));
    for python in pythons() {
        let (mut program, _, target) = start(&python);
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        measure(&mut program, None, window, pause);
        for pair in 0..pairs {
            // which of the two comes first alternates
            let first = (pair % 2 == 0).then_some(&target);
            let second = (pair % 2 == 1).then_some(&target);
            let first = measure(&mut program, first, window, pause);
            let second = measure(&mut program, second, window, pause);
            let (with, without) = if pair % 2 == 0 {
                (first, second)
            } else {
                (second, first)
            };
            wall.push(with.0 / without.0);
            cpu.push(with.1 / without.1);
        }
        wall.sort_by(f64::total_cmp);
        cpu.sort_by(f64::total_cmp);
        let quartiles = |all: &[f64]| {
            [
                all[all.len() / 4],
                all[all.len() / 2],
                all[all.len() * 3 / 4],
            ]
        };
        println!(
            "CPython 3.{}: rounds with ten dumps a second / without, {pairs} pairs, quartiles: wall {:.4?}, CPU {:.4?}",
            python.minor,
            quartiles(&wall),
            quartiles(&cpu)
        );
    }
}
