//! The supervisor's side, in a thread of its own that lives as long as the recording.
//!
//! Under Yama only an ancestor may ask in which call a thread is and read a process's memory, and PID 1 is everybody's.

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use dunnage_record::{Settings, record};
use dunnage_sys::{PacketConnection, monotonic_nanos};

use super::Finder;
use super::packet::Packet;
use super::post::Post;
use crate::dump::send_patiently;

/// How long a client may leave the last packet lying.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest recording.
const LONGEST: Duration = Duration::from_hours(1);

/// The share of a CPU that looking may take.
const SHARE: f64 = 0.1;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which processes; none means all Pythons below the supervisor.
    pub pids: Vec<i32>,
    /// The time between two looks.
    pub interval: Duration,
    /// For how long at most.
    pub duration: Option<Duration>,
}

/// Looks at what is below `supervisor` and sends what is seen, until the client says that it is enough or goes.
pub fn serve(client: &PacketConnection, order: &Order, supervisor: i32) {
    // a client that has gone needs no answer
    let _ = try_serve(client, order, supervisor);
}

fn try_serve(client: &PacketConnection, order: &Order, supervisor: i32) -> io::Result<()> {
    let (mut finder, reason) = if order.pids.is_empty() {
        let reason = "there is no Python below the supervisor";
        (Finder::below(supervisor), reason)
    } else {
        let mut finder = Finder::of(&order.pids);
        // we may be allowed to read more than who asks, so only what is below us
        finder.keep_below(supervisor);
        (finder, "none of these processes is below the supervisor")
    };
    if finder.find().is_empty() {
        return refuse(client, reason);
    }
    let settings = Settings {
        interval: order.interval.as_nanos() as u64,
        duration: Some(order.duration.unwrap_or(LONGEST).min(LONGEST).as_nanos() as u64),
        share: SHARE,
    };
    let begin = monotonic_nanos();
    send(client, &Packet::Begin { monotonic: begin })?;
    let mut post = Post::new(client);
    let never = AtomicBool::new(false);
    let spent = record(&settings, begin, &mut || finder.find(), &never, &mut post);
    post.flush();
    send(client, &Packet::end(spent, post.dropped()))
}

fn refuse(client: &PacketConnection, reason: &str) -> io::Result<()> {
    let message = reason.to_owned();
    send(client, &Packet::Error { message })
}

/// Sends what must arrive.
fn send(client: &PacketConnection, packet: &Packet) -> io::Result<()> {
    send_patiently(client, packet, PATIENCE)
}
