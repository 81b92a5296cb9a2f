//! The loop.

mod last_words;
mod report;
mod told;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dunnage_policy::agent::Agent;
use dunnage_policy::event::Event;
use dunnage_policy::shutdown::{Action, End, Input, Sequence};
use dunnage_policy::signal::Signal;
use dunnage_policy::verdict::Status;
use dunnage_sys::{Interest, Program, SignalFd, SignalInfo, Spawned, Wait, poll, wait_any};

use crate::command::Refusal;
use crate::config::{Config, JobControl};
use crate::control::Control;
use crate::counters::Counters;
use crate::forward::Forwarder;
use crate::health::Health;
use crate::log::Log;
use crate::reserve::Reserve;
use crate::setup::milliseconds;
use crate::terminal::{can_be_continued, give_foreground};
use crate::watch::{INTERVAL, Watch};

use told::Counts;

/// How many signals or ended children are taken before the loop looks at everything else again.
const BATCH: usize = 256;

/// What the steps before the loop have made.
pub struct Start {
    /// Descriptors kept for looking at `/proc`.
    pub reserve: Reserve,
    /// The child on its way to the program.
    pub spawned: Spawned,
    /// The program, to explain why it could not be executed.
    pub program: Program,
    /// The start line, but for the child's id.
    pub started: Option<Event>,
    /// The look once a minute.
    pub watch: Option<Watch>,
    /// The cgroup's counters.
    pub counters: Option<Counters>,
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
    forwarder: Forwarder,
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
    counts: Counts,
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
            forwarder: Forwarder::new(child, config.conduct.signal_to),
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
            counts: Counts::default(),
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
        let wanted = [
            Some((signals.as_fd(), Interest::Read)),
            report,
            blocked,
            control,
            health,
        ];
        // a poll that fails (memory) is looked at as one that timed out: everything below asks again
        let _ = poll(&wanted, timeout);
        self.more = false;
        log.flush();
        self.take_report(log);
        self.take_signals(signals, log);
        self.reap(log);
        self.step(Input::Time, log);
        self.look(log);
        self.take_control(log);
        if self.settle_at.is_some_and(|at| self.now() >= at) {
            self.settle();
        }
        self.tell_health(log);
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
        let control = self.start.control.as_ref().and_then(Control::wake_at);
        let next = [
            self.sequence.wake_at(),
            self.look_at,
            self.settle_at,
            control,
        ]
        .into_iter()
        .flatten()
        .min();
        next.map(|at| at.saturating_sub(self.now()))
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
        }
        self.step(Input::Signal(signal), log);
    }

    /// Reaps whoever has ended, then tells the sequence who is left.
    fn reap(&mut self, log: &mut Log) {
        let mut others = true;
        for turn in 0.. {
            if turn == BATCH {
                self.more = true;
                break;
            }
            match wait_any() {
                Ok(Wait::Ended(pid, status)) => self.take_ended(pid, status, log),
                Ok(Wait::Stopped(pid, signal)) => self.take_stopped(pid, signal, log),
                Ok(Wait::Nothing) | Err(_) => break,
                Ok(Wait::NoChildren) => {
                    others = false;
                    break;
                }
            }
        }
        if self.status.is_some() {
            self.step(
                Input::Family {
                    child: false,
                    others,
                },
                log,
            );
        }
    }

    fn take_ended(&mut self, pid: i32, status: dunnage_sys::Status, log: &mut Log) {
        let status = match status {
            dunnage_sys::Status::Exited(code) => Status::Exited(code),
            dunnage_sys::Status::Signaled(number) => {
                Signal::new(number).map_or(Status::Exited(128 + number), Status::Signaled)
            }
        };
        if pid == self.child {
            self.status = Some(status);
            if let Some(signal) = self.config.conduct.group_signal_at_end {
                let _ = dunnage_sys::kill_group(self.child, signal.number());
            }
        } else if let Some(command) = self.forwarder.command_behind_shell(pid) {
            self.behind_shell = Some((command.clone(), status));
        }
        if pid != self.child {
            self.counts.orphans_reaped += 1;
            if self.config.conduct.report_reaped {
                log.say(&Event::Reaped { pid });
            }
        }
        if status == Status::Signaled(Signal::KILL) {
            self.report_oom(log);
        }
    }

    fn report_oom(&mut self, log: &mut Log) {
        let kills = self
            .start
            .counters
            .as_mut()
            .and_then(Counters::oom_kills)
            .unwrap_or(0);
        if kills > self.oom_reported {
            self.oom_reported = kills;
            log.say(&Event::OomKill { count: kills });
        }
    }

    fn take_stopped(&mut self, pid: i32, signal: i32, log: &mut Log) {
        let conduct = &self.config.conduct;
        let Some(signal) = Signal::new(signal) else {
            return;
        };
        if pid != self.child || conduct.job_control != JobControl::Follow || !self.start.terminal {
            return;
        }
        // a debugger's or an operator's STOP is theirs to end
        let from_keyboard = matches!(signal, Signal::TSTP | Signal::TTIN | Signal::TTOU);
        if can_be_continued() {
            log.say(&Event::JobControl {
                signal,
                action: "stopped with it",
            });
            let _ = dunnage_sys::stop_self();
        } else if from_keyboard {
            log.say(&Event::JobControl {
                signal,
                action: "continued it, since nobody else could",
            });
            let _ = dunnage_sys::kill_group(self.child, Signal::CONT.number());
        }
    }

    /// Gives the sequence an input and does what it says.
    fn step(&mut self, input: Input, log: &mut Log) {
        let actions = self.sequence.step(input, self.now());
        if actions.is_empty() {
            return;
        }
        self.start.reserve.release();
        for action in actions {
            match action {
                Action::Announce { .. } => {}
                Action::Forward(signal) => {
                    self.counts.signals_forwarded += 1;
                    let remember = self.config.conduct.rules.stop_signals.contains(&signal);
                    self.forwarder.forward(signal, remember, log);
                }
                Action::TellStrays(signal) => {
                    let (processes, count) = self.forwarder.tell_strays(signal, log);
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
        self.start.reserve.hold();
    }

    fn kill(&mut self, log: &mut Log) {
        let killed = self.forwarder.kill_all(self.status.is_none(), log);
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
    }
}
