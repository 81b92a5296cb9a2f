//! Does what the ladder says: tells, asks, writes down, and, where that was chosen, touches the application.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use dunnage_policy::event::Event;
use dunnage_policy::ladder::Step;
use dunnage_policy::pressure::Level;
use dunnage_policy::signal::Signal;

use super::Supervisor;
use crate::black_box::{BlackBox, Seen};
use crate::config::Config;
use crate::control::Control;
use crate::health::MemoryWork;
use crate::log::Log;
use crate::memory::freeze::Frozen;
use crate::memory::recycle::Recycler;
use crate::memory::releasing::Releasing;
use crate::memory::{Looked, MemoryWatch};
use crate::own_cgroup::OwnCgroup;
use crate::record::Released;

/// The most decisions that a record tells of; the oldest go first.
const MOST_DECISIONS: usize = 32;

/// A resize writes several files, memory's and the CPU's, one after the other: it is told when all are written.
const RESIZE: Duration = Duration::from_secs(1);

/// When memory is looked at first: no sooner can a program fill any, and what has ended by then was not held up for it.
const FIRST_LOOK: Duration = Duration::from_millis(5);

/// The memory watch and what it has begun.
#[derive(Default)]
pub struct Rungs {
    pub watch: Option<MemoryWatch>,
    pub black_box: Option<BlackBox>,
    /// The black box could not be started: that was said once.
    pub is_blind: bool,
    pub releasing: Option<Releasing>,
    /// What came of the last request to give memory back.
    pub released: Vec<Released>,
    recycler: Recycler,
    frozen: Option<Frozen>,
    /// Why the record that is being made is made.
    pub why: &'static str,
    pub decisions: Vec<String>,
    /// The last record, as the termination log tells it.
    pub last_record: Option<String>,
    pub shedding: bool,
    pub records: u32,
    releases: u64,
    released_bytes: u64,
    /// What is done once it may need memory.
    pub deferred: Vec<Step>,
}

impl Rungs {
    /// Opens the watch, if it is wanted. Called after the child was started.
    pub fn open(config: &Config, cgroup: &OwnCgroup) -> Self {
        let stated = config.overrides.memory_bytes;
        // what happened last time is told by the shortest run too
        let first = match config.report_dir {
            Some(_) => Duration::ZERO,
            None => FIRST_LOOK,
        };
        let kills = config.oom_kills;
        let watch = |rules| MemoryWatch::new(cgroup.clone(), rules, stated, kills, first);
        Self {
            watch: config.memory.map(watch),
            ..Self::default()
        }
    }

    /// When to do something even if nothing is ready, after this moment.
    pub fn wake_at(&self, began: Instant) -> Option<Duration> {
        let black_box = self.black_box.as_ref().and_then(BlackBox::wake_at);
        let times = [
            black_box.map(|at| at.saturating_duration_since(began)),
            self.watch.as_ref().and_then(MemoryWatch::wake_at),
            self.releasing.as_ref().map(Releasing::ends),
            self.recycler.wake_at(),
            self.frozen.as_ref().map(Frozen::until),
        ];
        times.into_iter().flatten().min()
    }

    /// Whether nothing may be done now that needs memory.
    pub fn is_held(&self) -> bool {
        self.watch.as_ref().is_some_and(MemoryWatch::is_held)
    }

    /// Whether pages that are in memory are kept there, since getting them again may cost our life.
    pub fn keeps_pages(&self) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(MemoryWatch::may_outlive_a_kill)
    }

    /// What wakes the loop: the kernel's word that a limit was met, and the black box's answers.
    pub fn wakers(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [
            self.watch.as_ref().and_then(MemoryWatch::alarm),
            self.black_box.as_ref().map(AsFd::as_fd),
        ]
    }

    fn decide(&mut self, text: String) {
        if self.decisions.len() >= MOST_DECISIONS {
            self.decisions.remove(0);
        }
        self.decisions.push(text);
    }

    /// What the metrics tell; `None` where nothing is watched.
    pub fn work(&self) -> Option<MemoryWork> {
        // without a limit there is nothing to climb
        let watch = self.watch.as_ref().filter(|watch| watch.capacity() > 0)?;
        Some(MemoryWork {
            rung: watch.rung() as u8,
            releases: self.releases,
            released_bytes: self.released_bytes,
            records: u64::from(self.records),
        })
    }

    fn seen(&self) -> Seen {
        self.watch
            .as_ref()
            .map_or_else(Seen::default, |watch| Seen {
                working_set: watch.working_set(),
                capacity: watch.capacity(),
            })
    }
}

