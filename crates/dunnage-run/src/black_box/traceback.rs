//! The tracebacks of one process of a record, or why there are none: a record must not look as if there were nothing to see
//! where nothing could be seen.

use dunnage_python::{Error, ThreadDump, shorten};

use super::book::{Known, Reader};
use super::headroom::Headroom;
use super::pen::Pen;
use super::words::Best;
use crate::procfs::{is_still, read_rss_anon};
use crate::record::{Part, Python, Read, Thread};

/// What stands where the traceback of a process would, if it ended meanwhile.
const ENDED_MEANWHILE: &str = "the process ended while it was read";

/// What stands there if it lives, and no thread of it is in Python.
const NO_THREAD: &str = "no thread of it is in Python: it is starting or ending";

/// Writes the tracebacks of a Python; why there are none, or not all.
pub(super) fn write_traceback(
    known: &mut Known,
    room: usize,
    pen: &mut Pen,
    best: &mut Best,
) -> Option<String> {
    if !known.is_python() {
        return None;
    }
    let mut read = read_threads(known, room, pen, best);
    if read.is_err() && best.thread().is_none() && is_still(known.process.identity) {
        // the program may have become another one since it was looked at
        known.look_again();
        if known.is_python() {
            read = read_threads(known, room, pen, best);
        }
    }
    let saw_any = best
        .thread()
        .is_some_and(|thread| !thread.frames.is_empty());
    let (threads_torn, error) = match read {
        // what of it was read before its end is real, but it may be next to nothing
        // where there is no room to look, what was read to its end was there
        Ok(threads_torn) if saw_any && pen.headroom.is_short() => (threads_torn, None),
        _ if has_ended(known, &mut pen.headroom) => (true, Some(ENDED_MEANWHILE.to_owned())),
        Ok(threads_torn) if saw_any => (threads_torn, None),
        Ok(threads_torn) => (threads_torn, Some(NO_THREAD.to_owned())),
        Err(error) => (false, Some(error)),
    };
    pen.put_end(&Part::Read(Read {
        pid: known.process.identity.pid,
        threads_torn,
        error: error.clone(),
    }));
    error
}

/// Whether a process has ended, or is ending: its memory goes first. Looks when there is room.
fn has_ended(known: &Known, headroom: &mut Headroom) -> bool {
    headroom.wait();
    let identity = known.process.identity;
    let rss = read_rss_anon(identity.pid, &mut Vec::with_capacity(256));
    !is_still(identity) || rss.is_none_or(|bytes| bytes == 0)
}

/// Its version and whether it has a GIL, where that is known.
pub(super) fn describe_python(known: &Known) -> (Option<String>, Option<bool>) {
    match known.reader() {
        Reader::Python(target) => (Some(target.version().to_string()), Some(true)),
        _ => (None, None),
    }
}

fn read_threads(
    known: &Known,
    room: usize,
    pen: &mut Pen,
    best: &mut Best,
) -> Result<bool, String> {
    let pid = known.process.identity.pid;
    let target = match known.reader() {
        Reader::Python(target) => Ok(target),
        Reader::Unreadable(reason) => Err(reason.clone()),
        Reader::Unknown | Reader::Other => return Ok(false),
    };
    let (version, gil) = describe_python(known);
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
