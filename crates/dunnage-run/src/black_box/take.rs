//! Taking a record, in the order of what would be missed most if the kernel killed in the middle: the memory, the process
//! that grows and its tracebacks, the other processes, their tracebacks by size.

use std::time::{Duration, Instant};

use dunnage_python::{Error, ThreadDump, shorten};

use super::book::{Known, MAX_PYTHONS, Reader};
use super::words::{self, Best};
use super::worker::Worker;
use super::{Answer, RecordRequest, Recorded};
use crate::procfs::read_pss;
use crate::record::{
    Begin, Complete, Curve, Decision, Part, ProcessNow, Pss, Python, Read, Released, Thread,
    Writer, encode, now,
};
use crate::termination_log;

/// The most bytes of a record.
pub const MAX_RECORD: usize = 512 << 10;

/// What of them only the lines that end something may use.
const RESERVE: usize = 16 << 10;

/// The most points of the curve.
const MAX_POINTS: usize = 600;

/// The most lines of what was given back, and of decisions, and the most characters of one of their texts.
const MAX_LINES: usize = 64;
const MAX_TEXT: usize = 400;

/// The time for all proportional sizes, and what a GiB of resident memory takes of it.
const PSS_TIME: Duration = Duration::from_millis(20);
const PSS_TIME_PER_GIB: f64 = 0.012;

/// The record on its way to the file: never more than [`MAX_RECORD`], and nothing after the first failure.
struct Pen<'w> {
    writer: Option<&'w mut Writer>,
    left: usize,
    left_out: u32,
    error: Option<std::io::Error>,
}

impl Pen<'_> {
    fn put(&mut self, part: &Part) {
        self.put_keeping(part, RESERVE);
    }

    /// Writes a line that ends something.
    fn put_end(&mut self, part: &Part) {
        self.put_keeping(part, 0);
    }

    fn put_keeping(&mut self, part: &Part, reserve: usize) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let line = match encode(part) {
            Ok(line) if line.len() + reserve <= self.left => line,
            _ => {
                self.left_out += 1;
                return;
            }
        };
        self.left -= line.len();
        if let Err(error) = writer.put_line(&line) {
            self.error = Some(error);
            self.writer = None;
        }
    }

    fn room(&self) -> usize {
        self.left.saturating_sub(RESERVE)
    }
}

/// What is known of the record while it is taken.
struct Story {
    time: String,
    growing: Option<ProcessNow>,
    best: Best,
}

impl Worker {
    /// Takes a record and answers when its `complete` stands; what takes long and matters less comes after.
    pub(super) fn take(&mut self, request: &RecordRequest, asked: Instant) {
        let room = self.writer.as_ref().map_or(MAX_RECORD as u64, Writer::room);
        // out of `self` while the rest of it is used
        let mut writer = self.writer.take();
        let mut pen = Pen {
            left: MAX_RECORD.min(usize::try_from(room).unwrap_or(0)),
            writer: writer.as_mut(),
            left_out: 0,
            error: None,
        };
        let story = self.write_record(request, asked, &mut pen);
        let (error, is_whole) = (pen.error.take(), pen.left_out == 0);
        self.records += 1;
        self.writer = writer;
        self.answer(request, asked, &story, is_whole, error);
        self.write_pss(request.number);
        self.make_room(MAX_RECORD as u64);
    }

