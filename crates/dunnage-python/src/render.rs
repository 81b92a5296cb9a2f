//! A dump as text, for a person on call.

use std::fmt::Write;

use crate::dump::{Gil, ProcessDump, ThreadDump};

/// The processes, one below another. Within a thread the innermost call comes first, as faulthandler prints it.
pub fn render_text(processes: &[ProcessDump]) -> String {
    let mut text = String::new();
    for (at, process) in processes.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        render_process(&mut text, process);
    }
    text
}

fn render_process(text: &mut String, process: &ProcessDump) {
    let command = process
        .command
        .as_deref()
        .unwrap_or("(command line unknown)");
    let _ = write!(text, "process {}: {}", process.pid, printable(command));
    if let Some(python) = &process.python {
        let _ = write!(text, " (CPython {python}");
        if process.gil == Some(false) {
            text.push_str(", free-threaded: there is no GIL");
        }
        text.push(')');
    }
    text.push('\n');
    for thread in &process.threads {
        render_thread(text, thread);
    }
    if let Some(error) = &process.error {
        let how_far = if process.threads.is_empty() {
            "not read"
        } else {
            "not read to the end"
        };
        let _ = writeln!(text, "  {how_far}: {}", printable(error));
        return;
    }
    if process.threads_torn {
        text.push_str("  threads came and went while they were listed: one may be missing\n");
    }
}

fn render_thread(text: &mut String, thread: &ThreadDump) {
    let _ = write!(text, "  thread ");
    match thread.tid {
        Some(tid) => drop(write!(text, "{tid}")),
        None => text.push('?'),
    }
    if let Some(name) = &thread.name {
        let _ = write!(text, " {}", printable(name));
    }
    if thread.interpreter != 0 {
        let _ = write!(text, " of interpreter {}", thread.interpreter);
    }
    let state = match (thread.gil, thread.state) {
        (Some(Gil::Holds), Some('R')) => "holds the GIL, runs",
        (Some(Gil::Holds), Some('S' | 'D')) => "holds the GIL, sleeps",
        (Some(Gil::Holds), _) => "holds the GIL",
        (Some(Gil::Waits), _) => "waits for the GIL",
        (None, Some('R')) => "runs",
        (None, Some('S')) => "sleeps",
        (None, Some('D')) => "sleeps in the kernel",
        (None, Some('T' | 't')) => "is stopped",
        (None, _) => "state unknown",
    };
    let _ = writeln!(text, ": {state}, innermost call first");
    let width = thread
        .frames
        .iter()
        .map(|frame| frame.function.chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    for frame in &thread.frames {
        let (function, file) = (printable(&frame.function), printable(&frame.file));
        let _ = write!(text, "    {function:width$}  {file}");
        if let Some(line) = frame.line {
            let _ = write!(text, ":{line}");
        }
        text.push('\n');
    }
    if thread.truncated {
        let _ = writeln!(text, "    … more than {} calls", thread.frames.len());
    }
    if thread.frames.is_empty() && !thread.torn {
        text.push_str("    (no Python call)\n");
    }
    if thread.torn {
        text.push_str("    torn: it ran on each time that it was read; these calls may not all have been there at once\n");
    }
}

/// Names are the target's own: nothing in them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}
