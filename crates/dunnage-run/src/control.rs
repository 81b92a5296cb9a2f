//! The control socket: who is below us says that it is there, and is told when a shutdown begins.
//!
//! All of it is one descriptor of the loop (an epoll set of the listener and at most 64 connections), and nothing in it
//! waits: what cannot be sent now is queued, a queue that is full ends its connection, and a peer that does not read its
//! answers is not read either. When there is no room for a new peer, the one that has been silent for longest and has not
//! subscribed goes first; some places are never given to subscribers.
//!
//! A peer is accepted when the kernel says that it is in our PID namespace (or one below), and it is root, our own user,
//! or a descendant. The process that connected may have ended and its id been reused before we look; what that gains is
//! a word of hello and a notice of the shutdown, so it is not pinned.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use dunnage_policy::event::Event;
use dunnage_policy::message::{MAX_PACKET, Reply, Request};
use dunnage_sys::{Epoll, Interest, PacketConnection, PacketListener, Peer, Received, current_uid};

use crate::dump;
use crate::log::Log;
use crate::procfs::descends_from;
use crate::recording::{self, Order};
use crate::runtime_folder::RuntimeFolder;

mod agents;
mod connection;
mod news;
mod page;
mod released;

use agents::Agents;
use connection::{Connection, Fate};
pub use news::Pressure;
use news::Stop;
use page::Page;
use released::Answers;
pub use released::ReleasedBy;

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// The most connections that are taken in, and packets of one that are read, in a turn of the loop.
const BATCH: usize = 16;

/// The most clients that are answered with tracebacks at a time.
const MAX_DUMPS: usize = 2;

/// The stack of a thread that answers.
const DUMP_STACK: usize = 256 * 1024;

/// The stack of a thread that looks.
const RECORD_STACK: usize = 512 * 1024;

/// How long nobody is taken in after that failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// The listener's token; connections have the numbers after it.
const LISTENER: u64 = 0;

/// The socket and its peers.
pub struct Control {
    epoll: Epoll,
    listener: PacketListener,
    folder: RuntimeFolder,
    supervisor: i32,
    own_uid: u32,
    connections: BTreeMap<u64, Connection>,
    last_token: u64,
    agents: Agents,
    stop: Option<Stop>,
    pressure: Option<Pressure>,
    paused_until: Option<Duration>,
    crowd_reported: bool,
    /// How many notices of memory pressure were not sent, since their receivers do not read.
    notices_dropped: u64,
    /// Threads that answer with tracebacks.
    dumps: Vec<JoinHandle<()>>,
    /// The thread that looks for a client, and who that is.
    recording: Option<(JoinHandle<()>, i32)>,
    page: Result<Page, String>,
    answers: Answers,
}

