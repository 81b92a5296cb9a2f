//! What is said over the control socket: one JSON object a packet, with its kind in `op`.
//!
//! Any descendant may write to the supervisor, so a packet is hostile until it is parsed: its size and every text in it
//! have a bound, and what does not fit is answered with a sentence, never guessed. Fields that we do not know are
//! ignored, so that an older supervisor understands a newer agent.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::pressure::Level;
use crate::signal::Signal;

/// The most bytes of a packet, either way.
pub const MAX_PACKET: usize = 64 * 1024;

/// The most bytes of a Python version.
const MAX_VERSION: usize = 32;

/// The most topics of a subscription.
const MAX_TOPICS: usize = 16;

/// The most processes that can be named at once.
const MAX_PIDS: usize = 256;

/// The time between two looks that can be asked for, in microseconds.
const INTERVAL_US: std::ops::RangeInclusive<u32> = 500..=1_000_000;

/// The most sentences of an agent, and the most bytes of one.
const MAX_NOTES: usize = 8;
const MAX_NOTE: usize = 240;

/// The longest that anything can have taken.
const MAX_SECONDS: f64 = 86_400.0;

/// The most bytes that a process can have: what an address has room for.
const MAX_BYTES: u64 = 1 << 57;

/// What a process says to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// The agent is here. Nothing is answered; who says it is the kernel's word (`SO_PEERCRED`).
    Hello {
        /// Python's version, as in `3.13.0`.
        python: String,
        /// The way that the agent came in.
        door: Door,
    },
    /// Wants to be told, from now on.
    Subscribe {
        /// About what; topics that we do not know are left out.
        to: Vec<Topic>,
    },
    /// Wants to know what Python processes are doing. The answer has many packets, and the connection is closed after it.
    Dump {
        /// Which; none means all below the supervisor.
        #[serde(default)]
        pids: Vec<i32>,
    },
    /// Wants threads, GIL and quota to be looked at many times a second. What is seen comes in many packets; the next packet
    /// of whoever asked, whatever it says, ends it.
    Record {
        /// Which processes; none means all below the supervisor.
        #[serde(default)]
        pids: Vec<i32>,
        /// The time between two looks, in microseconds.
        interval_us: u32,
        /// For how long at most.
        #[serde(default)]
        duration_ms: Option<u64>,
    },
    /// Has given memory back, as it was asked to. Nothing is answered.
    Released(Released),
}

/// What an agent gave back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Released {
    /// Bytes by which resident memory fell; negative where it grew meanwhile.
    pub rss: i64,
    /// Bytes that survivors hold in Python's heap of small objects; `None` where that is not known.
    #[serde(default)]
    pub pinned: Option<u64>,
    /// How long it took.
    #[serde(rename = "seconds", deserialize_with = "parse_seconds")]
    pub took: Duration,
    /// What a person should know, a sentence each, without control characters.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The way that the agent came into a Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `PYTHONPATH`.
    Path,
    /// The wheel's `.pth` file.
    Pth,
}

/// What one can be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// The beginning of a shutdown.
    Drain,
    /// Memory pressure.
    Pressure,
    /// Something of a later version.
    #[serde(other)]
    Unknown,
}

/// What the supervisor says to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Reply {
    /// A shutdown has begun.
    Drain {
        /// The stop signal without `SIG`, as in `TERM`.
        signal: String,
        /// Milliseconds from now until what is left is killed; null where nothing is.
        deadline_ms: Option<u64>,
    },
    /// Memory has become shorter.
    Pressure {
        /// How short.
        level: Level,
        /// What the kernel cannot take back by dropping page cache, in bytes; where that was not read, all that is charged.
        working_set: u64,
        /// What there is, in bytes: the limit or memory.high, and swap that may be used.
        limit: u64,
    },
    /// A request was not understood, or cannot be met.
    Error {
        /// Why.
        message: String,
    },
}

/// Why a packet is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not what we understand.
    #[error("not a request: {0}")]
    Malformed(String),
    /// A part of it is larger than anything sensible.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

