//! Tracebacks through the control socket: the supervisor reads what is below it for somebody who may not.
//!
//! Under Yama only an ancestor may read a process, and PID 1 is everybody's. What is read goes out in parts, each one
//! packet: a `process`, then each `thread` of it, the rest of a long stack as `frames`; after the last one `end`.

mod answer;
mod ask;
mod find;
mod read;

use dunnage_policy::message::MAX_PACKET;
use dunnage_python::{Frame, ProcessDump, ThreadDump};
use serde::{Deserialize, Serialize};

pub use answer::answer;
pub(crate) use answer::send_patiently;
pub use ask::{AskError, ask};
pub use find::find_supervisor;
pub use read::{read_below, read_one};

/// One packet of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Part {
    /// A process; its threads follow.
    Process { process: ProcessDump },
    /// A thread of the process before, with as many of its innermost calls as fit.
    Thread { thread: ThreadDump },
    /// Further calls of the thread before.
    Frames { frames: Vec<Frame> },
    /// That was all.
    End,
    /// The request cannot be met.
    Error { message: String },
}

/// The bytes of frames that are put into one packet; the rest is for what stands around them.
const ROOM: usize = MAX_PACKET - 8 * 1024;

/// Gives a process out part by part, until `send` says that it does not go on.
fn split<E>(
    mut process: ProcessDump,
    mut send: impl FnMut(&Part) -> Result<(), E>,
) -> Result<(), E> {
    let threads = std::mem::take(&mut process.threads);
    send(&Part::Process { process })?;
    for mut thread in threads {
        let mut frames = std::mem::take(&mut thread.frames).into_iter().peekable();
        let mut next = || {
            let mut room = ROOM;
            let mut chunk = Vec::new();
            while let Some(left) = frames.peek().and_then(|one| room.checked_sub(size(one))) {
                room = left;
                chunk.extend(frames.next());
            }
            chunk
        };
        thread.frames = next();
        send(&Part::Thread { thread })?;
        loop {
            let frames = next();
            if frames.is_empty() {
                break;
            }
            send(&Part::Frames { frames })?;
        }
    }
    Ok(())
}

/// At least the bytes that a frame takes as JSON.
fn size(frame: &Frame) -> usize {
    let escaped = |text: &str| -> usize {
        text.bytes()
            .map(|byte| match byte {
                b'"' | b'\\' => 2,
                0..=0x1f => 6,
                _ => 1,
            })
            .sum()
    };
    escaped(&frame.function) + escaped(&frame.file) + 64
}

/// Puts parts together again.
#[derive(Debug, Default)]
struct Assembly {
    processes: Vec<ProcessDump>,
}

impl Assembly {
    /// Takes the next part; whether more follow, or what the other end could not do.
    fn take(&mut self, part: Part) -> Result<bool, String> {
        const DISORDER: &str = "the answer's parts are in disorder";
        match part {
            Part::Process { process } => self.processes.push(process),
            Part::Thread { thread } => {
                let process = self.processes.last_mut().ok_or(DISORDER)?;
                process.threads.push(thread);
            }
            Part::Frames { frames } => {
                let process = self.processes.last_mut().ok_or(DISORDER)?;
                let thread = process.threads.last_mut().ok_or(DISORDER)?;
                thread.frames.extend(frames);
            }
            Part::End => return Ok(false),
            Part::Error { message } => return Err(message),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn process(threads: Vec<ThreadDump>) -> ProcessDump {
        ProcessDump {
            pid: 7,
            command: Some("python3 app.py".to_owned()),
            python: Some("3.11.2".to_owned()),
            gil: Some(true),
            threads,
            threads_torn: false,
            error: None,
        }
    }

    fn thread(frames: Vec<Frame>) -> ThreadDump {
        ThreadDump {
            tid: Some(8),
            name: Some("worker".to_owned()),
            interpreter: 0,
            state: Some('S'),
            gil: None,
            torn: false,
            truncated: false,
            frames,
        }
    }

    fn through_packets(process: &ProcessDump) -> Vec<ProcessDump> {
        let mut assembly = Assembly::default();
        split(process.clone(), |part| {
            let packet = serde_json::to_vec(part).unwrap();
            assert!(packet.len() <= MAX_PACKET, "{}", packet.len());
            let more = assembly.take(serde_json::from_slice(&packet).unwrap());
            assert_eq!(more, Ok(true));
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(assembly.take(Part::End), Ok(false));
        assembly.processes
    }

    #[test]
    fn the_longest_names_of_a_deep_stack_fit_into_packets() {
        let frame = Frame {
            function: "\u{1}".repeat(1024),
            file: "\u{1f40d}".repeat(1024),
            line: Some(u32::MAX),
        };
        let whole = process(vec![thread(vec![frame; 100]), thread(Vec::new())]);
        assert_eq!(through_packets(&whole), [whole]);
    }

    #[test]
    fn parts_in_disorder_are_an_error_and_not_a_panic() {
        let mut assembly = Assembly::default();
        let alone = Part::Thread {
            thread: thread(Vec::new()),
        };
        assert!(assembly.take(alone).is_err());
        assert!(assembly.take(Part::Frames { frames: Vec::new() }).is_err());
        let mut packets = vec![r#"{"op":"process"}"#, r#"{"op":"later"}"#, "", "[]"];
        packets.retain(|packet| serde_json::from_str::<Part>(packet).is_ok());
        assert!(packets.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_was_read_arrives_as_it_was(
            stacks in prop::collection::vec(prop::collection::vec((any::<char>(), 0..1024_usize, any::<Option<u32>>()), 0..60), 0..4)
        ) {
            let threads = stacks.into_iter().map(|frames| {
                let frames = frames.into_iter().map(|(letter, length, line)| {
                    let function: String = std::iter::repeat_n(letter, length).collect();
                    Frame { file: function.clone(), function, line }
                });
                thread(frames.collect())
            });
            let whole = process(threads.collect());
            prop_assert_eq!(through_packets(&whole), vec![whole]);
        }
    }
}
