//! What is recorded of real Pythons.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

#[path = "../../dunnage-python/tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use dunnage_record::{Book, Fact, Look, Settings, Sink, Wanted, record};
use dunnage_sys::monotonic_nanos;
use dunnage_timeline::recording::{About, Process, Quality, Recording, Seen};
use support::{Python, Running, pythons};

/// A python that does what it reads from its stdin, line by line, until the end.
const PROGRAM: &str = "
import sys, threading, time
def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end: pass
def worker():
    while True: spin(0.01); time.sleep(0.01)
print('ready', flush=True)
for line in sys.stdin: exec(line)
";

fn start(python: &Python) -> Running {
    let mut running = python.run("program.py", PROGRAM);
    assert_eq!(running.line(), "ready");
    running
}

fn newest() -> Python {
    pythons().pop().unwrap()
}

/// A book that is asked after each look whether it has enough.
struct Until<F> {
    book: Book,
    looks: usize,
    enough: F,
}

impl<F: FnMut(&Recording, usize) -> bool> Sink for Until<F> {
    fn fact(&mut self, fact: Fact) {
        self.book.fact(fact);
    }

    fn look(&mut self, look: &Look) -> Wanted {
        self.looks += 1;
        assert!(self.looks < 100_000, "what was waited for never came");
        match self.book.look(look) {
            Wanted::More if !(self.enough)(self.book.recording(), self.looks) => Wanted::More,
            _ => Wanted::Enough,
        }
    }
}

/// Records these processes until the recording so far has what the test wants.
fn record_until(pids: &[i32], enough: impl FnMut(&Recording, usize) -> bool) -> Recording {
    record_each(1_000_000, pids, enough)
}

/// The same, with a look each `interval` nanoseconds.
fn record_each(
    interval: u64,
    pids: &[i32],
    enough: impl FnMut(&Recording, usize) -> bool,
) -> Recording {
    let mut sink = Until {
        book: Book::new(),
        looks: 0,
        enough,
    };
    let settings = Settings {
        interval,
        duration: None,
        share: 0.5,
    };
    let stop = AtomicBool::new(false);
    record(
        &settings,
        monotonic_nanos(),
        &mut || pids.to_vec(),
        &stop,
        &mut sink,
    );
    assert_eq!(sink.book.disorder(), None);
    sink.book.finish(About::default(), Quality::default())
}

fn waits_for_gil(process: &Process) -> usize {
    let ticks = process.threads.iter().flat_map(|thread| &thread.ticks);
    ticks.filter(|tick| tick.seen == Seen::WaitsForGil).count()
}

#[test]
fn in_each_version_it_is_seen_who_holds_the_gil_who_waits_for_it_and_what_threads_are_called() {
    for python in pythons() {
        let minor = python.minor;
        let mut running = start(&python);
        running.tell("[threading.Thread(target=worker, name=f'worker {n}', daemon=True).start() for n in range(3)]");
        let is_seen = |recording: &Recording, _| {
            let Some(process) = recording.processes.first() else {
                return false;
            };
            let named = process
                .threads
                .iter()
                .filter(|thread| thread.name.starts_with("worker "))
                .count();
            let holders = process
                .gil
                .iter()
                .filter(|gil| gil.locked && gil.holder.is_some());
            named == 3 && waits_for_gil(process) > 20 && holders.count() > 20
        };
        let recording = record_until(&[running.pid()], is_seen);
        let process = &recording.processes[0];
        assert!(process.has_gil, "3.{minor}");
        assert_eq!(process.threads[0].tid, running.pid());
        let version = process.python.clone().unwrap();
        assert!(version.starts_with(&format!("3.{minor}.")), "{version}");
        assert!(
            recording.quality.notes.is_empty(),
            "{:?}",
            recording.quality.notes
        );
    }
}

#[test]
fn threads_that_come_and_go_have_a_beginning_and_an_end_and_their_time_is_counted() {
    let mut running = start(&newest());
    running.tell("burst = lambda: [time.sleep(0.01) or threading.Thread(target=spin, args=(0.03,), name='short').start() for _ in range(1000)]");
    running.tell("threading.Thread(target=burst, daemon=True).start()");
    let ended = |recording: &Recording| {
        let threads = recording
            .processes
            .iter()
            .flat_map(|process| &process.threads);
        let ended = threads.filter(|thread| thread.ended.is_some() && thread.first > 0);
        ended.cloned().collect::<Vec<_>>()
    };
    let ran = |thread: &&dunnage_timeline::recording::Thread| {
        thread.ticks.iter().map(|tick| tick.run).sum::<u64>() > 0
    };
    let recording = record_until(&[running.pid()], |recording, _| {
        ended(recording).iter().filter(ran).count() >= 10
    });
    for thread in ended(&recording) {
        assert!(thread.ended.unwrap() >= thread.first);
    }
}