impl Control {
    /// Makes the folder and the socket. The error is a reason for a person.
    pub fn open(chosen: Option<&Path>) -> Result<Self, String> {
        let (folder, listener) = RuntimeFolder::create(chosen)?;
        let page = Page::create(&folder.page())
            .map_err(|error| format!("{}: {error}", folder.page().display()));
        let epoll = Epoll::new().map_err(|error| error.to_string())?;
        epoll
            .add(listener.as_fd(), LISTENER, Interest::Read)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            epoll,
            listener,
            folder,
            supervisor: dunnage_sys::current_pid(),
            own_uid: current_uid(),
            connections: BTreeMap::new(),
            last_token: LISTENER,
            agents: Agents::default(),
            stop: None,
            pressure: None,
            paused_until: None,
            crowd_reported: false,
            notices_dropped: 0,
            dumps: Vec::new(),
            recording: None,
            page,
            answers: Answers::default(),
        })
    }

    /// The socket's path, for `DUNNAGE_SOCKET`.
    pub fn socket(&self) -> PathBuf {
        self.folder.socket()
    }

    /// Why it is not in the folder that the user chose; `None` where it is, or none was chosen.
    pub fn passed_over(&self, chosen: Option<&Path>) -> Option<&str> {
        chosen.and(self.folder.passed_over())
    }

    /// From now on a Python below `child` that has no agent is worth a line.
    pub fn expect_agents(&mut self, child: i32) {
        self.agents.expect(self.supervisor, child);
    }

    /// When the loop must look even if nothing is ready.
    pub fn wake_at(&self) -> Option<Duration> {
        let times = [self.paused_until, self.agents.look_at()];
        times.into_iter().flatten().min()
    }

    /// Looks at whatever is ready. Takes no time where nothing is.
    pub fn turn(&mut self, now: Duration, log: &mut Log) {
        if self.paused_until.is_some_and(|until| now >= until) {
            let listener = self.listener.as_fd();
            let added = self.epoll.add(listener, LISTENER, Interest::Read);
            self.paused_until = added.is_err().then_some(now + PAUSE);
        }
        self.forget_finished();
        self.take_ready(now, log);
        if let Some(event) = self.agents.look(now) {
            log.say(&event);
        }
    }

    fn take_ready(&mut self, now: Duration, log: &mut Log) {
        let ready = self.epoll.ready();
        if ready.is_empty() {
            return;
        }
        let mut buffer = vec![0; MAX_PACKET];
        for token in ready {
            if token == LISTENER {
                self.accept(now);
            } else {
                self.serve(token, &mut buffer, now, log);
            }
        }
    }

    fn accept(&mut self, now: Duration) {
        for _ in 0..BATCH {
            match self.listener.accept() {
                Ok(Some(socket)) => self.admit(socket),
                Ok(None) => return,
                Err(_) => {
                    // without descriptors the listener would stay ready, and we would spin
                    let _ = self.epoll.remove(self.listener.as_fd());
                    self.paused_until = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    /// Takes a peer in, or closes the connection.
    fn admit(&mut self, socket: PacketConnection) {
        let Ok(peer) = socket.peer() else { return };
        let descends = |pid| descends_from(pid, self.supervisor);
        if !is_admitted(peer, self.own_uid, descends) {
            return;
        }
        if self.connections.len() >= MAX_CONNECTIONS {
            self.make_room();
        }
        self.last_token += 1;
        let token = self.last_token;
        if let Ok(connection) = Connection::new(socket, peer, token, &self.epoll) {
            self.connections.insert(token, connection);
        }
    }

    /// Lets the longest silent go of those that have not subscribed.
    fn make_room(&mut self) {
        let idle = self
            .connections
            .iter()
            .filter(|(_, connection)| !connection.subscribed)
            .min_by_key(|(_, connection)| connection.last_heard)
            .map(|(token, _)| *token);
        if let Some(token) = idle {
            self.connections.remove(&token);
        }
    }

    /// Sends what waits, then reads what came, unless answers are still waiting.
    fn serve(&mut self, token: u64, buffer: &mut [u8], now: Duration, log: &mut Log) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        if connection.flush(&self.epoll) == Fate::Close {
            self.connections.remove(&token);
            return;
        }
        for _ in 0..BATCH {
            let Some(connection) = self.connections.get_mut(&token) else {
                return;
            };
            if !connection.is_clear() {
                return;
            }
            let answer = match connection.receive(buffer) {
                Ok(Received::Nothing) => return,
                Ok(Received::Closed) | Err(_) => {
                    self.connections.remove(&token);
                    return;
                }
                Ok(Received::TooLong) => Some(Reply::error("the packet is too long")),
                Ok(Received::Packet(size)) => {
                    connection.last_heard = self.last_token;
                    let packet = buffer.get(..size).unwrap_or_default();
                    self.answer(token, packet, now, log)
                }
            };
            if let Some(answer) = answer {
                self.post(token, &answer);
            }
        }
    }

    fn post(&mut self, token: u64, reply: &Reply) {
        if let Some(connection) = self.connections.get_mut(&token)
            && connection.post(reply.to_packet(), &self.epoll) == Fate::Close
        {
            self.connections.remove(&token);
        }
    }

    fn answer(&mut self, token: u64, packet: &[u8], now: Duration, log: &mut Log) -> Option<Reply> {
        match Request::parse(packet) {
            Ok(Request::Hello { python, door }) => {
                let pid = self.connections.get(&token)?.peer.pid;
                if self.agents.remember(pid) {
                    log.say(&Event::AgentPresent { pid, python, door });
                }
                None
            }
            Ok(Request::Subscribe { to }) => self.subscribe(token, &to, now, log),
            Ok(Request::Dump { pids }) => self.dump(token, pids),
            Ok(Request::Record {
                pids,
                interval_us,
                duration_ms,
            }) => {
                let order = Order {
                    pids,
                    interval: Duration::from_micros(interval_us.into()),
                    duration: duration_ms.map(Duration::from_millis),
                };
                self.record(token, order)
            }
            Ok(Request::Released(released)) => {
                self.hear(self.connections.get(&token)?.peer.pid, released);
                None
            }
            Err(error) => Some(Reply::error(error.to_string())),
        }
    }

    /// A thread that has ended keeps its stack until it is let go.
    fn forget_finished(&mut self) {
        self.dumps.retain(|thread| !thread.is_finished());
        self.recording.take_if(|(thread, _)| thread.is_finished());
    }

    /// Gives the connection to a thread that reads the processes, which may take time.
    fn dump(&mut self, token: u64, pids: Vec<i32>) -> Option<Reply> {
        self.forget_finished();
        let connection = self.connections.get(&token)?;
        let refusal = if !may_dump(connection.peer, self.own_uid) {
            "tracebacks are for root and the supervisor's own user only"
        } else if connection.subscribed {
            "a subscriber asks for tracebacks by another connection"
        } else if self.dumps.len() >= MAX_DUMPS {
            "others are being answered, or have left their answers lying: try again in some seconds"
        } else {
            let client = self.connections.remove(&token)?.into_socket(&self.epoll);
            let (client, supervisor) = (client.ok()?, self.supervisor);
            let thread = std::thread::Builder::new()
                .stack_size(DUMP_STACK)
                .spawn(move || dump::answer(&client, &pids, supervisor));
            // where no thread can be made the connection is closed by that
            self.dumps.extend(thread);
            return None;
        };
        Some(Reply::error(refusal))
    }

    /// Gives the connection to a thread that looks until the client has enough.
    fn record(&mut self, token: u64, order: Order) -> Option<Reply> {
        self.forget_finished();
        let connection = self.connections.get(&token)?;
        let refusal = if !may_dump(connection.peer, self.own_uid) {
            "recordings are for root and the supervisor's own user only".to_owned()
        } else if connection.subscribed {
            "a subscriber asks for a recording by another connection".to_owned()
        } else if let Some((_, client)) = &self.recording {
            format!("process {client} is recording already: end it, or wait for its end")
        } else {
            let client = connection.peer.pid;
            let socket = self.connections.remove(&token)?.into_socket(&self.epoll);
            let (socket, supervisor) = (socket.ok()?, self.supervisor);
            let thread = std::thread::Builder::new()
                .stack_size(RECORD_STACK)
                .spawn(move || recording::serve(&socket, &order, supervisor));
            // where no thread can be made the connection is closed by that
            self.recording = thread.ok().map(|thread| (thread, client));
            return None;
        };
        Some(Reply::error(refusal))
    }
}

/// Whether a peer may come in; `descends` is asked only where it matters.
fn is_admitted(peer: Peer, own_uid: u32, descends: impl FnOnce(i32) -> bool) -> bool {
    peer.pid > 0 && (peer.uid == 0 || peer.uid == own_uid || descends(peer.pid))
}

/// Whether a peer that was let in may see tracebacks: they name files and functions, and a descendant that gave up its
/// rights has given up these too.
fn may_dump(peer: Peer, own_uid: u32) -> bool {
    peer.uid == 0 || peer.uid == own_uid
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests;
