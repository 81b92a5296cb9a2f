//! What a run is told: the command, how to behave as an init, and what to say.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dunnage_cgroup::Overrides;
use dunnage_policy::agent::Agent;
use dunnage_policy::event::Level;
use dunnage_policy::ladder;
use dunnage_policy::oom::Kills;
use dunnage_policy::plan::PlanOptions;
use dunnage_policy::shutdown::Rules;
use dunnage_policy::signal::Signal;
use dunnage_policy::target::SignalTo;
use dunnage_policy::verdict::ExitMap;

use crate::log::LogFormat;

/// A run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// How to behave as an init.
    pub conduct: Conduct,
    /// What to do about limits and the child's environment.
    pub plan: PlanMode,
    /// Whether Python processes get the agent.
    pub agent: Agent,
    /// Whether the agent makes SIGTERM an exit in the application's main process.
    pub term_exit: bool,
    /// Whether the agent gives memory back when it is asked to.
    pub release: bool,
    /// Limits that the user knows better than the kernel's files.
    pub overrides: Overrides,
    /// What to say.
    pub voice: Voice,
    /// What is looked at from time to time.
    pub watched: Watched,
    /// Look at limits and the cgroup's counters for what is said at the start and the end; without it, only where the plan
    /// needs them.
    pub evidence: bool,
    /// Whether there is a control socket.
    pub control: Control,
    /// The memory watch; `None` is none.
    pub memory: Option<ladder::Rules>,
    /// The folder of records.
    pub report_dir: Option<PathBuf>,
    /// What an OOM kill takes, where that is not to be looked for.
    pub oom_kills: Option<Kills>,
    /// Who may ask how it goes.
    pub health: Health,
    /// Variables called `DUNNAGE_…` that mean nothing, to be named at start.
    pub unknown_variables: Vec<String>,
    /// Things to say at start.
    pub notes: Vec<String>,
}

/// Who may ask how it goes, and where that is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Where HTTP is answered.
    pub listen: Option<SocketAddr>,
    /// The folder of node-exporter's textfile collector.
    pub textfile: Option<PathBuf>,
}

/// What is looked at from time to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    /// Zombies that only the application can reap, once a minute.
    pub zombies: bool,
    /// Limits that were changed, once a minute.
    pub limits: bool,
    /// Throttling by a CPU quota, once a second.
    pub throttling: bool,
}

/// The control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// None.
    Off,
    /// None, but say that there would be one.
    Observe,
    /// In the first folder that can be used; the given one is tried first.
    On(Option<PathBuf>),
}

/// What to do with the plan.
#[derive(Debug, Clone)]
pub enum PlanMode {
    /// Neither read limits nor change the environment.
    Off,
    /// Read limits and say what would be set.
    Observe(PlanOptions),
    /// Read limits and set the plan's variables.
    Apply(PlanOptions),
}

/// The log and the termination log.
#[derive(Debug, Clone)]
pub struct Voice {
    /// How lines look.
    pub format: LogFormat,
    /// The least that is printed; `None` says nothing.
    pub threshold: Option<Level>,
    /// The termination log; `None` leaves it alone.
    pub termination_log: Option<PathBuf>,
}

/// How an init treats its child.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// Say what would be done instead of doing it; everything else here is then as tini does it.
    pub observe: bool,
    /// Whose manners are kept where inits differ in small ways.
    pub manners: Manners,
    /// Become a subreaper where we are not PID 1.
    pub subreaper: bool,
    /// The child's process group or session.
    pub group: dunnage_sys::Group,
    /// Hand the terminal's foreground to the child, if there is one and it is ours.
    pub terminal: bool,
    /// What to do about job control.
    pub job_control: JobControl,
    /// Who gets a forwarded signal.
    pub signal_to: SignalTo,
    /// The signals that are passed on.
    pub forwarded: Forwarded,
    /// Signals to replace before they are passed on; `None` drops them. The last rule for a signal counts.
    pub rewrite: Vec<(Signal, Option<Signal>)>,
    /// The shutdown sequence.
    pub rules: Rules,
    /// The whole grace period, for the start line; `None` without a deadline.
    pub grace: Option<Duration>,
    /// Send this signal to the child's group once the child has ended (dumb-init).
    pub group_signal_at_end: Option<Signal>,
    /// Exit codes to report as others.
    pub exit_map: ExitMap,
    /// Be sent this signal when our own parent ends.
    pub parent_death: Option<Signal>,
    /// Say when a descendant other than the child is reaped.
    pub report_reaped: bool,
}

