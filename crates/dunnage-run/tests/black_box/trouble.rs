//! What goes wrong with files, and what becomes of runs that are killed.

use super::support::*;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use dunnage_policy::event::Event;
use dunnage_run::black_box::{BlackBox, Seen};
use dunnage_run::record::newest;

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
fn a_process_that_was_killed_before_it_could_be_read_stands_there_with_its_end() {
    let program = "
import os, signal, sys
ready = os.pipe()
child = os.fork()
if child == 0:
    def hoards():
        data = bytearray(60 << 20)
        os.write(ready[1], b'x')
        while True: signal.pause()
    hoards()
os.read(ready[0], 1)
print('up', flush=True)
sys.stdin.readline()
os.kill(child, signal.SIGKILL)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
print('killed', flush=True)
sys.stdin.read()
os.wait()
";
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family::start(program);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    let alive = record(&mut black_box, 1).headline.unwrap();
    assert!(alive.contains("in hoards"), "{alive}");
    family.tell_and_wait("killed");
    let recorded = record(&mut black_box, 2);
    let headline = recorded.headline.unwrap();
    let why = "was not read: the process ended before it could be read";
    assert!(headline.contains(why), "{headline}");
    assert!(recorded.text.contains("ended before"), "{}", recorded.text);
    black_box.finish(ended());
    let file = read_only_file(folder.path());
    let record = &file.records[1];
    let growing = record.growing().unwrap();
    assert!(
        growing.ended && growing.rss_anon.unwrap() > 60 << 20,
        "{growing:?}"
    );
    let of = |pid| {
        record
            .tracebacks
            .iter()
            .find(move |dump| dump.pid == pid)
            .unwrap()
    };
    assert!(
        of(growing.pid)
            .error
            .as_ref()
            .unwrap()
            .contains("ended before")
    );
    // its parent, which did not grow, is read as ever
    assert_eq!(record.tracebacks.len(), 2);
    assert_eq!(of(growing.parent).error, None);
    assert!(!of(growing.parent).threads.is_empty());
}

#[test]
fn pythons_beyond_the_most_that_are_read_are_counted() {
    let program = "
import os, sys
children = []
for _ in range(70):
    child = os.fork()
    if child == 0:
        sys.stdin.read(); os._exit(0)
    children.append(child)
print('up', flush=True)
sys.stdin.read()
for child in children: os.waitpid(child, 0)
";
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start(program);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    assert!(record(&mut black_box, 1).complete);
    black_box.finish(ended());
    let file = read_only_file(folder.path());
    let record = file.last_record().unwrap();
    let unread = record.complete.as_ref().unwrap().pythons_left_out as usize;
    assert_eq!(
        (record.processes.len(), record.tracebacks.len() + unread),
        (71, 71)
    );
    assert!(record.tracebacks.len() <= 65, "{}", record.tracebacks.len());
}

#[test]
fn whenever_a_process_is_killed_no_record_shows_nothing_of_it_without_a_reason() {
    let program = "
import os, signal, sys
print('up', flush=True)
while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        def hoards():
            data = bytearray(20 << 20)
            signal.alarm(60)
            print(os.getpid(), flush=True)
            while True: signal.pause()
        hoards()
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    sys.stdin.readline()
    os.waitpid(child, 0)
    print('next', flush=True)
";
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family::start(program);
    let mut black_box = BlackBox::start(family.settings(Some(folder.path()))).unwrap();
    let rounds = 40;
    for round in 0..rounds {
        let child: i32 = family.tell_and_hear().parse().unwrap();
        black_box.prepare(Seen::default());
        let number = round + 1;
        wait(|| black_box.record(request(number)).ok());
        // from before it is read to after that
        std::thread::sleep(std::time::Duration::from_micros(u64::from(round) * 100));
        dunnage_sys::kill(child, 9).unwrap();
        wait(|| black_box.take_done());
        family.tell_and_wait("next");
    }
    black_box.finish(ended());
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    names.sort_by_key(fs::DirEntry::file_name);
    let files = names
        .iter()
        .map(|entry| dunnage_run::record::read_record(&entry.path()).unwrap());
    let records: Vec<_> = files.flat_map(|file| file.records).collect();
    assert_eq!(records.len(), rounds as usize);
    for record in &records {
        assert!(record.complete.is_some() && !record.tracebacks.is_empty());
        for dump in &record.tracebacks {
            let is_seen = dump.threads.iter().any(|thread| !thread.frames.is_empty());
            assert!(is_seen || dump.error.is_some(), "{dump:?}");
        }
    }
}
