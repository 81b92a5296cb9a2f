//! The thread: clients, the loop's word, and the page.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use dunnage_sys::{Epoll, Interest, poll};

use super::connection::{Connection, Next};
use super::metrics::{self, Facts};
use super::readings::Readers;
use super::request::{PLAIN, Page, Request, Status};
use super::snapshot::Snapshot;
use super::textfile::Textfile;

/// The most clients at a time.
const MAX_CONNECTIONS: usize = 32;

/// The most connections that are taken in before the others are looked at.
const BATCH: usize = 32;

/// How old the loop's word may be, and how old a page: so the loop is woken up once a second at most.
const FRESH: Duration = Duration::from_secs(1);

/// How long the loop has for an answer before it counts as stuck.
const LOOP_PATIENCE: Duration = Duration::from_secs(1);

/// How long nobody is taken in after that failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the file is written.
const TEXTFILE_INTERVAL: Duration = Duration::from_secs(15);

/// Tokens; connections have the numbers after them.
const LISTENER: u64 = 0;
const WAKE: u64 = 1;

/// What the thread is given.
pub struct Start {
    pub listener: Option<TcpListener>,
    pub textfile: Option<Textfile>,
    pub readers: Readers,
    /// To wake the loop, and to be woken. Its end of the loop's being closed ends the thread.
    pub wake: UnixStream,
    /// What the loop says.
    pub snapshots: Receiver<Snapshot>,
    /// In seconds since 1970.
    pub began: f64,
}

/// The thread's state.
pub struct Server {
    start: Start,
    epoll: Epoll,
    connections: BTreeMap<u64, Connection>,
    last_token: u64,
    /// What the loop said last, and when.
    heard: Option<(Snapshot, Instant)>,
    /// When it was asked and has not answered since.
    asked: Option<Instant>,
    page: Option<(Instant, String)>,
    paused_until: Option<Instant>,
    /// When the file is due, and whether only the loop's word is missing.
    textfile_at: Option<Instant>,
    over: bool,
}

