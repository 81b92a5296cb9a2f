//! The plan on real libraries: pools have the planned number of threads, and what the user set still decides.
//!
//! Threads are counted in `/proc/self/task`, so that no library is believed about itself. Needs the interpreter that
//! `DUNNAGE_TEST_PYTHON` names, with NumPy, and numexpr for its part; a machine with one CPU has no surplus to cap.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

#[path = "support/face.rs"]
mod face;
#[path = "support/inner.rs"]
mod inner;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use face::Face;

/// Threads that a NumPy with its BLAS has beside the main one.
const NUMPY: &str = "
import os, numpy
before = len(os.listdir('/proc/self/task'))
a = numpy.ones((600, 600)); a @ a
print(max(before, len(os.listdir('/proc/self/task'))) - 1)
";

/// What numexpr sizes itself to, and what Python believes.
const NUMEXPR: &str = "import os, numexpr; print(numexpr.nthreads, os.cpu_count())";

/// Variables that would decide the outcome instead of the plan.
const OTHERS: [&str; 11] = [
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_DEFAULT_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "WEB_CONCURRENCY",
    "DUNNAGE_PLANNED",
];

/// The interpreter, if it can import `module`; says what is missing otherwise.
fn python_with(test: &str, module: &str) -> Option<PathBuf> {
    let python = std::env::var_os("DUNNAGE_TEST_PYTHON").map(PathBuf::from);
    let found = python.filter(|python| {
        let import = Command::new(python)
            .args(["-c", &format!("import {module}")])
            .output();
        import.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        println!("skipped: plan_effect: {test} needs {module} (DUNNAGE_TEST_PYTHON)");
    }
    found
}

/// More than one CPU, without which every default is a planned one.
fn has_cpus(test: &str) -> bool {
    let many = cpus() > 1;
    if !many {
        println!("skipped: plan_effect: {test} needs two CPUs");
    }
    many
}

fn cpus() -> u32 {
    available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap())
}

/// A command without the variables that would decide instead.
fn clean(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for name in OTHERS {
        command.env_remove(name);
    }
    command
}

fn dunnage() -> Command {
    clean(env!("CARGO_BIN_EXE_dunnage"))
}

/// What a command printed, as numbers.
fn numbers(command: &mut Command) -> Vec<u32> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.split_whitespace().map(|word| word.parse().ok());
    numbers.collect::<Option<_>>().unwrap_or_else(|| {
        panic!(
            "{command:?} printed {text:?} and said {:?}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn planned(limit: &str, python: &Path, script: &str) -> Command {
    let mut command = dunnage();
    command
        .args(["exec", "--cpu-limit", limit, "--"])
        .arg(python)
        .args(["-c", script]);
    command
}

#[test]
fn numpy_has_the_planned_number_of_threads() {
    let test = "the size of NumPy's pool";
    let Some(python) = python_with(test, "numpy").filter(|_| has_cpus(test)) else {
        return;
    };
    let unplanned = numbers(clean(&python).args(["-c", NUMPY]));
    assert_eq!(unplanned, [cpus() - 1]);
    assert_eq!(numbers(&mut planned("1", &python, NUMPY)), [0]);
    assert_eq!(numbers(&mut planned("1.9", &python, NUMPY)), [0]);
    assert_eq!(numbers(&mut planned("2", &python, NUMPY)), [1]);
}

#[test]
fn what_the_user_set_for_numpy_decides() {
    let test = "the user's own value";
    let Some(python) = python_with(test, "numpy").filter(|_| has_cpus(test)) else {
        return;
    };
    for own in [
        "OPENBLAS_NUM_THREADS",
        "OPENBLAS_DEFAULT_NUM_THREADS",
        "GOTO_NUM_THREADS",
        "OMP_NUM_THREADS",
    ] {
        let threads = numbers(planned("1", &python, NUMPY).env(own, "2"));
        assert_eq!(threads, [1], "{own}");
    }
    // an empty value is nobody's
    let threads = numbers(planned("1", &python, NUMPY).env("OMP_NUM_THREADS", ""));
    assert_eq!(threads, [0]);
}

#[test]
fn on_a_node_with_64_cpus_pools_follow_the_plan() {
    let test = "a face of 64 CPUs";
    let Some(python) = python_with(test, "numexpr") else {
        return;
    };
    let Some(face) = Face::new("plan_effect", test) else {
        return;
    };
    let [unplanned, believed] = numbers(&mut face.behind(clean(&python).args(["-c", NUMEXPR])))[..]
    else {
        panic!("two numbers were asked for");
    };
    assert_eq!(believed, 64);
    assert!(unplanned > cpus(), "{unplanned} threads without a plan");
    let limited = |limit| numbers(&mut face.behind(&planned(limit, &python, NUMEXPR)));
    assert_eq!(limited("1"), [1, 64]);
    // never more than the affinity, whatever the node looks like
    assert_eq!(limited("32"), [cpus().min(32), 64]);
}