/// Whose manners are kept where inits differ in small ways that nobody should have to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Ours.
    Dunnage,
    /// tini's: a fault signal (SEGV, ABRT, …) that is sent to us ends us; a warning where orphans will not come to us.
    Tini,
    /// dumb-init's: the child starts with no signal blocked and 1–31 at their defaults; the terminal is left to its
    /// session; we move to `/`.
    DumbInit,
}

/// The few error numbers that have a code of their own, `errno(3)`.
const ENOENT: i32 = 2;
const ENOEXEC: i32 = 8;
const EACCES: i32 = 13;

impl Manners {
    /// The code to leave with when a program cannot be executed (`errno`) or we fail ourselves; `own` is ours for that.
    pub fn failure_code(self, errno: Option<i32>, own: u8) -> u8 {
        match (self, errno) {
            (Self::Dunnage, _) => own,
            (Self::Tini, Some(ENOENT)) => 127,
            (Self::Tini, Some(EACCES | ENOEXEC)) => 126,
            (Self::DumbInit, Some(_)) => 2,
            (Self::Tini | Self::DumbInit, _) => 1,
        }
    }
}

/// What happens when the child is stopped from the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobControl {
    /// Nothing, as tini.
    Ignore,
    /// Stop with it, as a shell expects of its jobs; where nobody could continue it (PID 1), continue it at once.
    Follow,
    /// Stop after passing on TSTP, TTIN or TTOU, as dumb-init.
    StopAfterForwarding,
}

/// Which signals are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// 1–31 less KILL, STOP and CHLD, and 34–64.
    All,
    /// The same less those that tini keeps: FPE, ILL, SEGV, BUS, ABRT, TRAP, SYS, TTIN, TTOU.
    AsTini,
}

impl Forwarded {
    /// Whether a signal is passed on.
    pub fn has(self, signal: Signal) -> bool {
        signal.is_forwarded()
            && (self == Self::All || !matches!(signal.number(), 4..=8 | 11 | 31 | 21 | 22))
    }
}

impl Conduct {
    /// A plain init's behaviour, exactly tini's: the child only, no deadline, leaving with the child.
    pub fn as_tini() -> Self {
        Self {
            observe: false,
            manners: Manners::Dunnage,
            subreaper: false,
            group: dunnage_sys::Group::Own,
            terminal: true,
            job_control: JobControl::Ignore,
            signal_to: SignalTo::Child,
            forwarded: Forwarded::AsTini,
            rewrite: Vec::new(),
            rules: Rules {
                stop_signals: Vec::new(),
                budget: None,
                drain_delay: Duration::ZERO,
                stray_grace: None,
            },
            grace: None,
            group_signal_at_end: None,
            exit_map: ExitMap::default(),
            parent_death: None,
            report_reaped: false,
        }
    }

    /// What a received signal is passed on as; `None` where it is not.
    pub fn passed_on_as(&self, signal: Signal) -> Option<Signal> {
        let rule = self.rewrite.iter().rev().find(|(from, _)| *from == signal);
        rule.map_or(Some(signal), |(_, to)| *to)
    }
}

impl Voice {
    /// Says nothing at all.
    pub fn silent() -> Self {
        Self {
            format: LogFormat::Text,
            threshold: None,
            termination_log: None,
        }
    }
}
