//! The control socket: who is below us says that it is there, and is told when a shutdown begins.
//!
//! All of it is one descriptor of the loop (an epoll set of the listener and at most 64 connections), and nothing in it
//! waits: what cannot be sent now is queued, a queue that is full ends its connection, and a peer that does not read its
//! answers is not read either. When there is no room for a new peer, the one that has been silent for longest and waits
//! for nothing goes first.
//!
//! A peer is accepted when the kernel says that it is in our PID namespace (or one below), and it is root, our own user,
//! or a descendant. The process that connected may have ended and its id been reused before we look; what that gains is
//! a word of hello and a notice of the shutdown, so it is not pinned.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dunnage_policy::event::Event;
use dunnage_policy::message::{MAX_PACKET, Reply, Request, Topic};
use dunnage_policy::process::Identity;
use dunnage_policy::signal::Signal;
use dunnage_sys::{Epoll, Interest, PacketConnection, PacketListener, Peer, Received, current_uid};

use crate::log::Log;
use crate::procfs::{descends_from, is_still, read_process};
use crate::runtime_folder::RuntimeFolder;

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// The most connections that are taken in, and packets of one that are read, in a turn of the loop.
const BATCH: usize = 16;

/// The most packets that wait for one peer.
const MAX_QUEUE: usize = 16;

/// The most processes whose agent is remembered.
const MAX_AGENTS: usize = 1024;

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
    connections: BTreeMap<u64, Connection>,
    last_token: u64,
    agents: Vec<Identity>,
    stop: Option<Stop>,
    paused_until: Option<Duration>,
}

/// A shutdown under way.
#[derive(Debug, Clone, Copy)]
struct Stop {
    signal: Signal,
    deadline: Option<Duration>,
}

struct Connection {
    socket: PacketConnection,
    peer: Peer,
    wants_drain: bool,
    subscribed: bool,
    queue: VecDeque<Vec<u8>>,
    /// The newest connection's token when this peer last said something.
    last_heard: u64,
}

/// Whether a connection goes on.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    Close,
}

