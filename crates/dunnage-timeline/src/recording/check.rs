//! Whether a recording that comes from a file is one. What is built of a recording takes any; a person who gives the wrong
//! file, or one that was cut or changed, is better told so.

use serde::Deserialize;
use thiserror::Error;

use super::{Process, Quota, Recording, SCHEMA, Thread};
use crate::Nanos;

/// No time of a recording is longer, in nanoseconds: a year.
pub const LONGEST: Nanos = 366 * 86_400 * 1_000_000_000;

/// Why a text is no recording.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// It is no JSON, or not of this shape.
    #[error("it is no recording: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another kind or version.
    #[error("its schema is {0:?}; recordings that can be read here have {SCHEMA:?}")]
    Schema(String),
    /// It contradicts itself.
    #[error("it is no whole recording: {0}")]
    Broken(String),
}

/// Only what is needed to tell what it is.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: String,
}

impl Recording {
    /// Reads what `dunnage record -o FILE.json` writes.
    ///
    /// # Errors
    /// The text is no JSON of this shape, has another schema, or speaks of looks, threads or names that it does not have.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let head: Head = serde_json::from_str(text)?;
        if head.schema != SCHEMA {
            return Err(RecordingError::Schema(head.schema));
        }
        let recording: Self = serde_json::from_str(text)?;
        check(&recording).map_err(RecordingError::Broken)?;
        Ok(recording)
    }
}

fn check(recording: &Recording) -> Result<(), String> {
    check_time("the recording", recording.about.duration)?;
    let last = recording.looks.last().copied().unwrap_or(0);
    check_time("the last look", last)?;
    let looks = recording.looks.len();
    for process in &recording.processes {
        check_process(process, looks)
            .map_err(|error| format!("process {}: {error}", process.pid))?;
    }
    if let Some(quota) = &recording.quota {
        check_quota(quota, looks).map_err(|error| format!("quota: {error}"))?;
    }
    for mark in &recording.marks {
        check_mark(recording, mark).map_err(|error| format!("mark {}: {error}", mark.id))?;
    }
    Ok(())
}

fn check_time(of: &str, time: Nanos) -> Result<(), String> {
    if time > LONGEST {
        return Err(format!("{of} is at {time} ns, more than a year"));
    }
    Ok(())
}

/// Looks must be there, and rise.
fn check_looks(of: &str, numbers: impl Iterator<Item = u32>, looks: usize) -> Result<(), String> {
    let mut next = 0;
    for number in numbers {
        if number as usize >= looks {
            return Err(format!("{of} speak of look {number} of {looks}"));
        }
        if u64::from(number) < next {
            return Err(format!("{of} are not in order at look {number}"));
        }
        next = u64::from(number) + 1;
    }
    Ok(())
}

fn check_process(process: &Process, looks: usize) -> Result<(), String> {
    check_time("it", process.first.max(process.ended.unwrap_or(0)))?;
    for thread in &process.threads {
        check_thread(thread, looks).map_err(|error| format!("thread {}: {error}", thread.tid))?;
    }
    check_looks(
        "what is said of the GIL",
        process.gil.iter().map(|gil| gil.look),
        looks,
    )?;
    let threads = process.threads.len();
    for gil in &process.gil {
        if let Some(holder) = gil.holder.filter(|holder| *holder as usize >= threads) {
            return Err(format!("thread {holder} of {threads} holds the GIL"));
        }
    }
    Ok(())
}

fn check_thread(thread: &Thread, looks: usize) -> Result<(), String> {
    check_time("it", thread.first.max(thread.ended.unwrap_or(0)))?;
    let ticks = thread.ticks.iter();
    check_looks("its ticks", ticks.clone().map(|tick| tick.look), looks)?;
    for tick in ticks {
        check_time("a gain", tick.run.max(tick.wait))?;
    }
    Ok(())
}

fn check_quota(quota: &Quota, looks: usize) -> Result<(), String> {
    check_looks(
        "its counters",
        quota.looks.iter().map(|look| look.look),
        looks,
    )?;
    if quota
        .limit
        .is_some_and(|limit| !limit.is_finite() || limit <= 0.0)
    {
        return Err("the limit is no number of CPUs".to_owned());
    }
    if quota.limit.is_some() && quota.period == 0 {
        return Err("the period is 0".to_owned());
    }
    for look in &quota.looks {
        check_time("a gain", look.used.max(look.throttled_time))?;
    }
    Ok(())
}

