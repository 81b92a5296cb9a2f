//! Files as supervisors leave them.

use dunnage_policy::event::Event;
use dunnage_python::{Frame, Gil, ThreadDump};
use proptest::prelude::*;

use super::*;

fn run_part() -> Run {
    Run {
        schema: SCHEMA.to_owned(),
        time: "2026-11-29T16:05:00.000Z".to_owned(),
        host: Some("shop-6d4f".to_owned()),
        command: "python -m shop".to_owned(),
        supervisor: 1,
        limit: Some(256 << 20),
        ..Run::default()
    }
}

fn thread(tid: i32) -> Part {
    let frame = |line| Frame {
        function: "build".to_owned(),
        file: "shop/report.py".to_owned(),
        line: Some(line),
    };
    let thread = ThreadDump {
        tid: Some(tid),
        name: Some("MainThread".to_owned()),
        interpreter: 0,
        state: Some('R'),
        gil: Some(Gil::Holds),
        torn: false,
        truncated: false,
        frames: vec![frame(41), frame(7)],
    };
    Part::Thread(Thread { pid: 7, thread })
}

/// The lines of a complete record.
fn parts() -> Vec<Part> {
    vec![
        Part::Begin(Begin {
            number: 1,
            time: "2026-11-29T16:05:12.123Z".to_owned(),
            why: "growth".to_owned(),
            capacity: 256 << 20,
            bytes_per_second: 12e6,
            ..Begin::default()
        }),
        Part::Memory(MemoryNow {
            working_set: Some(248 << 20),
            ..MemoryNow::default()
        }),
        Part::Curve(Curve {
            samples: vec![(1000, 200 << 20), (0, 248 << 20)],
        }),
        Part::Process(ProcessNow {
            pid: 7,
            growing: true,
            ..ProcessNow::default()
        }),
        Part::Python(Python {
            pid: 7,
            version: Some("3.12.1".to_owned()),
            ..Python::default()
        }),
        thread(7),
        thread(8),
        Part::Read(Read {
            pid: 7,
            ..Read::default()
        }),
        Part::Complete(Complete {
            number: 1,
            ..Complete::default()
        }),
    ]
}

fn write(folder: &std::path::Path, parts: &[Part]) -> Writer {
    let folder = ReportFolder::open(folder).unwrap();
    let mut writer = Writer::create(folder, &run_part()).unwrap();
    for part in parts {
        writer.put(part).unwrap();
    }
    writer
}

/// What a start in this folder says of the runs before.
fn told(folder: &std::path::Path) -> Vec<String> {
    let events = ReportFolder::open(folder)
        .unwrap()
        .tell_last_time(Some("shop-6d4f"));
    events.iter().map(Event::text).collect()
}

#[test]
fn a_file_is_sized_beforehand_and_read_as_it_was_written() {
    let scratch = tempfile::tempdir().unwrap();
    let mut writer = write(scratch.path(), &parts());
    writer
        .see(&Seen {
            time: "2026-11-29T16:05:11.000Z".to_owned(),
            working_set: 1,
            capacity: 2,
        })
        .unwrap();
    let path = writer.path();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES);
    let file = read_record(&path).unwrap();
    assert_eq!(
        (file.skipped, file.torn, file.run),
        (0, false, Some(run_part()))
    );
    assert_eq!(file.seen.unwrap().working_set, 1);
    let record = &file.records[0];
    assert_eq!(record.curve.samples.len(), 2);
    assert_eq!(record.tracebacks[0].threads.len(), 2);
    // both were the holder when they were read, but not at once
    let holds = |at: usize| record.tracebacks[0].threads[at].gil;
    assert_eq!((holds(0), holds(1)), (None, Some(Gil::Holds)));
    assert!(record.complete.is_some());
    writer.close(&Part::Ended(Ended::default())).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 4096);
    assert!(read_record(&path).unwrap().ended.is_some());
}

#[test]
fn wherever_the_kill_comes_what_was_written_before_is_read() {
    let lines: Vec<u8> = parts()
        .iter()
        .flat_map(|part| encode(part).unwrap())
        .collect();
    let head = encode(&Part::Run(run_part())).unwrap();
    let whole = [head.clone(), lines].concat();
    for end in head.len()..=whole.len() {
        let mut bytes = whole[..end].to_vec();
        bytes.resize(whole.len() + 4096, 0);
        let file = parse_record(&bytes);
        let ends = whole[..end]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let expected = ends.count() - usize::from(file.torn);
        let record = file.records.first().cloned().unwrap_or_default();
        let threads = record
            .tracebacks
            .first()
            .map_or(0, |dump| dump.threads.len());
        let seen = file.records.len()
            + usize::from(record.memory.is_some())
            + usize::from(!record.curve.samples.is_empty())
            + record.processes.len()
            + record.tracebacks.len()
            + threads
            + usize::from(record.complete.is_some());
        // the end of a traceback shows only in what it says
        assert!(
            seen + 1 == expected || seen + 2 == expected,
            "{end}: {seen} of {expected}"
        );
        assert_eq!(file.skipped, 0);
    }
}

