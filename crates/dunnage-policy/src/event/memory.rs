//! What the memory watch says, for a person.

use super::{Event, list, size};
use crate::verdict::seconds;

const MB: f64 = 1e6;

impl Event {
    /// The line of an event of the memory watch; empty for others.
    pub(super) fn memory_text(&self) -> String {
        match self {
            Self::LastTime {
                text,
                path,
                host,
                records,
                ..
            } => last_time_text(text, path, host.as_deref(), *records),
            Self::MemoryPressure { .. } | Self::MemoryRung { .. } => self.pressure_text(),
            Self::MemoryFallen {
                working_set_bytes,
                capacity_bytes,
                highest_bytes,
                lasted_ms,
                ..
            } => format!(
                "memory has fallen to {} of {}; it was higher for {}, up to {}",
                percent(*working_set_bytes, *capacity_bytes),
                size(Some(*capacity_bytes)),
                seconds(*lasted_ms),
                percent(*highest_bytes, *capacity_bytes)
            ),
            Self::MemoryReleased { .. } => self.released_text(),
            Self::MemoryRecord { .. } => self.record_text(),
            Self::Shedding { on: true } => "memory runs short: not ready for new work".to_owned(),
            Self::Shedding { on: false } => "memory has fallen: ready again".to_owned(),
            Self::MemoryRecordFailed { why, reason } => {
                format!(
                    "memory runs out ({why}) and what the processes do could not be written down: {reason}"
                )
            }
            Self::Recycled {
                pid,
                command,
                rss_bytes,
                parent,
            } => format!(
                "memory runs out: told {command} ({pid}), which has {}, to end gracefully; {parent} replaces it",
                size(Some(*rss_bytes))
            ),
            Self::RecycleRefused { reason } => format!("no worker was recycled: {reason}"),
            Self::Brink { action, text } => format!("memory is at the brink: {action}: {text}"),
            _ => String::new(),
        }
    }

    fn pressure_text(&self) -> String {
        let (Self::MemoryPressure {
            usage_bytes,
            working_set_bytes,
            capacity_bytes,
            bytes_per_second,
            full_in_ms,
            ..
        }
        | Self::MemoryRung {
            usage_bytes,
            working_set_bytes,
            capacity_bytes,
            bytes_per_second,
            full_in_ms,
            ..
        }) = self
        else {
            return String::new();
        };
        let (what, bytes) = match working_set_bytes {
            Some(bytes) => ("working set", *bytes),
            None => ("page cache included", *usage_bytes),
        };
        let mut text = format!(
            "memory at {} of {} ({what} {})",
            percent(bytes, *capacity_bytes),
            size(Some(*capacity_bytes)),
            size(Some(bytes))
        );
        match full_in_ms {
            Some(left) => text.push_str(&format!(
                ", growing {}, full in {}",
                rate(*bytes_per_second),
                seconds(*left)
            )),
            None => text.push_str(", not growing"),
        }
        text
    }

    fn released_text(&self) -> String {
        let Self::MemoryReleased {
            processes,
            count,
            returned_bytes,
            pinned_bytes,
            took_ms,
            notes,
        } = self
        else {
            return String::new();
        };
        if *count == 0 {
            return format!(
                "asked Python processes to give memory back: none answered in {}",
                seconds(*took_ms)
            );
        }
        let mut text = format!(
            "asked Python processes to give memory back: {} came back in {} ({})",
            size(Some(*returned_bytes)),
            seconds(*took_ms),
            list(processes, *count)
        );
        if let Some(pinned @ 1..) = pinned_bytes {
            text.push_str(&format!(
                "; {} is empty but pinned by objects that live, and only a new process returns it",
                size(Some(*pinned))
            ));
        }
        for note in notes {
            text.push_str("; ");
            text.push_str(note);
        }
        text
    }

    fn record_text(&self) -> String {
        let Self::MemoryRecord {
            number,
            why,
            complete,
            took_ms,
            path,
            headline,
        } = self
        else {
            return String::new();
        };
        let part = if *complete { "" } else { ", incomplete" };
        let mut text = format!(
            "memory runs out ({why}): record {number} of what every process does, in {}{part}",
            seconds(*took_ms)
        );
        if let Some(headline) = headline {
            text.push_str(&format!(": {headline}"));
        }
        if let Some(path) = path {
            text.push_str(&format!(" (dunnage report {path})"));
        }
        text
    }
}