/// What the scheduler has counted of a thread: run and wait.
fn counted(pid: i32, tid: i32) -> [u64; 2] {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).unwrap();
    let mut words = text.split(' ').map(|word| word.parse().unwrap());
    [words.next().unwrap(), words.next().unwrap()]
}

#[test]
fn where_threads_that_have_not_run_are_left_out_no_time_of_any_thread_is_lost() {
    let mut running = start(&newest());
    running.tell("go = threading.Event(); stay = threading.Event()");
    running.tell("pulse = lambda n: (go.wait(), [(spin(0.0005), time.sleep(0.002 * n)) for _ in range(30)], stay.wait())");
    running.tell("[threading.Thread(target=pulse, args=(n,), daemon=True).start() for n in range(12)]; print('up', flush=True)");
    assert_eq!(running.line(), "up");
    let pid = running.pid();
    let (mut news, mut quiet_since, mut before) = (0, 0, None);
    let recording = record_each(5_000_000, &[pid], |recording, looks| {
        let threads = &recording.processes[0].threads;
        let count = threads
            .iter()
            .map(|thread| thread.ticks.len())
            .sum::<usize>();
        if count != news {
            (news, quiet_since) = (count, looks);
        }
        if before.is_none() && looks > quiet_since + 20 {
            before = Some(
                threads
                    .iter()
                    .map(|thread| counted(pid, thread.tid))
                    .collect::<Vec<_>>(),
            );
            running.tell("go.set()");
            quiet_since = looks;
        }
        before.is_some() && looks > quiet_since + 100
    });
    let threads = &recording.processes[0].threads;
    assert_eq!(threads.len(), 13);
    let woken = recording.looks.len() as u32;
    assert!(woken > 100);
    for (thread, before) in threads.iter().zip(before.unwrap()) {
        let after = counted(pid, thread.tid);
        let seen = thread
            .ticks
            .iter()
            .fold([0, 0], |sum, tick| [sum[0] + tick.run, sum[1] + tick.wait]);
        // what it did before it was first looked at is not in it
        for (seen, (after, before)) in seen.into_iter().zip(after.into_iter().zip(before)) {
            assert!(
                seen >= after - before,
                "{}: {seen} of {after}, {before} of them before",
                thread.name
            );
            assert!(seen <= after);
        }
    }
}

#[test]
fn a_process_that_ends_leaves_a_whole_recording_though_nobody_has_waited_for_it() {
    let mut running = start(&newest());
    running.tell("spin(0.1)");
    let pid = running.pid();
    // it ends while it is looked at; the zombie stays until `finish`
    running.close_stdin();
    let recording = record_until(&[pid], |_, _| false);
    let process = &recording.processes[0];
    assert!(process.ended.is_some());
    assert!(process.threads.iter().all(|thread| thread.ended.is_some()));
    running.finish();
}

#[test]
fn several_processes_are_on_one_timeline_and_another_program_has_no_gil() {
    let mut running = start(&newest());
    running.tell("worker()");
    let mut sleep = Command::new("sleep").arg("600").spawn().unwrap();
    let pids = [running.pid(), sleep.id() as i32];
    let recording = record_until(&pids, |recording, looks| {
        looks > 50 && recording.processes.len() == 2
    });
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    let has_gil: Vec<bool> = recording
        .processes
        .iter()
        .map(|process| process.has_gil)
        .collect();
    assert_eq!(has_gil, [true, false]);
    let notes = recording.quality.notes.join("\n");
    assert!(
        notes.contains("is not a CPython: no GIL lane for it"),
        "{notes}"
    );
}

#[test]
fn a_program_that_becomes_a_python_is_seen_as_one() {
    let script = format!(
        "read line; exec {} -c 'import sys; sys.stdin.read()'",
        newest().words()
    );
    let mut shell = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    let mut told = false;
    let recording = record_until(&[shell.id() as i32], |recording, looks| {
        if looks > 20 && !told {
            told = true;
            stdin.write_all(b"go\n").unwrap();
        }
        recording
            .processes
            .first()
            .is_some_and(|process| process.has_gil)
    });
    drop(stdin);
    shell.wait().unwrap();
    assert!(recording.processes[0].python.is_some());
    assert!(recording.processes[0].command.contains("sys.stdin.read"));
}

#[test]
fn who_says_stop_gets_a_last_look() {
    let running = start(&newest());
    let stop = AtomicBool::new(false);
    let mut sink = Until {
        book: Book::new(),
        looks: 0,
        enough: |_: &Recording, looks: usize| {
            if looks == 10 {
                stop.store(true, Ordering::Relaxed);
            }
            false
        },
    };
    let settings = Settings {
        interval: 1_000_000,
        duration: None,
        share: 0.5,
    };
    let begin = monotonic_nanos();
    let spent = record(
        &settings,
        begin,
        &mut || vec![running.pid()],
        &stop,
        &mut sink,
    );
    assert_eq!(sink.looks, 11);
    let looks = &sink.book.recording().looks;
    assert!(spent.duration >= *looks.last().unwrap() && spent.own_cpu > 0);
}
