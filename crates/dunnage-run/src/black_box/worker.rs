//! The thread: what it keeps between requests, and its file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use dunnage_policy::event::Event;

use super::book::{Book, Reader};
use super::headroom::Headroom;
use super::pen::room_to_keep;
use super::{Answer, Post, Request, Seen, Settings};
use crate::record::{
    Continued, Ended, Part, Place, ReportFolder, Run, SCHEMA, Seen as SeenPart, Writer, now,
};

/// The least time between two looks at the processes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A look may take this share of the time: one that takes 100 ms is made every 10 s at most.
const LOOK_SHARE: u32 = 100;

/// How often a file that could not be made is tried again.
const TRY_EVERY: Duration = Duration::from_secs(10);

/// How often a traceback is read and thrown away: so that the pages of our own program that read it are there when memory
/// is short.
const WARM_EVERY: Duration = Duration::from_secs(30);

/// The thread's state.
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) post: Post,
    preparing: Arc<AtomicBool>,
    pub(super) book: Book,
    pub(super) writer: Option<Writer>,
    pub(super) headroom: Headroom,
    /// Where lines are kept while there is no room to write them.
    pub(super) kept: Vec<u8>,
    /// Records in the file that is being written.
    pub(super) records: u32,
    /// When each of these may be done again.
    look_at: Instant,
    warm_at: Instant,
    try_at: Instant,
    /// What is wrong with the file was said.
    is_said: bool,
}

impl Worker {
    pub fn new(settings: Settings, post: Post, preparing: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        Self {
            post,
            preparing,
            book: Book::default(),
            writer: None,
            headroom: Headroom::new(settings.kills, settings.stated),
            kept: Vec::new(),
            records: 0,
            look_at: now,
            warm_at: now,
            try_at: now,
            is_said: false,
            settings,
        }
    }

    /// Meets requests until the end, or until nobody can make any, and counts them.
    pub fn run(mut self, inbox: &Receiver<Request>, met: &AtomicU64) {
        self.find_headroom();
        self.open_folder();
        met.fetch_add(1, Ordering::Release);
        while let Ok(request) = inbox.recv() {
            match request {
                Request::Prepare(seen) => self.prepare(seen),
                Request::See(seen) => self.see(seen),
                Request::Record(request, at) => self.take(&request, at),
                Request::Stopping(stopping) => self.put(&Part::Stopping(stopping)),
                Request::Finish(ended) => {
                    self.finish(*ended);
                    self.post.send(Answer::Finished);
                    return;
                }
                #[cfg(test)]
                Request::Panic => panic!("as the test asked"),
            }
            met.fetch_add(1, Ordering::Release);
        }
    }

    fn find_headroom(&mut self) {
        self.headroom.find();
        if self.headroom.may_be_short() && self.kept.capacity() == 0 {
            self.kept = room_to_keep();
        }
    }

    /// Makes the file, then tells of earlier ones: a record may be wanted soon.
    fn open_folder(&mut self) {
        let Some(path) = self.settings.folder.clone() else {
            return;
        };
        self.make_file();
        let Ok(folder) = ReportFolder::open(&path) else {
            return;
        };
        let shown = path.display();
        match folder.place() {
            Place::Root => self.post.degrade(
                "records are lost with the container",
                &format!("{shown} is not on a volume"),
            ),
            Place::Memory => self.post.send(Answer::Say(Event::Note {
                text: format!(
                    "{shown} is in memory: what is written there counts against the memory limit"
                ),
            })),
            Place::Volume | Place::Unknown => {}
        }
        for event in folder.tell_last_time(host().as_deref()) {
            self.post.send(Answer::Say(event));
        }
        folder.prune();
    }

    /// Makes a file; `None`, said once, where that does not work.
    fn make_file(&mut self) {
        let Some(path) = &self.settings.folder else {
            return;
        };
        self.try_at = Instant::now() + TRY_EVERY;
        let made =
            ReportFolder::open(path).and_then(|folder| Writer::create(folder, &self.run_part()));
        match made {
            Ok(writer) => {
                self.records = 0;
                self.is_said = false;
                self.writer = Some(writer);
            }
            Err(error) => {
                let path = path.clone();
                self.complain(&path, &error);
            }
        }
    }

    pub(super) fn complain(&mut self, path: &std::path::Path, error: &std::io::Error) {
        if !std::mem::replace(&mut self.is_said, true) {
            let what = format!("memory records are not kept in {}", path.display());
            self.post.degrade(what, error);
        }
    }

    fn run_part(&self) -> Run {
        Run {
            schema: SCHEMA.to_owned(),
            time: now(),
            dunnage: env!("CARGO_PKG_VERSION").to_owned(),
            host: host(),
            command: self.settings.command.clone(),
            supervisor: self.settings.supervisor,
            limit: self.settings.limit,
        }
    }

    /// Looks at processes and file, so that a record finds both ready.
    fn prepare(&mut self, seen: Seen) {
        self.preparing.store(false, Ordering::Release);
        let started = Instant::now();
        if self.headroom.is_short() {
            return;
        }
        if started >= self.look_at {
            self.find_headroom();
            self.book
                .refresh(self.settings.supervisor, started, &mut self.headroom);
            if started >= self.warm_at {
                self.warm_up(started);
                self.warm_at = started + WARM_EVERY;
            }
            self.check_file();
            self.look_at = started + LOOK_EVERY.max(started.elapsed() * LOOK_SHARE);
        }
        self.see(seen);
    }

    fn see(&mut self, seen: Seen) {
        if self.headroom.is_short() {
            return;
        }
        if let Some(writer) = &mut self.writer {
            // a file that cannot be written is noticed where it matters
            let _ = writer.see(&SeenPart {
                time: now(),
                working_set: seen.working_set,
                capacity: seen.capacity,
            });
        }
    }

    fn warm_up(&mut self, now: Instant) {
        let growing = self.book.find_growing(now);
        let known = growing.and_then(|index| self.book.processes.get(index));
        if let Some(Reader::Python(target)) = known.map(super::book::Known::reader) {
            let _ = target.dump_each(drop);
        }
    }

    /// Makes another file where there is none, or where the one we write has been removed.
    fn check_file(&mut self) {
        if self.writer.as_ref().is_some_and(Writer::is_gone) {
            self.writer = None;
            self.is_said = false;
            let gone = std::io::Error::new(std::io::ErrorKind::NotFound, "the file was removed");
            let path = self.settings.folder.clone().unwrap_or_default();
            self.complain(&path, &gone);
            self.make_file();
        } else if self.writer.is_none() && Instant::now() >= self.try_at {
            self.make_file();
        }
    }

    fn put(&mut self, part: &Part) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.put(part)
        {
            let path = writer.path();
            self.complain(&path, &error);
        }
    }

    /// Goes on in another file where the room left is less than a record may need.
    pub(super) fn make_room(&mut self, wanted: u64) {
        let Some(full) = self.writer.take_if(|writer| writer.room() < wanted) else {
            return;
        };
        self.make_file();
        match &self.writer {
            Some(next) => {
                let file = next.name().to_owned();
                let _ = full.close(&Part::Continued(Continued { time: now(), file }));
                if let Some(writer) = &self.writer {
                    writer.folder().prune();
                }
            }
            // the rest of the old one is better than nothing
            None => self.writer = Some(full),
        }
    }

    fn finish(&mut self, ended: Ended) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        let path = writer.path();
        let done = match self.records {
            0 => writer.remove(),
            _ => writer.close(&Part::Ended(ended)),
        };
        if let Err(error) = done {
            self.complain(&path, &error);
        }
    }
}

/// The host's name, which is the pod's.
fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
