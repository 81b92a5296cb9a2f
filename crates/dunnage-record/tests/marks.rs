//! Marks of real processes: threads that write as fast as they can while they are read, real interpreters, forks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it must be"
)]

#[path = "../../dunnage-python/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dunnage_python::memory::ProcessMemory;
use dunnage_record::MarkReader;
use dunnage_sys::marks::{marks_address, name_mark, write_mark};
use support::{Python, pythons};

const THREADS: u64 = 4;
const MARKS: u64 = 100_000;
const CHILD: &str = "DUNNAGE_TEST_MARKS_CHILD";

/// What each mark of a thread must say, made from its id alone: a half of another one does not fit.
fn times_of(id: u64) -> (u64, Option<u64>) {
    let begin = id.wrapping_mul(0x9e37_79b9) | 1;
    (begin, id.is_multiple_of(3).then_some(begin + id))
}

/// Not a test by itself: the process that [`no_mark_of_threads_at_full_speed_is_wrong_and_all_that_are_lost_are_counted`] reads.
#[test]
#[ignore = "it is started by another test"]
fn child_that_marks() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    println!("\nring {}", marks_address());
    let _ = std::io::stdin().read(&mut [0]);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for count in 0..MARKS {
                    let id = thread << 32 | count;
                    let (begin, end) = times_of(id);
                    write_mark(name_mark(&format!("thread {thread}")), id, begin, end);
                }
            });
        }
    });
    println!("done");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn no_mark_of_threads_at_full_speed_is_wrong_and_all_that_are_lost_are_counted() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_marks", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line_with = |word: &str| {
        let found = lines.find_map(|line| line.ok()?.strip_prefix(word).map(str::to_owned));
        found.expect("the child says it")
    };
    let ring = line_with("ring ").parse().unwrap();
    let memory = ProcessMemory {
        pid: child.id() as i32,
    };
    let mut reader = MarkReader::at(memory, ring);
    let (mut seen, mut lost, mut unnamed) = (vec![BTreeSet::new(); THREADS as usize], 0, 0);
    let mut look = |reader: &mut MarkReader| {
        lost += reader.read(|mark| {
            let (thread, count) = (mark.id >> 32, mark.id & u64::from(u32::MAX));
            // while one thread puts its first name down, others do not wait for it
            if mark.name.is_empty() {
                unnamed += 1;
            } else {
                assert_eq!(mark.name, format!("thread {thread}"));
            }
            assert_eq!((mark.begin, mark.end), times_of(mark.id));
            assert!(count < MARKS);
            assert!(seen[thread as usize].insert(count), "given out twice");
        });
        lost + seen.iter().map(|counts| counts.len() as u64).sum::<u64>()
    };
    assert_eq!(look(&mut reader), 0);
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    // some looks follow each other at once, and between some the ring is overrun
    let mut looks = 0_u64;
    while look(&mut reader) < THREADS * MARKS {
        looks += 1;
        assert!(looks < 100_000, "marks are missing and not counted");
        std::thread::sleep(Duration::from_micros(looks % 40 * 50));
    }
    line_with("done");
    assert_eq!(look(&mut reader), THREADS * MARKS);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(seen.iter().any(|counts| !counts.is_empty()));
    assert!(unnamed < 1000, "{unnamed} marks without a name");
}

/// The package with the extension as `cargo build` makes it, in a folder of its own.
fn package() -> (tempfile::TempDir, String) {
    let own = std::env::current_exe().unwrap();
    let target: PathBuf = own.ancestors().nth(3).unwrap().to_owned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "-p", "dunnage-py"])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&root)
        .status()
        .unwrap();
    assert!(built.success());
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("dunnage");
    std::fs::create_dir(&home).unwrap();
    for entry in std::fs::read_dir(root.join("python/dunnage")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "py") {
            std::fs::copy(&path, home.join(path.file_name().unwrap())).unwrap();
        }
    }
    let extension = target.join("debug/libdunnage_native.so");
    std::fs::copy(extension, home.join("_native.abi3.so")).unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

