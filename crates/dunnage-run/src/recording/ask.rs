//! The client's side: asks a supervisor to look, and puts the recording together.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use dunnage_policy::message::MAX_PACKET;
use dunnage_record::{Book, Disorder, Sink, Spent, Wanted};
use dunnage_sys::{Interest, PacketConnection, Received, poll};

use super::packet::Packet;
use super::serve::Order;

/// How long the supervisor may be silent: it sends ten times a second, unless its container is throttled.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why the supervisor made no recording.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It says why.
    #[error("the supervisor says: {0}")]
    Refused(String),
    /// The connection broke before anything was seen.
    #[error(
        "the supervisor closed the connection: another user's session is not let in, or it could make no thread to look"
    )]
    Closed,
    /// Something else came.
    #[error("what the supervisor says is not understood: {0}")]
    Malformed(String),
    /// It does not fit together.
    #[error("what the supervisor says makes no sense: {0}")]
    Disorder(Disorder),
}

/// What the supervisor saw.
#[derive(Debug)]
pub struct Seen {
    /// All of it.
    pub book: Book,
    /// How it went.
    pub spent: Spent,
    /// What a person should know about how it came here.
    pub notes: Vec<String>,
}

/// Asks. `is_enough` is asked when `interrupt` is readable, and ends the recording.
pub fn ask(
    supervisor: &PacketConnection,
    order: &Order,
    interrupt: BorrowedFd<'_>,
    mut is_enough: impl FnMut() -> bool,
) -> Result<Seen, AskError> {
    let request = serde_json::json!({
        "op": "record",
        "pids": order.pids,
        "interval_us": order.interval.as_micros() as u64,
        "duration_ms": order.duration.map(|duration| duration.as_millis() as u64),
    });
    if !matches!(supervisor.send(request.to_string().as_bytes()), Ok(true)) {
        return Err(AskError::Closed);
    }
    let mut client = Client::default();
    let mut buffer = vec![0; MAX_PACKET];
    let mut may_stop = true;
    loop {
        match supervisor.receive(&mut buffer) {
            Ok(Received::Packet(size)) => {
                let packet = buffer.get(..size).unwrap_or_default();
                if client.take(packet)? == Wanted::Enough {
                    return Ok(client.finish());
                }
                continue;
            }
            Ok(Received::Nothing) => {}
            Ok(Received::TooLong) => {
                return Err(AskError::Malformed("a packet is too long".to_owned()));
            }
            Ok(Received::Closed) | Err(_) => return client.break_off("closed the connection"),
        }
        let wanted = [
            Some((supervisor.as_fd(), Interest::Read)),
            may_stop.then_some((interrupt, Interest::Read)),
        ];
        let ready = poll(&wanted, Some(PATIENCE));
        if ready.as_ref().is_ok_and(|ready| ready.has(1)) && is_enough() {
            may_stop = false;
            let _ = supervisor.send(br#"{"op":"stop"}"#);
        } else if ready.is_ok_and(dunnage_sys::Ready::is_none) {
            return client.break_off("has been silent for 15 s");
        }
    }
}

/// Puts together what packets say that were kept, as [`ask`] does with those that come.
pub fn replay<'p>(packets: impl IntoIterator<Item = &'p [u8]>) -> Result<Seen, AskError> {
    let mut client = Client::default();
    for packet in packets {
        if client.take(packet)? == Wanted::Enough {
            return Ok(client.finish());
        }
    }
    client.break_off("said no more")
}

/// A recording that grows.
#[derive(Debug, Default)]
struct Client {
    book: Book,
    spent: Spent,
    notes: Vec<String>,
}

impl Client {
    /// Takes the next packet; `Enough` after the last one.
    fn take(&mut self, packet: &[u8]) -> Result<Wanted, AskError> {
        let packet: Packet = serde_json::from_slice(packet)
            .map_err(|error| AskError::Malformed(error.to_string()))?;
        match packet {
            Packet::Begin { monotonic } => self.spent.begin = monotonic,
            Packet::Chunk { facts, looks } => {
                for fact in facts {
                    self.book.fact(fact);
                }
                let mut wanted = Wanted::More;
                for look in &looks {
                    self.spent.duration = look.at;
                    wanted = self.book.look(look);
                }
                return match self.book.disorder() {
                    None => Ok(wanted),
                    Some(Disorder::TooMany(_)) => Ok(Wanted::Enough),
                    Some(disorder) => Err(AskError::Disorder(disorder)),
                };
            }
            Packet::End {
                duration,
                own_cpu,
                dropped,
            } => {
                self.spent.duration = duration;
                self.spent.own_cpu = own_cpu;
                if dropped > 0 {
                    self.notes.push(format!(
                        "{dropped} looks were lost on the way: they came faster than they were taken"
                    ));
                }
                return Ok(Wanted::Enough);
            }
            Packet::Error { message } => {
                let message = message.replace(char::is_control, " ");
                return Err(AskError::Refused(message));
            }
        }
        Ok(Wanted::More)
    }

