//! Puts a recording together from what the sampler says.
//!
//! What comes from a supervisor may be anything: numbers that name nothing, times that go back, more than fits. It is
//! checked here, so that a [`Recording`] that leaves is sound.

use dunnage_timeline::Nanos;
use dunnage_timeline::recording::{
    About, GilLook, LONGEST, Mark, Process, Quality, Quota, QuotaLook, Recording, SCHEMA, Thread,
    Tick,
};

use crate::stream::{Fact, Look, Sink, Wanted};

/// The most memory that a recording may take, in bytes.
const MAX_BYTES: usize = 256 << 20;

/// The most processes, threads and names, and notes.
const MAX_PROCESSES: usize = 1024;
const MAX_THREADS: usize = 100_000;
const MAX_NOTES: usize = 200;

/// The most bytes of a text.
const MAX_TEXT: usize = 1024;

/// What was said does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disorder {
    /// A number that no process, thread or name has.
    #[error("it speaks of a {0} that it never told of")]
    Unknown(&'static str),
    /// A time that no recording has.
    #[error("it speaks of a time beyond a year")]
    TooLong,
    /// The clock went back.
    #[error("its looks are not in the order of time")]
    Backwards,
    /// Two answers to one question.
    #[error("it tells of a {0} twice in one look")]
    Twice(&'static str),
    /// More than a recording may hold: what came before is sound.
    #[error("too many {0} came and went")]
    TooMany(&'static str),
}

/// Where a recording grows.
#[derive(Debug)]
pub struct Book {
    recording: Recording,
    /// The process and the place in it of each thread, by its number in the stream.
    places: Vec<(u32, u32)>,
    bytes: usize,
    disorder: Option<Disorder>,
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// An empty one.
    pub fn new() -> Self {
        let recording = Recording {
            schema: SCHEMA.to_owned(),
            about: About::default(),
            quality: Quality::default(),
            looks: Vec::new(),
            processes: Vec::new(),
            quota: None,
            marks: Vec::new(),
            names: Vec::new(),
        };
        Self {
            recording,
            places: Vec::new(),
            bytes: 0,
            disorder: None,
        }
    }

    /// What was wrong with what was said, if anything: what came after it was not taken.
    pub fn disorder(&self) -> Option<Disorder> {
        self.disorder
    }

    /// Whether any thread was seen.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The recording so far, and who was looked at.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Ends it. `about` and `quality` hold what the looks do not tell.
    pub fn finish(mut self, about: About, quality: Quality) -> Recording {
        let mut notes = std::mem::take(&mut self.recording.quality.notes);
        notes.extend(quality.notes);
        let early = self.disorder;
        notes.extend(early.map(|disorder| format!("the recording ended early: {disorder}")));
        let spread = Spread::of(&self.recording.looks);
        let own = &self.recording.about;
        self.recording.about = About {
            cgroup_version: own.cgroup_version,
            cpus: own.cpus,
            duration: about.duration.min(LONGEST),
            ..about
        };
        self.recording.quality = Quality {
            interval_median: spread.median,
            interval_p99: spread.p99,
            interval_max: spread.max,
            own_bytes: Some(self.bytes as u64),
            notes,
            ..quality
        };
        self.recording.marks.sort_by_key(|mark| mark.begin);
        self.recording
    }

    fn take_fact(&mut self, fact: Fact) -> Result<(), Disorder> {
        if let Fact::Process { at, .. }
        | Fact::ProcessEnded { at, .. }
        | Fact::Thread { at, .. }
        | Fact::ThreadEnded { at, .. } = fact
        {
            within([at])?;
        }
        match fact {
            Fact::Process { pid, at } => {
                limit(self.recording.processes.len(), MAX_PROCESSES, "processes")?;
                self.recording.processes.push(Process {
                    pid,
                    first: at,
                    ..Process::default()
                });
            }
            Fact::Program {
                process,
                command,
                python,
                has_gil,
            } => {
                let process = self.process(process)?;
                if !command.is_empty() {
                    process.command = shorten(command);
                }
                process.python = python.map(shorten).or(process.python.take());
                process.has_gil |= has_gil;
            }
            Fact::ProcessEnded { process, at } => self.process(process)?.ended = Some(at),
            Fact::Thread {
                process,
                tid,
                name,
                at,
            } => {
                limit(self.places.len(), MAX_THREADS, "threads")?;
                let threads = &mut self.process(process)?.threads;
                let place = threads.len() as u32;
                threads.push(Thread {
                    tid,
                    name: shorten(name),
                    first: at,
                    ended: None,
                    ticks: Vec::new(),
                });
                self.places.push((process, place));
                self.bytes += size_of::<Thread>() + size_of::<(u32, u32)>();
            }
            Fact::ThreadName { thread, name } => self.thread(thread)?.name = shorten(name),
            Fact::ThreadEnded { thread, at } => self.thread(thread)?.ended = Some(at),
            Fact::Quota {
                source,
                limit,
                period,
                cgroup_version,
            } => {
                self.recording.about.cgroup_version = Some(cgroup_version);
                self.recording.quota = Some(Quota {
                    source: shorten(source),
                    limit: limit.filter(|limit| limit.is_finite() && *limit > 0.0),
                    period: period.max(1),
                    looks: Vec::new(),
                });
            }
            Fact::Cpus { cpus } => self.recording.about.cpus = cpus,
            Fact::Name { name } => {
                limit(self.recording.names.len(), MAX_THREADS, "names")?;
                self.recording.names.push(shorten(name));
            }
            Fact::Note { text } => {
                limit(self.recording.quality.notes.len(), MAX_NOTES, "notes")?;
                self.recording.quality.notes.push(shorten(text));
            }
        }
        Ok(())
    }

    fn process(&mut self, number: u32) -> Result<&mut Process, Disorder> {
        let process = self.recording.processes.get_mut(number as usize);
        process.ok_or(Disorder::Unknown("process"))
    }

    fn place(&self, number: u32) -> Result<(u32, u32), Disorder> {
        let place = self.places.get(number as usize);
        place.copied().ok_or(Disorder::Unknown("thread"))
    }

    fn thread(&mut self, number: u32) -> Result<&mut Thread, Disorder> {
        let (process, place) = self.place(number)?;
        let thread = self.process(process)?.threads.get_mut(place as usize);
        thread.ok_or(Disorder::Unknown("thread"))
    }

    fn take_look(&mut self, look: &Look) -> Result<(), Disorder> {
        within([look.at])?;
        let index = self.index_of(look.at)?;
        for gain in &look.threads {
            within([gain.1, gain.2])?;
            let thread = self.thread(gain.0)?;
            let tick = Tick {
                look: index,
                run: gain.1,
                wait: gain.2,
                seen: gain.3,
            };
            if thread.ticks.last().is_some_and(|tick| tick.look == index) {
                return Err(Disorder::Twice("thread"));
            }
            let grown = push(&mut thread.ticks, tick);
            self.bytes += grown;
        }
        for gain in &look.gil {
            // a thread of another process would be nonsense; it is left out, as an unknown one
            let holder = match gain.2.map(|number| self.place(number)).transpose()? {
                Some((process, place)) if process == gain.0 => Some(place),
                _ => None,
            };
            let seen = GilLook {
                look: index,
                locked: gain.1,
                holder,
                switches: gain.3,
            };
            let looks = &mut self.process(gain.0)?.gil;
            if looks.last().is_some_and(|gil| gil.look == index) {
                return Err(Disorder::Twice("GIL"));
            }
            let grown = push(looks, seen);
            self.bytes += grown;
        }
        if let Some(gain) = look.quota {
            within([gain.0, gain.3])?;
            let quota = self.recording.quota.as_mut();
            let quota = quota.ok_or(Disorder::Unknown("quota"))?;
            let seen = QuotaLook {
                look: index,
                used: gain.0,
                periods: gain.1,
                throttled: gain.2,
                throttled_time: gain.3,
            };
            if quota.looks.last().is_some_and(|last| last.look == index) {
                return Err(Disorder::Twice("quota"));
            }
            self.bytes += push(&mut quota.looks, seen);
        }
        for mark in &look.marks {
            within([mark.4, mark.5.unwrap_or_default()])?;
            self.process(mark.0)?;
            if mark.2 as usize >= self.recording.names.len() {
                return Err(Disorder::Unknown("name"));
            }
            let mark = Mark {
                process: mark.0,
                tid: mark.1,
                name: mark.2,
                id: mark.3,
                begin: mark.4,
                end: mark.5.map(|end| end.max(mark.4)),
            };
            self.bytes += push(&mut self.recording.marks, mark);
        }
        Ok(())
    }

    /// The place of a look among all; one with the same time is the same look.
    fn index_of(&mut self, at: Nanos) -> Result<u32, Disorder> {
        let looks = &mut self.recording.looks;
        match looks.last() {
            Some(last) if *last == at => {}
            Some(last) if *last > at => return Err(Disorder::Backwards),
            _ => self.bytes += push(looks, at),
        }
        u32::try_from(looks.len() - 1).map_err(|_| Disorder::TooMany("looks"))
    }
}

impl Sink for Book {
    fn fact(&mut self, fact: Fact) {
        if self.disorder.is_none() {
            self.disorder = self.take_fact(fact).err();
        }
    }

    fn look(&mut self, look: &Look) -> Wanted {
        if self.disorder.is_none() {
            self.disorder = self.take_look(look).err();
        }
        if self.disorder.is_some() {
            return Wanted::Enough;
        }
        if self.bytes < MAX_BYTES {
            return Wanted::More;
        }
        let text = format!("the recording ended early: it has {} MiB", MAX_BYTES >> 20);
        self.recording.quality.notes.push(text);
        Wanted::Enough
    }
}

/// Whether a recording with these times could be read again.
fn within<const N: usize>(times: [Nanos; N]) -> Result<(), Disorder> {
    if times.iter().all(|time| *time <= LONGEST) {
        Ok(())
    } else {
        Err(Disorder::TooLong)
    }
}

fn limit(count: usize, most: usize, what: &'static str) -> Result<(), Disorder> {
    if count < most {
        Ok(())
    } else {
        Err(Disorder::TooMany(what))
    }
}

/// Appends, and says by how many bytes the room grew. It grows by halves: a recording is long, and doubling it would cost
/// a third of the memory for nothing.
fn push<T>(list: &mut Vec<T>, item: T) -> usize {
    let before = list.capacity();
    if list.len() == before {
        list.reserve_exact((before / 2).max(16));
    }
    list.push(item);
    (list.capacity() - before) * size_of::<T>()
}

fn shorten(text: impl Into<String>) -> String {
    let text: String = text.into();
    let text = text.replace(char::is_control, " ");
    if text.len() <= MAX_TEXT {
        return text;
    }
    let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// The times between looks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Spread {
    median: Nanos,
    p99: Nanos,
    max: Nanos,
}

impl Spread {
    fn of(looks: &[Nanos]) -> Self {
        let mut gaps: Vec<Nanos> = looks
            .windows(2)
            .filter_map(|pair| pair.last()?.checked_sub(*pair.first()?))
            .collect();
        gaps.sort_unstable();
        let at = |share: f64| {
            let index = (gaps.len() as f64 * share) as usize;
            gaps.get(index.min(gaps.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0)
        };
        Self {
            median: at(0.5),
            p99: at(0.99),
            max: gaps.last().copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{GilGain, MarkSeen, QuotaGain, ThreadGain};
    use dunnage_timeline::recording::Seen;

    fn book() -> Book {
        let mut book = Book::new();
        for pid in [7, 8] {
            book.fact(Fact::Process { pid, at: 0 });
        }
        for (process, tid) in [(0, 70), (1, 80), (0, 71)] {
            book.fact(Fact::Thread {
                process,
                tid,
                name: "x".to_owned(),
                at: 0,
            });
        }
        book.fact(Fact::Name {
            name: "request".to_owned(),
        });
        book
    }

    fn look(at: Nanos) -> Look {
        Look {
            at,
            ..Look::default()
        }
    }

    #[test]
    fn threads_are_numbered_over_all_processes_and_land_in_their_own() {
        let mut book = book();
        let wanted = book.look(&Look {
            threads: vec![ThreadGain(2, 5, 6, Seen::WaitsForGil)],
            gil: vec![GilGain(0, true, Some(2), 1), GilGain(1, true, Some(2), 1)],
            marks: vec![MarkSeen(1, 80, 0, 9, 50, Some(40))],
            ..look(100)
        });
        assert_eq!((wanted, book.disorder()), (Wanted::More, None));
        book.fact(Fact::ThreadEnded { thread: 1, at: 100 });
        let recording = book.finish(About::default(), Quality::default());
        let [first, second] = recording.processes.as_slice() else {
            panic!("two processes")
        };
        let [_, tick] = [&first.threads[0].ticks, &first.threads[1].ticks];
        assert_eq!((tick[0].run, tick[0].wait), (5, 6));
        assert_eq!(first.gil[0].holder, Some(1));
        assert_eq!(second.gil[0].holder, None, "a thread of another process");
        assert_eq!(second.threads[0].ended, Some(100));
        assert_eq!(recording.marks[0].end, Some(50), "not before its begin");
    }

    #[test]
    fn what_makes_no_sense_ends_the_recording_and_what_came_before_stays() {
        let nonsense = [
            Look {
                threads: vec![ThreadGain(3, 1, 1, Seen::Sleeps)],
                ..look(20)
            },
            // found by the fuzzer: such a recording could be written and not be read again
            Look {
                threads: [1, 2]
                    .map(|run| ThreadGain(0, run, 1, Seen::Runnable))
                    .into(),
                ..look(20)
            },
            Look {
                gil: [1, 2]
                    .map(|switches| GilGain(0, true, None, switches))
                    .into(),
                ..look(20)
            },
            Look {
                threads: vec![ThreadGain(0, LONGEST + 1, 1, Seen::Runnable)],
                ..look(20)
            },
            look(LONGEST + 1),
            Look {
                gil: vec![GilGain(2, true, None, 1)],
                ..look(20)
            },
            Look {
                quota: Some(QuotaGain(1, 1, 1, 1)),
                ..look(20)
            },
            Look {
                marks: vec![MarkSeen(0, 1, 1, 1, 1, None)],
                ..look(20)
            },
            look(5),
        ];
        for wrong in nonsense {
            let mut book = book();
            assert_eq!(book.look(&look(10)), Wanted::More);
            assert_eq!(book.look(&wrong), Wanted::Enough, "{wrong:?}");
            assert!(book.disorder().is_some());
            book.look(&look(30));
            assert_eq!(book.recording().looks.first(), Some(&10));
            assert!(!book.recording().looks.contains(&30));
        }
    }

    #[test]
    fn a_quota_is_told_of_once_in_a_look() {
        let mut book = book();
        book.fact(Fact::Quota {
            source: "cpu.stat".to_owned(),
            limit: None,
            period: 1,
            cgroup_version: 2,
        });
        let quota = |at| Look {
            quota: Some(QuotaGain(1, 1, 1, 1)),
            ..look(at)
        };
        let wanted = [10, 20, 20].map(|at| book.look(&quota(at)));
        assert_eq!(wanted, [Wanted::More, Wanted::More, Wanted::Enough]);
        assert_eq!(book.disorder(), Some(Disorder::Twice("quota")));
    }

    #[test]
    fn what_leaves_can_be_read_again_however_long_it_says_that_it_took() {
        let about = About {
            duration: Nanos::MAX,
            ..About::default()
        };
        let recording = book().finish(about, Quality::default());
        assert_eq!(recording.about.duration, LONGEST);
    }

    #[test]
    fn more_processes_than_fit_end_the_recording_and_it_says_so() {
        let mut book = book();
        assert_eq!(book.look(&look(10)), Wanted::More);
        for pid in 0..2000 {
            book.fact(Fact::Process { pid, at: 10 });
        }
        assert_eq!(book.look(&look(20)), Wanted::Enough);
        let recording = book.finish(About::default(), Quality::default());
        assert_eq!(recording.looks, [10]);
        assert_eq!(
            recording.quality.notes,
            ["the recording ended early: too many processes came and went"]
        );
    }

    #[test]
    fn the_times_between_looks_are_told_as_they_were() {
        let looks: Vec<Nanos> = (0..100).map(|at| at * 5).chain([1000]).collect();
        let spread = Spread::of(&looks);
        assert_eq!((spread.median, spread.p99, spread.max), (5, 505, 505));
        assert_eq!(Spread::of(&[]), Spread::default());
        assert_eq!(Spread::of(&[7]), Spread::default());
    }

    #[test]
    fn a_text_is_cut_between_letters_and_has_no_control_characters() {
        let long = format!("a\u{1b}{}", "ä".repeat(MAX_TEXT));
        let short = shorten(&*long);
        assert!(short.len() <= MAX_TEXT && short.starts_with("a ä"));
    }
}
