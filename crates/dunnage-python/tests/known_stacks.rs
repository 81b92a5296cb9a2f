//! Stacks of real interpreters, beside what the interpreter says of itself.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod support;

use dunnage_python::{Frame, Gil, Target, ThreadDump};
use serde::Deserialize;
use support::pythons;

#[derive(Debug, Deserialize)]
struct Expected {
    name: String,
    tid: i32,
    frames: Vec<Frame>,
}

#[test]
fn a_thread_that_stands_still_is_where_the_interpreter_says_it_is() {
    for python in pythons() {
        let mut program = python.run("/app/known.py", include_str!("programs/known.py"));
        let expected: Vec<Expected> = serde_json::from_str(&program.line()).unwrap();
        let target = Target::prepare(program.pid()).unwrap();
        assert_eq!(target.version().minor, python.minor);
        // some may still be on their way from that line into the kernel
        let threads = read_until(&target, |threads| {
            threads
                .iter()
                .all(|thread| thread.state == Some('S') && thread.gil.is_none())
        });
        for thread in &expected {
            let read = threads
                .iter()
                .find(|read| read.tid == Some(thread.tid))
                .unwrap();
            assert_eq!(read.name.as_ref(), Some(&thread.name));
            assert_eq!(read.frames, thread.frames, "CPython 3.{}", python.minor);
            assert_eq!(
                (read.torn, read.truncated, read.interpreter),
                (false, false, 0)
            );
        }
        let main = &threads[0];
        assert_eq!(
            (main.tid, threads.len()),
            (Some(program.pid()), expected.len() + 1)
        );
        assert_eq!(
            main.frames.last().map(|frame| frame.function.as_str()),
            Some("<module>")
        );
    }
}

/// Reads until a dump is as it must become; only a hang takes all of the tries.
fn read_until(target: &Target, becomes: impl Fn(&[ThreadDump]) -> bool) -> Vec<ThreadDump> {
    for _ in 0..3000 {
        let threads = target.dump().unwrap().threads;
        if becomes(&threads) {
            return threads;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{:?}", target.dump());
}

const HOLDER: &str = "
import sys, threading
def wait():
    while True:
        pass
def compute():
    return sum(range(10 ** 15))
print('ready', flush=True)
threading.Thread(target=wait).start()
compute()
";

#[test]
fn a_c_call_that_holds_the_gil_hides_nothing() {
    for python in pythons() {
        let mut program = python.run("holder.py", HOLDER);
        program.line();
        let target = Target::prepare(program.pid()).unwrap();
        let threads = read_until(&target, |threads| {
            threads.len() == 2
                && threads[0].gil == Some(Gil::Holds)
                && threads[0].frames.len() > 1
                && threads[0].frames[0].line == Some(7)
                && threads[1].gil == Some(Gil::Waits)
        });
        let names: Vec<_> = threads[0]
            .frames
            .iter()
            .map(|frame| frame.function.as_str())
            .collect();
        assert_eq!(names, ["compute", "<module>", "<module>"]);
        assert!(!threads[0].torn);
        let holder = target.gil_holder().unwrap();
        assert!(holder.locked);
        // kept from 3.11 on
        assert_eq!(holder.tid, (python.minor >= 11).then_some(program.pid()));
    }
}
