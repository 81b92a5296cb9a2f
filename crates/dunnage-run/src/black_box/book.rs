//! The processes below the supervisor, known beforehand: how large they were, and how each Python among them is read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dunnage_policy::process::{Identity, Process};
use dunnage_python::{Error, Target};

use super::headroom::Headroom;
use crate::procfs::{
    describe, is_python, read_minor_faults, read_process_table_up_to, read_program, read_rss_anon,
};
use crate::record::ProcessNow;

/// The most processes that are known, the largest of them.
pub const MAX_PROCESSES: usize = 256;

/// The most Python processes of which tracebacks are read, the largest of them.
pub const MAX_PYTHONS: usize = 64;

/// The most processes of the namespace that one look takes in: some 100 ms.
const MAX_LOOKED_AT: usize = 4096;

/// How old a size must be to be measured against.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// The most threads of which it is known how much new memory they touch.
const MAX_THREADS: usize = 128;

/// Fewer new pages name no thread: a MiB of small ones.
const LEAST_FAULTS: u64 = 256;

/// The most Pythons that ended since the last look of which a record tells, the largest.
const MAX_ENDED: usize = 16;

/// Less is not called growth.
const LEAST_GROWTH: i64 = 1 << 20;

/// A process.
#[derive(Debug)]
pub struct Known {
    pub process: Process,
    /// What a person would call it.
    pub command: String,
    program: Vec<u8>,
    /// Anonymous resident memory in bytes.
    pub rss: Option<u64>,
    /// The last size that it had while it lived.
    held: Option<u64>,
    /// Two earlier sizes: the newer is replaced when it is old enough, and then is the older.
    marks: [Option<(Instant, u64)>; 2],
    /// The minor faults of its threads at the last look, of the process that grew then.
    faults: BTreeMap<i32, u64>,
    reader: Reader,
}

/// How a process is read.
#[derive(Debug)]
pub enum Reader {
    /// Nobody has looked, or it was starting.
    Unknown,
    /// A Python.
    Python(Box<Target>),
    /// Another program.
    Other,
    /// A Python that cannot be read, and why.
    Unreadable(String),
}

/// All of them, the largest first.
#[derive(Debug, Default)]
pub struct Book {
    pub processes: Vec<Known>,
    /// How many more there are.
    pub left_out: usize,
    buffer: Vec<u8>,
}

impl Book {
    /// Looks who is there and how large, and finds the interpreter in those that are new.
    ///
    /// Each of them waits for room: what is opened in `/proc` is charged.
    pub fn refresh(&mut self, supervisor: i32, now: Instant, headroom: &mut Headroom) {
        headroom.wait();
        let table = read_process_table_up_to(MAX_LOOKED_AT);
        let old = std::mem::take(&mut self.processes).into_iter();
        let mut old: BTreeMap<Identity, Known> =
            old.map(|known| (known.process.identity, known)).collect();
        for process in table.descendants(supervisor) {
            if !process.is_zombie() {
                headroom.wait();
                let mut known = old
                    .remove(&process.identity)
                    .unwrap_or_else(|| Known::new(process));
                known.process.clone_from(process);
                known.measure(&mut self.buffer, now);
                if !known.has_no_memory() {
                    self.processes.push(known);
                }
            }
        }
        self.processes
            .sort_by_key(|known| (std::cmp::Reverse(known.rss), known.process.identity));
        self.left_out = self.processes.len().saturating_sub(MAX_PROCESSES);
        self.processes.truncate(MAX_PROCESSES);
        let mut pythons = 0;
        for known in &mut self.processes {
            headroom.wait();
            known.look(pythons < MAX_PYTHONS);
            pythons += usize::from(known.is_python());
        }
        let growing = self.find_growing(now);
        if let Some(known) = growing.and_then(|index| self.processes.get_mut(index)) {
            let pid = known.process.identity.pid;
            headroom.wait();
            known.faults = read_minor_faults(pid, MAX_THREADS, &mut self.buffer);
        }
    }

    /// Measures those that are known, and no others; gives out the Pythons that have ended since the last look. Where there
    /// is no room, the sizes stay as they were.
    pub fn measure(&mut self, now: Instant, headroom: &mut Headroom) -> Vec<Known> {
        for known in &mut self.processes {
            if headroom.is_short() {
                break;
            }
            known.measure(&mut self.buffer, now);
        }
        let is_over = |known: &mut Known| known.rss.is_none() || known.has_no_memory();
        let over = self.processes.extract_if(.., is_over);
        let mut pythons: Vec<_> = over.filter(Known::is_python).collect();
        pythons.sort_by_key(|known| std::cmp::Reverse(known.held));
        pythons.truncate(MAX_ENDED);
        pythons
    }

    /// Whether any of them grows.
    pub fn grows(&self, now: Instant) -> bool {
        let mut all = self.processes.iter();
        all.any(|known| known.growth(now) >= LEAST_GROWTH)
    }

    /// How many look like Pythons and were not looked into.
    pub fn count_unknown_pythons(&self) -> usize {
        let unknown = self.processes.iter();
        let unknown = unknown.filter(|known| matches!(known.reader, Reader::Unknown));
        unknown.filter(|known| is_python(&known.process)).count()
    }

