//! The recording beside the reference: for each slow request, how far its parts are from what the trace says.

use super::reference::{Parts, STALLED, Span, WORDS, sum};
use super::trace::Time;
use crate::growth::statistics::percentile;
use crate::tools::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A request is slow from here on.
pub(super) const SLOW: Time = 20_000_000;

/// A request as the workload noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) begin: Time,
    pub(super) end: Time,
}

pub(super) fn parse_requests(text: &str) -> Result<Vec<Request>> {
    let parse = |line: &str| {
        let mut words = line.split(' ');
        Some(Request {
            pid: words.next()?.parse().ok()?,
            tid: words.next()?.parse().ok()?,
            begin: words.next()?.parse().ok()?,
            end: words.next()?.parse().ok()?,
        })
    };
    text.lines()
        .map(|line| parse(line).ok_or_else(|| format!("not a request: {line}").into()))
        .collect()
}

/// What a recording says of each thread.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) threads: BTreeMap<i32, Vec<Span>>,
    pub(super) begin: Time,
    pub(super) end: Time,
    /// The time between two looks, at the median and at the 99th percentile.
    pub(super) interval: (u64, u64),
    /// What the application marked: the thread, begin and end.
    pub(super) marked: Vec<(i32, Time, Time)>,
}

impl Recorded {
    /// From a timeline in JSON (docs/record.md).
    pub(super) fn parse(text: &str) -> Result<Self> {
        let timeline: Value = serde_json::from_str(text)?;
        let begin = number(&timeline["about"]["monotonic"]).ok_or("the timeline has no begin")?;
        let quality = &timeline["quality"];
        let mut recorded = Self {
            begin,
            end: begin + number(&timeline["about"]["duration"]).unwrap_or_default(),
            interval: (
                number(&quality["interval_median"]).unwrap_or_default(),
                number(&quality["interval_p99"]).unwrap_or_default(),
            ),
            ..Self::default()
        };
        let processes = timeline["processes"].as_array().into_iter().flatten();
        for thread in
            processes.flat_map(|process| process["threads"].as_array().into_iter().flatten())
        {
            let tid = number(&thread["tid"]).ok_or("a thread has no id")? as i32;
            let spans = thread["spans"].as_array().into_iter().flatten();
            let spans: Option<Vec<Span>> = spans.map(|span| parse_span(span, begin)).collect();
            let spans = spans.ok_or("a span of the timeline is not understood")?;
            recorded.threads.insert(tid, spans);
        }
        let marked = timeline["requests"].as_array().into_iter().flatten();
        let marked: Option<Vec<_>> = marked
            .map(|request| parse_marked(request, &timeline, begin))
            .collect();
        recorded.marked = marked.ok_or("a request of the timeline is not understood")?;
        Ok(recorded)
    }

    /// How many of the requests are marked in the recording, and how far off the times are, in nanoseconds: each of them
    /// against the nearest end that its thread marked. The workload notes a request after it has ended its mark.
    pub(super) fn compare_marks<'r>(
        &self,
        requests: impl IntoIterator<Item = &'r Request>,
    ) -> Marks {
        let mut marks = Marks::default();
        for request in requests {
            marks.noted += 1;
            let of_thread = self.marked.iter().filter(|one| one.0 == request.tid);
            let off = of_thread
                .map(|(_, begin, end)| begin.abs_diff(request.begin).max(end.abs_diff(request.end)))
                .min();
            if let Some(off) = off.filter(|off| *off < SLOW) {
                marks.found += 1;
                marks.off = marks.off.max(off);
            }
        }
        marks
    }
}

/// The application's marks in a recording beside what it noted itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    pub(super) noted: u64,
    pub(super) found: u64,
    /// The largest difference of a begin or an end, nanoseconds.
    pub(super) off: u64,
}

fn parse_marked(request: &Value, timeline: &Value, begin: Time) -> Option<(i32, Time, Time)> {
    let process = &timeline["processes"][number(&request["process"])? as usize];
    let thread = &process["threads"][number(&request["thread"])? as usize];
    Some((
        number(&thread["tid"])? as i32,
        begin + number(&request["begin"])?,
        begin + number(&request["end"])?,
    ))
}

fn parse_span(span: &Value, begin: Time) -> Option<Span> {
    let what = span["what"].as_str()?;
    Some(Span {
        start: begin + number(&span["start"])?,
        end: begin + number(&span["end"])?,
        what: WORDS.iter().position(|word| *word == what)?,
    })
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64()
}

/// A slow request, both ways; nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) tid: i32,
    /// Of `CLOCK_MONOTONIC`.
    pub(super) begin: Time,
    pub(super) latency: u64,
    pub(super) trace: Parts,
    pub(super) recording: Parts,
}