fn check_mark(recording: &Recording, mark: &super::Mark) -> Result<(), String> {
    let end = mark.end.unwrap_or(mark.begin);
    check_time("it", mark.begin.max(end))?;
    if end < mark.begin {
        return Err("it ends before it begins".to_owned());
    }
    if mark.process as usize >= recording.processes.len() {
        return Err(format!("there is no process number {}", mark.process));
    }
    if mark.name as usize >= recording.names.len() {
        return Err(format!("there is no name number {}", mark.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example::{headline, large};

    /// What is said of the headline case after something in it was changed.
    fn refuse(change: impl Fn(&mut Recording)) -> String {
        let mut recording = headline();
        change(&mut recording);
        let text = serde_json::to_string(&recording).unwrap();
        Recording::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        for recording in [headline(), large(3, 3_000)] {
            let text = serde_json::to_string(&recording).unwrap();
            assert_eq!(Recording::parse(&text).unwrap(), recording);
        }
    }

    #[test]
    fn another_file_is_told_by_its_schema() {
        let timeline = r#"{"schema":"dunnage.timeline/1"}"#;
        let error = Recording::parse(timeline).unwrap_err().to_string();
        assert!(error.contains("dunnage.timeline/1"), "{error}");
        let error = Recording::parse(r#"{"schema":"dunnage.recording/2"}"#).unwrap_err();
        assert!(error.to_string().contains("dunnage.recording/1"));
        assert!(
            Recording::parse("{}")
                .unwrap_err()
                .to_string()
                .contains("schema")
        );
        assert!(
            Recording::parse("<html>")
                .unwrap_err()
                .to_string()
                .starts_with("it is no recording")
        );
    }

    #[test]
    fn looks_that_are_not_there_are_refused() {
        let error = refuse(|recording| recording.looks.truncate(100));
        assert!(
            error.contains("of 101") || error.contains("of 100"),
            "{error}"
        );
        let error = refuse(|recording| recording.processes[0].gil[1].look = 1 << 30);
        assert!(error.contains("GIL"), "{error}");
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let error = refuse(|recording| recording.processes[0].threads[1].ticks.swap(0, 1));
        assert!(
            error.contains("thread 101") && error.contains("not in order"),
            "{error}"
        );
        let error = refuse(|recording| recording.marks[3].end = Some(0));
        assert!(error.contains("ends before"), "{error}");
    }

    #[test]
    fn threads_names_and_processes_that_are_not_there_are_refused() {
        let error = refuse(|recording| recording.processes[0].gil[3].holder = Some(9));
        assert!(error.contains("thread 9 of 2"), "{error}");
        let error = refuse(|recording| recording.marks[0].name = 5);
        assert!(error.contains("name number 5"), "{error}");
        let error = refuse(|recording| recording.marks[0].process = 1);
        assert!(error.contains("process number 1"), "{error}");
    }

    #[test]
    fn absurd_numbers_are_refused() {
        let error = refuse(|recording| recording.about.duration = u64::MAX);
        assert!(error.contains("more than a year"), "{error}");
        let error = refuse(|recording| recording.quota.as_mut().unwrap().limit = Some(-1.0));
        assert!(error.contains("limit"), "{error}");
        let text = serde_json::to_string(&headline()).unwrap();
        let text = text.replacen(
            "\"looks\":[",
            "\"looks\":[18446744073709551615,18446744073709551615,",
            1,
        );
        assert!(Recording::parse(&text).is_err());
    }

    fn small() -> String {
        let scene = crate::example::play::Play::default().scene(60_000_000);
        serde_json::to_string(&scene.observe(2_000_000)).unwrap()
    }

    proptest! {
        #[test]
        fn a_cut_or_changed_file_is_refused_or_built(at in 0_usize..4_000, byte in any::<u8>(), cut in any::<bool>()) {
            let mut text = small().into_bytes();
            let at = at % text.len();
            if cut { text.truncate(at) } else { text[at] = byte }
            if let Ok(text) = String::from_utf8(text)
                && let Ok(recording) = Recording::parse(&text)
            {
                let timeline = crate::Timeline::build(&recording);
                prop_assert!(!crate::Verdict::of(&timeline).headline.is_empty());
            }
        }
    }
}