impl Supervisor<'_> {
    /// Looks at memory, if it is time to. Nothing else has happened.
    pub(super) fn look_at_memory(&mut self, log: &mut Log) {
        let now = self.now();
        self.end_release(now, log);
        if self
            .rungs
            .frozen
            .as_ref()
            .is_some_and(|frozen| now >= frozen.until())
        {
            self.thaw(log);
        }
        if !self.rungs.is_held()
            && let Some(event) = self.rungs.recycler.look(now)
        {
            self.say_decision(&event, log);
        }
        let black_box = self.rungs.black_box.as_mut();
        if let Some(event) = black_box.and_then(|it| it.check(Instant::now())) {
            log.say(&event);
        }
        let Some(looked) = self.rungs.watch.as_mut().and_then(|watch| watch.look(now)) else {
            return;
        };
        self.climb(looked, now, log);
    }

    /// Takes what agents and the black box have answered.
    pub(super) fn take_memory_answers(&mut self, log: &mut Log) {
        let now = self.now();
        if let (Some(control), Some(releasing)) =
            (&mut self.start.control, &mut self.rungs.releasing)
        {
            for answer in control.take_released() {
                let bytes = releasing.answer(answer, now);
                if let Some(watch) = &mut self.rungs.watch {
                    watch.released(Some(bytes), now);
                }
            }
        }
        while let Some(done) = self.rungs.black_box.as_mut().and_then(BlackBox::take_done) {
            self.take_record(done, log);
        }
        while let Some(event) = self.rungs.black_box.as_mut().and_then(BlackBox::take_event) {
            log.say(&event);
        }
    }

    fn climb(&mut self, looked: Looked, now: Duration, log: &mut Log) {
        if looked.resized {
            self.limits_at.get_or_insert(now + RESIZE);
        }
        self.start_black_box(log);
        let seen = self.rungs.seen();
        if let Some(black_box) = &mut self.rungs.black_box {
            black_box.see(seen, Instant::now());
        }
        if looked.moved {
            self.settle_level();
        }
        if let Some(event) = looked.event {
            log.say(&event);
        }
        for step in self.steps_for_now(looked.steps) {
            if self.config.conduct.observe {
                self.say_step(step, now, log);
            } else {
                self.take_step(step, now, log);
            }
        }
    }

    fn settle_level(&mut self) {
        let level = self.rungs.watch.as_ref().and_then(MemoryWatch::level);
        if level >= Some(Level::High) && self.rungs.keeps_pages() {
            dunnage_sys::populate_program_pages();
        }
        if let (Some(control), Some(watch)) = (&mut self.start.control, &self.rungs.watch) {
            control.settle_pressure(level.map(|level| watch.pressure(level)));
            control.set_level(level);
        }
    }

    fn take_step(&mut self, step: Step, now: Duration, log: &mut Log) {
        match step {
            Step::Prepare => {
                let seen = self.rungs.seen();
                if let Some(black_box) = &mut self.rungs.black_box {
                    black_box.prepare(seen);
                }
            }
            Step::Tell(level) => {
                if let (Some(control), Some(watch)) = (&mut self.start.control, &self.rungs.watch) {
                    control.announce_pressure(watch.pressure(level), log);
                }
            }
            Step::Release => self.ask_release(now, log),
            Step::Record(why) => self.record(why, now, log),
            Step::Shed(on) => {
                self.rungs.shedding = on;
                self.tell_health(log);
                if self.config.health != crate::config::Health::default() {
                    self.say_decision(&Event::Shedding { on }, log);
                }
            }
            // a shutdown is under way: what is left is being told to end anyway
            Step::Recycle | Step::Stop | Step::Exit if self.stop.is_some() => {}
            Step::Recycle => {
                let event = self.rungs.recycler.recycle(now);
                self.say_decision(&event, log);
            }
            Step::Stop => self.stop_fattest(now, log),
            Step::Exit => self.exit(log),
        }
    }

    /// In observe mode: what would have been done.
    fn say_step(&mut self, step: Step, now: Duration, log: &mut Log) {
        let would = match step {
            Step::Prepare | Step::Shed(false) => return,
            Step::Tell(level) => format!("tell Python that memory is {}", level.name()),
            Step::Release => "ask Python to give memory back".to_owned(),
            Step::Record(why) => format!("write down what every process does ({})", why.name()),
            Step::Shed(true) => "be not ready for new work".to_owned(),
            Step::Recycle => "have the fattest worker replaced, if its parent does that".to_owned(),
            Step::Stop => "stop the fattest worker for a moment, if that may be".to_owned(),
            Step::Exit => "begin the shutdown, since memory is at the brink".to_owned(),
        };
        log.say(&Event::Observed { would });
        if let (Some(watch), Step::Record(_)) = (&mut self.rungs.watch, step) {
            watch.recorded(now);
        }
    }

    fn say_decision(&mut self, event: &Event, log: &mut Log) {
        log.say(event);
        self.rungs.decide(event.text());
        // looking at every process takes memory that is not needed again
        self.settle_at = Some(self.now());
    }

    fn ask_release(&mut self, now: Duration, log: &mut Log) {
        if let Some(releasing) = self.rungs.releasing.take() {
            self.say_released(&releasing, now, log);
        }
        let Some(watch) = &mut self.rungs.watch else {
            return;
        };
        let control = self.start.control.as_mut();
        let may_ask =
            |control: &&mut Control| self.config.release && control.no_release().is_none();
        let Some(control) = control.filter(may_ask) else {
            return watch.released(None, now);
        };
        control.ask_release();
        self.rungs.releases += 1;
        self.rungs.releasing = Some(Releasing::new(watch.working_set(), now));
        self.rungs
            .decide("asked Python to give memory back".to_owned());
    }

    fn end_release(&mut self, now: Duration, log: &mut Log) {
        let ended = self
            .rungs
            .releasing
            .take_if(|releasing| now >= releasing.ends());
        if let Some(releasing) = ended {
            if let (Some(watch), false) = (&mut self.rungs.watch, releasing.is_heard()) {
                watch.released(None, now);
            }
            self.say_released(&releasing, now, log);
        }
    }

    fn say_released(&mut self, releasing: &Releasing, now: Duration, log: &mut Log) {
        let after = self.rungs.seen().working_set;
        let event = releasing.event(after, now);
        if let Event::MemoryReleased { returned_bytes, .. } = &event {
            self.rungs.released_bytes += returned_bytes;
        }
        log.say(&event);
        self.rungs.released = releasing.to_record();
    }

    fn stop_fattest(&mut self, now: Duration, log: &mut Log) {
        let (action, text) = match Frozen::stop_fattest(now) {
            Ok(frozen) => {
                let text = format!("{} stands still for at most a second", frozen.name());
                self.rungs.frozen = Some(frozen);
                ("stopped", text)
            }
            Err(reason) => ("refused", reason),
        };
        self.say_decision(&Event::Brink { action, text }, log);
    }

    /// Lets whoever stands still go on.
    pub(super) fn thaw(&mut self, log: &mut Log) {
        if let Some(frozen) = self.rungs.frozen.take() {
            let text = frozen.name().to_owned();
            drop(frozen);
            self.say_decision(
                &Event::Brink {
                    action: "continued",
                    text,
                },
                log,
            );
        }
    }

    /// A shutdown begins: nobody stands still in it, and a later start is to know of it.
    pub(super) fn begin_stop(&mut self, signal: Signal, log: &mut Log) {
        self.thaw(log);
        if let Some(black_box) = &mut self.rungs.black_box {
            black_box.stopping(&signal.to_string(), self.config.conduct.rules.budget);
        }
    }

    fn exit(&mut self, log: &mut Log) {
        let signals = &self.config.conduct.rules.stop_signals;
        let signal = match signals.first() {
            Some(first) if !signals.contains(&Signal::TERM) => *first,
            _ => Signal::TERM,
        };
        let seen = self.rungs.seen();
        let percent = 100.0 * seen.working_set as f64 / seen.capacity.max(1) as f64;
        let text =
            format!("begins the shutdown with {signal}: {percent:.0} % in use, and it grows");
        self.say_decision(
            &Event::Brink {
                action: "exit",
                text,
            },
            log,
        );
        self.pass_on(signal, dunnage_sys::current_pid(), log);
    }
}