impl Server {
    /// Makes the set of what is waited for.
    pub fn new(start: Start) -> std::io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(start.wake.as_fd(), WAKE, Interest::Read)?;
        if let Some(listener) = &start.listener {
            epoll.add(listener.as_fd(), LISTENER, Interest::Read)?;
        }
        Ok(Self {
            textfile_at: start.textfile.as_ref().map(|_| Instant::now()),
            start,
            epoll,
            connections: BTreeMap::new(),
            last_token: WAKE,
            heard: None,
            asked: None,
            page: None,
            paused_until: None,
            over: false,
        })
    }

    /// Serves until the loop lets go.
    pub fn run(mut self) {
        while !self.over {
            let timeout = self
                .next_look()
                .map(|at| at.saturating_duration_since(Instant::now()));
            // a poll that fails (memory) is looked at as one that timed out
            let _ = poll(&[Some((self.epoll.as_fd(), Interest::Read))], timeout);
            self.turn(Instant::now());
        }
        self.write_textfile(Instant::now());
    }

    fn turn(&mut self, now: Instant) {
        for token in self.epoll.ready() {
            match token {
                WAKE => self.listen_to_loop(now),
                LISTENER => self.accept(now),
                client => self.serve(client, now),
            }
        }
        if self.paused_until.is_some_and(|until| now >= until) {
            self.resume(now);
        }
        self.answer_waiting(now);
        self.connections
            .retain(|_, connection| connection.deadline() > now);
        if self.textfile_at.is_some_and(|at| now >= at) && self.knows(now) {
            self.textfile_at = Some(now + TEXTFILE_INTERVAL);
            self.write_textfile(now);
        }
    }

    fn next_look(&self) -> Option<Instant> {
        let clients = self.connections.values().map(Connection::deadline);
        let stuck = self.asked.map(|at| at + LOOP_PATIENCE);
        // a file that is due waits for the loop's answer, which wakes us
        let textfile = self
            .textfile_at
            .map(|at| stuck.map_or(at, |stuck| at.max(stuck)));
        let waits = !self.connections.is_empty() || self.textfile_at.is_some();
        clients
            .chain(stuck.filter(|_| waits && !self.is_stuck(Instant::now())))
            .chain(textfile)
            .chain(self.paused_until)
            .min()
    }

    /// Takes what the loop has said.
    fn listen_to_loop(&mut self, now: Instant) {
        let mut bytes = [0; 64];
        match self.start.wake.read(&mut bytes) {
            Ok(0) => self.over = true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.over = true,
        }
        while let Ok(snapshot) = self.start.snapshots.try_recv() {
            self.heard = Some((snapshot, now));
            self.asked = None;
        }
    }

    /// Asks the loop, unless a question is open or its word is fresh; whether there is no need to wait for the answer:
    /// it is here, or has been waited for long enough.
    fn knows(&mut self, now: Instant) -> bool {
        let fresh = self.heard.is_some_and(|(_, at)| now < at + FRESH);
        if fresh || self.is_stuck(now) {
            return true;
        }
        if self.asked.is_none() {
            self.asked = Some(now);
            // one that finds no room finds the loop with enough to read
            let _ = self.start.wake.write(b"?");
        }
        false
    }

    /// Whether the loop has been asked and has not answered in time.
    fn is_stuck(&self, now: Instant) -> bool {
        self.asked.is_some_and(|at| now >= at + LOOP_PATIENCE)
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..BATCH {
            let Some(listener) = &self.start.listener else {
                return;
            };
            match listener.accept() {
                Ok((socket, _)) => {
                    self.make_room();
                    self.last_token += 1;
                    let token = self.last_token;
                    if let Ok(connection) = Connection::new(socket, token, &self.epoll, now) {
                        self.connections.insert(token, connection);
                    }
                }
                Err(error) if is_momentary(error.kind()) => return,
                Err(_) => {
                    // without descriptors the listener would stay ready, and we would spin
                    let _ = self.epoll.remove(listener.as_fd());
                    self.paused_until = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    fn resume(&mut self, now: Instant) {
        let Some(listener) = &self.start.listener else {
            return;
        };
        let added = self.epoll.add(listener.as_fd(), LISTENER, Interest::Read);
        self.paused_until = added.is_err().then_some(now + PAUSE);
    }

    /// Lets the oldest go that does not wait for an answer, so that clients that dawdle cannot keep a probe out.
    fn make_room(&mut self) {
        if self.connections.len() < MAX_CONNECTIONS {
            return;
        }
        let expendable = self
            .connections
            .iter()
            .find(|(_, connection)| connection.is_expendable());
        let oldest = expendable.or_else(|| self.connections.iter().next());
        if let Some(token) = oldest.map(|(token, _)| *token) {
            self.connections.remove(&token);
        }
    }

    fn serve(&mut self, token: u64, now: Instant) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        match connection.go_on(&self.epoll, now) {
            Next::Wait => {}
            Next::Close => drop(self.connections.remove(&token)),
            Next::Answer(request) => connection.wait_for_loop(request, &self.epoll),
        }
    }

    /// Answers those that wait, where what they ask for is known by now.
    fn answer_waiting(&mut self, now: Instant) {
        let waiting: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(token, connection)| Some((*token, connection.waiting()?)))
            .collect();
        if waiting.is_empty() || !self.knows(now) {
            return;
        }
        for (token, request) in waiting {
            let (status, content_type, body) = self.answer(request, now);
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            let next = connection.answer(
                status,
                content_type,
                &body,
                request.head_only,
                &self.epoll,
                now,
            );
            if next == Next::Close {
                self.connections.remove(&token);
            }
        }
    }

    fn answer(&mut self, request: Request, now: Instant) -> (Status, &'static str, String) {
        let plain = |status, text: &str| (status, PLAIN, format!("{text}\n"));
        match request.page {
            Page::Live if self.is_stuck(now) => plain(
                Status::Unavailable,
                "stuck: the supervisor's loop has not answered for a second",
            ),
            Page::Live => plain(Status::Ok, "ok"),
            // of a loop that is stuck the last word counts: the application may be well
            Page::Ready => match self.heard.unwrap_or((Snapshot::default(), now)).0.unready() {
                Some(reason) => plain(Status::Unavailable, reason),
                None => plain(Status::Ok, "ok"),
            },
            Page::Metrics => (Status::Ok, metrics::CONTENT_TYPE, self.page(now)),
        }
    }

    fn page(&mut self, now: Instant) -> String {
        if let Some((at, page)) = &self.page
            && now < *at + FRESH
        {
            return page.clone();
        }
        let page = self.render(now);
        self.page = Some((now, page.clone()));
        page
    }

    fn render(&mut self, now: Instant) -> String {
        metrics::render(&Facts {
            version: env!("CARGO_PKG_VERSION"),
            start_time: self.start.began,
            responsive: !self.is_stuck(now),
            snapshot: self.heard.map(|(snapshot, _)| snapshot),
            readings: self.start.readers.read(),
        })
    }

    fn write_textfile(&mut self, now: Instant) {
        if self.start.textfile.is_none() {
            return;
        }
        let page = self.render(now);
        if let Some(textfile) = &self.start.textfile {
            textfile.write(page);
        }
    }
}

/// Whether a failed accept says nothing about the next one.
fn is_momentary(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
    )
}
