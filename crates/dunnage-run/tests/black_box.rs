//! Records of real Python processes, taken by the thread as the loop has it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dunnage_cgroup::Memory;
use dunnage_policy::event::Event;
use dunnage_run::black_box::{BlackBox, RecordRequest, Recorded, Refused, Seen, Settings};
use dunnage_run::record::{Ended, RecordFile, newest, read_record};

/// Long enough for a busy machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three threads that wait, each in a function of its own, and a main thread that holds 30 MiB.
const PROGRAM: &str = "
import sys, threading, time
def waits():
    lock.acquire()
lock = threading.Lock(); lock.acquire()
for n in range(3):
    threading.Thread(target=waits, name=f'waiter-{n}', daemon=True).start()
def hoards():
    data = bytearray(30 << 20)
    while [frame.f_code.co_name for frame in sys._current_frames().values()].count('waits') < 3:
        time.sleep(0.001)
    print('up', flush=True)
    sys.stdin.read()
hoards()
";

/// A Python below a shell, which stands for the supervisor: other tests of this process have children too.
struct Family {
    shell: Child,
}

impl Family {
    fn start(program: &str) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", "python3 -c \"$0\"; true", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(shell.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Self { shell }
    }

    fn settings(&self, folder: Option<&Path>) -> Settings {
        Settings {
            folder: folder.map(Path::to_owned),
            termination_log: None,
            command: "python3 -c".to_owned(),
            limit: Some(256 << 20),
            supervisor: self.shell.id() as i32,
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // the program ends with its stdin, and the shell with the program
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn request(number: u32) -> RecordRequest {
    RecordRequest {
        why: "level",
        number,
        memory: Memory {
            limit: Some(256 << 20),
            usage: Some(240 << 20),
            working_set: Some(232 << 20),
            anon: Some(230 << 20),
            ..Memory::default()
        },
        capacity: 256 << 20,
        rate: 12e6,
        time_to_limit: Some(Duration::from_secs(2)),
        samples: (0..60_000)
            .map(|n| (60_000 - n, u64::from(n) << 10))
            .collect(),
        decisions: vec!["let it go on (--on-brink continue)".to_owned()],
        ..RecordRequest::default()
    }
}

fn ended() -> Ended {
    Ended {
        time: "2026-11-29T16:05:12.123Z".to_owned(),
        cause: "exited".to_owned(),
        code: 0,
        sentence: "python3 exited with 0".to_owned(),
    }
}

fn wait<T>(mut take: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(taken) = take() {
            return taken;
        }
        assert!(Instant::now() < until, "waited too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn record(black_box: &mut BlackBox, number: u32) -> Recorded {
    wait(|| black_box.record(request(number)).ok());
    assert_eq!(black_box.record(request(number)), Err(Refused::Busy));
    wait(|| black_box.take_done())
}

/// The events that are no remark on where the folder lies, which depends on the machine.
fn warnings(black_box: &mut BlackBox) -> Vec<Event> {
    let events = std::iter::from_fn(|| black_box.take_event());
    let is_place = |event: &Event| match event {
        Event::Note { .. } => true,
        Event::Degraded { what, .. } => what.contains("lost with the container"),
        _ => false,
    };
    events.filter(|event| !is_place(event)).collect()
}

fn read_only_file(folder: &Path) -> RecordFile {
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    read_record(&newest(folder).unwrap()).unwrap()
}

#[test]
fn a_record_holds_every_thread_of_the_application_and_ends_with_its_marker() {
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(PROGRAM);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    black_box.prepare(Seen {
        working_set: 200 << 20,
        capacity: 256 << 20,
    });
    let recorded = record(&mut black_box, 1);
    assert!(recorded.complete, "{recorded:?}");
    assert_eq!(recorded.path, newest(folder.path()));
    assert!(
        recorded
            .headline
            .as_ref()
            .unwrap()
            .contains(" in hoards (python3"),
        "{recorded:?}"
    );
    assert!(recorded.text.len() <= 4000);
    black_box.finish(ended());

    let file = read_only_file(folder.path());
    assert_eq!((file.skipped, file.torn), (0, false));
    assert_eq!(file.run.as_ref().unwrap().limit, Some(256 << 20));
    assert_eq!(file.seen.as_ref().unwrap().working_set, 200 << 20);
    assert_eq!(file.ended, Some(ended()));
    let record = file.last_record().unwrap();
    let growing = record.growing().unwrap();
    assert!(growing.rss_anon.unwrap() > 30 << 20, "{growing:?}");
    assert_eq!((growing.threads, record.processes.len()), (4, 1));
    let names: Vec<_> = record.tracebacks[0]
        .threads
        .iter()
        .map(|thread| (thread.name.as_deref().unwrap(), thread.frames.len()))
        .collect();
    assert_eq!(record.tracebacks[0].error, None);
    assert_eq!(names[0], ("MainThread", 2));
    assert!(
        names[1..]
            .iter()
            .all(|(name, calls)| name.starts_with("waiter-") && *calls == 4)
    );
    assert_eq!(record.decisions, ["let it go on (--on-brink continue)"]);
    let (first, last) = (
        record.curve.samples[0],
        record.curve.samples.last().unwrap(),
    );
    assert!(record.curve.samples.len() <= 600 && first.0 > 59_800);
    assert_eq!(*last, (1, 59_999 << 10));
    assert!(record.pss[&growing.pid] > 30 << 20);
    assert_eq!(record.complete.as_ref().unwrap().left_out, 0);
}

#[test]
fn without_a_folder_the_record_is_told_in_a_few_lines() {
    let family = Family::start(PROGRAM);
    let mut black_box = BlackBox::start(family.settings(None)).unwrap();
    let recorded = record(&mut black_box, 1);
    assert!(recorded.complete && recorded.path.is_none(), "{recorded:?}");
    assert!(
        recorded.text.contains("91 % of 256 MiB"),
        "{}",
        recorded.text
    );
    assert!(recorded.text.contains("MainThread"), "{}", recorded.text);
    black_box.finish(ended());
    assert!(warnings(&mut black_box).is_empty());
}

#[test]
fn a_clean_end_without_a_record_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(PROGRAM);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    wait(|| newest(folder.path()));
    black_box.finish(ended());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(warnings(&mut black_box).is_empty());
}