/// What a file of an earlier run says is not trusted with a terminal.
fn last_time_text(text: &str, path: &str, host: Option<&str>, records: usize) -> String {
    let host = host.map_or_else(String::new, |host| format!(" on {host}"));
    let rest = match records {
        0 => String::new(),
        _ => format!("; read it with `dunnage report {path}`"),
    };
    let text = format!("last time{host}: {text}{rest}");
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A share as a person would say it.
fn percent(bytes: u64, of: u64) -> String {
    format!("{:.0} %", 100.0 * bytes as f64 / of.max(1) as f64)
}

/// A speed as a person would say it.
fn rate(bytes_per_second: u64) -> String {
    let megabytes = bytes_per_second as f64 / MB;
    if megabytes >= 1000.0 {
        format!("{:.1} GB/s", megabytes / 1000.0)
    } else if megabytes >= 1.0 {
        format!("{megabytes:.0} MB/s")
    } else {
        format!("{:.0} kB/s", megabytes * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure(working_set: Option<u64>, speed: u64, full_in_ms: Option<u64>) -> String {
        let event = Event::MemoryPressure {
            rung: "record",
            usage_bytes: 250 << 20,
            working_set_bytes: working_set,
            capacity_bytes: 256 << 20,
            bytes_per_second: speed,
            full_in_ms,
        };
        event.text()
    }

    #[test]
    fn a_person_on_call_learns_how_full_how_fast_and_how_long() {
        assert_eq!(
            pressure(Some(233 << 20), 18_000_000, Some(1300)),
            "memory at 91 % of 256 MiB (working set 233 MiB), growing 18 MB/s, full in 1.3 s"
        );
        assert_eq!(
            pressure(None, 0, None),
            "memory at 98 % of 256 MiB (page cache included 250 MiB), not growing"
        );
        assert!(pressure(None, 2_340_000_000, Some(3)).contains("growing 2.3 GB/s"));
        assert!(pressure(None, 34_000, Some(3)).contains("growing 34 kB/s"));
    }

    #[test]
    fn the_end_of_a_rise_tells_how_long_it_took_and_how_high_it_was() {
        let event = Event::MemoryFallen {
            working_set_bytes: 128 << 20,
            capacity_bytes: 256 << 20,
            rung: "record",
            highest_bytes: 240 << 20,
            lasted_ms: 12_000,
        };
        assert_eq!(
            event.text(),
            "memory has fallen to 50 % of 256 MiB; it was higher for 12 s, up to 94 %"
        );
    }

    #[test]
    fn what_came_back_and_what_is_pinned_is_told() {
        let mut event = Event::MemoryReleased {
            processes: vec!["python -m shop (17)".to_owned()],
            count: 1,
            returned_bytes: 84 << 20,
            pinned_bytes: Some(120 << 20),
            took_ms: 320,
            notes: vec!["gc was frozen".to_owned()],
        };
        assert_eq!(
            event.text(),
            "asked Python processes to give memory back: 84 MiB came back in 0.32 s (python -m shop (17)); 120 MiB is empty \
             but pinned by objects that live, and only a new process returns it; gc was frozen"
        );
        if let Event::MemoryReleased { count, .. } = &mut event {
            *count = 0;
        }
        assert!(event.text().contains("none answered"));
    }

    #[test]
    fn what_happened_last_time_is_told_with_the_place_to_read_on_and_steers_no_terminal() {
        let event = Event::LastTime {
            text: "the working set was 97 % of 256 MiB\u{1b}[2J".to_owned(),
            path: "/reports/a.jsonl".to_owned(),
            host: Some("shop-6d4f".to_owned()),
            records: 1,
            working_set_bytes: None,
            capacity_bytes: None,
            at: None,
            stop_signal: None,
        };
        assert_eq!(
            event.text(),
            "last time on shop-6d4f: the working set was 97 % of 256 MiB[2J; read it with `dunnage report /reports/a.jsonl`"
        );
    }

    #[test]
    fn a_record_names_the_line_and_where_to_read_on() {
        let event = Event::MemoryRecord {
            number: 2,
            why: "growth",
            complete: true,
            took_ms: 34,
            path: Some("/report/a.jsonl".to_owned()),
            headline: Some("shop/report.py:41 in build (python (17), MainThread)".to_owned()),
        };
        assert_eq!(
            event.text(),
            "memory runs out (growth): record 2 of what every process does, in 0.034 s: shop/report.py:41 in build (python \
             (17), MainThread) (dunnage report /report/a.jsonl)"
        );
    }
}
