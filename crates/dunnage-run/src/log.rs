//! The log: events as lines on stderr, never waiting for whoever reads it.
//!
//! A line that finds no room waits in a short queue and goes out when there is some; what does not fit into the queue is
//! counted, and the count is the next line.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use dunnage_policy::event::{Event, Level};
use dunnage_sys::{Interest, StderrSink, WriteOutcome, poll};
use serde::Serialize;
use serde_json::Value;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, `dunnage.event/1`.
    Json,
}

/// How many lines may wait.
const QUEUE: usize = 64;

/// How long the last lines are waited for when we leave.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Where events go.
pub struct Log {
    sink: Option<StderrSink>,
    format: LogFormat,
    /// The least that is printed; `None` prints nothing.
    threshold: Option<Level>,
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
    is_held: bool,
}

impl Log {
    /// A log on our stderr. Without a usable one events go nowhere.
    pub fn new(format: LogFormat, threshold: Option<Level>) -> Self {
        let sink = threshold.and_then(|_| StderrSink::new(std::io::stderr().as_fd()).ok());
        Self {
            sink,
            format,
            threshold,
            waiting: VecDeque::new(),
            lost: 0,
            is_held: false,
        }
    }

    /// Lets every line wait until it is let go: a pipe takes memory for it.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
        self.flush();
    }

    /// Says something.
    pub fn say(&mut self, event: &Event) {
        if self
            .threshold
            .is_none_or(|threshold| event.level() > threshold)
            || self.sink.is_none()
        {
            return;
        }
        let line = self.render(event);
        if self.waiting.len() >= QUEUE {
            self.lost += 1;
            return;
        }
        self.waiting.push_back(line);
        self.flush();
    }

    /// The descriptor to wait for while lines are waiting.
    pub fn blocked_on(&self) -> Option<BorrowedFd<'_>> {
        self.sink
            .as_ref()
            .filter(|_| !self.waiting.is_empty() && !self.is_held)
            .map(AsFd::as_fd)
    }

    /// Writes what can be written now.
    pub fn flush(&mut self) {
        if self.is_held {
            return;
        }
        while let (Some(sink), Some(line)) = (&mut self.sink, self.waiting.front()) {
            match sink.write(line) {
                WriteOutcome::Written => drop(self.waiting.pop_front()),
                WriteOutcome::WouldBlock => return,
                WriteOutcome::Gone => {
                    self.lost += 1;
                    self.waiting.pop_front();
                }
            }
            if self.lost > 0 && self.waiting.len() < QUEUE {
                let event = Event::LinesLost {
                    count: std::mem::take(&mut self.lost),
                };
                let line = self.render(&event);
                if self
                    .sink
                    .as_mut()
                    .is_some_and(|sink| sink.write(&line) != WriteOutcome::Written)
                {
                    self.waiting.push_back(line);
                    return;
                }
            }
        }
    }

    /// Gives the last lines a moment, then lets go.
    pub fn finish(mut self) {
        self.hold(false);
        let end = Instant::now() + LAST_WORDS;
        while let Some(fd) = self.blocked_on() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || poll(&[Some((fd, Interest::Write))], Some(left)).is_err() {
                return;
            }
            self.flush();
        }
    }

    fn render(&self, event: &Event) -> Vec<u8> {
        let line = match self.format {
            LogFormat::Text => text_line(event),
            LogFormat::Json => json_line(event, SystemTime::now()),
        };
        line.into_bytes()
    }
}

/// A line that fits into one page; control characters of a command's name do not reach the terminal.
fn text_line(event: &Event) -> String {
    let mark = match event.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info | Level::Debug => "",
    };
    let mut text: String = event
        .text()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let limit = StderrSink::LINE_LIMIT - 64;
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    format!("dunnage: {mark}{text}\n")
}

/// One line of JSON: what every line has, then the event's own fields.
#[derive(Serialize)]
struct JsonLine<'a> {
    schema: &'static str,
    time: String,
    level: Level,
    #[serde(flatten)]
    event: &'a Event,
}

fn json_line(event: &Event, now: SystemTime) -> String {
    let time = humantime::format_rfc3339_millis(now).to_string();
    let line = JsonLine {
        schema: "dunnage.event/1",
        time,
        level: event.level(),
        event,
    };
    let Ok(text) = serde_json::to_string(&line) else {
        return String::new();
    };
    if text.len() < StderrSink::LINE_LIMIT {
        return text + "\n";
    }
    // a line must move through a pipe whole: what is too long keeps its name and numbers, and says so
    let Ok(Value::Object(mut object)) = serde_json::to_value(&line) else {
        return String::new();
    };
    object.retain(|key, value| {
        matches!(key.as_str(), "schema" | "time" | "level" | "event") || value.is_number()
    });
    object.insert("cut".to_owned(), true.into());
    Value::Object(object).to_string() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_schema_time_level_and_event() {
        let line = json_line(&Event::OomKill { count: 2 }, SystemTime::UNIX_EPOCH);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["schema"], "dunnage.event/1");
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(
            (
                value["level"].as_str(),
                value["event"].as_str(),
                value["count"].as_u64()
            ),
            (Some("warn"), Some("oom_kill"), Some(2))
        );
    }

    #[test]
    fn a_line_that_is_too_long_for_a_pipe_stays_valid() {
        let event = Event::StraysTold {
            signal: dunnage_policy::signal::Signal::TERM,
            processes: vec!["x".repeat(90); 100],
            count: 100,
        };
        let line = json_line(&event, SystemTime::UNIX_EPOCH);
        assert!(line.len() <= StderrSink::LINE_LIMIT);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (value["cut"].as_bool(), value["count"].as_u64()),
            (Some(true), Some(100))
        );
        let text = text_line(&event);
        assert!(text.len() <= StderrSink::LINE_LIMIT && text.ends_with("…\n"));
    }

    #[test]
    fn while_it_is_held_no_line_is_written_and_none_is_waited_for() {
        let mut log = Log::new(LogFormat::Json, Some(Level::Debug));
        log.hold(true);
        log.say(&Event::OomKill { count: 1 });
        log.flush();
        assert_eq!(log.waiting.len(), 1);
        assert!(log.blocked_on().is_none());
        log.hold(false);
        assert!(log.waiting.is_empty());
    }

    #[test]
    fn no_control_characters_reach_a_terminal() {
        let line = text_line(&Event::Note {
            text: "a\u{1b}[31m\nb".to_owned(),
        });
        assert_eq!(line, "dunnage: a [31m b\n");
    }
}
