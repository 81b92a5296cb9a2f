//! The black box: a thread that knows the application's processes beforehand and, asked for a record, reads their
//! tracebacks and writes everything down before the kernel kills.
//!
//! It is a thread of the supervisor since under Yama only an ancestor may read a process. Everything that may wait is its
//! work, a report folder on a network included: the loop gives it requests and looks for answers, and neither waits. A
//! panic ends it alone: the loop then learns that it is dead. A disk that hangs holds up the thread and nobody else: the
//! loop sees that it does not get on, and says so.

mod book;
mod headroom;
mod pen;
mod pulse;
mod request;
mod take;
mod traceback;
mod words;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dunnage_policy::event::Event;
use dunnage_sys::EventFd;

use crate::record::Ended;
use pulse::{Beat, Pulse};
pub use request::{RecordRequest, Recorded, Refused, Seen, Settings};
pub use words::{Best, whereabouts};
use worker::Worker;

/// The thread's stack. The deepest it gets is some 30 KiB; what is not touched costs nothing.
const STACK: usize = 256 << 10;

/// How many requests may wait.
const QUEUE: usize = 4;

/// How many answers may wait: an event for each thing that can go wrong, and a record.
const ANSWERS: usize = 16;

/// How often a look like the last is noted.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// The least time between two notes.
const NOTE_APART: Duration = Duration::from_millis(100);

/// How long a clean end waits for the thread: as long as its start may take under a small CPU quota, since a command may end
/// before that. One that does not get on is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the loop asks for.
enum Request {
    Prepare(Seen),
    See(Seen),
    Record(Box<RecordRequest>, Instant),
    Stopping(crate::record::Stopping),
    Finish(Box<Ended>),
    #[cfg(test)]
    Panic,
}

/// What the thread answers.
enum Answer {
    Say(Event),
    Recorded(Box<Recorded>),
    Finished,
}

/// The loop's end of it.
#[derive(Debug)]
pub struct BlackBox {
    requests: SyncSender<Request>,
    answers: Receiver<Answer>,
    wake: Arc<EventFd>,
    /// A `Prepare` waits or is being met: another would say nothing new.
    preparing: Arc<AtomicBool>,
    /// The number of the record that was asked for and is not done.
    recording: Option<u32>,
    is_dead: bool,
    /// Whether the thread gets on.
    pulse: Pulse,
    folder: Option<PathBuf>,
    /// The look that was noted last.
    noted: Option<(Seen, Instant)>,
    done: VecDeque<Recorded>,
    events: VecDeque<Event>,
    _thread: JoinHandle<()>,
}

impl BlackBox {
    /// Starts the thread, after the application was started. What goes wrong in its folder is told by
    /// [`BlackBox::take_event`].
    pub fn start(settings: Settings) -> io::Result<Self> {
        let (requests, inbox) = sync_channel(QUEUE);
        let (outbox, answers) = sync_channel(ANSWERS);
        let wake = Arc::new(EventFd::new()?);
        let preparing = Arc::new(AtomicBool::new(false));
        let post = Post {
            outbox: Some(outbox),
            wake: Arc::clone(&wake),
        };
        let flag = Arc::clone(&preparing);
        let pulse = Pulse::new(Instant::now());
        let met = pulse.counter();
        let folder = settings.folder.clone();
        let thread = std::thread::Builder::new()
            .name("black box".to_owned())
            .stack_size(STACK)
            .spawn(move || Worker::new(settings, post, flag).run(&inbox, &met))?;
        Ok(Self {
            requests,
            answers,
            wake,
            preparing,
            recording: None,
            is_dead: false,
            pulse,
            folder,
            noted: None,
            done: VecDeque::new(),
            events: VecDeque::new(),
            _thread: thread,
        })
    }

    /// Lets the thread look at the processes, so that a record finds them known, and note what was seen. Dropped where the
    /// last one is still being met.
    pub fn prepare(&mut self, seen: Seen) {
        if !self.preparing.swap(true, Ordering::AcqRel) {
            // a queue that is full holds something more important
            if self.send(Request::Prepare(seen)).is_err() {
                self.preparing.store(false, Ordering::Release);
            }
        }
    }

