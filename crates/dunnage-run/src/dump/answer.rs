//! The supervisor's side, in a thread of its own.
//!
//! Reading another process may wait: for its pages, which a file system or the process itself may withhold, or for
//! a client that does not read. Neither may hold PID 1 up, so the loop gives the connection away and forgets it.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use dunnage_python::ProcessDump;
use dunnage_sys::{Interest, PacketConnection, poll};
use serde::Serialize;

use super::{Part, read_below, read_one, split};
use crate::procfs::{descends_from, describe, is_still, read_process};

/// How long a client may leave its packets lying.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the processes and sends what they are doing; all Python processes below `supervisor` if none is named.
pub fn answer(client: &PacketConnection, pids: &[i32], supervisor: i32) {
    // a client that has gone needs no answer
    let _ = try_answer(client, pids, supervisor);
}

fn try_answer(client: &PacketConnection, pids: &[i32], supervisor: i32) -> io::Result<()> {
    let mut send = |part: &Part| send_patiently(client, part, PATIENCE);
    if pids.is_empty() {
        read_below(supervisor, |dump| split(dump, &mut send))?;
    }
    for pid in pids {
        split(read_if_below(*pid, supervisor), &mut send)?;
    }
    send(&Part::End)
}

/// A process that somebody named: we may be allowed to read more than who asks, so only what is below us.
fn read_if_below(pid: i32, supervisor: i32) -> ProcessDump {
    let process = read_process(pid).filter(|_| descends_from(pid, supervisor));
    let Some(process) = process else {
        return ProcessDump::unread(pid, None, "no process below the supervisor has this id");
    };
    let dump = read_one(pid);
    if is_still(process.identity) {
        dump
    } else {
        ProcessDump::unread(pid, Some(describe(&process)), "it has ended meanwhile")
    }
}

/// Sends what must arrive: waits so long, and no longer, for a client that lets packets lie. Never in the loop.
pub(crate) fn send_patiently(
    client: &PacketConnection,
    packet: &impl Serialize,
    patience: Duration,
) -> io::Result<()> {
    let packet = serde_json::to_vec(packet)?;
    while !client.send(&packet)? {
        let room = poll(&[Some((client.as_fd(), Interest::Write))], Some(patience))?;
        if !room.has(0) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}
