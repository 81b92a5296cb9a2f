//! The report as text.

use std::fmt::Write;

use dunnage_python::render::render_text;
use dunnage_run::record::{MemoryNow, ProcessNow, Record, share, shown_bytes, shown_time};

use super::curve::Picture;
use super::{Report, Style, printable};

/// The width of running text.
const WIDTH: usize = 100;

/// The most processes that are listed, and lines of what was done.
const MAX_ROWS: usize = 64;

impl Report<'_> {
    pub(super) fn render_text(&self, style: Style) -> String {
        let mut text = String::new();
        let heading = |text: &mut String, title: &str| {
            let (on, off) = if style.bold {
                ("\u{1b}[1m", "\u{1b}[0m")
            } else {
                ("", "")
            };
            let _ = writeln!(text, "\n{on}{title}{off}");
        };
        let _ = writeln!(text, "{}", self.title());
        let _ = writeln!(text, "  {}", self.source());
        heading(&mut text, "In short");
        text.push_str(&wrap(&self.reading()));
        let Some(record) = self.record else {
            return text;
        };
        if let Some(picture) = Picture::new(&record.curve.samples, record.begin.capacity) {
            heading(&mut text, "The working set");
            text.push_str(&picture.render_text(style.unicode));
        }
        heading(&mut text, "Memory");
        write_memory(&mut text, record);
        if !record.processes.is_empty() {
            heading(&mut text, "Processes (* grows the most)");
            write_processes(&mut text, record);
        }
        let done = done(record);
        if !done.is_empty() {
            heading(&mut text, "What was done");
            for line in done {
                let _ = writeln!(text, "  {line}");
            }
        }
        if !record.tracebacks.is_empty() {
            heading(&mut text, "Tracebacks");
            // its own names are made harmless there, but for what turns the writing direction
            let rendered = render_text(&record.tracebacks);
            for line in rendered.lines() {
                let _ = writeln!(text, "{}", printable(line));
            }
        }
        text
    }

    /// One line: which record of what.
    pub(super) fn title(&self) -> String {
        let run = self.file.run.clone().unwrap_or_default();
        let command = Some(printable(&run.command)).filter(|command| !command.is_empty());
        let command = command.unwrap_or_else(|| "an unknown application".to_owned());
        let host = run
            .host
            .map_or_else(String::new, |host| format!(" on {}", printable(&host)));
        match self.record {
            Some(record) => {
                let time = printable(&shown_time(&record.begin.time));
                let why = why(&record.begin.why);
                format!(
                    "Memory record {} of {command}{host}, {time}: {why}",
                    record.begin.number
                )
            }
            None => format!("No memory record of {command}{host}"),
        }
    }

    /// Where it comes from and what is the matter with it.
    pub(super) fn source(&self) -> String {
        let mut parts = vec![printable(&self.path)];
        match self.file.records.len() {
            0 | 1 => {}
            count => parts.push(format!("{count} records (--record N shows another)")),
        }
        if let Some(record) = self.record {
            parts.push(match &record.complete {
                Some(complete) => format!(
                    "complete after {:.1} ms",
                    complete.took_usec as f64 / 1000.0
                ),
                None => "breaks off: it was still being written".to_owned(),
            });
        }
        if self.file.skipped > 0 {
            parts.push(format!("{} lines not understood", self.file.skipped));
        }
        parts.join("; ")
    }
}

/// The reason of a record in words.
fn why(why: &str) -> String {
    match why {
        "level" => "memory had become short".to_owned(),
        "growth" => "memory grew fast towards the limit".to_owned(),
        "limit_hit" => "the limit was met".to_owned(),
        "brink" => "memory was at the brink".to_owned(),
        other => printable(other),
    }
}

/// What is known of the memory: a name, a size, a remark.
pub(super) fn memory_rows(record: &Record) -> Vec<(&'static str, String, String)> {
    let memory = record.memory.unwrap_or_default();
    let MemoryNow {
        limit,
        usage,
        working_set,
        anon,
        file,
        shmem,
        kernel,
        swap,
    } = memory;
    let capacity = record.begin.capacity;
    let of_capacity =
        |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| share(bytes, capacity));
    let rows = [
        ("working set", working_set, of_capacity(working_set)),
        ("usage", usage, "with all page cache".to_owned()),
        ("anon", anon, "what programs allocated".to_owned()),
        ("file", file, "page cache and tmpfs".to_owned()),
        (
            "shmem",
            shmem,
            "of it tmpfs and shared memory, which only removing frees".to_owned(),
        ),
        (
            "kernel",
            kernel,
            "the kernel's own for this container".to_owned(),
        ),
        ("swap", swap, String::new()),
        ("limit", limit, String::new()),
    ];
    rows.into_iter()
        .filter_map(|(name, bytes, remark)| Some((name, shown_bytes(bytes?), remark)))
        .collect()
}

