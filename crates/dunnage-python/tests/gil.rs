//! The GIL alone, of real interpreters: what a recorder asks for often.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod support;

use dunnage_python::process::read_futex;
use dunnage_python::{GilState, Target};
use support::{Python, Running, pythons};

const HOLDER: &str = "
import sys, threading, time
def wait():
    while True:
        pass
def sleep():
    time.sleep(100000)
def compute():
    return sum(range(10 ** 15))
threading.Thread(target=sleep).start()
waiter = threading.Thread(target=wait)
time.sleep(0.1)
waiter.start()
print('ready', flush=True)
compute()
";

fn start(python: &Python, source: &str) -> (Running, Target) {
    let mut program = python.run("holder.py", source);
    program.line();
    let target = Target::prepare(program.pid()).unwrap();
    (program, target)
}

/// Looks until something is so; only a hang takes all of the tries.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came to be");
}

/// The state in which `function` holds the GIL.
fn held_by(target: &Target, function: &str) -> GilState {
    until(|| {
        let state = target.gil_state().filter(|state| state.locked)?;
        let frame = target.function_of(state.holder)?;
        (frame.function == function).then_some(state)
    })
}

#[test]
fn the_holder_is_named_with_its_thread_and_its_function() {
    for python in pythons() {
        let (program, target) = start(&python, HOLDER);
        let state = held_by(&target, "compute");
        let threads = target.threads_by_state();
        assert_eq!(threads.len(), 3, "CPython 3.{}", python.minor);
        let holder = threads.iter().find(|(thread, _)| *thread == state.holder);
        assert_eq!(holder.unwrap().1, program.pid());
        let frame = target.function_of(state.holder).unwrap();
        assert_eq!(
            (frame.file.as_str(), frame.line),
            ("holder.py", Some(9)),
            "CPython 3.{}",
            python.minor
        );
        // the C call neither ends nor lets go: nobody takes it meanwhile
        assert_eq!(target.gil_state(), Some(state));
    }
}

#[test]
fn who_waits_for_the_gil_waits_inside_of_it() {
    for python in pythons() {
        let (_program, target) = start(&python, HOLDER);
        let span = target.gil_span().unwrap();
        held_by(&target, "compute");
        let tid_of = |function: &str| {
            let threads = target.threads_by_state();
            let found = threads.iter().find(|(thread, _)| {
                let frame = target.function_of(*thread);
                frame.is_some_and(|frame| frame.function == function)
            });
            found.map(|(_, tid)| *tid)
        };
        let waiter = until(|| tid_of("wait"));
        let sleeper = until(|| tid_of("sleep"));
        // it wakes up every 5 ms to ask for it, so not each look finds it there
        let mut inside = 0;
        until(|| {
            inside += usize::from(
                read_futex(target.pid(), waiter).is_some_and(|futex| span.contains(&futex)),
            );
            (inside == 20).then_some(())
        });
        let futex = read_futex(target.pid(), sleeper);
        assert!(futex.is_none_or(|futex| !span.contains(&futex)));
    }
}

const TURNS: &str = "
import threading
def turn():
    while True:
        for n in range(100):
            n * n
for _ in range(2):
    threading.Thread(target=turn).start()
print('ready', flush=True)
";

#[test]
fn each_holder_is_a_thread_that_the_list_knows() {
    for python in pythons() {
        let (_program, target) = start(&python, TURNS);
        let first = until(|| target.gil_state().filter(|state| state.switches > 0));
        let mut holders = std::collections::BTreeSet::new();
        let last = until(|| {
            let state = target.gil_state()?;
            holders.insert(state.holder);
            (holders.len() >= 2 && state.switches > first.switches + 10).then_some(state)
        });
        assert!(last.switches > first.switches);
        let threads = target.threads_by_state();
        let known = holders
            .iter()
            .filter(|holder| threads.iter().any(|(thread, _)| thread == *holder));
        assert!(known.count() >= 2, "CPython 3.{}", python.minor);
    }
}

const OWN_GIL: &str = "
import threading
try:
    import _interpreters as interpreters
    number = interpreters.create()
    run = interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    number = interpreters.create(isolated=True)
    run = interpreters.run_string
source = '''
def inside():
    return sum(range(10 ** 15))
inside()
'''
threading.Thread(target=lambda: run(number, source), daemon=True).start()
def compute():
    return sum(range(10 ** 15))
print('ready', flush=True)
compute()
";

#[test]
fn the_gil_of_the_main_interpreter_is_told_while_another_one_has_its_own() {
    for python in pythons().into_iter().filter(|python| python.minor >= 12) {
        let (program, target) = start(&python, OWN_GIL);
        let dump = || target.dump().unwrap().threads;
        until(|| {
            let in_it = |frame: &dunnage_python::Frame| frame.function == "inside";
            dump()
                .iter()
                .any(|thread| thread.interpreter != 0 && thread.frames.iter().any(in_it))
                .then_some(())
        });
        let state = held_by(&target, "compute");
        let threads = target.threads_by_state();
        let holder = threads.iter().find(|(thread, _)| *thread == state.holder);
        assert_eq!(holder.map(|(_, tid)| *tid), Some(program.pid()));
        // one prepared now finds it as well: the newest interpreter stands first
        let again = Target::prepare(program.pid()).unwrap();
        assert_eq!(again.gil_state(), Some(state));
    }
}

#[test]
fn nothing_is_told_of_what_is_not_there() {
    for python in pythons() {
        let (program, target) = start(&python, HOLDER);
        let state = held_by(&target, "compute");
        for thread in [0, 8, state.holder + 8, u64::MAX - 4] {
            assert_eq!(target.function_of(thread), None);
        }
        drop(program);
        assert_eq!(target.gil_state(), None);
        assert_eq!(target.function_of(state.holder), None);
        assert_eq!(target.threads_by_state(), []);
    }
}
