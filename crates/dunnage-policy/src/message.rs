//! What is said over the control socket: one JSON object a packet, with its kind in `op`.
//!
//! Any descendant may write to the supervisor, so a packet is hostile until it is parsed: its size and every text in it
//! have a bound, and what does not fit is answered with a sentence, never guessed. Fields that we do not know are
//! ignored, so that an older supervisor understands a newer agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
        let request = serde_json::from_slice(packet)
            .map_err(|error| MessageError::Malformed(shorten(&error.to_string())))?;
        match &request {
            Self::Hello { python, .. } if python.len() > MAX_VERSION => {
                Err(MessageError::TooLong("python"))
            }
            Self::Subscribe { to } if to.len() > MAX_TOPICS => Err(MessageError::TooLong("to")),
            Self::Dump { pids } if pids.len() > MAX_PIDS => Err(MessageError::TooLong("pids")),
            _ => Ok(request),
        }
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