impl Request {
    /// Parses a packet.
    pub fn parse(packet: &[u8]) -> Result<Self, MessageError> {
        if packet.len() > MAX_PACKET {
            return Err(MessageError::TooLong("the packet"));
        }
        let mut request = serde_json::from_slice(packet)
            .map_err(|error| MessageError::Malformed(shorten(&error.to_string())))?;
        match &mut request {
            Self::Hello { python, .. } if python.len() > MAX_VERSION => {
                Err(MessageError::TooLong("python"))
            }
            Self::Subscribe { to } if to.len() > MAX_TOPICS => Err(MessageError::TooLong("to")),
            Self::Dump { pids } | Self::Record { pids, .. } if pids.len() > MAX_PIDS => {
                Err(MessageError::TooLong("pids"))
            }
            Self::Record { interval_us, .. } if !INTERVAL_US.contains(interval_us) => {
                let reason = "interval_us: give 500 to 1000000".to_owned();
                Err(MessageError::Malformed(reason))
            }
            Self::Released(released) => released.check().map(|()| request),
            _ => Ok(request),
        }
    }
}

impl Released {
    fn check(&mut self) -> Result<(), MessageError> {
        if self.rss.unsigned_abs() > MAX_BYTES || self.pinned > Some(MAX_BYTES) {
            return Err(MessageError::Malformed(
                "more bytes than any process can have".to_owned(),
            ));
        }
        if self.notes.len() > MAX_NOTES || self.notes.iter().any(|note| note.len() > MAX_NOTE) {
            return Err(MessageError::TooLong("notes"));
        }
        for note in &mut self.notes {
            *note = note.replace(char::is_control, " ");
        }
        Ok(())
    }
}

/// A number of seconds that time can have.
fn parse_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if (0.0..=MAX_SECONDS).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(serde::de::Error::custom("seconds: not a length of time"))
    }
}

/// The parser's message repeats what was sent, which may be long.
fn shorten(text: &str) -> String {
    text.chars().take(160).collect()
}

