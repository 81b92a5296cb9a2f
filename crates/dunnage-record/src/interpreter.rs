//! The Python in a process: who holds its GIL, what its threads are called, what it marks.

use std::collections::HashMap;
use std::ops::Range;

use dunnage_python::{Error, GilState, Target};
use dunnage_sys::monotonic_nanos;
use dunnage_timeline::Nanos;

use crate::marks::{MarkReader, RawMark};

/// What takes longer than a look may take at most one part in so many of the time.
const SHARE: Nanos = 50;

/// How often the ring of marks is looked for and looked into.
const FIND_MARKS_EVERY: Nanos = 1_000_000_000;
const READ_MARKS_EVERY: Nanos = 5_000_000;

/// An interpreter, as far as it can be read.
pub struct Interpreter {
    pid: i32,
    state: State,
    gil: Option<GilState>,
    /// What happened to it between the last two looks.
    passed: Option<Passed>,
    /// Threads by the addresses of their `PyThreadState`s.
    holders: HashMap<u64, u32>,
    map_again_at: Nanos,
    name_again_at: Nanos,
    marks: Option<MarkReader>,
    marks_at: Nanos,
}

enum State {
    /// Not there yet, or gone: to be asked again.
    Unknown,
    /// None that can be read.
    None,
    Ready(Box<Target>),
}

/// What is told of a process's interpreter.
#[derive(Debug, Default)]
pub struct Told {
    pub version: Option<String>,
    pub has_gil: bool,
    /// What a person should know.
    pub note: Option<String>,
}

/// A GIL that is not as it was.
#[derive(Debug, Clone, Copy)]
pub struct GilChange {
    pub locked: bool,
    /// The address of the holder's `PyThreadState`; 0 for none.
    pub holder: u64,
    pub switches: u64,
}

/// Who had the GIL at two looks one after the other, where it went from thread to thread once between them, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passed {
    before: u64,
    now: u64,
}

impl Passed {
    fn between(before: GilState, now: GilState) -> Option<Self> {
        (now.switches.wrapping_sub(before.switches) <= 1).then_some(Self {
            before: before.holder,
            now: now.holder,
        })
    }
}

impl Interpreter {
    /// Looks whether there is one.
    pub fn find(pid: i32) -> (Self, Told) {
        let (state, told) = find(pid);
        let interpreter = Self {
            pid,
            state,
            gil: None,
            passed: None,
            holders: HashMap::new(),
            map_again_at: 0,
            name_again_at: 0,
            marks: None,
            marks_at: 0,
        };
        (interpreter, told)
    }

    /// Whether it should be looked for again.
    pub fn is_unknown(&self) -> bool {
        matches!(self.state, State::Unknown)
    }

    /// Where its GIL lies.
    pub fn gil_span(&self) -> Option<Range<u64>> {
        match &self.state {
            State::Ready(target) => target.gil_span(),
            _ => None,
        }
    }

    /// Looks at the GIL; `None` if it is as it was.
    pub fn look(&mut self) -> Option<GilChange> {
        let State::Ready(target) = &self.state else {
            return None;
        };
        let Some(now) = target.gil_state() else {
            // it has ended, or became another program
            self.state = State::Unknown;
            self.passed = None;
            return None;
        };
        let before = self.gil.replace(now);
        self.passed = before.and_then(|before| Passed::between(before, now));
        if before == Some(now) {
            return None;
        }
        let gained = before.map_or(0, |before| now.switches.wrapping_sub(before.switches));
        Some(GilChange {
            locked: now.locked,
            holder: now.holder,
            // it counts anew after an exec
            switches: if gained > u64::MAX / 2 { 0 } else { gained },
        })
    }

    /// The thread that a holder is.
    pub fn thread_of(&self, holder: u64) -> Option<u32> {
        self.holders.get(&holder).copied()
    }

    /// The thread that holds the GIL.
    pub fn holder(&self) -> Option<u32> {
        let gil = self.gil.filter(|gil| gil.locked)?;
        self.thread_of(gil.holder)
    }

