//! The memory watch: looks at what is charged against what there is, as often as what is left demands, and hands what the
//! ladder decides to the loop.
//!
//! A look is one `pread` while memory is calm; how much of it is page cache is read from half of the capacity on. Without
//! a limit nothing is read and nobody is woken. Where the kernel tells when a limit was met (v2), it wakes the loop too.

mod gauge;
mod history;
mod still;
mod telling;
mod workers;

pub mod freeze;
pub mod recycle;
pub mod releasing;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use dunnage_cgroup::{Memory, Pressure, ReadError};
use dunnage_policy::event::Event;
use dunnage_policy::ladder::{Ladder, OnBrink, Rules, Rung, Sample, Step};
use dunnage_policy::oom::{Hold, Kills, is_full};
use dunnage_policy::pressure::Level;

use crate::control;
use crate::own_cgroup::OwnCgroup;
use crate::setup::milliseconds;
use gauge::Gauge;
pub(crate) use gauge::{outlives_kills, working_set};
use history::History;
use still::Stillness;
use telling::{Telling, Word};

/// How long not to try again where memory could not be read.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The longest time between two looks.
const LONGEST: Duration = Duration::from_millis(100);

/// Growth that takes longer than this to fill memory is none that a person must know.
const FAR_OFF: Duration = Duration::from_hours(1);

/// How long the loop needs nothing new while the container is full. A kill takes 24 to 344 ms, and who asks whether we
/// live waits longer than this.
const PATIENCE: Duration = Duration::from_millis(250);

/// A container that is full in less than this is taken for full: the loop may be preempted, and throttled with it.
const NEARLY: Duration = Duration::from_millis(50);

/// What a look has brought.
#[derive(Debug, Default)]
pub struct Looked {
    /// What to do, in this order.
    pub steps: Vec<Step>,
    /// What there is to say.
    pub event: Option<Event>,
    /// A limit has changed since the last look.
    pub resized: bool,
    /// Another level holds than before.
    pub moved: bool,
}

/// What is known of memory when a record is made.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Memory by kind, at the level that binds.
    pub memory: Memory,
    /// What there is, in bytes.
    pub capacity: u64,
    /// How fast it grows, in bytes a second.
    pub bytes_per_second: f64,
    /// When it is full at this rate.
    pub time_to_limit: Option<Duration>,
    /// The working set of the last minute, milliseconds ago and bytes, the oldest first.
    pub samples: Vec<(u32, u64)>,
    /// Pressure stall information, where the kernel has it.
    pub pressure: Option<Pressure>,
}

/// The watch over one container's memory.
pub struct MemoryWatch {
    gauge: Gauge,
    ladder: Ladder,
    history: History,
    stillness: Stillness,
    /// When to look; `None` without a limit.
    next: Option<Duration>,
    latest: Sample,
    rung: Rung,
    telling: Telling,
    failed: bool,
    hold: Hold,
    is_held: bool,
}

impl MemoryWatch {
    /// `stated` is a limit that the user knows of and the kernel does not show, `kills` what the user says that an OOM kill
    /// takes; `first` is when to look first.
    pub fn new(
        cgroup: OwnCgroup,
        rules: Rules,
        stated: Option<u64>,
        kills: Option<Kills>,
        first: Duration,
    ) -> Self {
        // only the reserve for a stop depends on how many threads there are
        let counts_threads = rules.on_brink != OnBrink::Continue;
        Self {
            gauge: Gauge::open(cgroup, stated, kills, counts_threads),
            ladder: Ladder::new(rules),
            history: History::default(),
            stillness: Stillness::default(),
            next: Some(first),
            latest: Sample::default(),
            rung: Rung::Calm,
            telling: Telling::default(),
            failed: false,
            hold: Hold::new(PATIENCE),
            is_held: false,
        }
    }

    /// When to look, by the loop's clock.
    pub fn wake_at(&self) -> Option<Duration> {
        self.next
    }