    fn finish(self) -> Seen {
        Seen {
            book: self.book,
            spent: self.spent,
            notes: self.notes,
        }
    }

    /// What was seen until then is a recording too.
    fn break_off(mut self, how: &str) -> Result<Seen, AskError> {
        if self.book.is_empty() {
            return Err(AskError::Closed);
        }
        self.notes
            .push(format!("the supervisor {how}: the recording ends there"));
        Ok(self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packets that are nearly right.
    fn packet() -> impl Strategy<Value = String> {
        let number = prop_oneof![0..3_u64, any::<u64>()];
        let small = prop_oneof![0..3_u32, any::<u32>()];
        let look = (number.clone(), small.clone(), number.clone(), number.clone()).prop_map(
            |(at, thread, run, wait)| {
                format!(
                    r#"[{at},[[{thread},{run},{wait},"G"]],[[{thread},true,{thread},{run}]],[{run},1,1,{wait}],[[{thread},7,0,{run},{wait},{at}]]]"#
                )
            },
        );
        let fact = (small, number, "\\PC{0,8}").prop_map(|(number, at, name)| {
            let name = serde_json::Value::from(name);
            [
                format!(r#"{{"is":"process","pid":{number},"at":{at}}}"#),
                format!(r#"{{"is":"thread","process":0,"tid":7,"name":{name},"at":{at}}}"#),
                format!(r#"{{"is":"thread_ended","thread":{number},"at":{at}}}"#),
                format!(r#"{{"is":"name","name":{name}}}"#),
                r#"{"is":"quota","source":"x","limit":0.0,"period":0,"cgroup_version":9}"#
                    .to_owned(),
            ]
            .get(at as usize % 5)
            .cloned()
            .unwrap_or_default()
        });
        (
            prop::collection::vec(fact, 0..4),
            prop::collection::vec(look, 0..4),
        )
            .prop_map(|(facts, looks)| {
                let (facts, looks) = (facts.join(","), looks.join(","));
                format!(r#"{{"op":"chunk","facts":[{facts}],"looks":[{looks}]}}"#)
            })
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_sound_recording_or_an_error(packets in prop::collection::vec(packet(), 0..20)) {
            let mut client = Client::default();
            for packet in &packets {
                if client.take(packet.as_bytes()).is_err() {
                    break;
                }
            }
            let recording = client.book.recording();
            let looks = recording.looks.len() as u32;
            prop_assert!(recording.looks.is_sorted());
            for process in &recording.processes {
                let threads = process.threads.len() as u32;
                prop_assert!(process.threads.iter().flat_map(|thread| &thread.ticks).all(|tick| tick.look < looks));
                prop_assert!(process.gil.iter().all(|gil| gil.look < looks && gil.holder.is_none_or(|holder| holder < threads)));
            }
            prop_assert!(recording.marks.iter().all(|mark| (mark.name as usize) < recording.names.len()));
            prop_assert!(recording.quota.iter().all(|quota| quota.period > 0 && quota.limit.is_none()));
        }

        #[test]
        fn no_bytes_make_the_client_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Client::default().take(&bytes);
        }
    }

    #[test]
    fn of_more_processes_than_fit_what_came_before_is_kept() {
        let mut client = Client::default();
        let begin = r#"{"is":"process","pid":7,"at":0},{"is":"thread","process":0,"tid":7,"name":"x","at":0}"#;
        let begin = format!(r#"{{"op":"chunk","facts":[{begin}],"looks":[[5,[],[],null,[]]]}}"#);
        assert_eq!(client.take(begin.as_bytes()).unwrap(), Wanted::More);
        let more = vec![r#"{"is":"process","pid":8,"at":9}"#; 2000].join(",");
        let more = format!(r#"{{"op":"chunk","facts":[{more}]}}"#);
        assert_eq!(client.take(more.as_bytes()).unwrap(), Wanted::Enough);
        assert_eq!(client.finish().book.recording().looks, [5]);
    }

    #[test]
    fn what_the_supervisor_says_no_to_is_an_error_without_control_characters() {
        let refusal = Client::default().take(br#"{"op":"error","message":"no\u001b[2J"}"#);
        assert_eq!(
            refusal.unwrap_err().to_string(),
            "the supervisor says: no [2J"
        );
    }
}