impl Control {
    /// Makes the folder and the socket. The error is a reason for a person.
    pub fn open(chosen: Option<&Path>) -> Result<Self, String> {
        let (folder, listener) = RuntimeFolder::create(chosen)?;
        let epoll = Epoll::new().map_err(|error| error.to_string())?;
        epoll
            .add(listener.as_fd(), LISTENER, Interest::Read)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            epoll,
            listener,
            folder,
            supervisor: dunnage_sys::current_pid(),
            connections: BTreeMap::new(),
            last_token: LISTENER,
            agents: Vec::new(),
            stop: None,
            paused_until: None,
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

    /// When the loop must look even if nothing is ready.
    pub fn wake_at(&self) -> Option<Duration> {
        self.paused_until
    }

    /// Looks at whatever is ready. Takes no time where nothing is.
    pub fn turn(&mut self, now: Duration, log: &mut Log) {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            let listener = self.listener.as_fd();
            if self.epoll.add(listener, LISTENER, Interest::Read).is_err() {
                self.paused_until = Some(now + PAUSE);
            }
        }
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

    /// Tells everybody who wants to know that a shutdown has begun. Only the first one counts.
    pub fn announce_stop(&mut self, signal: Signal, now: Duration, budget: Option<Duration>) {
        if self.stop.is_some() {
            return;
        }
        let deadline = budget.map(|budget| now + budget);
        self.stop = Some(Stop { signal, deadline });
        let packet = Reply::drain(signal, budget).to_packet();
        let wanting = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.wants_drain);
        let tokens: Vec<u64> = wanting.map(|(token, _)| *token).collect();
        for token in tokens {
            self.post(token, packet.clone());
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
        if !is_admitted(peer, current_uid(), |pid| {
            descends_from(pid, self.supervisor)
        }) {
            return;
        }
        if self.connections.len() >= MAX_CONNECTIONS && !self.make_room() {
            return;
        }
        self.last_token += 1;
        let token = self.last_token;
        if self
            .epoll
            .add(socket.as_fd(), token, Interest::Read)
            .is_err()
        {
            return;
        }
        let connection = Connection {
            socket,
            peer,
            wants_drain: false,
            subscribed: false,
            queue: VecDeque::new(),
            last_heard: token,
        };
        self.connections.insert(token, connection);
    }

    /// Lets the longest silent go of those that have not subscribed.
    fn make_room(&mut self) -> bool {
        let idle = self
            .connections
            .iter()
            .filter(|(_, connection)| !connection.subscribed)
            .min_by_key(|(_, connection)| connection.last_heard)
            .map(|(token, _)| *token);
        idle.is_some_and(|token| self.connections.remove(&token).is_some())
    }

    /// Sends what waits, then reads what came, unless answers are still waiting.
    fn serve(&mut self, token: u64, buffer: &mut [u8], now: Duration, log: &mut Log) {
        if self.send_queue(token) == Fate::Close {
            self.connections.remove(&token);
            return;
        }
        for _ in 0..BATCH {
            let Some(connection) = self.connections.get_mut(&token) else {
                return;
            };
            if !connection.queue.is_empty() {
                return;
            }
            let answer = match connection.socket.receive(buffer) {
                Ok(Received::Nothing) => return,
                Ok(Received::Closed) | Err(_) => {
                    self.connections.remove(&token);
                    return;
                }
                Ok(Received::TooLong) => Some(Reply::Error {
                    message: "the packet is too long".to_owned(),
                }),
                Ok(Received::Packet(size)) => {
                    connection.last_heard = self.last_token;
                    let packet = buffer.get(..size).unwrap_or_default();
                    self.answer(token, packet, now, log)
                }
            };
            if let Some(answer) = answer {
                self.post(token, answer.to_packet());
            }
        }
    }

    fn answer(&mut self, token: u64, packet: &[u8], now: Duration, log: &mut Log) -> Option<Reply> {
        let connection = self.connections.get_mut(&token)?;
        match Request::parse(packet) {
            Ok(Request::Hello { python, door }) => {
                let pid = connection.peer.pid;
                if self.is_new_agent(pid) {
                    log.say(&Event::AgentPresent { pid, python, door });
                }
                None
            }
            Ok(Request::Subscribe { to }) => {
                let wanted_before = connection.wants_drain;
                connection.wants_drain |= to.contains(&Topic::Drain);
                connection.subscribed = true;
                // who comes late is told at once
                let stop = self
                    .stop
                    .filter(|_| connection.wants_drain && !wanted_before)?;
                let left = stop.deadline.map(|deadline| deadline.saturating_sub(now));
                Some(Reply::drain(stop.signal, left))
            }
            Err(error) => Some(Reply::Error {
                message: error.to_string(),
            }),
        }
    }

    /// Remembers a process that said hello; whether it was not known.
    fn is_new_agent(&mut self, pid: i32) -> bool {
        let Some(process) = read_process(pid) else {
            return false;
        };
        if self.agents.contains(&process.identity) {
            return false;
        }
        if self.agents.len() >= MAX_AGENTS {
            self.agents.retain(|identity| is_still(*identity));
        }
        if self.agents.len() >= MAX_AGENTS {
            return false;
        }
        self.agents.push(process.identity);
        true
    }

    /// Queues a packet and sends what can be sent.
    fn post(&mut self, token: u64, packet: Vec<u8>) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        connection.queue.push_back(packet);
        if connection.queue.len() > MAX_QUEUE || self.send_queue(token) == Fate::Close {
            self.connections.remove(&token);
        }
    }

    /// Sends what waits, as far as there is room, and asks to be woken for the rest.
    fn send_queue(&mut self, token: u64) -> Fate {
        let Some(connection) = self.connections.get_mut(&token) else {
            return Fate::Close;
        };
        if connection.queue.is_empty() {
            return Fate::Keep;
        }
        while let Some(packet) = connection.queue.front() {
            match connection.socket.send(packet) {
                Ok(true) => drop(connection.queue.pop_front()),
                Ok(false) => break,
                Err(_) => return Fate::Close,
            }
        }
        let interest = if connection.queue.is_empty() {
            Interest::Read
        } else {
            Interest::Write
        };
        match self
            .epoll
            .change(connection.socket.as_fd(), token, interest)
        {
            Ok(()) => Fate::Keep,
            Err(_) => Fate::Close,
        }
    }
}

/// Whether a peer may come in; `descends` is asked only where it matters.
fn is_admitted(peer: Peer, own_uid: u32, descends: impl FnOnce(i32) -> bool) -> bool {
    peer.pid > 0 && (peer.uid == 0 || peer.uid == own_uid || descends(peer.pid))
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests;
