//! What happened last time: a file whose writer is gone and that has no end.
//!
//! A supervisor that ends writes so, or removes a file without a record. So a file without an end was left by one that
//! was killed together with its container, or lost with its node. Which of the two, and by whom, cannot be known from
//! inside; what stood in the file can.

use dunnage_policy::event::Event;

use super::folder::ReportFolder;
use super::format::{Part, Seen, Stopping, Told, now};
use super::read::{Record, RecordFile, read_file};
use super::write::append_to_left;

/// The most runs that are told of, the newest first: a volume may be shared by many.
const MAX_TOLD: usize = 3;

impl ReportFolder {
    /// Says what became of earlier runs, each once, and marks them as told.
    pub fn tell_last_time(&self, own_host: Option<&str>) -> Vec<Event> {
        let mut events = Vec::new();
        for name in self.names() {
            let Some(file) = self.open_left(&name) else {
                continue;
            };
            let Ok(story) = read_file(&file) else {
                continue;
            };
            if story.run.is_none() || !story.is_unfinished() {
                continue;
            }
            if events.len() < MAX_TOLD {
                events
                    .push(story.describe(&self.path().join(&name).display().to_string(), own_host));
            }
            // on a folder that has become read-only it is told each time
            let _ = append_to_left(&file, story.end as u64, &Part::Told(Told { time: now() }));
        }
        events
    }
}

impl RecordFile {
    /// Whether nobody wrote how it ended, and nobody has said so yet.
    pub fn is_unfinished(&self) -> bool {
        self.ended.is_none() && self.continued.is_none() && !self.told
    }

    fn describe(&self, path: &str, own_host: Option<&str>) -> Event {
        let record = self.last_record();
        let elsewhere = self.run.as_ref().and_then(|run| run.host.clone());
        Event::LastTime {
            text: self.tell(),
            host: elsewhere.filter(|host| Some(host.as_str()) != own_host),
            path: path.to_owned(),
            records: self.records.len(),
            working_set_bytes: self.last_working_set().map(|(bytes, _)| bytes),
            capacity_bytes: self.last_working_set().map(|(_, capacity)| capacity),
            at: record
                .map(|record| record.begin.time.clone())
                .or_else(|| self.seen.as_ref().map(|seen| seen.time.clone())),
            stop_signal: self.stopping.as_ref().map(|stop| stop.signal.clone()),
        }
    }

    /// The last working set that is known, and what it may have become, in bytes.
    pub fn last_working_set(&self) -> Option<(u64, u64)> {
        let seen = self.seen.as_ref();
        let of_seen = |seen: &Seen| (seen.working_set, seen.capacity);
        let of_record = |record: &Record| {
            let memory = record.memory?;
            Some((memory.working_set.or(memory.usage)?, record.begin.capacity))
        };
        match (self.records.last(), seen) {
            // times of one form are in the order of their texts
            (Some(record), Some(seen)) if record.begin.time < seen.time => Some(of_seen(seen)),
            (Some(record), seen) => of_record(record).or(seen.map(of_seen)),
            (None, seen) => seen.map(of_seen),
        }
    }

    /// One sentence, that claims no more than is known.
    pub fn tell(&self) -> String {
        let end = "then there is no clean end";
        match (self.last_record(), &self.stopping, &self.seen) {
            (Some(record), stopping, seen) => format!(
                "{}{}, {end}{}",
                record.tell(),
                self.tell_seen_after(record, seen.as_ref()),
                stopping.as_ref().map_or_else(String::new, tell_stopping)
            ),
            (None, Some(stopping), _) => {
                format!("no record, {end}{}", tell_stopping(stopping))
            }
            (None, None, Some(seen)) => format!(
                "ended without a word: killed from outside, or lost with its node; the working set was {} when last \
                 looked at ({})",
                share(seen.working_set, seen.capacity),
                shown_time(&seen.time)
            ),
            (None, None, None) => {
                "ended without a word: killed from outside, or lost with its node; memory had not been short".to_owned()
            }
        }
    }
}

impl RecordFile {
    /// What was seen after a record; times of one form are in the order of their texts.
    fn tell_seen_after(&self, record: &Record, seen: Option<&Seen>) -> String {
        let is_later =
            |seen: &&Seen| self.records.last() == Some(record) && seen.time > record.begin.time;
        seen.filter(is_later).map_or_else(String::new, |seen| {
            let share = share(seen.working_set, seen.capacity);
            format!(", {share} when last looked at ({})", shown_time(&seen.time))
        })
    }
}

impl Record {
    /// What the memory was when it was written.
    fn tell(&self) -> String {
        let working_set = self
            .memory
            .and_then(|memory| memory.working_set.or(memory.usage));
        let working_set = working_set.map_or_else(
            || "not known".to_owned(),
            |bytes| share(bytes, self.begin.capacity),
        );
        let growing = if self.begin.bytes_per_second > 0.0 {
            " and growing"
        } else {
            ""
        };
        let when = if self.complete.is_some() {
            "when the record was written"
        } else {
            "when a record was begun, which is not complete"
        };
        let time = shown_time(&self.begin.time);
        format!("the working set was {working_set}{growing} {when} ({time})")
    }
}

fn tell_stopping(stopping: &Stopping) -> String {
    let budget = stopping.budget_ms.map_or_else(
        || ", without a deadline of ours".to_owned(),
        |budget| {
            format!(
                ", with {} until we would have killed",
                dunnage_policy::verdict::seconds(budget)
            )
        },
    );
    format!(
        "; a shutdown had begun with {} at {}{budget}",
        stopping.signal,
        shown_time(&stopping.time)
    )
}

/// `97 % of 256 MiB`.
pub fn share(bytes: u64, of: u64) -> String {
    let whole = shown_bytes(of);
    if of == 0 {
        return shown_bytes(bytes);
    }
    format!("{:.0} % of {whole}", bytes as f64 * 100.0 / of as f64)
}

/// Bytes for a person.
pub fn shown_bytes(bytes: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in UNITS {
        let amount = bytes as f64 / f64::from(1_u32 << shift);
        if amount >= 10.0 {
            return format!("{amount:.0} {unit}");
        }
        if amount >= 1.0 {
            let text = format!("{amount:.1}");
            return format!("{} {unit}", text.trim_end_matches(".0"));
        }
    }
    format!("{bytes} bytes")
}

/// `2026-11-29T16:05:12.123Z` for a person: `2026-11-29 16:05:12 UTC`. Anything else as it is.
pub fn shown_time(time: &str) -> String {
    match (time.get(..10), time.get(10..11), time.get(11..19)) {
        (Some(day), Some("T"), Some(clock)) if time.ends_with('Z') => format!("{day} {clock} UTC"),
        _ => time.to_owned(),
    }
}