#[test]
fn a_living_writers_file_is_left_alone_and_a_dead_ones_is_told_once() {
    let scratch = tempfile::tempdir().unwrap();
    let writer = write(scratch.path(), &parts());
    assert!(told(scratch.path()).is_empty());
    let path = writer.path();
    drop(writer);
    let text = format!(
        "last time: the working set was 97 % of 256 MiB and growing when the record was written (2026-11-29 16:05:12 UTC), \
         then there is no clean end; read it with `dunnage report {}`",
        path.display()
    );
    assert_eq!(told(scratch.path()), [text]);
    assert!(told(scratch.path()).is_empty());
    let file = read_record(&path).unwrap();
    assert!(file.told && file.records[0].complete.is_some());
    assert!(std::fs::metadata(&path).unwrap().len() < 8192);
}

#[test]
fn a_clean_end_is_nothing_to_tell() {
    let scratch = tempfile::tempdir().unwrap();
    write(scratch.path(), &parts())
        .close(&Part::Ended(Ended::default()))
        .unwrap();
    write(scratch.path(), &parts())
        .close(&Part::Continued(Continued::default()))
        .unwrap();
    write(scratch.path(), &[]).remove().unwrap();
    assert!(told(scratch.path()).is_empty());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 2);
}

#[test]
fn no_more_is_claimed_than_stands_in_the_file() {
    let tell = |parts: &[Part]| {
        let scratch = tempfile::tempdir().unwrap();
        drop(write(scratch.path(), parts));
        told(scratch.path()).remove(0)
    };
    let seen = Part::Seen(Seen {
        time: "2026-11-29T16:05:11.000Z".to_owned(),
        working_set: 200 << 20,
        capacity: 256 << 20,
    });
    let stopping = Part::Stopping(Stopping {
        time: "2026-11-29T16:05:13.000Z".to_owned(),
        signal: "SIGTERM".to_owned(),
        budget_ms: Some(28_000),
    });
    assert_eq!(
        tell(&[]),
        "last time: ended without a word: killed from outside, or lost with its node; memory had not been short"
    );
    assert_eq!(
        tell(std::slice::from_ref(&seen)),
        "last time: ended without a word: killed from outside, or lost with its node; the working set was 78 % of 256 MiB \
         when last looked at (2026-11-29 16:05:11 UTC)"
    );
    assert_eq!(
        tell(&[seen, stopping]),
        "last time: no record, then there is no clean end; a shutdown had begun with SIGTERM at 2026-11-29 16:05:13 UTC, \
         with 28 s until we would have killed"
    );
    assert!(tell(&parts()[..6]).contains("when a record was begun, which is not complete"));
}

#[test]
fn what_was_seen_after_the_record_is_told_too() {
    let scratch = tempfile::tempdir().unwrap();
    let mut writer = write(scratch.path(), &parts());
    let seen = Seen {
        time: "2026-11-29T16:05:14.000Z".to_owned(),
        working_set: 255 << 20,
        capacity: 256 << 20,
    };
    writer.see(&seen).unwrap();
    drop(writer);
    let text = told(scratch.path()).remove(0);
    assert!(
        text.contains(", 100 % of 256 MiB when last looked at (2026-11-29 16:05:14 UTC), then"),
        "{text}"
    );
}

#[test]
fn of_many_unfinished_runs_the_newest_are_told_and_all_are_marked() {
    let scratch = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        drop(write(scratch.path(), &[]));
    }
    assert_eq!(told(scratch.path()).len(), 3);
    assert!(told(scratch.path()).is_empty());
}

#[test]
fn a_file_of_another_version_is_read_as_far_as_it_is_known() {
    let text = r#"{"part":"run","schema":"dunnage.record/1","time":"t","dunnage":"9","command":"c","supervisor":1,"later":{"x":[1]}}
{"part":"hologram","depth":3}
{"part":"begin","number":1,"time":"t","why":"tide","capacity":1,"bytes_per_second":0.5,"more":null}
{"part":"complete","number":1}
not json
[]
"#;
    let file = parse_record(text.as_bytes());
    assert_eq!(file.run.unwrap().dunnage, "9");
    assert_eq!(file.records[0].begin.why, "tide");
    assert!(file.records[0].complete.is_some());
    assert_eq!(file.skipped, 3);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(prop_oneof![Just(0), Just(b'\n'), Just(b'{'), Just(b'"'), any::<u8>()], 0..400)) {
        let file = parse_record(&bytes);
        prop_assert!(file.end <= bytes.len());
    }

    #[test]
    fn a_damaged_file_keeps_the_lines_that_are_whole(at in 0..2000_usize, bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        let mut text: Vec<u8> = parts().iter().flat_map(|part| encode(part).unwrap()).collect();
        let at = at.min(text.len());
        text.splice(at..(at + bytes.len()).min(text.len()), bytes);
        let file = parse_record(&text);
        prop_assert!(file.records.len() <= 2);
        let _ = (file.tell(), file.last_record().map(Record::growing));
    }
}