    /// Notes a look at the memory, by which a later start can say how it was before the end. Only what is new is passed on:
    /// of half of the capacity and more, a point more or less, or the same for a minute.
    pub fn see(&mut self, seen: Seen, now: Instant) {
        let is_new = self.noted.is_none_or(|(noted, at)| {
            let point = (seen.capacity / 100).max(1);
            let passed = now.saturating_duration_since(at);
            let is_other = noted.capacity != seen.capacity
                || noted.working_set.abs_diff(seen.working_set) >= point;
            passed >= NOTE_EVERY || (is_other && passed >= NOTE_APART)
        });
        let is_high = |seen: Seen| seen.working_set >= seen.capacity / 2;
        let was_high = self.noted.is_some_and(|(noted, _)| is_high(noted));
        if !is_new || !(is_high(seen) || was_high) {
            return;
        }
        if self.send(Request::See(seen)).is_ok() {
            self.noted = Some((seen, now));
        }
    }

    /// Has a record taken; [`BlackBox::take_done`] gives it out, one without anything in it if the thread dies over it.
    pub fn record(&mut self, request: RecordRequest) -> Result<(), Refused> {
        if self.is_dead {
            return Err(Refused::Dead);
        }
        if self.pulse.is_stuck() {
            return Err(Refused::Stuck);
        }
        if self.recording.is_some() {
            return Err(Refused::Busy);
        }
        let number = request.number;
        self.send(Request::Record(Box::new(request), Instant::now()))?;
        self.recording = Some(number);
        Ok(())
    }

    /// Notes that a shutdown has begun, by which a later start tells a kill after it from one out of nothing.
    pub fn stopping(&mut self, signal: &str, budget: Option<Duration>) {
        let _ = self.send(Request::Stopping(crate::record::Stopping {
            time: crate::record::now(),
            signal: signal.to_owned(),
            budget_ms: budget.map(crate::setup::milliseconds),
        }));
    }

    fn send(&mut self, request: Request) -> Result<(), Refused> {
        self.requests
            .try_send(request)
            .map_err(|error| match error {
                TrySendError::Full(_) => Refused::Busy,
                TrySendError::Disconnected(_) => Refused::Dead,
            })?;
        self.pulse.sent(Instant::now());
        Ok(())
    }

    /// When to look whether the thread gets on; `None` where nothing is asked of it.
    pub fn wake_at(&self) -> Option<Instant> {
        self.pulse.due().filter(|_| !self.is_dead)
    }

    /// Says once that the thread does not get on, and once that it does again.
    pub fn check(&mut self, now: Instant) -> Option<Event> {
        match self.pulse.check(now)? {
            Beat::Stuck => Some(Event::Degraded {
                what: "memory records are not written".to_owned(),
                reason: self.in_the_way(Refused::Stuck),
            }),
            Beat::Again => Some(Event::Note {
                text: "memory records are written again".to_owned(),
            }),
        }
    }

    /// What the thread may be waiting for.
    fn in_the_way(&self, why: Refused) -> String {
        let folder = self.folder.as_ref();
        folder.map_or_else(
            || why.to_string(),
            |path| format!("{} does not answer: {why}", path.display()),
        )
    }

    /// A record that was taken.
    pub fn take_done(&mut self) -> Option<Recorded> {
        self.collect();
        self.done.pop_front()
    }

    /// Something to say: what happened last time, what does not work, and, once, that the thread is dead.
    pub fn take_event(&mut self) -> Option<Event> {
        self.collect();
        self.events.pop_front()
    }

