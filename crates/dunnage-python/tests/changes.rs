//! Processes that end, become another program, or have more than one interpreter.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod support;

use dunnage_python::{Error, ProcessDump, Target, ThreadDump};
use support::pythons;

#[test]
fn a_process_that_has_ended_is_gone() {
    for python in pythons() {
        let mut program = python.run(
            "ends.py",
            "print('ready', flush=True)\nimport time\ntime.sleep(10000)",
        );
        program.line();
        let target = Target::prepare(program.pid()).unwrap();
        assert_eq!(target.dump().unwrap().threads.len(), 1);
        drop(program);
        assert!(matches!(target.dump(), Err(Error::Gone(_))));
        assert!(target.gil_holder().is_none());
    }
}

const BECOMES_ANOTHER: &str = "
import os, sys
print('ready', flush=True)
sys.stdin.readline()
os.execvp('sh', ['sh', '-c', 'echo now another; read -r line'])
";

#[test]
fn a_process_that_became_another_program_has_no_interpreter() {
    for python in pythons() {
        let mut program = python.run("becomes.py", BECOMES_ANOTHER);
        program.line();
        let target = Target::prepare(program.pid()).unwrap();
        assert!(target.dump().is_ok());
        assert_eq!(program.ask(), "now another");
        assert!(matches!(target.dump(), Err(Error::NoInterpreter(_))));
        assert!(matches!(
            Target::prepare(program.pid()),
            Err(Error::NotPython { .. })
        ));
    }
}

const SUB_INTERPRETER: &str = "
import sys, threading
try:
    import _interpreters as interpreters
    run = interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
number = interpreters.create()
source = '''
import time
def inside():
    print('ready', flush=True)
    time.sleep(10000)
inside()
'''
threading.Thread(target=lambda: run(number, source), daemon=True).start()
sys.stdin.read()
";

/// Whether the thread that is in a function belongs to a sub-interpreter, and its id.
fn find(dump: &ProcessDump, function: &str) -> Option<(bool, Option<i32>)> {
    let holds = |thread: &&ThreadDump| thread.frames.iter().any(|frame| frame.function == function);
    let found = dump.threads.iter().find(holds);
    found.map(|thread| (thread.interpreter != 0, thread.tid))
}

#[test]
fn a_thread_in_a_sub_interpreter_is_shown_in_both() {
    for python in pythons() {
        let mut program = python.run("sub.py", SUB_INTERPRETER);
        program.line();
        let target = Target::prepare(program.pid()).unwrap();
        let mut dump = target.dump().unwrap();
        // it says so a moment before it sleeps
        for _ in 0..3000 {
            if find(&dump, "inside").is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            dump = target.dump().unwrap();
        }
        let (in_sub, sub_tid) = find(&dump, "inside").unwrap();
        let (in_main, main_tid) = find(&dump, "<lambda>").unwrap();
        assert!(in_sub && !in_main, "CPython 3.{}: {dump:?}", python.minor);
        // until 3.12 the id says who made the interpreter, so it is not given
        assert_eq!(
            sub_tid,
            main_tid.filter(|_| python.minor >= 13),
            "CPython 3.{}",
            python.minor
        );
    }
}
