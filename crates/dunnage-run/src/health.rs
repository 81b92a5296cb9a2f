//! Health and metrics for who asks from outside: `--listen` answers `/livez`, `/readyz` and `/metrics` over HTTP,
//! `--textfile` writes the same metrics into a folder. Nothing of it is there unless it was asked for.
//!
//! One thread holds the listener and at most 32 clients, and reads the kernel's counters itself when a page is rendered;
//! the loop is not involved in either, so no client, however many, slow or hostile, can hold it up. What only the loop
//! knows (is a shutdown under way, what was reaped, what the watch over memory did) it says when it is **asked**: a byte
//! on a socket pair wakes it, and its answer is a [`Snapshot`] through a bounded channel. So "alive" means that the loop
//! has just turned, whether it had slept for days or not, and while nobody asks it is not woken at all. An answer is good
//! for a second: the loop wakes up once a second at most. It speaks unasked only when readiness changes.
//!
//! The other end of the socket pair being closed tells each side that the other is gone: a thread that has panicked is
//! one line in the log.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dunnage_cgroup::Overrides;
use dunnage_policy::event::Event;
use dunnage_sys::{Interest, poll};

use crate::config;

mod connection;
mod metrics;
mod readings;
mod request;
mod server;
mod snapshot;
mod textfile;

pub use request::{Head, parse_head};
pub use snapshot::{MemoryWork, Snapshot};

use readings::Readers;
use server::{Server, Start};
use textfile::Textfile;

/// How many snapshots, and how many events, may lie unread.
const QUEUE: usize = 8;

/// The thread's stack: the largest things on it are two buffers of 4 KiB.
const STACK: usize = 256 * 1024;

/// How long the last page may take at the end.
const LAST_PAGE: Duration = Duration::from_millis(200);

/// The loop's side.
pub struct Health {
    wake: UnixStream,
    snapshots: SyncSender<Snapshot>,
    events: Receiver<Event>,
    /// What was said last.
    told: Option<Snapshot>,
    /// Whether a file is written at the end.
    has_textfile: bool,
}

/// Whether the thread is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// It is.
    Alive,
    /// It has ended, and must not be polled any more.
    Gone,
}

impl Health {
    /// Starts what was asked for, and says what could not be: the application runs without it. To be called after the
    /// child was started, so that it inherits none of it.
    pub fn start(wanted: &config::Health, overrides: &Overrides) -> (Option<Self>, Vec<Event>) {
        if *wanted == config::Health::default() {
            return (None, Vec::new());
        }
        let mut said = Vec::new();
        let listener = wanted.listen.and_then(|address| {
            let (listener, event) = listen(address);
            said.push(event);
            listener
        });
        if listener.is_none() && wanted.textfile.is_none() {
            return (None, said);
        }
        match Self::spawn(listener, wanted.textfile.clone(), overrides) {
            Ok(health) => (Some(health), said),
            Err(error) => {
                let event = Event::Degraded {
                    what: "no health and no metrics".to_owned(),
                    reason: error.to_string(),
                };
                (None, vec![event])
            }
        }
    }

    fn spawn(
        listener: Option<TcpListener>,
        folder: Option<PathBuf>,
        overrides: &Overrides,
    ) -> io::Result<Self> {
        let (wake, theirs) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let (snapshots, heard) = sync_channel(QUEUE);
        let (complain, events) = sync_channel(QUEUE);
        let has_textfile = folder.is_some();
        let textfile = folder
            .map(|folder| Textfile::start(folder, complain, theirs.try_clone()?))
            .transpose()?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        let server = Server::new(Start {
            listener,
            textfile,
            readers: Readers::new(overrides.clone()),
            wake: theirs,
            snapshots: heard,
            began: began.unwrap_or_default().as_secs_f64(),
        })?;
        std::thread::Builder::new()
            .name("health".to_owned())
            .stack_size(STACK)
            .spawn(move || server.run())?;
        Ok(Self {
            wake,
            snapshots,
            events,
            told: None,
            has_textfile,
        })
    }

    /// Answers the thread if it has asked, and tells it where readiness has changed. Never waits.
    pub fn turn(&mut self, snapshot: &Snapshot) -> Pulse {
        let mut bytes = [0; 64];
        let is_asked = match self.wake.read(&mut bytes) {
            Ok(0) => return Pulse::Gone,
            Ok(_) => true,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => false,
                _ => return Pulse::Gone,
            },
        };
        let told = self.told.as_ref().map(Snapshot::unready);
        if is_asked || told != Some(snapshot.unready()) {
            self.publish(snapshot);
        }
        Pulse::Alive
    }

    /// What there is to say about it.
    pub fn take_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Says something to the thread. What finds no room is lost: a thread that has left so much unread will ask again.
    fn publish(&mut self, snapshot: &Snapshot) {
        if self.snapshots.try_send(*snapshot).is_ok() {
            self.told = Some(*snapshot);
        }
        let _ = self.wake.write(b"!");
    }

    /// Ends it: the file gets the last word, if that takes no longer than 200 ms.
    pub fn finish(mut self, last: &Snapshot) {
        self.publish(last);
        if !self.has_textfile || self.wake.shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        let end = Instant::now() + LAST_PAGE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wanted = [Some((self.wake.as_fd(), Interest::Read))];
            if left.is_zero() || poll(&wanted, Some(left)).is_err() {
                return;
            }
            // what is read is a question or a complaint; its end says that the file is written
            match self.wake.read(&mut [0; 64]) {
                Ok(0) => return,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }
}

impl AsFd for Health {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

fn listen(address: SocketAddr) -> (Option<TcpListener>, Event) {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    match bound {
        Ok((listener, address)) => {
            let address = address.to_string();
            (Some(listener), Event::Listening { address })
        }
        Err(error) => {
            let event = Event::Degraded {
                what: format!("no health and metrics over HTTP, nobody listens on {address}"),
                reason: error.to_string(),
            };
            (None, event)
        }
    }
}

#[cfg(test)]
mod tests;