    /// The one that grew the most or, where none grew, the largest.
    pub fn find_growing(&self, now: Instant) -> Option<usize> {
        let all = || self.processes.iter().enumerate();
        let grown = all().max_by_key(|(_, known)| known.growth(now));
        let grown = grown.filter(|(_, known)| known.growth(now) >= LEAST_GROWTH);
        let largest = || all().max_by_key(|(_, known)| known.rss);
        grown.or_else(largest).map(|(index, _)| index)
    }
}

impl Known {
    fn new(process: &Process) -> Self {
        Self {
            process: process.clone(),
            command: String::new(),
            program: Vec::new(),
            rss: None,
            held: None,
            marks: [None; 2],
            faults: BTreeMap::new(),
            reader: Reader::Unknown,
        }
    }

    fn measure(&mut self, buffer: &mut Vec<u8>, now: Instant) {
        self.rss = read_rss_anon(self.process.identity.pid, buffer);
        let Some(rss) = self.rss.filter(|rss| *rss > 0) else {
            return;
        };
        self.held = Some(rss);
        let is_old = |mark: &(Instant, u64)| now.saturating_duration_since(mark.0) >= MARK_EVERY;
        if self.marks[0].as_ref().is_none_or(is_old) {
            self.marks = [Some((now, rss)), self.marks[0]];
        }
    }

    /// Whether it has given its memory back: it is ending, and may stay a while as a zombie.
    fn has_no_memory(&self) -> bool {
        self.rss == Some(0)
    }

    /// By how much it grew, and in what time; `None` where it was first seen now.
    pub fn grew(&self, now: Instant) -> Option<(i64, Duration)> {
        let (since, before) = self.marks[1].or(self.marks[0])?;
        let grew = self.rss?.cast_signed().saturating_sub(before.cast_signed());
        let passed = now.saturating_duration_since(since);
        Some((grew, passed)).filter(|_| !passed.is_zero())
    }

    /// By how much it grew; one that was not there before, by all that it has.
    fn growth(&self, now: Instant) -> i64 {
        let whole = self.rss.unwrap_or(0).cast_signed();
        self.grew(now).map_or(whole, |(grew, _)| grew)
    }

    /// Finds out what it is, if that is not known or it has become another program.
    fn look(&mut self, may_prepare: bool) {
        let pid = self.process.identity.pid;
        let program = read_program(pid);
        if self.command.is_empty() || program != self.program {
            self.program = program;
            self.command = describe(&self.process);
            self.reader = Reader::Unknown;
        }
        if may_prepare && matches!(self.reader, Reader::Unknown) {
            self.reader = prepare(&self.process);
        }
    }

    pub fn is_python(&self) -> bool {
        matches!(self.reader, Reader::Python(_) | Reader::Unreadable(_))
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Finds its interpreter anew: it may have become another Python by an exec that nothing else shows.
    pub fn look_again(&mut self) {
        self.reader = prepare(&self.process);
    }

    /// The thread that touched the most new memory since the last look, or since it began. Who holds the GIL at this
    /// moment may only be in between.
    pub fn find_growing_thread(&self) -> Option<i32> {
        let pid = self.process.identity.pid;
        let now = read_minor_faults(pid, MAX_THREADS, &mut Vec::with_capacity(512)).into_iter();
        let new = now.map(|(tid, count)| {
            let before = self.faults.get(&tid).copied().unwrap_or(0);
            (count.saturating_sub(before), tid)
        });
        let (count, tid) = new.max()?;
        (count >= LEAST_FAULTS).then_some(tid)
    }

    /// What a record says of one that has ended: it is measured no more.
    pub fn describe_ended(mut self, growing: bool, now: Instant) -> ProcessNow {
        self.rss = self.held;
        ProcessNow {
            ended: true,
            thread: None,
            growing,
            ..self.describe(false, false, now)
        }
    }

    /// What a record says of it. `looks` at its threads, if it grows.
    pub fn describe(&self, growing: bool, looks: bool, now: Instant) -> ProcessNow {
        let grew = self.grew(now);
        ProcessNow {
            pid: self.process.identity.pid,
            parent: self.process.parent,
            command: self.command.clone(),
            threads: self.process.threads,
            rss_anon: self.rss,
            grew: grew.map(|(bytes, _)| bytes),
            grew_ms: grew.map(|(_, passed)| crate::setup::milliseconds(passed)),
            growing,
            ended: false,
            thread: if growing && looks {
                self.find_growing_thread()
            } else {
                None
            },
        }
    }
}

fn prepare(process: &Process) -> Reader {
    match Target::prepare(process.identity.pid) {
        Ok(target) => Reader::Python(Box::new(target)),
        // it is starting or ending: looked at again next time
        Err(Error::Gone(_) | Error::NoInterpreter(_)) => Reader::Unknown,
        Err(Error::NotPython { .. }) => Reader::Other,
        // of those that may not be read only the name is known
        Err(Error::Refused { .. }) if !is_python(process) => Reader::Other,
        Err(error) => Reader::Unreadable(error.to_string()),
    }
}
