//! Taking a record, in the order of what would be missed most if the kernel killed in the middle: the memory, the process
//! that grows and its tracebacks, the other processes, their tracebacks by size.

use std::path::Path;
use std::time::{Duration, Instant};

use super::book::{Known, MAX_PYTHONS, Reader};
use super::pen::{MAX_RECORD, Pen};
use super::traceback::{describe_python, write_traceback};
use super::words::{self, Best};
use super::worker::Worker;
use super::{Answer, RecordRequest, Recorded};
use crate::procfs::read_pss;
use crate::record::{
    Begin, Complete, Curve, Decision, Part, ProcessNow, Pss, Python, Read, Released, Writer, now,
};
use crate::termination_log;

/// The most points of the curve.
const MAX_POINTS: usize = 600;

/// The most lines of what was given back, and of decisions, and the most characters of one of their texts.
const MAX_LINES: usize = 64;
const MAX_TEXT: usize = 400;

/// What stands where the traceback of a process would, if it ended before.
const ENDED_BEFORE: &str = "the process ended before it could be read";

/// The time for all proportional sizes, and what a GiB of resident memory takes of it.
const PSS_TIME: Duration = Duration::from_millis(20);
const PSS_TIME_PER_GIB: f64 = 0.012;

/// What is known of the record while it is taken.
#[derive(Default)]
struct Story {
    time: String,
    growing: Option<ProcessNow>,
    best: Best,
    /// Why the growing process was not read, or not to the end.
    unread: Option<String>,
}

impl Story {
    /// The lines for the termination log.
    fn text(&self, request: &RecordRequest, path: Option<&Path>) -> String {
        let growing = self.growing.as_ref();
        let unread = self.unread.as_deref();
        words::text(request, &self.time, growing, &self.best, unread, path)
    }
}

impl Worker {
    /// Takes a record and answers when its `complete` stands; what takes long and matters less comes after.
    pub(super) fn take(&mut self, request: &RecordRequest, asked: Instant) {
        // out of `self` while the rest of it is used
        let (writer, headroom) = (self.writer.take(), std::mem::take(&mut self.headroom));
        let mut pen = Pen::new(writer, headroom, std::mem::take(&mut self.kept));
        let story = self.write_record(request, asked, &mut pen);
        let written = pen.finish();
        (self.writer, self.headroom, self.kept) = (written.writer, written.headroom, written.kept);
        self.records += 1;
        self.answer(request, asked, &story, written.is_whole, written.error);
        self.write_pss(request.number);
        self.make_room(MAX_RECORD as u64);
    }

    fn write_record(&mut self, request: &RecordRequest, asked: Instant, pen: &mut Pen) -> Story {
        let mut story = Story {
            time: now(),
            growing: None,
            best: Best::default(),
            unread: None,
        };
        write_head(request, &story.time, pen);
        let measured = Instant::now();
        let book = &mut self.book;
        let suspect = book.find_growing(measured);
        let suspect = suspect.and_then(|index| book.processes.get(index));
        let suspect = suspect.map(|known| known.process.identity);
        let mut ended = book.measure(measured, &mut pen.headroom);
        // the kernel may have been faster
        let lost = ended
            .iter()
            .position(|known| Some(known.process.identity) == suspect && !book.grows(measured))
            .map(|index| ended.remove(index));
        let is_lost = lost.is_some();
        let mut read = Vec::new();
        if let Some(known) = lost {
            write_ended(known, true, measured, pen, &mut story);
        } else if let Some(known) = book.find_growing(measured)
            && let Some(known) = book.processes.get_mut(known)
        {
            write_growing(known, measured, pen, &mut story);
            read.push(known.process.identity);
        }
        if story.growing.is_some() && !pen.headroom.is_short() {
            self.write_termination_log(request, &story, pen.path().as_deref());
        }
        self.book
            .refresh(self.settings.supervisor, measured, &mut pen.headroom);
        // one that was not known before may have grown more
        let again = self.book.find_growing(measured);
        let again = again.filter(|_| !is_lost || self.book.grows(measured));
        let again = again.and_then(|index| self.book.processes.get_mut(index));
        if let Some(known) = again.filter(|known| !read.contains(&known.process.identity)) {
            write_growing(known, measured, pen, &mut story);
            read.push(known.process.identity);
        }
        let mut unread = self.book.count_unknown_pythons();
        let others = self.book.processes.iter_mut();
        let mut others: Vec<_> = others
            .filter(|known| !read.contains(&known.process.identity))
            .collect();
        for known in &others {
            pen.put(&Part::Process(known.describe(false, false, measured)));
        }
        for known in ended {
            write_ended(known, false, measured, pen, &mut Story::default());
        }
        others.retain(|known| known.is_python());
        unread += others.len().saturating_sub(MAX_PYTHONS);
        others.truncate(MAX_PYTHONS);
        let mut left = others.len();
        for known in others {
            let room = pen.left() / left.max(1);
            let _ = write_traceback(known, room, pen, &mut Best::default());
            left -= 1;
        }
        pen.put_end(&Part::Complete(Complete {
            number: request.number,
            took_usec: u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX),
            left_out: pen.left_out(),
            processes_left_out: u32::try_from(self.book.left_out).unwrap_or(u32::MAX),
            pythons_left_out: u32::try_from(unread).unwrap_or(u32::MAX),
        }));
        story
    }

    fn answer(
        &mut self,
        request: &RecordRequest,
        asked: Instant,
        story: &Story,
        is_whole: bool,
        mut error: Option<std::io::Error>,
    ) {
        let took = asked.elapsed();
        if self.writer.as_ref().is_some_and(Writer::is_gone) {
            error = Some(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the file was removed",
            ));
        }
        let path = self.writer.as_ref().map(Writer::path);
        if let (Some(error), Some(path)) = (&error, &path) {
            self.complain(path, error);
        }
        let path = path.filter(|_| error.is_none());
        let file = self.writer.as_ref().map(Writer::path);
        self.write_termination_log(request, story, file.as_deref());
        let growing = story.growing.as_ref();
        self.post.send(Answer::Recorded(Box::new(Recorded {
            number: request.number,
            complete: is_whole && error.is_none(),
            took,
            headline: growing.and_then(|process| {
                let thread = story.best.thread();
                let place =
                    thread.and_then(|it| words::headline(&process.command, process.pid, it));
                place.or_else(|| Some(words::unread(process, story.unread.as_deref()?)))
            }),
            text: story.text(request, path.as_deref()),
            path,
            error: error.map(|error| error.to_string()),
        })));
    }

    /// Writes it as soon as there is something to tell: the kernel may be next.
    fn write_termination_log(&self, request: &RecordRequest, story: &Story, file: Option<&Path>) {
        let Some(log) = &self.settings.termination_log else {
            return;
        };
        let text = story.text(request, file);
        // the loop writes there at the end, and says so then if it cannot be done
        let _ = termination_log::write(log, &text);
    }

    fn write_pss(&mut self, number: u32) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let until = Instant::now() + PSS_TIME;
        let (mut sizes, mut buffer) = (Vec::new(), Vec::new());
        for known in &self.book.processes {
            let gib = known.rss.unwrap_or(0) as f64 / f64::from(1_u32 << 30);
            let takes = Duration::from_secs_f64(gib * PSS_TIME_PER_GIB);
            if Instant::now() + takes < until {
                let pid = known.process.identity.pid;
                sizes.extend(read_pss(pid, &mut buffer).map(|bytes| (pid, bytes)));
            }
        }
        let _ = writer.put(&Part::Pss(Pss { number, sizes }));
    }
}

