//! The loop.

mod held;
mod last_words;
mod reap;
mod records;
mod report;
mod rungs;
mod told;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dunnage_policy::agent::Agent;
use dunnage_policy::event::Event;
use dunnage_policy::shutdown::{Action, End, Input, Sequence};
use dunnage_policy::signal::Signal;
use dunnage_policy::verdict::Status;
use dunnage_sys::{Interest, Program, Ready, SignalFd, SignalInfo, Spawned, poll};

use crate::command::Refusal;
use crate::config::{Config, JobControl};
use crate::control::Control;
use crate::counters::Counters;
use crate::forward::Forwarder;
use crate::health::Health;
use crate::log::Log;
use crate::own_cgroup::OwnCgroup;
use crate::setup::milliseconds;
use crate::terminal::give_foreground;
use crate::throttle::ThrottleWatch;
use crate::watch::{INTERVAL, Watch};

use rungs::Rungs;
use told::Counts;

/// How many signals or ended children are taken before the loop looks at everything else again.
const BATCH: usize = 256;

/// What the steps before the loop have made.
pub struct Start {
    /// Passes signals on to the child.
    pub forwarder: Forwarder,
    /// The child on its way to the program.
    pub spawned: Spawned,
    /// The program, to explain why it could not be executed.
    pub program: Program,
    /// The start line, but for the child's id.
    pub started: Option<Event>,
    /// The look once a minute.
    pub watch: Option<Watch>,
    /// Our own cgroup.
    pub cgroup: OwnCgroup,
    /// The cgroup's counters.
    pub counters: Option<Counters>,
    /// The watch over the CPU quota.
    pub throttling: Option<ThrottleWatch>,
    /// The control socket.
    pub control: Option<Control>,
    /// Health and metrics.
    pub health: Option<Health>,
    /// Whether the child was given a terminal.
    pub terminal: bool,
    /// Whether leaving the terminal has hung up on us.
    pub hang_up: bool,
}

/// The end of a run.
pub struct Finished {
    /// The code to leave with.
    pub code: u8,
}

/// A run under way.
pub struct Supervisor<'a> {
    config: &'a Config,
    start: Start,
    began: Instant,
    child: i32,
    /// The program's execve is undecided.
    starting: bool,
    refusal: Option<Refusal>,
    status: Option<Status>,
    behind_shell: Option<(String, Status)>,
    sequence: Sequence,
    stop: Option<(Signal, Instant)>,
    /// Signals of which the first is not passed on.
    unheard: Vec<Signal>,
    killed: Vec<String>,
    killed_child: bool,
    /// How long those that were killed had had.
    waited: Option<Duration>,
    oom_reported: u64,
    look_at: Option<Duration>,
    settle_at: Option<Duration>,
    limits_at: Option<Duration>,
    counts: Counts,
    rungs: Rungs,
    more: bool,
    end: Option<End>,
}

impl<'a> Supervisor<'a> {
    /// Takes over a child that was started.
    pub fn new(config: &'a Config, mut start: Start) -> Self {
        let child = start.spawned.pid;
        if let (Some(control), Agent::On(_)) = (&mut start.control, &config.agent) {
            control.expect_agents(child);
        }
        Self {
            config,
            began: Instant::now(),
            child,
            starting: true,
            refusal: None,
            status: None,
            behind_shell: None,
            sequence: Sequence::new(config.conduct.rules.clone()),
            stop: None,
            unheard: if start.hang_up {
                vec![Signal::HUP, Signal::CONT]
            } else {
                Vec::new()
            },
            killed: Vec::new(),
            killed_child: false,
            waited: None,
            oom_reported: 0,
            look_at: start.watch.as_ref().map(|_| INTERVAL),
            settle_at: None,
            limits_at: None,
            counts: Counts::default(),
            rungs: Rungs::open(config, &start.cgroup),
            more: false,
            end: None,
            start,
        }
    }

    /// Runs until there is nothing left to do.
    pub fn run(&mut self, signals: &mut SignalFd, log: &mut Log) -> Finished {
        let end = loop {
            if let Some(end) = self.end {
                break end;
            }
            self.turn(signals, log);
        };
        Finished {
            code: self.finish(end, log),
        }
    }

