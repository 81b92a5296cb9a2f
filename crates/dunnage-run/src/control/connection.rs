//! One peer: what it has asked for, and what waits for it.

use std::collections::VecDeque;
use std::io;

use dunnage_sys::{Epoll, Interest, PacketConnection, Peer, Received};
use std::os::fd::AsFd;

/// The most packets that wait for one peer.
pub const MAX_QUEUE: usize = 16;

/// Whether a connection goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Keep,
    Close,
}

/// A connection and its place in the epoll set.
pub struct Connection {
    socket: PacketConnection,
    token: u64,
    pub peer: Peer,
    pub wants_drain: bool,
    pub wants_pressure: bool,
    /// It waits for what may come any time: never closed to make room.
    pub subscribed: bool,
    queue: VecDeque<Vec<u8>>,
    /// The newest connection's token when this peer last said something.
    pub last_heard: u64,
}

impl Connection {
    /// Takes a socket in and waits for its words.
    pub fn new(
        socket: PacketConnection,
        peer: Peer,
        token: u64,
        epoll: &Epoll,
    ) -> io::Result<Self> {
        epoll.add(socket.as_fd(), token, Interest::Read)?;
        Ok(Self {
            socket,
            token,
            peer,
            wants_drain: false,
            wants_pressure: false,
            subscribed: false,
            queue: VecDeque::new(),
            last_heard: token,
        })
    }

    /// Whether everything that was said to it has been taken.
    pub fn is_clear(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether so much waits for it that there is room for one last word only.
    pub fn is_crowded(&self) -> bool {
        self.queue.len() >= MAX_QUEUE - 1
    }

    /// Gives the socket away.
    pub fn into_socket(self, epoll: &Epoll) -> io::Result<PacketConnection> {
        epoll.remove(self.socket.as_fd())?;
        Ok(self.socket)
    }

    /// How many packets wait for it.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The next packet, if there is one.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket.receive(buffer)
    }

    /// Queues a packet and sends what can be sent. A peer that lets too much lie is not kept.
    pub fn post(&mut self, packet: Vec<u8>, epoll: &Epoll) -> Fate {
        self.queue.push_back(packet);
        match self.flush(epoll) {
            Fate::Keep if self.queue.len() <= MAX_QUEUE => Fate::Keep,
            _ => Fate::Close,
        }
    }

    /// Sends what waits, as far as there is room, and asks to be woken for the rest. While something waits the peer is
    /// not listened to, so that it cannot ask for more.
    pub fn flush(&mut self, epoll: &Epoll) -> Fate {
        if self.queue.is_empty() {
            return Fate::Keep;
        }
        while let Some(packet) = self.queue.front() {
            match self.socket.send(packet) {
                Ok(true) => drop(self.queue.pop_front()),
                Ok(false) => break,
                Err(_) => return Fate::Close,
            }
        }
        let interest = if self.queue.is_empty() {
            Interest::Read
        } else {
            Interest::Write
        };
        match epoll.change(self.socket.as_fd(), self.token, interest) {
            Ok(()) => Fate::Keep,
            Err(_) => Fate::Close,
        }
    }
}