    /// The two threads that may have had the GIL since the look before; `None` where it may have been others too. Whoever
    /// waited for it then and is neither of them waits still: a thread leaves `take_gil` with the GIL only, which then
    /// counts a switch unless that thread had it before.
    pub fn had_gil(&self) -> Option<[u32; 2]> {
        let passed = self.passed?;
        Some([self.thread_of(passed.before)?, self.thread_of(passed.now)?])
    }

    /// Forgets a thread: its `PyThreadState`'s address may be the next one's.
    pub fn forget(&mut self, thread: u32) {
        self.holders.retain(|_, number| *number != thread);
    }

    /// Asks which of its threads is which, if that is not too soon: addresses and kernel ids.
    pub fn read_states(&mut self, at: Nanos) -> Option<Vec<(u64, i32)>> {
        let State::Ready(target) = &self.state else {
            return None;
        };
        if at < self.map_again_at {
            return None;
        }
        let (states, took) = timed(|| target.threads_by_state());
        self.map_again_at = at + took * SHARE;
        Some(states)
    }

    /// Remembers which thread a holder is.
    pub fn remember(&mut self, states: impl IntoIterator<Item = (u64, u32)>) {
        self.holders = states.into_iter().collect();
    }

    /// The names that `threading` gave its threads, by kernel id, if it is not too soon to ask.
    pub fn read_names(&mut self, at: Nanos) -> Option<Vec<(i32, String)>> {
        let State::Ready(target) = &self.state else {
            return None;
        };
        if at < self.name_again_at {
            return None;
        }
        let (names, took) = timed(|| target.thread_names());
        self.name_again_at = at + took * SHARE;
        Some(names)
    }

    /// Reads what was marked since the last time, if it is time; how many marks were lost.
    pub fn read_marks(&mut self, at: Nanos, is_last: bool, take: impl FnMut(RawMark<'_>)) -> u64 {
        if at < self.marks_at && !is_last {
            return 0;
        }
        if self.marks.is_none() && !matches!(self.state, State::None) {
            let (marks, took) = timed(|| MarkReader::find(self.pid));
            self.marks = marks;
            self.marks_at = at + (took * SHARE).max(FIND_MARKS_EVERY);
        }
        let Some(marks) = &mut self.marks else {
            return 0;
        };
        self.marks_at = at + READ_MARKS_EVERY;
        marks.read(take)
    }
}

fn find(pid: i32) -> (State, Told) {
    match Target::prepare(pid) {
        Ok(target) => {
            // a few reads are needed the first time, so they are not left to a look
            let has_gil = target.gil_state().is_some();
            let told = Told {
                version: Some(target.version().to_string()),
                has_gil,
                note: None,
            };
            let state = if has_gil {
                State::Ready(Box::new(target))
            } else {
                State::Unknown
            };
            (state, told)
        }
        // it is on its way
        Err(Error::NoInterpreter(_) | Error::Gone(_)) => (State::Unknown, Told::default()),
        Err(error) => {
            let told = Told {
                version: version_of(&error),
                has_gil: false,
                note: Some(format!("{error}: no GIL lane for it")),
            };
            (State::None, told)
        }
    }
}

fn version_of(error: &Error) -> Option<String> {
    match error {
        Error::FreeThreaded { version, .. }
        | Error::UnknownVersion { version, .. }
        | Error::OtherLayout { version, .. } => Some(version.to_string()),
        _ => None,
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Nanos) {
    let begin = monotonic_nanos();
    let done = work();
    (done, monotonic_nanos().saturating_sub(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gil(holder: u64, switches: u64) -> GilState {
        GilState {
            locked: true,
            holder,
            switches,
        }
    }

    #[test]
    fn it_is_known_who_had_the_gil_only_where_it_went_from_thread_to_thread_once_at_most() {
        let passed = |before, now| Some(Passed { before, now });
        assert_eq!(Passed::between(gil(1, 7), gil(1, 7)), passed(1, 1));
        assert_eq!(Passed::between(gil(1, 7), gil(2, 8)), passed(1, 2));
        assert_eq!(Passed::between(gil(1, 7), gil(1, 9)), None);
        // another program, which counts anew
        assert_eq!(Passed::between(gil(1, 7), gil(1, 2)), None);
    }
}
