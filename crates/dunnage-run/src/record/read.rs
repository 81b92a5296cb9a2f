//! Reading what a supervisor left: perhaps torn, perhaps of another version, perhaps by somebody else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek};
use std::path::Path;

use dunnage_python::{ProcessDump, tidy_threads};
use dunnage_sys::read_bounded;
use serde::Serialize;

use super::format::{
    Begin, Complete, Continued, Curve, Ended, MemoryNow, Part, ProcessNow, Python, Released, Run,
    Seen, Stopping, Thread,
};

/// The most that is read of a file: four times the size that it is given.
pub const MAX_FILE: u64 = 8 << 20;

/// A file's story.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RecordFile {
    /// Who wrote; `None` where that line is missing or torn.
    pub run: Option<Run>,
    /// The last look at the memory; `None` where there was none.
    pub seen: Option<Seen>,
    /// A shutdown that had begun.
    pub stopping: Option<Stopping>,
    /// The records, in order.
    pub records: Vec<Record>,
    /// The end, if the supervisor lived to see it.
    pub ended: Option<Ended>,
    /// Where the run goes on.
    pub continued: Option<Continued>,
    /// Whether a later start has said what happened.
    pub told: bool,
    /// How many lines were not understood.
    pub skipped: usize,
    /// Whether the last line was cut off in the middle.
    pub torn: bool,
    /// Where the text ends, in bytes.
    #[serde(skip)]
    pub end: usize,
}

/// One record.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Record {
    /// Its head.
    pub begin: Begin,
    /// Memory by kind.
    pub memory: Option<MemoryNow>,
    /// The working set over time.
    pub curve: Curve,
    /// What agents gave back.
    pub released: Vec<Released>,
    /// What was decided.
    pub decisions: Vec<String>,
    /// The processes, the growing one first.
    pub processes: Vec<ProcessNow>,
    /// The tracebacks, in the order in which they were read.
    pub tracebacks: Vec<ProcessDump>,
    /// Whether the record is complete, and how long it took.
    pub complete: Option<Complete>,
    /// Each process's share of the memory, in bytes.
    pub pss: BTreeMap<i32, u64>,
}

/// The most of one kind in a record: four times what a supervisor writes.
const MAX_PARTS: usize = 4096;

fn push<T>(list: &mut Vec<T>, one: T) {
    if list.len() < MAX_PARTS {
        list.push(one);
    }
}

fn begin_traceback(python: Python) -> ProcessDump {
    ProcessDump {
        python: python.version,
        gil: python.gil,
        error: None,
        ..ProcessDump::unread(python.pid, Some(python.command), "")
    }
}

/// Reads a file.
pub fn read_record(path: &Path) -> io::Result<RecordFile> {
    let mut bytes = Vec::new();
    read_bounded(path, MAX_FILE, &mut bytes)?;
    Ok(parse_record(&bytes))
}

/// Reads an open file from its beginning.
pub(super) fn read_file(mut file: &File) -> io::Result<RecordFile> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(parse_record(&bytes))
}

/// Parses a file's bytes, whatever they are.
pub fn parse_record(bytes: &[u8]) -> RecordFile {
    let mut file = RecordFile {
        end: trim(bytes).end,
        ..RecordFile::default()
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.get(trim(line)).unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_slice(text) {
            Ok(part) => file.take(part),
            Err(_) if line.ends_with(b"\n") => file.skipped += 1,
            Err(_) => file.torn = true,
        }
    }
    for record in &mut file.records {
        record.tidy();
    }
    file
}

/// Where a line's text is: room that was not used holds zeros, before or behind it.
fn trim(line: &[u8]) -> std::ops::Range<usize> {
    let is_text = |byte: &u8| *byte != 0 && !byte.is_ascii_whitespace();
    let start = line.iter().position(is_text).unwrap_or(0);
    let end = line.iter().rposition(is_text).map_or(0, |last| last + 1);
    start..end
}

impl RecordFile {
    fn take(&mut self, part: Part) {
        match part {
            Part::Run(run) => {
                self.run.get_or_insert(run);
            }
            Part::Seen(seen) => self.seen = Some(seen).filter(|seen| !seen.time.is_empty()),
            Part::Stopping(stopping) => self.stopping = Some(stopping),
            Part::Ended(ended) => self.ended = Some(ended),
            Part::Continued(continued) => self.continued = Some(continued),
            Part::Told(_) => self.told = true,
            Part::Begin(begin) => self.records.push(Record {
                begin,
                ..Record::default()
            }),
            Part::Unknown => self.skipped += 1,
            part => match self.records.last_mut() {
                Some(record) => record.take(part),
                None => self.skipped += 1,
            },
        }
    }

    /// The record that is shown: the last, or a complete one where the last is not and another is.
    pub fn last_record(&self) -> Option<&Record> {
        let complete = self.records.iter().rev().find(|one| one.complete.is_some());
        match self.records.last() {
            Some(last) if last.tracebacks.is_empty() => complete.or(Some(last)),
            last => last,
        }
    }
}

impl Record {
    /// Takes a part of it; what is more than any supervisor writes is passed over.
    fn take(&mut self, part: Part) {
        match part {
            Part::Memory(memory) => self.memory = Some(memory),
            Part::Curve(mut curve) => {
                curve.samples.truncate(MAX_PARTS);
                self.curve = curve;
            }
            Part::Released(released) => push(&mut self.released, released),
            Part::Decision(decision) => push(&mut self.decisions, decision.text),
            Part::Process(process) => push(&mut self.processes, process),
            Part::Python(python) => {
                // it had become another program, and was read anew
                let is_anew =
                    |dump: &ProcessDump| dump.pid == python.pid && dump.threads.is_empty();
                if self.tracebacks.last().is_some_and(is_anew) {
                    self.tracebacks.pop();
                }
                push(&mut self.tracebacks, begin_traceback(python));
            }
            Part::Thread(Thread { pid, thread }) => {
                if let Some(dump) = self.traceback_of(pid) {
                    push(&mut dump.threads, thread);
                }
            }
            Part::Read(read) => {
                if let Some(dump) = self.traceback_of(read.pid) {
                    dump.threads_torn = read.threads_torn;
                    dump.error = read.error;
                }
            }
            Part::Complete(complete) => self.complete = Some(complete),
            Part::Pss(pss) => self.pss.extend(pss.sizes),
            _ => {}
        }
    }

    fn traceback_of(&mut self, pid: i32) -> Option<&mut ProcessDump> {
        let mut latest_first = self.tracebacks.iter_mut().rev();
        latest_first.find(|dump| dump.pid == pid)
    }

    fn tidy(&mut self) {
        for dump in &mut self.tracebacks {
            tidy_threads(dump.pid, &mut dump.threads);
        }
    }

    /// The process that grows, or the largest.
    pub fn growing(&self) -> Option<&ProcessNow> {
        let marked = self.processes.iter().rev().find(|process| process.growing);
        marked.or_else(|| self.processes.iter().max_by_key(|process| process.rss_anon))
    }
}
