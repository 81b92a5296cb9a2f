//! What stands in a record.

use super::support::*;
use std::fs;
use std::time::{Duration, Instant};

use dunnage_run::black_box::{BlackBox, Seen};
use dunnage_run::record::{newest, read_record};

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

#[test]
fn the_thread_that_takes_new_memory_is_named_and_not_the_one_that_only_computes() {
    let program = "
import sys, threading, time
def computes():
    n = 0
    while True: n += 1
for _ in range(2): threading.Thread(target=computes, daemon=True).start()
def grows():
    kept = []
    print('up', flush=True)
    sys.stdin.readline()
    for n in range(40): kept.append(bytearray(1 << 20))
    print('grown', flush=True)
    sys.stdin.read()
grows()
";
    let mut family = Family::start(program);
    let mut black_box = BlackBox::start(family.settings(None)).unwrap();
    black_box.prepare(Seen::default());
    record(&mut black_box, 1);
    family.tell_and_wait("grown");
    let headline = record(&mut black_box, 2).headline.unwrap();
    assert!(headline.contains("in grows"), "{headline}");
}

#[test]
fn a_python_that_became_another_by_exec_is_read_as_what_it_is_now() {
    let program = "
import os, sys
after = '''
import sys
def reborn():
    print('reborn', flush=True)
    sys.stdin.read()
reborn()
'''
print('up', flush=True)
os.read(0, 1)
os.execv(sys.executable, [sys.executable, '-c', after])
";
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family::start(program);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    record(&mut black_box, 1);
    family.tell_and_wait("reborn");
    let recorded = record(&mut black_box, 2);
    assert!(recorded.headline.unwrap().contains("in reborn"));
    black_box.finish(ended());
    let file = read_only_file(folder.path());
    let dumps = &file.records[1].tracebacks;
    assert_eq!((dumps.len(), dumps[0].error.as_deref()), (1, None));
}

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