impl Reply {
    /// The notice of a shutdown that has `left` until everything is killed.
    pub fn drain(signal: Signal, left: Option<Duration>) -> Self {
        let name = signal.to_string();
        Self::Drain {
            signal: name.strip_prefix("SIG").unwrap_or(&name).to_owned(),
            deadline_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// The answer to what was not understood or cannot be done.
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error {
            message: message.into(),
        }
    }

    /// The packet.
    pub fn to_packet(&self) -> Vec<u8> {
        // strings and integers can always be written
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_agents_words_are_understood() {
        let hello = br#"{"op":"hello","python":"3.13.0","door":"pth","pid":77}"#;
        assert_eq!(
            Request::parse(hello).unwrap(),
            Request::Hello {
                python: "3.13.0".to_owned(),
                door: Door::Pth
            }
        );
        let subscribe = br#"{"to":["drain","weather"],"op":"subscribe"}"#;
        assert_eq!(
            Request::parse(subscribe).unwrap(),
            Request::Subscribe {
                to: vec![Topic::Drain, Topic::Unknown]
            }
        );
    }

    #[test]
    fn a_request_for_tracebacks_names_processes_or_means_all() {
        let pids = |packet: &[u8]| match Request::parse(packet).unwrap() {
            Request::Dump { pids } => pids,
            other => panic!("{other:?}"),
        };
        assert_eq!(pids(br#"{"op":"dump","pids":[7,8]}"#), [7, 8]);
        assert_eq!(pids(br#"{"op":"dump"}"#), [0; 0]);
    }

    #[test]
    fn a_request_to_record_says_how_often_and_perhaps_whom_and_for_how_long() {
        let packet = br#"{"op":"record","pids":[7],"interval_us":1000,"duration_ms":5000}"#;
        let expected = Request::Record {
            pids: vec![7],
            interval_us: 1000,
            duration_ms: Some(5000),
        };
        assert_eq!(Request::parse(packet), Ok(expected));
        let short = br#"{"op":"record","interval_us":5000}"#;
        assert!(
            matches!(Request::parse(short), Ok(Request::Record { pids, .. }) if pids.is_empty())
        );
        for packet in [
            r#"{"op":"record"}"#.to_owned(),
            r#"{"op":"record","interval_us":10}"#.to_owned(),
            r#"{"op":"record","interval_us":1000,"duration_ms":-1}"#.to_owned(),
            format!(
                r#"{{"op":"record","interval_us":1000,"pids":{:?}}}"#,
                [7; MAX_PIDS + 1]
            ),
        ] {
            assert!(Request::parse(packet.as_bytes()).is_err(), "{packet}");
        }
    }

    #[test]
    fn what_was_given_back_is_read_and_what_it_says_has_no_control_characters() {
        let packet = br#"{"op":"released","rss":-4096,"pinned":null,"seconds":0.25,"notes":["a\u001b[2Jb\nc"]}"#;
        let expected = Released {
            rss: -4096,
            pinned: None,
            took: Duration::from_millis(250),
            notes: vec!["a [2Jb c".to_owned()],
        };
        assert_eq!(Request::parse(packet).unwrap(), Request::Released(expected));
        let short = br#"{"op":"released","rss":5,"pinned":7,"seconds":0}"#;
        let Request::Released(released) = Request::parse(short).unwrap() else {
            panic!("another kind")
        };
        assert_eq!((released.pinned, released.notes.len()), (Some(7), 0));
    }

    #[test]
    fn what_no_process_can_have_given_back_is_no_answer() {
        let notes = |notes: &[&str]| {
            serde_json::json!({"op": "released", "rss": 1, "seconds": 1, "notes": notes})
                .to_string()
        };
        assert!(Request::parse(notes(&["x"; MAX_NOTES]).as_bytes()).is_ok());
        for packet in [
            notes(&["x"; MAX_NOTES + 1]),
            notes(&["x".repeat(MAX_NOTE + 1).as_str()]),
            r#"{"op":"released"}"#.to_owned(),
            r#"{"op":"released","rss":1.5,"seconds":1}"#.to_owned(),
            r#"{"op":"released","rss":-9223372036854775808,"seconds":1}"#.to_owned(),
            r#"{"op":"released","rss":1,"pinned":18446744073709551615,"seconds":1}"#.to_owned(),
            r#"{"op":"released","rss":1,"pinned":-1,"seconds":1}"#.to_owned(),
            r#"{"op":"released","rss":1,"seconds":-1}"#.to_owned(),
            r#"{"op":"released","rss":1,"seconds":1e300}"#.to_owned(),
            r#"{"op":"released","rss":1,"seconds":null}"#.to_owned(),
        ] {
            assert!(Request::parse(packet.as_bytes()).is_err(), "{packet}");
        }
    }

    #[test]
    fn what_is_no_request_gets_a_short_sentence() {
        let long = format!(
            r#"{{"op":"hello","python":"{}","door":"path"}}"#,
            "3".repeat(33)
        );
        let topics = format!(
            r#"{{"op":"subscribe","to":[{}"drain"]}}"#,
            r#""drain","#.repeat(16)
        );
        let pids = format!(r#"{{"op":"dump","pids":{:?}}}"#, [7; MAX_PIDS + 1]);
        let unknown = format!(r#"{{"op":"{}"}}"#, "x".repeat(60_000));
        for packet in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"op":"hello"}"#,
            r#"{"op":"hello","python":"3","door":"window"}"#,
            r#"{"op":"subscribe","to":"drain"}"#,
            &long,
            &topics,
            &pids,
            r#"{"op":"dump","pids":[99999999999]}"#,
            &unknown,
            &"[".repeat(MAX_PACKET),
            &" ".repeat(MAX_PACKET + 1),
        ] {
            let error = Request::parse(packet.as_bytes()).unwrap_err().to_string();
            assert!(error.len() < 1024, "{error}");
        }
    }

    #[test]
    fn a_notice_says_the_signal_and_the_time_that_is_left() {
        let text = |left| String::from_utf8(Reply::drain(Signal::TERM, left).to_packet()).unwrap();
        assert_eq!(
            text(Some(Duration::from_millis(2500))),
            r#"{"op":"drain","signal":"TERM","deadline_ms":2500}"#
        );
        assert_eq!(
            text(None),
            r#"{"op":"drain","signal":"TERM","deadline_ms":null}"#
        );
    }

    #[test]
    fn news_of_pressure_have_the_level_s_name_and_bytes() {
        let news = Reply::Pressure {
            level: Level::High,
            working_set: 230,
            limit: 256,
        };
        assert_eq!(
            String::from_utf8(news.to_packet()).unwrap(),
            r#"{"op":"pressure","level":"high","working_set":230,"limit":256}"#
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Request::parse(&bytes);
        }

        #[test]
        fn any_version_that_fits_is_read_back(python in "[ -~]{0,32}") {
            let packet = serde_json::json!({"op": "hello", "python": python, "door": "path"}).to_string();
            prop_assert_eq!(Request::parse(packet.as_bytes()), Ok(Request::Hello { python, door: Door::Path }));
        }
    }
}