fn write_head(request: &RecordRequest, time: &str, pen: &mut Pen) {
    let throttling = request.throttling;
    let pressure = request.pressure.unwrap_or_default();
    let begin = Begin {
        number: request.number,
        time: time.to_owned(),
        why: request.why.to_owned(),
        capacity: request.capacity,
        bytes_per_second: if request.rate.is_finite() {
            request.rate
        } else {
            0.0
        },
        ms_to_limit: request.time_to_limit.map(crate::setup::milliseconds),
        throttled: throttling.map(|counted| counted.throttled),
        periods: throttling.map(|counted| counted.periods),
        throttled_usec: throttling.map(|counted| counted.throttled_usec),
        ..Begin::default()
    };
    pen.put(&Part::Begin(
        begin.with_pressure(pressure.some, pressure.full),
    ));
    pen.put(&Part::Memory((&request.memory).into()));
    let step = request.samples.len().div_ceil(MAX_POINTS).max(1);
    // counted from the end: the last one is the one that matters
    let mut samples: Vec<_> = request
        .samples
        .iter()
        .rev()
        .step_by(step)
        .copied()
        .collect();
    samples.reverse();
    pen.put(&Part::Curve(Curve { samples }));
    for released in request.released.iter().take(MAX_LINES) {
        let notes = released.notes.iter().take(8).map(|note| cut(note));
        pen.put(&Part::Released(Released {
            notes: notes.collect(),
            ..*released
        }));
    }
    for text in request.decisions.iter().take(MAX_LINES) {
        pen.put(&Part::Decision(Decision { text: cut(text) }));
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// The process that grows gets half of the room.
fn write_growing(known: &mut Known, measured: Instant, pen: &mut Pen, story: &mut Story) {
    if matches!(known.reader(), Reader::Unknown) {
        // of very many Pythons only the largest are known beforehand
        known.look_again();
    }
    let looks = !pen.headroom.is_short();
    let process = known.describe(true, looks, measured);
    pen.put(&Part::Process(process.clone()));
    story.best = Best::of(process.thread);
    story.growing = Some(process);
    story.unread = write_traceback(known, pen.left() / 2, pen, &mut story.best);
}

/// One of which nothing but its end is known.
fn write_ended(known: Known, growing: bool, measured: Instant, pen: &mut Pen, story: &mut Story) {
    let (version, gil) = describe_python(&known);
    let process = known.describe_ended(growing, measured);
    let (pid, command) = (process.pid, process.command.clone());
    pen.put(&Part::Process(process.clone()));
    pen.put(&Part::Python(Python {
        pid,
        command,
        version,
        gil,
    }));
    pen.put_end(&Part::Read(Read {
        pid,
        threads_torn: false,
        error: Some(ENDED_BEFORE.to_owned()),
    }));
    story.growing = Some(process);
    story.unread = Some(ENDED_BEFORE.to_owned());
}
