//! The shutdown sequence: what to do when a stop signal arrives or the child ends, step by step, within a budget.
//!
//! ```text
//!  running ──stop signal──► delaying ──delay over──► stopping ──child ended──► finishing ──nobody left──► done
//!     │                        └── second stop ──────────▲                     ▲    │
//!     └── child ended by itself ───────────────────────────────────────────────┘    └─ deadline ─► killing ─► done
//! ```
//! The machine holds no clock and touches no process: it is given what happened and the time since the start, and
//! answers with what to do and when to be woken. Kubernetes kills everything once the grace period is over and tells
//! nobody when that is, so the budget is the grace less a margin, and the deadline is ours.

use std::time::Duration;

use serde::Serialize;

use crate::signal::Signal;

/// How long to wait after KILL before leaving anyway: a process in state D may never end.
pub const KILL_WAIT: Duration = Duration::from_secs(1);

/// How often KILL is repeated meanwhile, for processes that were forked between a look and the signal.
const KILL_REPEAT: Duration = Duration::from_millis(100);

/// The user's choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The signals that begin a shutdown.
    pub stop_signals: Vec<Signal>,
    /// Time from a stop signal to KILL; `None` never escalates.
    pub budget: Option<Duration>,
    /// Time from a stop signal to passing it on.
    pub drain_delay: Duration,
    /// Time that strays have after the child ended by itself, and after which they are told when it was stopped.
    /// `None` leaves with the child, as tini does.
    pub stray_grace: Option<Duration>,
}

/// The margin kept free at the end of a grace period: min(2 s, a fifth of it).
pub fn margin(grace: Duration) -> Duration {
    Duration::from_secs(2).min(grace / 5)
}

impl Rules {
    /// The delay that is really waited: never more than half of the budget, so that the application has the other half.
    pub fn effective_drain_delay(&self) -> Duration {
        self.budget
            .map_or(self.drain_delay, |budget| self.drain_delay.min(budget / 2))
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A signal arrived for us to pass on (after rewriting).
    Signal(Signal),
    /// Children were reaped: who is left.
    Family {
        /// The direct child has not ended.
        child: bool,
        /// Descendants other than the direct child are left (zombies of living parents included).
        others: bool,
    },
    /// Nothing but time passed.
    Time,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Announce the shutdown.
    Announce {
        /// The signal that began it.
        signal: Signal,
    },
    /// Pass a signal on to whom it is for.
    Forward(Signal),
    /// Send a signal to every descendant that has not had it.
    TellStrays(Signal),
    /// KILL every descendant.
    Kill,
    /// Leave; nothing follows.
    Leave(End),
}

/// Why the supervisor leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The child ended by itself, and nobody is left (or strays are left by choice).
    Ended,
    /// All ended in time after a stop signal.
    Stopped,
    /// Somebody had to be killed.
    Killed,
    /// Somebody was killed and has not ended: state D.
    Stuck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Delaying {
        pending: Signal,
        forward_at: Duration,
        deadline: Option<Duration>,
    },
    Stopping {
        deadline: Option<Duration>,
    },
    Finishing {
        tell: Option<(Duration, Signal)>,
        deadline: Option<Duration>,
        stopped: bool,
    },
    Killing {
        repeat_at: Duration,
        leave_at: Duration,
    },
    Done,
}

/// The sequence of one run.
#[derive(Debug, Clone)]
pub struct Sequence {
    rules: Rules,
    state: State,
}

