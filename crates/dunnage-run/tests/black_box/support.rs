//! Applications, requests, and waiting.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use dunnage_cgroup::Memory;
use dunnage_policy::event::Event;
use dunnage_run::black_box::{BlackBox, RecordRequest, Recorded, Refused, Settings};
use dunnage_run::record::{Ended, RecordFile, newest, read_record};

/// Long enough for a busy machine; nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Three threads that wait, each in a function of its own, and a main thread that holds 30 MiB.
pub const PROGRAM: &str = "
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
pub struct Family {
    shell: Child,
    stdout: BufReader<ChildStdout>,
}

impl Family {
    pub fn start(program: &str) -> Self {
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

    pub fn wait_for(&mut self, expected: &str) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    /// Lets it do the next thing, and what it says then.
    pub fn tell_and_hear(&mut self) -> String {
        self.shell.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn tell_and_wait(&mut self, expected: &str) {
        assert_eq!(self.tell_and_hear(), expected);
    }

    pub fn settings(&self, folder: Option<&Path>) -> Settings {
        Settings {
            folder: folder.map(Path::to_owned),
            termination_log: None,
            command: "python3 -c".to_owned(),
            stated: None,
            kills: None,
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

pub fn request(number: u32) -> RecordRequest {
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

pub fn ended() -> Ended {
    Ended {
        time: "2026-11-29T16:05:12.123Z".to_owned(),
        cause: "exited".to_owned(),
        code: 0,
        sentence: "python3 exited with 0".to_owned(),
    }
}

pub fn wait<T>(mut take: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(taken) = take() {
            return taken;
        }
        assert!(Instant::now() < until, "waited too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn record(black_box: &mut BlackBox, number: u32) -> Recorded {
    wait(|| black_box.record(request(number)).ok());
    assert_eq!(black_box.record(request(number)), Err(Refused::Busy));
    wait(|| black_box.take_done())
}

/// The events that are no remark on where the folder lies, which depends on the machine.
pub fn warnings(black_box: &mut BlackBox) -> Vec<Event> {
    let events = std::iter::from_fn(|| black_box.take_event());
    let is_place = |event: &Event| match event {
        Event::Note { .. } => true,
        Event::Degraded { what, .. } => what.contains("lost with the container"),
        _ => false,
    };
    events.filter(|event| !is_place(event)).collect()
}

pub fn read_only_file(folder: &Path) -> RecordFile {
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    read_record(&newest(folder).unwrap()).unwrap()
}

/// Thirteen processes with stacks of which a few take all the room of a record.
pub const DEEP: &str = "
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
