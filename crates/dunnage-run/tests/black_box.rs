//! Records of real Python processes, taken by the thread as the loop has it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
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
    stdout: BufReader<ChildStdout>,
}

impl Family {
    fn start(program: &str) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", "python3 -c \"$0\"; true", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(shell.stdout.take().unwrap());
        let mut family = Self { shell, stdout };
        family.wait_for("up");
        family
    }

    fn wait_for(&mut self, expected: &str) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    fn tell_and_wait(&mut self, expected: &str) {
        self.shell.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.wait_for(expected);
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
fn the_last_look_is_noted_where_it_was_high_and_new() {
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(PROGRAM);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    let path = wait(|| newest(folder.path()));
    let mut look = |working_set: u64, now| {
        let capacity = 256 << 20;
        black_box.see(
            Seen {
                working_set,
                capacity,
            },
            now,
        );
        // a record is met after it
        record(&mut black_box, 1);
        read_record(&path)
            .unwrap()
            .seen
            .map(|seen| seen.working_set >> 20)
    };
    let start = Instant::now();
    assert_eq!(look(100 << 20, start), None);
    assert_eq!(look(200 << 20, start), Some(200));
    let later = |ms| start + Duration::from_millis(ms);
    assert_eq!(look(220 << 20, later(99)), Some(200));
    assert_eq!(look(201 << 20, later(100)), Some(200));
    assert_eq!(look(220 << 20, later(100)), Some(220));
    assert_eq!(look(221 << 20, later(60_100)), Some(221));
    assert_eq!(look(90 << 20, later(60_200)), Some(90));
    assert_eq!(look(10 << 20, later(60_300)), Some(90));
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

/// A file system in memory, and whether it can be written; `None`, said, where none may be mounted.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn tmpfs(options: &str, test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: {test}: needs root and mount");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A folder that no file can be made in: the run goes on, it is said once, and the record is told without a file.
fn goes_on_without_a_file(folder: &Path, reason: &str) {
    let family = Family::start(PROGRAM);
    let mut black_box = BlackBox::start(family.settings(Some(folder))).unwrap();
    for number in 1..=2 {
        let recorded = record(&mut black_box, number);
        assert!(recorded.path.is_none(), "{recorded:?}");
        assert!(recorded.text.contains("in hoards"), "{recorded:?}");
    }
    black_box.finish(ended());
    let said = warnings(&mut black_box);
    let [Event::Degraded { what, reason: said }] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert!(
        what.contains("not kept in") && said.contains(reason),
        "{what}: {said}"
    );
}

#[test]
fn a_full_volume_costs_the_file_and_not_the_record() {
    if let Some(full) = Mounted::tmpfs("size=64k", "a_full_volume") {
        goes_on_without_a_file(full.0.path(), "No space left");
        assert_eq!(fs::read_dir(full.0.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_read_only_folder_costs_the_file_and_not_the_record() {
    if let Some(sealed) = Mounted::tmpfs("ro", "a_read_only_folder") {
        goes_on_without_a_file(sealed.0.path(), "Read-only");
    }
}

#[test]
fn a_missing_folder_a_file_and_a_link_are_not_used() {
    let scratch = tempfile::tempdir().unwrap();
    goes_on_without_a_file(&scratch.path().join("missing"), "No such file");
    fs::write(scratch.path().join("file"), "").unwrap();
    goes_on_without_a_file(&scratch.path().join("file"), "Not a directory");
    fs::create_dir(scratch.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("folder", scratch.path().join("link")).unwrap();
    goes_on_without_a_file(&scratch.path().join("link"), "directory");
    assert_eq!(
        fs::read_dir(scratch.path().join("folder")).unwrap().count(),
        0
    );
}

#[test]
fn a_folder_in_memory_is_named_as_such() {
    if let Some(memory) = Mounted::tmpfs("size=8m", "a_folder_in_memory") {
        let family = Family::start(PROGRAM);
        let mut black_box = BlackBox::start(family.settings(Some(memory.0.path()))).unwrap();
        let event = wait(|| black_box.take_event());
        assert!(
            event.text().contains("counts against the memory limit"),
            "{event:?}"
        );
        assert!(record(&mut black_box, 1).complete);
    }
}

#[test]
fn a_folder_that_is_removed_is_noticed_at_the_record_and_a_new_one_is_used() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("reports");
    fs::create_dir(&folder).unwrap();
    let family = Family::start(PROGRAM);
    let mut black_box = BlackBox::start(family.settings(Some(&folder))).unwrap();
    assert!(record(&mut black_box, 1).complete);
    fs::remove_dir_all(&folder).unwrap();
    let lost = record(&mut black_box, 2);
    assert_eq!(
        (lost.complete, lost.path.is_none()),
        (false, true),
        "{lost:?}"
    );
    assert_eq!(lost.error.as_deref(), Some("the file was removed"));
    assert!(
        lost.headline.is_some() && !lost.text.contains("whole record"),
        "{lost:?}"
    );
    assert_eq!(warnings(&mut black_box).len(), 1);
    fs::create_dir(&folder).unwrap();
    let found = wait(|| {
        black_box.prepare(Seen::default());
        newest(&folder)
    });
    let kept = record(&mut black_box, 3);
    assert_eq!((kept.complete, kept.path), (true, Some(found)));
}

#[test]
fn a_run_that_was_killed_is_told_at_the_next_start_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(PROGRAM);
    let mut killed = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    assert!(record(&mut killed, 1).complete);
    let last_time = |black_box: &mut BlackBox| {
        // what was left is told before a request is met
        record(black_box, 1);
        let said = warnings(black_box).into_iter();
        said.filter(|event| matches!(event, Event::LastTime { .. }))
            .count()
    };
    let mut beside = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    assert_eq!(last_time(&mut beside), 0);
    // the thread ends with its loop, without last words, as in a process that is killed
    drop(killed);
    wait(|| {
        let mut next = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
        let told = last_time(&mut next);
        next.finish(ended());
        (told == 1).then_some(())
    });
}

#[test]
fn the_termination_log_is_written_by_the_thread_and_never_over_the_applications_words() {
    let family = Family::start(PROGRAM);
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut settings = family.settings(None);
    settings.termination_log = Some(log.path().to_owned());
    let mut black_box = BlackBox::start(settings.clone()).unwrap();
    let recorded = record(&mut black_box, 1);
    let written = fs::read_to_string(log.path()).unwrap();
    assert_eq!(written, format!("dunnage: {}\n", recorded.text));
    fs::write(log.path(), "my own reason").unwrap();
    record(&mut black_box, 2);
    assert_eq!(fs::read_to_string(log.path()).unwrap(), "my own reason");
}

#[test]
fn the_process_that_grew_comes_first_although_another_is_larger() {
    let program = "
import os, sys
reader, writer = os.pipe(); told = os.pipe()
if os.fork() == 0:
    os.write(told[1], b'x')
    os.read(reader, 1)
    def grows():
        more = bytearray(20 << 20)
        os.write(told[1], b'x')
        sys.stdin.read()
    grows()
else:
    large = bytearray(80 << 20)
    os.read(told[0], 1)
    print('up', flush=True)
    sys.stdin.readline()
    os.write(writer, b'x')
    os.read(told[0], 1)
    print('grown', flush=True)
    sys.stdin.read()
    os.wait()
";
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family::start(program);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    black_box.prepare(Seen::default());
    // the file is there before the first look: a record is met after it
    wait(|| newest(folder.path()));
    record(&mut black_box, 1);
    family.tell_and_wait("grown");
    assert!(
        record(&mut black_box, 2)
            .headline
            .unwrap()
            .contains("in grows")
    );
    black_box.finish(ended());
    let file = read_only_file(folder.path());
    let growing = &file.records[1].processes[0];
    assert!(
        growing.growing && growing.grew.unwrap() >= 20 << 20,
        "{growing:?}"
    );
    assert_eq!(file.records[1].tracebacks.len(), 2);
}

/// Thirteen processes with stacks of which a few take all the room of a record.
const DEEP: &str = "
import os, sys
def deep(n, last):
    return deep(n - 1, last) if n else last()
sys.setrecursionlimit(3000)
ready = os.pipe()
children = [os.fork()]
while len(children) < 12 and children[-1]:
    children.append(os.fork())
def waits():
    if children[-1] == 0:
        os.write(ready[1], b'x')
    else:
        for _ in children: os.read(ready[0], 1)
        print('up', flush=True)
    sys.stdin.read()
    while children and children[-1]: os.waitpid(children.pop(), 0)
deep.__qualname__ = deep.__name__ = 'f' * 200
deep.__code__ = deep.__code__.replace(co_name='f' * 900, co_filename='d/' * 400)
deep(1020, waits)
";

#[test]
fn tracebacks_beyond_the_room_are_cut_and_every_process_keeps_some() {
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(DEEP);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    let recorded = record(&mut black_box, 1);
    assert!(recorded.complete, "{recorded:?}");
    black_box.finish(ended());
    let path = newest(folder.path()).unwrap();
    assert!(fs::metadata(&path).unwrap().len() <= (512 << 10) + 4096);
    let file = read_only_file(folder.path());
    let dumps = &file.records[0].tracebacks;
    assert_eq!(dumps.len(), 13);
    for dump in dumps {
        let thread = &dump.threads[0];
        assert!(
            thread.truncated && thread.frames.len() >= 5,
            "{} calls",
            thread.frames.len()
        );
    }
}

#[test]
fn a_run_with_many_large_records_goes_on_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(DEEP);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    let paths: Vec<_> = (1..=5)
        .map(|number| record(&mut black_box, number).path.unwrap())
        .collect();
    black_box.finish(ended());
    assert_ne!(paths[0], paths[4]);
    let (first, last) = (
        read_record(&paths[0]).unwrap(),
        read_record(&paths[4]).unwrap(),
    );
    let next = first.continued.unwrap().file;
    assert_eq!(paths[4].file_name().unwrap(), next.as_str());
    assert_eq!(first.records.len() + last.records.len(), 5);
    assert_eq!((first.ended, last.ended), (None, Some(ended())));
    assert!(
        first
            .records
            .iter()
            .chain(&last.records)
            .all(|record| record.complete.is_some())
    );
}