    /// One turn: wait, then look at everything that can have happened.
    fn turn(&mut self, signals: &SignalFd, log: &mut Log) {
        if self.rungs.is_held() {
            return self.turn_without_memory(signals, log);
        }
        let timeout = if self.more {
            Some(Duration::ZERO)
        } else {
            self.timeout()
        };
        let report = self
            .starting
            .then(|| (self.start.spawned.as_fd(), Interest::Read));
        let blocked = log.blocked_on().map(|fd| (fd, Interest::Write));
        let control = self.start.control.as_ref();
        let control = control.map(|control| (control.as_fd(), Interest::Read));
        let health = self.start.health.as_ref();
        let health = health.map(|health| (health.as_fd(), Interest::Read));
        let [alarm, answers] = self.rungs.wakers();
        let wanted = [
            Some((signals.as_fd(), Interest::Read)),
            report,
            blocked,
            control,
            health,
            alarm.map(|fd| (fd, Interest::Read)),
            answers.map(|fd| (fd, Interest::Read)),
        ];
        // a poll that fails (memory) is looked at as one that timed out: everything below asks again
        let is_quiet = poll(&wanted, timeout).is_ok_and(Ready::is_none);
        if is_quiet && !self.more && self.others_wake_at().is_none_or(|at| self.now() < at) {
            // up to a thousand times a second: nobody but memory and the quota is asked
            self.look_at_throttling(log);
            return self.look_at_memory(log);
        }
        self.more = false;
        log.flush();
        self.take_report(log);
        self.take_signals(signals, log);
        self.reap(log);
        self.step(Input::Time, log);
        self.look(log);
        self.look_at_limits(log);
        self.take_control(log);
        self.take_memory_answers(log);
        self.look_at_throttling(log);
        self.look_at_memory(log);
        self.tell_health(log);
        // last of all: what is used after it is in memory again
        if self.settle_at.is_some_and(|at| self.now() >= at) {
            self.settle();
        }
    }

