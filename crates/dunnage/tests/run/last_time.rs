//! A run that was killed with all that it carried, and what the next one says about it.

use super::support::*;
use std::path::Path;

/// A run whose record file is there.
fn start_with_folder(place: Place, folder: &Path, words: &[&str]) -> Run {
    let run = start(place, &["--report-dir", folder.to_str().unwrap()], words);
    wait_until("the record file", || files(folder) > 0);
    run
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn next(folder: &Path) -> Finished {
    // long enough for the thread to look through the folder, which nobody waits for at the end
    let words = ["python3", "-c", "import time; time.sleep(1)"];
    start_with_folder(Place::Below, folder, &words).finish()
}

#[test]
fn a_run_that_was_killed_is_told_of_by_the_next_one_and_then_no_more() {
    if !needs_init("a_run_that_was_killed") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = start_with_folder(Place::Init, folder.path(), &["sleep", "60"]);
    run.signal("KILL");
    run.finish();
    let told = next(folder.path());
    let event = told.one("last_time");
    assert_eq!(
        (&event["records"], &event["stop_signal"]),
        (&0.into(), &serde_json::Value::Null)
    );
    let text = event["text"].as_str().unwrap();
    assert!(text.starts_with("ended without a word"), "{text}");
    assert!(next(folder.path()).all("last_time").is_empty());
}

#[test]
fn a_kill_after_a_stop_signal_is_told_apart() {
    if !needs_init("a_kill_after_a_stop_signal") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = start_with_folder(
        Place::Init,
        folder.path(),
        &["python3", "-c", &graceful(60.0)],
    );
    run.wait_for("up");
    run.signal("TERM");
    run.wait_for("told");
    // a thread writes, so that no disk holds up the signal
    wait_until("the signal in the record file", || {
        let mut entries = std::fs::read_dir(folder.path()).unwrap();
        let path = entries.next().unwrap().unwrap().path();
        std::fs::read_to_string(path).unwrap().contains("SIGTERM")
    });
    run.signal("KILL");
    run.finish();
    let told = next(folder.path());
    let event = told.one("last_time");
    assert_eq!(event["stop_signal"], "SIGTERM", "{event}");
}

#[test]
fn a_clean_end_leaves_nothing_to_tell_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(next(folder.path()).code, 0);
    assert_eq!(files(folder.path()), 0);
    assert!(next(folder.path()).all("last_time").is_empty());
}

#[test]
fn a_folder_that_cannot_be_used_is_one_line_and_the_run_goes_on() {
    let words = ["python3", "-c", "import time; time.sleep(1); exit(7)"];
    let finished = start(Place::Below, &["--report-dir", "/missing/folder"], &words).finish();
    assert_eq!(finished.code, 7);
    let said = finished.all("degraded");
    let said: Vec<_> = said
        .iter()
        .filter_map(|event| event["what"].as_str())
        .collect();
    let about = said
        .iter()
        .filter(|what| what.contains("/missing/folder"))
        .count();
    assert_eq!(about, 1, "{said:?}");
}