    /// Whether a record is being taken.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    fn collect(&mut self) {
        self.wake.lower();
        loop {
            match self.answers.try_recv() {
                Ok(answer) => drop(self.take(answer)),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.bury(),
            }
        }
    }

    /// Whether the thread has finished.
    fn take(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Say(event) => self.events.push_back(event),
            Answer::Recorded(recorded) => {
                self.recording = None;
                self.done.push_back(*recorded);
            }
            Answer::Finished => return true,
        }
        false
    }

    fn bury(&mut self) {
        // who waits for a record must not wait for ever
        if let Some(number) = self.recording.take() {
            self.done.push_back(Recorded {
                number,
                error: Some(Refused::Dead.to_string()),
                ..Recorded::default()
            });
        }
        if !std::mem::replace(&mut self.is_dead, true) {
            self.events.push_back(Event::Degraded {
                what: "no more memory records are taken".to_owned(),
                reason: Refused::Dead.to_string(),
            });
        }
    }

    /// A clean end: a file with records gets its last line, one without is removed. Waits for that a moment at most.
    pub fn finish(&mut self, ended: Ended) {
        if self.is_dead {
            return;
        }
        // it may have got on since the last look
        let _ = self.pulse.check(Instant::now());
        if self.pulse.is_stuck() {
            return self.leave_without_end(Refused::Stuck);
        }
        match self.send(Request::Finish(Box::new(ended))) {
            Ok(()) => {}
            Err(Refused::Dead) => return,
            Err(_) => return self.leave_without_end(Refused::Late),
        }
        let until = Instant::now() + LAST_WORDS;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(answer) => {
                    if self.take(answer) {
                        // that it has ended now is nothing to say
                        self.is_dead = true;
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return self.leave_without_end(Refused::Late),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Nobody is waited for at the end.
    fn leave_without_end(&mut self, why: Refused) {
        if self.folder.is_some() {
            self.events.push_back(Event::Degraded {
                what: "the file of memory records gets no end, and the next start may tell of this run".to_owned(),
                reason: self.in_the_way(why),
            });
        }
    }
}

impl AsFd for BlackBox {
    /// Ready to be read when there is something to take.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// The thread's way to the loop.
struct Post {
    outbox: Option<SyncSender<Answer>>,
    wake: Arc<EventFd>,
}

impl Post {
    fn send(&self, answer: Answer) {
        if let Some(outbox) = &self.outbox {
            // a loop that does not look is not waited for
            let _ = outbox.try_send(answer);
        }
        self.wake.raise();
    }

    fn degrade(&self, what: impl Into<String>, reason: &impl ToString) {
        self.send(Answer::Say(Event::Degraded {
            what: what.into(),
            reason: reason.to_string(),
        }));
    }
}

impl Drop for Post {
    /// However the thread ends, the loop is woken to see it, and then it can be seen.
    fn drop(&mut self) {
        self.outbox = None;
        self.wake.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_over_which_the_thread_dies_is_answered_all_the_same() {
        let mut black_box = BlackBox::start(Settings::default()).unwrap();
        black_box.requests.try_send(Request::Panic).unwrap();
        let request = RecordRequest {
            number: 3,
            ..RecordRequest::default()
        };
        // it may have died before it could be asked
        if black_box.record(request) == Err(Refused::Dead) {
            return assert!(!black_box.is_recording());
        }
        let wanted = [Some((black_box.as_fd(), dunnage_sys::Interest::Read))];
        dunnage_sys::poll(&wanted, Some(Duration::from_mins(1))).unwrap();
        let done = black_box.take_done().unwrap();
        assert_eq!((done.number, done.complete), (3, false));
        assert!(done.error.is_some() && !black_box.is_recording());
    }

    #[test]
    fn a_thread_that_panics_is_dead_to_the_loop_and_said_once() {
        let mut black_box = BlackBox::start(Settings::default()).unwrap();
        black_box.requests.try_send(Request::Panic).unwrap();
        let wanted = [Some((black_box.as_fd(), dunnage_sys::Interest::Read))];
        let is_woken = dunnage_sys::poll(&wanted, Some(Duration::from_mins(1)))
            .unwrap()
            .has(0);
        assert!(is_woken);
        let event = black_box.take_event();
        assert!(matches!(event, Some(Event::Degraded { .. })), "{event:?}");
        assert_eq!(black_box.take_event(), None);
        assert_eq!(
            black_box.record(RecordRequest::default()),
            Err(Refused::Dead)
        );
        black_box.prepare(Seen::default());
        black_box.finish(Ended::default());
        assert_eq!(black_box.take_event(), None);
    }
}