/// Growth, pressure and throttling, a sentence each.
pub(super) fn circumstances(record: &Record) -> Vec<String> {
    let begin = &record.begin;
    let mut lines = Vec::new();
    if begin.bytes_per_second >= 1.0 {
        let left = begin.ms_to_limit.map_or_else(String::new, |ms| {
            format!(", full in {:.1} s at that rate", ms as f64 / 1000.0)
        });
        lines.push(format!(
            "grew by {}/s{left}",
            shown_bytes(begin.bytes_per_second as u64)
        ));
    } else {
        lines.push("did not grow".to_owned());
    }
    if let Some(some) = begin.pressure_some {
        let full = begin
            .pressure_full
            .map_or_else(String::new, |full| format!(", all of them in {full:.1} %"));
        lines.push(format!(
            "tasks waited for memory in {some:.1} % of the last 10 s{full}"
        ));
    }
    if let (Some(throttled @ 1..), Some(periods)) = (begin.throttled, begin.periods) {
        let time = begin.throttled_usec.map_or_else(String::new, |usec| {
            format!(", {:.1} s in all", usec as f64 / 1e6)
        });
        lines.push(format!(
            "the CPU quota stopped it in {throttled} of {periods} periods{time}"
        ));
    }
    lines
}

fn write_memory(text: &mut String, record: &Record) {
    for (name, size, remark) in memory_rows(record) {
        let line = format!("  {name:<12} {size:>9}  {remark}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for line in circumstances(record) {
        let _ = writeln!(text, "  {line}");
    }
}

/// A process as a row: id, size, growth, share, threads, command.
pub(super) fn process_row(record: &Record, process: &ProcessNow) -> [String; 6] {
    let grew = match (process.grew, process.grew_ms) {
        (Some(grew), Some(ms)) => {
            let sign = if grew < 0 { "-" } else { "+" };
            let seconds = ms as f64 / 1000.0;
            format!(
                "{sign}{} in {seconds:.1} s",
                shown_bytes(grew.unsigned_abs())
            )
        }
        _ => "?".to_owned(),
    };
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), shown_bytes);
    [
        process.pid.to_string(),
        known(process.rss_anon),
        grew,
        known(record.pss.get(&process.pid).copied()),
        process.threads.to_string(),
        printable(&process.command) + if process.ended { " (ended)" } else { "" },
    ]
}

pub(super) const PROCESS_HEAD: [&str; 6] = [
    "pid",
    "anonymous",
    "growth",
    "share (PSS)",
    "threads",
    "command",
];

/// How many Pythons were not read, where some were not.
pub(super) fn unread(record: &Record) -> Option<String> {
    let count = record.complete.as_ref()?.pythons_left_out;
    (count > 0).then(|| {
        format!("{count} more Python processes were not read: a record holds the tracebacks of 64")
    })
}

/// The processes that are listed, and how many are not.
pub(super) fn listed(record: &Record) -> (impl Iterator<Item = &ProcessNow>, usize) {
    let beyond = record
        .complete
        .as_ref()
        .map_or(0, |complete| complete.processes_left_out);
    let more = record.processes.len().saturating_sub(MAX_ROWS) + beyond as usize;
    (record.processes.iter().take(MAX_ROWS), more)
}

fn write_processes(text: &mut String, record: &Record) {
    let (processes, more) = listed(record);
    let mut rows = vec![PROCESS_HEAD.map(str::to_owned)];
    let mut marks = vec![' '];
    for process in processes {
        rows.push(process_row(record, process));
        marks.push(if process.growing { '*' } else { ' ' });
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3), width(4)];
    for (row, mark) in rows.iter().zip(marks) {
        text.push(mark);
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, " {cell:>width$} ");
        }
        let _ = writeln!(text, " {}", row[5]);
    }
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
    if let Some(unread) = unread(record) {
        let _ = writeln!(text, "  {unread}");
    }
}

/// What was given back and decided, a line each.
pub(super) fn done(record: &Record) -> Vec<String> {
    let released = record.released.iter().take(MAX_ROWS).map(|released| {
        let pinned = released
            .pinned
            .filter(|bytes| *bytes > 0)
            .map_or_else(String::new, |bytes| {
                format!(", {} is empty but pinned", shown_bytes(bytes))
            });
        let notes = released.notes.iter().take(8).map(|note| printable(note));
        let notes = notes.fold(String::new(), |notes, note| notes + "; " + &note);
        format!(
            "process {} gave back {} in {:.2} s{pinned}{notes}",
            released.pid,
            shown_bytes(released.rss),
            released.seconds
        )
    });
    let decisions = record
        .decisions
        .iter()
        .take(MAX_ROWS)
        .map(|decision| printable(decision));
    released.chain(decisions).collect()
}

/// Breaks running text into lines, and indents them.
fn wrap(text: &str) -> String {
    let mut lines = String::new();
    let mut length = WIDTH;
    for word in text.split_whitespace() {
        let size = word.chars().count() + 1;
        if length + size > WIDTH {
            lines.push_str(if lines.is_empty() { " " } else { "\n " });
            length = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        length += size;
    }
    lines.push('\n');
    lines
}