/// Interpreters that can load the extension from here.
fn pythons_with(path: &str) -> Vec<Python> {
    let import = format!(
        "import sys; sys.path.insert(0, {path:?})\n\
         try:\n    import dunnage._native; print('yes', flush=True)\n\
         except Exception: print('no', flush=True)"
    );
    let found: Vec<Python> = pythons()
        .into_iter()
        .filter(|python| python.run("import.py", &import).line() == "yes")
        .collect();
    assert!(!found.is_empty());
    found
}

/// The marks as (name, id, thread, how long), and how many were lost.
#[allow(clippy::type_complexity, reason = "a row to be compared with")]
fn read_all(reader: &mut MarkReader) -> (Vec<(String, u64, i32, Option<u64>)>, u64) {
    let mut marks = Vec::new();
    let lost = reader.read(|mark| {
        let took = mark.end.map(|end| end - mark.begin);
        marks.push((mark.name.to_owned(), mark.id, mark.tid, took));
    });
    (marks, lost)
}

const SERVICE: &str = "
import os, sys, threading, time
sys.path.insert(0, PATH)
print('ready', flush=True)
sys.stdin.readline()
import dunnage
print('imported', flush=True)
sys.stdin.readline()
dunnage.mark('started', 2 ** 64 - 1)
arrived = time.monotonic()
time.sleep(0.001)
with dunnage.span('request', 4711, arrived):
    time.sleep(0.002)
print('marked', flush=True)
sys.stdin.readline()
def work(thread):
    for count in range(30000):
        with dunnage.span('work', thread << 32 | count):
            pass
threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print('worked', flush=True)
sys.stdin.readline()
";

#[test]
fn marks_of_each_interpreter_are_found_by_the_symbol_of_the_extension() {
    let (_folder, path) = package();
    for python in pythons_with(&path) {
        let mut program = python.run("service.py", &SERVICE.replace("PATH", &format!("{path:?}")));
        program.line();
        assert!(MarkReader::find(program.pid()).is_none());
        assert_eq!(program.ask(), "imported");
        let mut reader = MarkReader::find(program.pid()).unwrap();
        assert_eq!(read_all(&mut reader), (vec![], 0));
        assert_eq!(program.ask(), "marked");
        let (marks, lost) = read_all(&mut reader);
        assert_eq!((marks.len(), lost), (2, 0), "CPython 3.{}", python.minor);
        let tid = program.pid();
        assert_eq!(marks[0], ("started".into(), u64::MAX, tid, None));
        let (name, id, by, took) = &marks[1];
        assert_eq!((name.as_str(), *id, *by), ("request", 4711, tid));
        assert!(took.unwrap() >= 3_000_000);
        // what the threads overwrote is counted
        assert_eq!(program.ask(), "worked");
        let (marks, lost) = read_all(&mut reader);
        assert_eq!(marks.len() as u64 + lost, 120_000);
        assert!(marks.iter().all(|mark| mark.0 == "work"));
        let tids: BTreeSet<i32> = marks.iter().map(|mark| mark.2).collect();
        assert!(!tids.contains(&tid));
    }
}

const FORKS: &str = "
import os, sys
sys.path.insert(0, PATH)
import dunnage
for n in range(3):
    dunnage.mark('parent', n)
child = os.fork()
if child == 0:
    for n in range(2):
        dunnage.mark('child', n)
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    os._exit(0)
dunnage.mark('parent', 3)
os.waitpid(child, 0)
";

#[test]
fn the_ring_of_a_fork_holds_its_own_marks_alone() {
    let (_folder, path) = package();
    for python in pythons_with(&path) {
        let mut program = python.run("forks.py", &FORKS.replace("PATH", &format!("{path:?}")));
        let child: i32 = program.line().parse().unwrap();
        let (marks, lost) = read_all(&mut MarkReader::find(child).unwrap());
        let expected = [0, 1].map(|id| ("child".to_owned(), id, child, None));
        assert_eq!((marks.as_slice(), lost), (expected.as_slice(), 0));
        let mut reader = MarkReader::find(program.pid()).unwrap();
        let ids = |reader: &mut MarkReader| -> Vec<u64> {
            read_all(reader).0.iter().map(|mark| mark.1).collect()
        };
        let mut seen = ids(&mut reader);
        while seen.len() < 4 {
            std::thread::sleep(Duration::from_millis(10));
            seen.extend(ids(&mut reader));
        }
        assert_eq!(seen, [0, 1, 2, 3]);
    }
}
