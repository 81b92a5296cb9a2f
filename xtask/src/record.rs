//! What `dunnage run --report-dir` left, read as a stranger reads it: lines of JSON, of which `part` says the kind.

use serde_json::Value;
use std::fs;
use std::path::Path;

/// The lines from a `begin` to its `complete`, or to where the writer was killed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) parts: Vec<Value>,
}

/// One call of a traceback: function and `FILE:LINE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) place: String,
}

/// The records of all files in a folder; none where there is no folder.
pub(crate) fn read_folder(folder: &Path) -> Vec<Record> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
    files.sort();
    let texts = files.iter().filter_map(|file| fs::read(file).ok());
    texts
        .flat_map(|bytes| parse(&String::from_utf8_lossy(&bytes)))
        .collect()
}

pub(crate) fn parse(text: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut is_open = false;
    // behind the last line there are zeros; a torn line is no line
    for line in text.trim_end_matches('\0').lines() {
        let Ok(part) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let kind = part["part"].as_str().unwrap_or_default().to_owned();
        if kind == "begin" {
            records.push(Record::default());
            is_open = true;
        }
        if let (true, Some(record)) = (is_open, records.last_mut()) {
            record.parts.push(part);
        }
        is_open &= kind != "complete";
    }
    records
}

impl Record {
    /// The first part of a kind.
    pub(crate) fn part(&self, kind: &str) -> Option<&Value> {
        self.parts.iter().find(|part| part["part"] == kind)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.part("complete").is_some()
    }

    /// The kind of the last part that was written.
    pub(crate) fn last_part(&self) -> &str {
        let last = self.parts.last();
        last.and_then(|part| part["part"].as_str())
            .unwrap_or("nothing")
    }

    /// When it was begun, in seconds since 1970.
    pub(crate) fn began(&self) -> Option<f64> {
        parse_time(self.part("begin")?["time"].as_str()?)
    }

    /// From its beginning to its end marker, in milliseconds.
    pub(crate) fn took_ms(&self) -> Option<f64> {
        Some(self.part("complete")?["took_usec"].as_f64()? / 1000.0)
    }

    /// The tracebacks of the process that grows, the innermost call of each first.
    pub(crate) fn stacks(&self) -> Vec<Vec<Call>> {
        let of_kind =
            |kind: &'static str| self.parts.iter().filter(move |part| part["part"] == kind);
        let growing = of_kind("process").find(|process| process["growing"] == true);
        let pid = growing.map_or(&Value::Null, |process| &process["pid"]);
        let threads = of_kind("thread").filter(|thread| thread["pid"] == *pid);
        threads.map(read_stack).collect()
    }

    /// Whether the process that grows is in that function in any thread.
    pub(crate) fn grows_in(&self, function: &str) -> bool {
        let stacks = self.stacks();
        let mut calls = stacks.iter().flatten();
        calls.any(|call| call.function == function)
    }
}

fn read_stack(thread: &Value) -> Vec<Call> {
    let frames = thread["frames"].as_array().into_iter().flatten();
    frames
        .map(|frame| Call {
            function: frame["function"].as_str().unwrap_or_default().to_owned(),
            place: format!(
                "{}:{}",
                frame["file"].as_str().unwrap_or_default(),
                frame["line"]
            ),
        })
        .collect()
}

/// Seconds since 1970 of `2026-11-29T16:05:00.123Z`.
pub(crate) fn parse_time(text: &str) -> Option<f64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut clock = clock.split(':').map(str::parse::<f64>);
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    // a year that begins in March has its leap day at the end
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some(days as f64 * 86_400.0 + hour * 3600.0 + minute * 60.0 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"part":"run","schema":"dunnage.record/1"}
{"part":"seen","working_set":1}                     
{"part":"begin","number":1,"time":"2026-11-29T16:05:00.250Z"}
{"part":"process","pid":7,"growing":false}
{"part":"process","pid":8,"growing":true}
{"part":"thread","pid":7,"frames":[{"function":"wait","file":"a.py","line":1}]}
{"part":"thread","pid":8,"frames":[{"function":"ones","file":"n.py","line":2},{"function":"grow","file":"a.py","line":3}]}
{"part":"complete","number":1,"took_usec":2500}
{"part":"pss","number":1}
{"part":"begin","number":2,"time":"2026-11-29T16:05:01Z"}
{"part":"mem"#;

    #[test]
    fn a_record_is_complete_only_with_its_end_marker() {
        let records = parse(&format!("{FILE}\0\0\0"));
        let told: Vec<_> = records
            .iter()
            .map(|record| (record.is_complete(), record.last_part()))
            .collect();
        assert_eq!(told, [(true, "complete"), (false, "begin")]);
        assert_eq!(records[0].took_ms(), Some(2.5));
    }

    #[test]
    fn only_the_process_that_grows_is_searched_for_a_function() {
        let record = parse(FILE).remove(0);
        assert!(record.grows_in("grow") && record.grows_in("ones") && !record.grows_in("wait"));
        assert_eq!(record.stacks()[0][1].place, "a.py:3");
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(parse_time("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(parse_time("2000-03-01T00:00:01.5Z"), Some(951_868_801.5));
        assert_eq!(
            parse_time("2026-11-29T16:05:00.250Z"),
            Some(1_795_968_300.25)
        );
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_no_records() {
        assert!(read_folder(Path::new("/no/such/folder")).is_empty());
    }
}
