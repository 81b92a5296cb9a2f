//! A record in a few lines, for the termination log and the log's one line.

use std::fmt::Write;
use std::path::Path;

use dunnage_python::{Gil, ThreadDump};

use super::RecordRequest;
use crate::record::{ProcessNow, share, shown_bytes, shown_time};

/// How much kubelet keeps of a container, less the mark that the termination log begins with.
const MAX_TEXT: usize = 4000;

/// The most calls of the traceback that are shown.
const MAX_CALLS: usize = 16;

/// The most characters of a name.
const MAX_NAME: usize = 160;

/// The thread that tells most of why a process grows.
#[derive(Debug, Default)]
pub struct Best {
    best: Option<(u8, ThreadDump)>,
    growing: Option<i32>,
}

impl Best {
    /// Of a process of which one thread is known to touch new memory, or none.
    pub fn of(growing: Option<i32>) -> Self {
        Self {
            best: None,
            growing,
        }
    }

    /// Looks at a thread of the process.
    pub fn offer(&mut self, pid: i32, thread: &ThreadDump) {
        let is_growing = thread.tid.is_some() && thread.tid == self.growing;
        let rank = if is_growing && !thread.frames.is_empty() {
            0
        } else {
            rank(pid, thread)
        };
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.best = Some((rank, thread.clone()));
        }
    }

    /// The thread.
    pub fn thread(&self) -> Option<&ThreadDump> {
        self.best.as_ref().map(|(_, thread)| thread)
    }
}

/// Who works before who waits. One that holds the GIL and runs makes objects; one that runs without it is in C code.
fn rank(pid: i32, thread: &ThreadDump) -> u8 {
    let runs = thread.state == Some('R');
    let holds = thread.gil == Some(Gil::Holds);
    match (thread.frames.is_empty(), holds, runs) {
        (true, _, _) => 6,
        (_, true, true) => 1,
        (_, false, true) => 2,
        (_, true, false) => 3,
        _ if thread.tid == Some(pid) => 4,
        _ => 5,
    }
}

/// `shop/report.py:41 in build, calling concat (…/reshape/concat.py:395)`: the innermost call of the application's own
/// code, and what of a library that has led to.
pub fn whereabouts(thread: &ThreadDump) -> Option<String> {
    let own = thread
        .frames
        .iter()
        .position(|frame| !is_library(&frame.file));
    let frame = thread.frames.get(own.unwrap_or(0))?;
    let mut text = place(&frame.file, frame.line);
    let _ = write!(text, " in {}", printable(&frame.function));
    if let Some(inner) = thread.frames.first().filter(|_| own.unwrap_or(0) > 0) {
        let place = place(&inner.file, inner.line);
        let _ = write!(text, ", calling {} ({place})", printable(&inner.function));
    }
    Some(text)
}

/// `shop/report.py:41 in build (python -m shop (17), MainThread)`.
pub(super) fn headline(command: &str, pid: i32, thread: &ThreadDump) -> Option<String> {
    let place = whereabouts(thread)?;
    let name = thread.name.as_deref().unwrap_or("a thread without a name");
    Some(format!(
        "{place} ({} ({pid}), {})",
        printable(command),
        printable(name)
    ))
}

/// `python -m shop (17) was not read: the process ended before it could be read`.
pub(super) fn unread(process: &ProcessNow, reason: &str) -> String {
    let command = printable(&process.command);
    format!("{command} ({}) was not read: {reason}", process.pid)
}

/// Whether a file is the standard library's or an installed package's.
fn is_library(file: &str) -> bool {
    let python = || file.split('/').any(|part| part.starts_with("python3."));
    file.starts_with("<frozen")
        || file.contains("/site-packages/")
        || file.contains("/dist-packages/")
        || (file.contains("/lib/") && python())
}

/// The file's last three names, and the line.
fn place(file: &str, line: Option<u32>) -> String {
    let names: Vec<_> = Path::new(file).iter().collect();
    let short = match names.get(names.len().saturating_sub(3)..) {
        Some(last) if names.len() > 4 => {
            let last: std::path::PathBuf = last.iter().collect();
            format!("…/{}", last.display())
        }
        _ => file.to_owned(),
    };
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    format!("{}{line}", printable(&short))
}

/// What a process calls itself must not steer a terminal, nor fill a line.
fn printable(text: &str) -> String {
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.take(MAX_NAME).collect()
}

/// The lines for the termination log.
pub fn text(
    request: &RecordRequest,
    time: &str,
    growing: Option<&ProcessNow>,
    best: &Best,
    unread: Option<&str>,
    path: Option<&Path>,
) -> String {
    let mut text = String::with_capacity(MAX_TEXT);
    let memory = &request.memory;
    let working_set = memory.working_set.or(memory.usage);
    let _ = write!(
        text,
        "memory record {} at {}: the working set is {}",
        request.number,
        shown_time(time),
        working_set.map_or_else(
            || "unknown".to_owned(),
            |bytes| share(bytes, request.capacity)
        )
    );
    if request.rate > 0.0 {
        let _ = write!(text, " and grows by {}/s", shown_bytes(request.rate as u64));
    }
    if let Some(left) = request.time_to_limit {
        let _ = write!(text, ", at the limit in {:.1} s", left.as_secs_f64());
    }
    text.push_str("\nof it ");
    let kinds = [
        ("anon", memory.anon),
        ("files", memory.file),
        ("of these shared or tmpfs", memory.shmem),
        ("kernel", memory.kernel),
        ("swap", memory.swap),
    ];
    let kinds = kinds
        .iter()
        .filter_map(|(name, bytes)| Some(format!("{name} {}", shown_bytes((*bytes)?))));
    text.push_str(&kinds.collect::<Vec<_>>().join(", "));
    text.push('\n');
    if let Some(process) = growing {
        write_process(&mut text, process);
    }
    if let Some(thread) = best.thread() {
        write_thread(&mut text, thread);
    }
    if let Some(reason) = unread {
        let _ = writeln!(
            text,
            "its threads were not read, or not all: {}",
            printable(reason)
        );
    }
    for decision in &request.decisions {
        let _ = writeln!(text, "{}", printable(decision));
    }
    if let Some(path) = path {
        let path = path.display();
        let _ = writeln!(text, "the whole record: {path} (dunnage report {path})");
    }
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text.trim_end().to_owned()
}

fn write_process(text: &mut String, process: &ProcessNow) {
    let _ = write!(text, "{} ({})", printable(&process.command), process.pid);
    if let Some(rss) = process.rss_anon {
        let _ = write!(text, ", {}", shown_bytes(rss));
    }
    if let (Some(grew @ 1..), Some(passed)) = (process.grew, process.grew_ms) {
        let (grew, passed) = (shown_bytes(grew.unsigned_abs()), passed as f64 / 1000.0);
        let _ = write!(text, ", {grew} more than {passed:.1} s ago");
    }
    let _ = writeln!(text, ", {} threads", process.threads);
}

fn write_thread(text: &mut String, thread: &ThreadDump) {
    let name = thread.name.as_deref().unwrap_or("?");
    let torn = if thread.torn { ", torn" } else { "" };
    let _ = writeln!(
        text,
        "thread {}{torn}, innermost call first:",
        printable(name)
    );
    for frame in thread.frames.iter().take(MAX_CALLS) {
        let place = place(&frame.file, frame.line);
        let _ = writeln!(text, "  {} in {}", place, printable(&frame.function));
    }
    let more = thread.frames.len().saturating_sub(MAX_CALLS);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more calls");
    }
}