impl Compared {
    pub(super) fn new(request: &Request, trace: &[Span], recording: &[Span]) -> Self {
        Self {
            tid: request.tid,
            begin: request.begin,
            latency: request.end - request.begin,
            trace: sum(trace, request.begin, request.end),
            recording: sum(recording, request.begin, request.end),
        }
    }

    pub(super) fn error(&self, what: usize) -> u64 {
        self.recording[what].abs_diff(self.trace[what])
    }

    /// How far off the time is in which the request wanted to go on and could not.
    pub(super) fn stalled_error(&self) -> u64 {
        let stalled = |parts: &Parts| STALLED.iter().map(|what| parts[*what]).sum::<u64>();
        stalled(&self.recording).abs_diff(stalled(&self.trace))
    }

    /// Time under a wrong word: both sides have the same sum, so what is too much in one part is missing in another.
    pub(super) fn misplaced(&self) -> u64 {
        (0..WORDS.len()).map(|what| self.error(what)).sum::<u64>() / 2
    }

    fn share(&self, nanos: u64) -> f64 {
        nanos as f64 / self.latency as f64 * 100.0
    }
}

/// Errors of many requests: milliseconds, and per cent of the request's latency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Errors {
    pub(super) ms: [f64; 3],
    pub(super) percent: [f64; 3],
}

impl Errors {
    /// The median, the 90th percentile and the largest of what `error` says of each.
    pub(super) fn of<'a>(
        compared: impl Iterator<Item = &'a Compared>,
        error: impl Fn(&Compared) -> u64,
    ) -> Self {
        let (ms, percent): (Vec<f64>, Vec<f64>) = compared
            .map(|one| {
                let nanos = error(one);
                (nanos as f64 / 1e6, one.share(nanos))
            })
            .unzip();
        let three = |values: &[f64]| {
            [0.5, 0.9, 1.0].map(|share| percentile(values, share).unwrap_or_default())
        };
        Self {
            ms: three(&ms),
            percent: three(&percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(trace: Parts, recording: Parts) -> Compared {
        Compared {
            tid: 1,
            begin: 0,
            latency: trace.iter().sum(),
            trace,
            recording,
        }
    }

    #[test]
    fn what_is_under_a_wrong_word_counts_once_and_within_the_stall_not_as_stalled_error() {
        let mut trace = [0; 9];
        (trace[0], trace[2], trace[5]) = (10, 50, 40);
        let mut recording = trace;
        (recording[2], recording[5]) = (30, 60);
        let one = compared(trace, recording);
        assert_eq!(
            (one.misplaced(), one.stalled_error(), one.error(2)),
            (20, 0, 20)
        );
        recording[0] = 0;
        recording[7] = 10;
        let one = compared(trace, recording);
        assert_eq!((one.misplaced(), one.stalled_error()), (30, 0));
    }

    #[test]
    fn errors_are_told_as_median_p90_and_the_largest() {
        let all: Vec<_> = (1..=10)
            .map(|error| {
                let mut trace = [0; 9];
                trace[5] = 100_000_000;
                let mut recording = trace;
                recording[5] -= error * 1_000_000;
                recording[7] += error * 1_000_000;
                compared(trace, recording)
            })
            .collect();
        let errors = Errors::of(all.iter(), |one| one.error(5));
        let tenths = |values: [f64; 3]| values.map(|value| (value * 10.0).round() as u32);
        assert_eq!(tenths(errors.ms), [50, 90, 100]);
        assert_eq!(tenths(errors.percent), [50, 90, 100]);
    }

    #[test]
    fn a_timeline_is_read_and_an_unknown_word_in_it_refused() {
        let text = |what: &str| {
            format!(
                r#"{{"about": {{"monotonic": 1000, "duration": 50}}, "quality": {{"interval_median": 7}},
                "processes": [{{"threads": [{{"tid": 4, "spans": [{{"start": 1, "end": 3, "what": "{what}"}}]}}]}}],
                "requests": [{{"process": 0, "thread": 0, "begin": 2, "end": 9}}]}}"#
            )
        };
        let recorded = Recorded::parse(&text("throttled")).unwrap();
        assert_eq!(recorded.marked, [(4, 1002, 1009)]);
        let request = |begin, end| Request {
            pid: 4,
            tid: 4,
            begin,
            end,
        };
        let marks = recorded.compare_marks(&[request(1002, 1012), request(2 * SLOW, 3 * SLOW)]);
        assert_eq!((marks.noted, marks.found, marks.off), (2, 1, 3));
        let span = Span {
            start: 1001,
            end: 1003,
            what: 5,
        };
        assert_eq!(recorded.threads[&4], [span]);
        assert_eq!((recorded.end, recorded.interval.0), (1050, 7));
        assert!(Recorded::parse(&text("flying")).is_err());
    }
}