    /// Ready for reading when the kernel says that a limit was met.
    pub fn alarm(&self) -> Option<BorrowedFd<'_>> {
        self.gauge.alarm()
    }

    /// Looks for a limit where there was none: what sets one wakes nobody.
    pub fn look_for_limit(&mut self, now: Duration) {
        self.next.get_or_insert(now);
    }

    /// How high memory stands.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Whether nothing may be done now that needs memory: the container is full, and whoever asks for a page may be killed
    /// after the one that is ([`dunnage_policy::oom`]).
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether an OOM kill leaves us alive, and it has come near.
    pub fn may_outlive_a_kill(&self) -> bool {
        self.gauge.outlives() && self.rung > Rung::Calm
    }

    /// The level that Python's hooks know how high memory stands by.
    pub fn level(&self) -> Option<Level> {
        level_of(self.rung)
    }

    /// The working set at the last look, in bytes, or what was known of it.
    pub fn working_set(&self) -> u64 {
        self.latest.working_set.unwrap_or(self.latest.usage)
    }

    /// What there is, in bytes.
    pub fn capacity(&self) -> u64 {
        self.latest.capacity
    }

    /// What the agents gave back; `None`: nobody answers.
    pub fn released(&mut self, bytes: Option<u64>, now: Duration) {
        self.ladder.released(bytes, now);
    }

    /// A record was made, or will not be.
    pub fn recorded(&mut self, now: Duration) {
        self.ladder.recorded(now);
    }

    /// What is told to those who asked to hear of pressure.
    pub fn pressure(&self, level: Level) -> control::Pressure {
        control::Pressure {
            level,
            working_set: self.working_set(),
            limit: self.latest.capacity,
        }
    }

    /// Looks, if it is time to or a limit was met.
    pub fn look(&mut self, now: Duration) -> Option<Looked> {
        let alarmed = self.gauge.take_alarm();
        if !alarmed && self.next.is_none_or(|at| now < at) {
            return None;
        }
        let is_still = self.stillness.is_still();
        let found = self.gauge.look(&self.ladder, is_still, alarmed, now);
        Some(match found {
            Ok(Some(look)) => {
                self.failed = false;
                self.take(look.sample, look.resized, now)
            }
            Ok(None) => {
                let resized = self.latest.capacity != 0;
                self.is_held = false;
                self.latest = Sample::default();
                self.next = None;
                self.telling.forget();
                // what was kept away because memory was short may come again
                let unlimited = Sample {
                    capacity: u64::MAX,
                    ..Sample::default()
                };
                Looked {
                    steps: self.ladder.observe(&unlimited, now),
                    resized,
                    moved: self.move_to(Rung::Calm),
                    ..Looked::default()
                }
            }
            Err(error) => {
                // what is not there at all is looked for once a minute, as a limit is
                let is_there = !matches!(error, ReadError::NotVisible { .. });
                self.next = is_there.then_some(now + AFTER_FAILURE);
                // who cannot see whether there is room must not wait for it
                self.is_held = false;
                let first = !std::mem::replace(&mut self.failed, true);
                Looked {
                    event: first.then(|| Event::Degraded {
                        what: "memory is not watched".to_owned(),
                        reason: error.to_string(),
                    }),
                    ..Looked::default()
                }
            }
        })
    }

    fn take(&mut self, sample: Sample, resized: bool, now: Duration) -> Looked {
        self.latest = sample;
        self.history.add(now, self.working_set());
        let steps = self.ladder.observe(&sample, now);
        let is_full = self.gauge.outlives()
            && (is_full(self.working_set(), sample.capacity) || self.is_nearly_full());
        self.is_held = self.hold.look(is_full, now);
        let interval = self.ladder.next_look();
        let interval = self.stillness.stretch(interval, &sample, now);
        self.next = Some(now + interval.min(LONGEST));
        let rung = self.ladder.rung();
        if self.rung == Rung::Calm && rung > Rung::Calm && self.gauge.outlives() {
            self.gauge.warm_up();
        }
        let word = self.telling.look(rung, self.working_set(), now);
        let event = word.map(|word| self.event(word, rung, now));
        Looked {
            steps,
            event,
            resized,
            moved: self.move_to(rung),
        }
    }

    /// Whether it will be full before a line has been written.
    fn is_nearly_full(&self) -> bool {
        let left = self.ladder.time_to_limit();
        self.ladder.rung() >= Rung::Record && left.is_some_and(|left| left < NEARLY)
    }

    /// Whether that is another level.
    fn move_to(&mut self, rung: Rung) -> bool {
        let before = std::mem::replace(&mut self.rung, rung);
        level_of(before) != level_of(rung)
    }

    fn event(&self, word: Word, rung: Rung, now: Duration) -> Event {
        let working_set_bytes = self.latest.working_set;
        let capacity_bytes = self.latest.capacity;
        let usage_bytes = self.latest.usage;
        let bytes_per_second = self.history.growth(now);
        let left = capacity_bytes.saturating_sub(self.working_set()) as f64;
        let left = left / bytes_per_second as f64;
        let full_in_ms =
            (left < FAR_OFF.as_secs_f64()).then(|| milliseconds(Duration::from_secs_f64(left)));
        let rung = rung.name();
        match word {
            Word::Risen => Event::MemoryPressure {
                rung,
                usage_bytes,
                working_set_bytes,
                capacity_bytes,
                bytes_per_second,
                full_in_ms,
            },
            Word::Further => Event::MemoryRung {
                rung,
                usage_bytes,
                working_set_bytes,
                capacity_bytes,
                bytes_per_second,
                full_in_ms,
            },
            Word::Fallen(rise) => Event::MemoryFallen {
                working_set_bytes: self.working_set(),
                capacity_bytes,
                rung: rise.top.name(),
                highest_bytes: rise.highest,
                lasted_ms: milliseconds(now.saturating_sub(rise.since)),
            },
        }
    }

    /// What there is to write down.
    pub fn evidence(&mut self, now: Duration) -> Evidence {
        Evidence {
            memory: self.gauge.memory(),
            capacity: self.latest.capacity,
            bytes_per_second: self.ladder.bytes_per_second(),
            time_to_limit: self.ladder.time_to_limit(),
            samples: self.history.samples(now),
            pressure: self.gauge.pressure(),
        }
    }
}

/// The level that Python's hooks know a rung by.
fn level_of(rung: Rung) -> Option<Level> {
    match rung {
        Rung::Calm => None,
        Rung::Watch => Some(Level::Warn),
        Rung::Release | Rung::Shed => Some(Level::High),
        Rung::Record | Rung::Brink => Some(Level::Critical),
    }
}

#[cfg(test)]
mod tests;
