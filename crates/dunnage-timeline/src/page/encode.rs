//! The timeline as a browser reads it: a few texts as JSON, and everything that there may be a million of as varints.
//!
//! Times are whole microseconds: a thousandth of the time between two looks at the fastest rate. Rounding is of the moments,
//! not of the stretches between them, so that no error adds up and spans still touch. What `page/js/data.js` reads is, in
//! this order: for each process the spans of each thread, then its GIL; the quota's periods, windows and graph; requests;
//! stalls; moments. Each list begins with its length. A time is the gain over the time before it in its list.

use std::collections::HashMap;

use crate::Nanos;
use crate::timeline::{ProcessTrack, QuotaTrack, Request, Span, Timeline, What};

/// The lower bits of a span's first byte are its [`What`].
const HOLDER_AS_BEFORE: u8 = 1 << 4;
/// The holder follows as a varint.
const HOLDER_FOLLOWS: u8 = 2 << 4;

/// Bytes, and the names that they speak of by number.
#[derive(Default)]
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) names: Vec<String>,
    numbers: HashMap<String, u64>,
}

/// All that the page draws.
pub(super) fn encode(timeline: &Timeline) -> Encoded {
    let mut out = Encoded::default();
    for process in &timeline.processes {
        for thread in &process.threads {
            out.put_spans(&thread.spans);
        }
        out.put_gil(process);
    }
    if let Some(quota) = &timeline.quota {
        out.put_quota(quota);
    }
    out.put_requests(&timeline.requests);
    out.put_requests(&timeline.stalls);
    out.put(timeline.moments.len() as u64);
    let mut clock = Clock::default();
    for moment in &timeline.moments {
        out.put(clock.gain(moment.at));
        out.put(u64::from(moment.process));
        out.put(u64::from(moment.tid.unsigned_abs()));
        out.put_name(&moment.name);
        out.put(moment.id);
    }
    out
}

impl Encoded {
    /// LEB128: seven bits a byte, the lowest first.
    fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn put_name(&mut self, name: &str) {
        let number = if let Some(number) = self.numbers.get(name) {
            *number
        } else {
            let number = self.names.len() as u64;
            self.names.push(name.to_owned());
            self.numbers.insert(name.to_owned(), number);
            number
        };
        self.put(number);
    }

    fn put_spans(&mut self, spans: &[Span]) {
        let gaps = spans
            .windows(2)
            .filter(|pair| pair[0].end < pair[1].start)
            .count();
        self.put((spans.len() + gaps) as u64);
        let mut clock = Clock::default();
        self.put(clock.gain(spans.first().map_or(0, |span| span.start)));
        let mut holder_before = None;
        let mut end_before = None;
        for span in spans {
            // spans touch; should they not, what lies between is not known
            if end_before.is_some_and(|end| end < span.start) {
                self.bytes.push(What::Unknown as u8);
                self.put(clock.gain(span.start));
            }
            end_before = Some(span.end);
            let kind = span.what as u8;
            match span.holder {
                None => self.bytes.push(kind),
                same if same == holder_before => self.bytes.push(kind | HOLDER_AS_BEFORE),
                Some(holder) => {
                    self.bytes.push(kind | HOLDER_FOLLOWS);
                    self.put(u64::from(holder));
                    holder_before = span.holder;
                }
            }
            self.put(clock.gain(span.end));
        }
    }

    fn put_gil(&mut self, process: &ProcessTrack) {
        self.put(process.gil.len() as u64);
        let mut clock = Clock::default();
        for hold in &process.gil {
            self.put(clock.gain(hold.start));
            self.put(clock.gain(hold.end));
            self.put(u64::from(hold.thread));
            self.bytes.push(hold.what as u8);
        }
    }

    fn put_quota(&mut self, quota: &QuotaTrack) {
        self.put(quota.periods.len() as u64);
        let mut clock = Clock::default();
        for period in &quota.periods {
            self.put(clock.gain(period.start));
            self.put(clock.gain(period.end));
            self.put(micros(period.used));
            self.bytes.push(u8::from(period.throttled));
        }
        self.put(quota.windows.len() as u64);
        let mut clock = Clock::default();
        for window in &quota.windows {
            self.put(clock.gain(window.start));
            self.put(clock.gain(window.end));
        }
        self.put(quota.graph.len() as u64);
        let mut clock = Clock::default();
        for (at, cpus) in &quota.graph {
            self.put(clock.gain(*at));
            // millionths of a CPU; a negative or broken number is none
            self.put((cpus * 1e6).round() as u64);
        }
    }

    fn put_requests(&mut self, requests: &[Request]) {
        self.put(requests.len() as u64);
        for request in requests {
            // not by gain: the longest stalls come first
            self.put(micros(request.begin));
            self.put(micros(request.end).saturating_sub(micros(request.begin)));
            self.put(u64::from(request.process));
            self.put(request.thread.map_or(0, |thread| u64::from(thread) + 1));
            self.put_name(&request.name);
            self.put(request.id);
        }
    }
}

/// Turns rising times into gains; one that does not rise gains nothing.
#[derive(Default)]
struct Clock {
    before: u64,
}

impl Clock {
    fn gain(&mut self, at: Nanos) -> u64 {
        let gain = micros(at).saturating_sub(self.before);
        self.before += gain;
        gain
    }
}

fn micros(time: Nanos) -> u64 {
    (time + 500) / 1000
}

/// RFC 4648, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            text.push(if place <= chunk.len() {
                char::from(LETTERS[(group >> (18 - 6 * place) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: Nanos, end: Nanos, what: What, holder: Option<u32>) -> Span {
        Span {
            start,
            end,
            what,
            holder,
        }
    }

    #[test]
    fn spans_are_a_kind_and_a_duration_and_a_holder_is_said_once() {
        let mut out = Encoded::default();
        out.put_spans(&[
            span(1_000, 6_000, What::Running, None),
            span(6_000, 300_000, What::GilThrottled, Some(7)),
            span(300_000, 301_000, What::GilRunning, Some(7)),
        ]);
        assert_eq!(
            out.bytes,
            [
                3,
                1,
                0,
                5,
                2 | HOLDER_FOLLOWS,
                7,
                0xa6,
                2,
                1 | HOLDER_AS_BEFORE,
                1
            ]
        );
    }

    #[test]
    fn rounding_does_not_add_up() {
        let mut out = Encoded::default();
        let spans: Vec<Span> = (0..1000)
            .map(|n| span(n * 1400, (n + 1) * 1400, What::Running, None))
            .collect();
        out.put_spans(&spans);
        let sum: u64 = out.bytes[3..]
            .chunks(2)
            .map(|pair| u64::from(pair[1]))
            .sum();
        assert_eq!(sum, 1400);
    }

    #[test]
    fn what_lies_between_spans_that_do_not_touch_is_unknown() {
        let mut out = Encoded::default();
        out.put_spans(&[
            span(0, 1_000, What::Running, None),
            span(5_000, 6_000, What::Sleeping, None),
        ]);
        assert_eq!(out.bytes, [3, 0, 0, 1, What::Unknown as u8, 4, 7, 1]);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let texts = ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "~~~???"];
        assert_eq!(
            texts.map(|text| base64(text.as_bytes())),
            [
                "", "YQ==", "YWI=", "YWJj", "YWJjZA==", "YWJjZGU=", "YWJjZGVm", "fn5+Pz8/"
            ]
        );
    }
}