    fn take_control(&mut self, log: &mut Log) {
        let now = self.now();
        let Some(control) = &mut self.start.control else {
            return;
        };
        if control.wake_at().is_some_and(|at| now >= at) {
            self.settle_at = Some(now);
        }
        control.turn(now, log);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn timeout(&self) -> Option<Duration> {
        let throttling = self.start.throttling.as_ref();
        let times = [
            self.others_wake_at(),
            self.rungs.wake_at(self.began),
            throttling.and_then(ThrottleWatch::wake_at),
        ];
        let next = times.into_iter().flatten().min();
        next.map(|at| at.saturating_sub(self.now()))
    }

    /// When anybody but the watches over memory and the quota has something to do.
    fn others_wake_at(&self) -> Option<Duration> {
        let control = self.start.control.as_ref().and_then(Control::wake_at);
        let times = [
            self.sequence.wake_at(),
            self.look_at,
            self.settle_at,
            self.limits_at,
            control,
        ];
        times.into_iter().flatten().min()
    }

    fn take_signals(&mut self, signals: &SignalFd, log: &mut Log) {
        for _ in 0..BATCH {
            match signals.read() {
                Ok(Some(info)) => self.take_signal(info, log),
                Ok(None) | Err(_) => return,
            }
        }
        self.more = true;
    }

    fn take_signal(&mut self, info: SignalInfo, log: &mut Log) {
        let Some(received) = Signal::new(info.signal) else {
            return;
        };
        if received == Signal::PIPE && info.sender == dunnage_sys::current_pid() {
            // our own line met a stderr that nobody reads any more: nothing that the application should die of
            return;
        }
        if received == Signal::CONT
            && self.config.conduct.job_control == JobControl::Follow
            && self.start.terminal
        {
            give_foreground(self.child);
        }
        let conduct = &self.config.conduct;
        if !conduct.forwarded.has(received) {
            return;
        }
        if let Some(first) = self.unheard.iter().position(|signal| *signal == received) {
            self.unheard.swap_remove(first);
            return;
        }
        if let Some(signal) = conduct.passed_on_as(received) {
            self.pass_on(signal, info.sender, log);
        }
        if conduct.job_control == JobControl::StopAfterForwarding
            && matches!(received, Signal::TSTP | Signal::TTIN | Signal::TTOU)
        {
            let _ = dunnage_sys::stop_self();
        }
    }

    fn pass_on(&mut self, signal: Signal, sender: i32, log: &mut Log) {
        let conduct = &self.config.conduct;
        let stop = conduct.rules.stop_signals.contains(&signal);
        if stop && self.stop.is_none() {
            self.stop = Some((signal, Instant::now()));
            log.say(&Event::Stopping {
                signal,
                sender,
                budget_ms: conduct.rules.budget.map(milliseconds),
                drain_delay_ms: milliseconds(conduct.rules.effective_drain_delay()),
            });
            let now = self.now();
            if let Some(control) = &mut self.start.control {
                control.announce_stop(signal, now, conduct.rules.budget);
            }
            self.begin_stop(signal, log);
        }
        self.step(Input::Signal(signal), log);
    }

    /// Gives the sequence an input and does what it says.
    fn step(&mut self, input: Input, log: &mut Log) {
        let actions = self.sequence.step(input, self.now());
        if actions.is_empty() {
            return;
        }
        for action in actions {
            match action {
                Action::Announce { .. } => {}
                Action::Forward(signal) => {
                    self.counts.signals_forwarded += 1;
                    let remember = self.config.conduct.rules.stop_signals.contains(&signal);
                    self.start.forwarder.forward(signal, remember, log);
                }
                Action::TellStrays(signal) => {
                    let (processes, count) = self.start.forwarder.tell_strays(signal, log);
                    if count > 0 {
                        log.say(&Event::StraysTold {
                            signal,
                            processes,
                            count,
                        });
                    }
                }
                Action::Kill => self.kill(log),
                Action::Leave(end) => self.end = Some(end),
            }
        }
    }

    fn kill(&mut self, log: &mut Log) {
        let killed = self.start.forwarder.kill_all(self.status.is_none(), log);
        if killed.count == 0 && !killed.child {
            return;
        }
        self.killed_child |= killed.child;
        if self.waited.is_none() {
            let since = self
                .stop
                .map_or(self.config.conduct.rules.stray_grace, |(_, at)| {
                    Some(at.elapsed())
                });
            self.waited = Some(since.unwrap_or_default());
            self.killed.clone_from(&killed.names);
            log.say(&Event::Killed {
                processes: killed.names,
                count: killed.count,
                waited_ms: milliseconds(since.unwrap_or_default()),
            });
        }
    }

    /// The look once a minute.
    fn look(&mut self, log: &mut Log) {
        if self.look_at.is_none_or(|at| self.now() < at) {
            return;
        }
        self.look_at = Some(self.now() + INTERVAL);
        self.settle_at = Some(self.now());
        if let Some(watch) = &mut self.start.watch {
            for event in watch.look() {
                log.say(&event);
            }
        }
        let now = self.now();
        if let Some(memory) = &mut self.rungs.watch {
            memory.look_for_limit(now);
        }
        if let Some(throttling) = &mut self.start.throttling {
            throttling.look_for_quota(now);
        }
    }

    /// Looks at the CPU quota's counters, if it is time to.
    fn look_at_throttling(&mut self, log: &mut Log) {
        let now = self.now();
        let start = &mut self.start;
        if let (Some(watch), Some(counters)) = (&mut start.throttling, &mut start.counters)
            && let Some(event) = watch.look(counters, now)
        {
            log.say(&event);
        }
    }

    /// Tells of limits that were changed, once all that belong together have been.
    fn look_at_limits(&mut self, log: &mut Log) {
        if self.limits_at.is_none_or(|at| self.now() < at) {
            return;
        }
        self.limits_at = None;
        if let Some(event) = self.start.watch.as_mut().and_then(Watch::look_at_limits) {
            log.say(&event);
        }
    }
}