    fn write_record(
        &mut self,
        request: &RecordRequest,
        asked: Instant,
        pen: &mut Pen<'_>,
    ) -> Story {
        let mut story = Story {
            time: now(),
            growing: None,
            best: Best::default(),
        };
        write_head(request, &story.time, pen);
        let measured = Instant::now();
        self.book.measure(measured);
        let mut first = self.book.find_growing(measured);
        if let Some(known) = first.and_then(|index| self.book.processes.get_mut(index)) {
            write_growing(known, measured, pen, &mut story);
            self.write_termination_log(request, &story);
        }
        let done = first
            .take()
            .and_then(|index| self.book.processes.get(index))
            .map(|known| known.process.identity);
        self.book.refresh(self.settings.supervisor, measured);
        // one that was not known before may have grown more
        let again = self.book.find_growing(measured);
        let again = again.and_then(|index| self.book.processes.get_mut(index));
        let mut read = Vec::from_iter(done);
        if let Some(known) = again.filter(|known| Some(known.process.identity) != done) {
            write_growing(known, measured, pen, &mut story);
            read.push(known.process.identity);
        }
        let others = self.book.processes.iter_mut();
        let mut others: Vec<_> = others
            .filter(|known| !read.contains(&known.process.identity))
            .collect();
        for known in &others {
            pen.put(&Part::Process(known.describe(false, measured)));
        }
        others.retain(|known| known.is_python());
        others.truncate(MAX_PYTHONS);
        let mut left = others.len();
        for known in others {
            write_traceback(known, pen.room() / left.max(1), pen, &mut Best::default());
            left -= 1;
        }
        pen.put_end(&Part::Complete(Complete {
            number: request.number,
            took_usec: u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX),
            left_out: pen.left_out,
            processes_left_out: u32::try_from(self.book.left_out).unwrap_or(u32::MAX),
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
        self.write_termination_log(request, story);
        let growing = story.growing.as_ref();
        self.post.send(Answer::Recorded(Box::new(Recorded {
            number: request.number,
            complete: is_whole && error.is_none(),
            took,
            headline: growing
                .zip(story.best.thread())
                .and_then(|(process, thread)| {
                    words::headline(&process.command, process.pid, thread)
                }),
            text: words::text(request, &story.time, growing, &story.best, path.as_deref()),
            path,
            error: error.map(|error| error.to_string()),
        })));
    }

    /// Writes it as soon as there is something to tell: the kernel may be next.
    fn write_termination_log(&mut self, request: &RecordRequest, story: &Story) {
        let Some(log) = &self.settings.termination_log else {
            return;
        };
        let path = self.writer.as_ref().map(Writer::path);
        let growing = story.growing.as_ref();
        let text = words::text(request, &story.time, growing, &story.best, path.as_deref());
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

fn write_head(request: &RecordRequest, time: &str, pen: &mut Pen<'_>) {
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
fn write_growing(known: &mut Known, measured: Instant, pen: &mut Pen<'_>, story: &mut Story) {
    let process = known.describe(true, measured);
    pen.put(&Part::Process(process.clone()));
    story.best = Best::of(process.thread);
    story.growing = Some(process);
    write_traceback(known, pen.room() / 2, pen, &mut story.best);
}

fn write_traceback(known: &mut Known, room: usize, pen: &mut Pen<'_>, best: &mut Best) {
    let error = match read_threads(known, room, pen, best) {
        // the program may have become another one since it was looked at
        Err(_) if known.is_python() && best.thread().is_none() => {
            known.look_again();
            read_threads(known, room, pen, best)
        }
        read => read,
    };
    if !known.is_python() {
        return;
    }
    let pid = known.process.identity.pid;
    pen.put_end(&Part::Read(match error {
        Ok(threads_torn) => Read {
            pid,
            threads_torn,
            error: None,
        },
        Err(error) => Read {
            pid,
            threads_torn: false,
            error: Some(error),
        },
    }));
}

fn read_threads(
    known: &Known,
    room: usize,
    pen: &mut Pen<'_>,
    best: &mut Best,
) -> Result<bool, String> {
    let pid = known.process.identity.pid;
    let (version, gil, target) = match known.reader() {
        Reader::Python(target) => (Some(target.version().to_string()), Some(true), Ok(target)),
        Reader::Unreadable(reason) => (None, None, Err(reason.clone())),
        Reader::Unknown | Reader::Other => return Ok(false),
    };
    pen.put(&Part::Python(Python {
        pid,
        command: known.command.clone(),
        version,
        gil,
    }));
    let mut room = Room::new(room, known.process.threads);
    let read = target?.dump_each(|mut thread| {
        room.fit(&mut thread);
        best.offer(pid, &thread);
        pen.put(&Part::Thread(Thread { pid, thread }));
    });
    read.map_err(|error: Error| error.to_string())
}

/// A process's room, shared among its threads: half of it for the first, which holds the GIL, the rest evenly.
struct Room {
    left: usize,
    threads: usize,
    is_first: bool,
}

impl Room {
    fn new(bytes: usize, threads: u32) -> Self {
        Self {
            left: bytes,
            threads: threads as usize,
            is_first: true,
        }
    }

    fn fit(&mut self, thread: &mut ThreadDump) {
        let share = if std::mem::take(&mut self.is_first) {
            self.left / 2
        } else {
            self.left / self.threads.max(1)
        };
        let mut left = share;
        shorten(thread, &mut left);
        self.left -= share - left;
        self.threads = self.threads.saturating_sub(1);
    }
}