impl Sequence {
    /// A sequence at its beginning: the child runs.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: State::Running,
        }
    }

    /// When [`Sequence::step`] must be called next if nothing happens before; `None`: never.
    pub fn wake_at(&self) -> Option<Duration> {
        match self.state {
            State::Running | State::Done => None,
            State::Delaying {
                forward_at,
                deadline,
                ..
            } => Some(deadline.map_or(forward_at, |deadline| deadline.min(forward_at))),
            State::Stopping { deadline } => deadline,
            State::Finishing { tell, deadline, .. } => [tell.map(|(at, _)| at), deadline]
                .into_iter()
                .flatten()
                .min(),
            State::Killing {
                repeat_at,
                leave_at,
            } => Some(repeat_at.min(leave_at)),
        }
    }

    /// Whether a shutdown has begun or the child has ended.
    pub fn is_ending(&self) -> bool {
        self.state != State::Running
    }

    /// The deadline of the shutdown under way.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Delaying { deadline, .. }
            | State::Stopping { deadline }
            | State::Finishing { deadline, .. } => deadline,
            State::Running | State::Killing { .. } | State::Done => None,
        }
    }

    /// Takes one step: what happened, and the time since the start. Time is looked at first, so that nothing that
    /// happens late puts off a deadline.
    pub fn step(&mut self, input: Input, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Time => self.pass_time(now, &mut actions),
            Input::Signal(signal) => {
                self.pass_time(now, &mut actions);
                self.take_signal(signal, now, &mut actions);
            }
            // who is left comes before the clock: a child that ended in time is not killed by a late look
            Input::Family { child, others } => {
                self.take_family(child, others, now, &mut actions);
                self.pass_time(now, &mut actions);
            }
        }
        actions
    }

    fn pass_time(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            actions.push(Action::Kill);
            self.state = State::Killing {
                repeat_at: now + KILL_REPEAT,
                leave_at: now + KILL_WAIT,
            };
            return;
        }
        match &mut self.state {
            State::Delaying {
                pending,
                forward_at,
                deadline,
            } if now >= *forward_at => {
                actions.push(Action::Forward(*pending));
                self.state = State::Stopping {
                    deadline: *deadline,
                };
            }
            State::Finishing { tell, .. } => {
                if let Some((_, signal)) = tell.take_if(|(at, _)| now >= *at) {
                    actions.push(Action::TellStrays(signal));
                }
            }
            State::Killing { leave_at, .. } if now >= *leave_at => self.leave(End::Stuck, actions),
            State::Killing { repeat_at, .. } if now >= *repeat_at => {
                actions.push(Action::Kill);
                *repeat_at = now + KILL_REPEAT;
            }
            _ => {}
        }
    }

    fn take_signal(&mut self, signal: Signal, now: Duration, actions: &mut Vec<Action>) {
        let stop = self.rules.stop_signals.contains(&signal);
        let deadline = self.rules.budget.map(|budget| now + budget);
        match self.state {
            State::Running if stop => {
                actions.push(Action::Announce { signal });
                let delay = self.rules.effective_drain_delay();
                if delay.is_zero() {
                    actions.push(Action::Forward(signal));
                    self.state = State::Stopping { deadline };
                } else {
                    self.state = State::Delaying {
                        pending: signal,
                        forward_at: now + delay,
                        deadline,
                    };
                }
            }
            State::Delaying {
                pending, deadline, ..
            } if stop => {
                actions.push(Action::Forward(pending));
                if pending != signal {
                    actions.push(Action::Forward(signal));
                }
                self.state = State::Stopping { deadline };
            }
            State::Running | State::Delaying { .. } | State::Stopping { .. } => {
                actions.push(Action::Forward(signal));
            }
            State::Finishing {
                deadline: set,
                tell,
                stopped,
            } if stop => {
                actions.push(Action::TellStrays(signal));
                let deadline = [set, deadline].into_iter().flatten().min();
                self.state = State::Finishing {
                    tell: tell.filter(|(_, later)| *later != signal),
                    deadline,
                    stopped,
                };
            }
            // the child that other signals were for is gone
            State::Finishing { .. } | State::Killing { .. } | State::Done => {}
        }
    }

    fn take_family(&mut self, child: bool, others: bool, now: Duration, actions: &mut Vec<Action>) {
        if child {
            return;
        }
        let patience = self.rules.stray_grace.filter(|_| others);
        match (self.state, patience) {
            (State::Done, _) => {}
            (State::Killing { .. }, _) => {
                if !others {
                    self.leave(End::Killed, actions);
                }
            }
            (State::Finishing { stopped, .. }, _) => {
                if !others {
                    self.leave(if stopped { End::Stopped } else { End::Ended }, actions);
                }
            }
            (State::Running, None) => self.leave(End::Ended, actions),
            (State::Delaying { .. } | State::Stopping { .. }, None) => {
                self.leave(End::Stopped, actions);
            }
            (State::Running, Some(grace)) => {
                actions.push(Action::TellStrays(Signal::TERM));
                self.state = State::Finishing {
                    tell: None,
                    deadline: Some(now + grace),
                    stopped: false,
                };
            }
            // nobody has been told yet, and the one who would have passed it on is gone
            (
                State::Delaying {
                    pending, deadline, ..
                },
                Some(_),
            ) => {
                actions.push(Action::TellStrays(pending));
                self.state = State::Finishing {
                    tell: None,
                    deadline,
                    stopped: true,
                };
            }
            // they may be finishing what their parent told them to: told only when that takes longer
            (State::Stopping { deadline }, Some(grace)) => {
                // told early enough to have most of a short budget for what they do then
                let patience = deadline.map_or(grace, |deadline| {
                    grace.min(deadline.saturating_sub(now) / 4)
                });
                self.state = State::Finishing {
                    tell: Some((now + patience, Signal::TERM)),
                    deadline,
                    stopped: true,
                };
            }
        }
    }

    fn leave(&mut self, end: End, actions: &mut Vec<Action>) {
        self.state = State::Done;
        actions.push(Action::Leave(end));
    }
}

#[cfg(test)]
mod tests;
