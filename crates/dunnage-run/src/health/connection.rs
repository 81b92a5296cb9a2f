//! One client: its request is read, its answer written, and then it goes.
//!
//! However slow or hostile it is, it costs 4 KiB of a request, one answer, and five seconds at most.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dunnage_sys::{Epoll, Interest};

use super::request::{HEAD_LIMIT, Head, PLAIN, Request, Status, parse_head, render_answer};

/// From the first byte of a request to the last of its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long, and for how many bytes, what a client still sends is read after its answer: a connection that is closed over
/// unread bytes is reset, which may take the answer with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// A connection.
pub struct Connection {
    socket: TcpStream,
    token: u64,
    state: State,
    deadline: Instant,
}

enum State {
    /// The request's head has come so far.
    Reading(Vec<u8>),
    /// The request waits until the loop has been asked.
    Waiting(Request),
    /// The answer has gone out up to that byte.
    Writing(Vec<u8>, usize),
    /// The answer is out; that many bytes of the client's will still be read.
    Lingering(usize),
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait for the client.
    Wait,
    /// Answer this.
    Answer(Request),
    /// Let it go.
    Close,
}

impl Connection {
    /// Takes a connection in.
    pub fn new(
        socket: TcpStream,
        token: u64,
        epoll: &Epoll,
        now: Instant,
    ) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        epoll.add(socket.as_fd(), token, Interest::Read)?;
        Ok(Self {
            socket,
            token,
            state: State::Reading(Vec::new()),
            deadline: now + PATIENCE,
        })
    }

    /// When it is let go, however far it has come.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How dear it is when there is no room for another: those that have their answer, or have asked nothing yet, are
    /// not.
    pub fn is_expendable(&self) -> bool {
        matches!(self.state, State::Reading(_) | State::Lingering(_))
    }

    /// The request that waits for the loop.
    pub fn waiting(&self) -> Option<Request> {
        match self.state {
            State::Waiting(request) => Some(request),
            _ => None,
        }
    }

    /// Goes on after the socket became ready.
    pub fn go_on(&mut self, epoll: &Epoll, now: Instant) -> Next {
        match &mut self.state {
            State::Reading(_) => self.read(epoll, now),
            State::Writing(..) => self.write(epoll, now),
            State::Lingering(_) => self.linger(),
            State::Waiting(_) => Next::Wait,
        }
    }

    fn read(&mut self, epoll: &Epoll, now: Instant) -> Next {
        let State::Reading(head) = &mut self.state else {
            return Next::Wait;
        };
        let mut chunk = [0; HEAD_LIMIT];
        let room = HEAD_LIMIT.saturating_sub(head.len());
        let Some(chunk) = chunk.get_mut(..room) else {
            return Next::Close;
        };
        match self.socket.read(chunk) {
            Ok(0) => return Next::Close,
            Ok(length) => head.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) => return after(&error),
        }
        match parse_head(head) {
            Head::Incomplete => Next::Wait,
            Head::Complete(request) => Next::Answer(request),
            Head::Refused(status) => {
                let head_only = head.starts_with(b"HEAD ");
                let body = format!("{}\n", status.line());
                self.answer(status, PLAIN, &body, head_only, epoll, now)
            }
        }
    }

    /// Lets the request wait until the loop has been asked. Nothing is read meanwhile.
    pub fn wait_for_loop(&mut self, request: Request, epoll: &Epoll) {
        let _ = epoll.remove(self.socket.as_fd());
        self.state = State::Waiting(request);
    }

    /// Sends the answer, or as much of it as the socket takes now.
    pub fn answer(
        &mut self,
        status: Status,
        content_type: &str,
        body: &str,
        head_only: bool,
        epoll: &Epoll,
        now: Instant,
    ) -> Next {
        if self.waiting().is_some()
            && epoll
                .add(self.socket.as_fd(), self.token, Interest::Read)
                .is_err()
        {
            return Next::Close;
        }
        let answer = render_answer(status, content_type, body, head_only);
        self.state = State::Writing(answer, 0);
        self.write(epoll, now)
    }

    fn write(&mut self, epoll: &Epoll, now: Instant) -> Next {
        let State::Writing(answer, written) = &mut self.state else {
            return Next::Wait;
        };
        while let Some(rest) = answer.get(*written..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(0) => return Next::Close,
                Ok(length) => *written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.look_for(Interest::Write, epoll);
                }
                Err(error) => return after(&error),
            }
        }
        self.state = State::Lingering(LINGER_BYTES);
        self.deadline = self.deadline.min(now + LINGER);
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return Next::Close;
        }
        self.look_for(Interest::Read, epoll)
    }

    fn look_for(&self, interest: Interest, epoll: &Epoll) -> Next {
        match epoll.change(self.socket.as_fd(), self.token, interest) {
            Ok(()) => Next::Wait,
            Err(_) => Next::Close,
        }
    }

    fn linger(&mut self) -> Next {
        let State::Lingering(left) = &mut self.state else {
            return Next::Wait;
        };
        let mut chunk = [0; HEAD_LIMIT];
        match self.socket.read(&mut chunk) {
            Ok(length) if length > 0 && length < *left => {
                *left -= length;
                Next::Wait
            }
            Ok(_) => Next::Close,
            Err(error) => after(&error),
        }
    }
}

fn after(error: &std::io::Error) -> Next {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Next::Wait,
        _ => Next::Close,
    }
}
