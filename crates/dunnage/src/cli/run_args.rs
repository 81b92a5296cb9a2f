//! The options of `dunnage run`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};
use dunnage_policy::signal::Signal;

use super::memory_args::MemoryArgs;
use super::plan_args::PlanArgs;
use super::values::{
    Grace, Rewrite, Switch, TerminationLog, parse_exit_map, parse_grace, parse_off_or_duration,
    parse_rewrite, parse_signal, parse_termination_log, parse_time,
};

/// What the supervisor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Everything.
    Run,
    /// What tini does, and say what would have been done.
    Observe,
}

/// Who gets a signal that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignalTo {
    /// The child; its children too where it is a shell that would keep the signal to itself.
    Auto,
    /// The child only.
    Child,
    /// The child's process group.
    Group,
    /// Every descendant.
    All,
}

/// What SIGTERM does in the application's main process, where that is a Python without a handler of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Term {
    /// It ends the process at once: no `finally`, no `atexit`.
    Default,
    /// It raises `SystemExit(143)`.
    Exit,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// What a person should look at.
    Warn,
    /// An ordinary life: one line at the start, one at the end, one for each event between.
    Info,
    /// Details.
    Debug,
}

/// Run an application as its init.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to do: `run` does everything; `observe` supervises, passes signals on and reaps exactly as tini does, changes
    /// no environment and no signal, and says what would have been done
    #[arg(
        long,
        value_enum,
        default_value = "run",
        hide_possible_values = true,
        help_heading = "What is done"
    )]
    pub mode: Mode,

    /// Set the plan's variables for the child (see `dunnage plan`)
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "What is done"
    )]
    pub plan: Switch,

    #[command(flatten)]
    pub plan_args: PlanArgs,

    /// Make a socket on which descendants are told that a shutdown begins and `dunnage dump` asks for tracebacks; `DUNNAGE_SOCKET` tells them where. It lies in
    /// the first of `$DUNNAGE_RUNTIME_DIR`, /run/dunnage (if it exists), /dev/shm and /tmp that can be trusted
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "What is done"
    )]
    pub control: Switch,

    #[command(flatten)]
    pub memory_args: MemoryArgs,

    /// Who gets a signal that is passed on: `auto` is the direct child and, where that is a shell that neither became its
    /// command nor catches the signal, the shell's children too; `child`, its process `group`, or `all` descendants
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "WHO",
        hide_possible_values = true,
        help_heading = "Signals"
    )]
    pub signal_to: SignalTo,

    /// Pass a signal on as another one, such as TERM=INT; TERM=none drops it. Repeatable, or a list by comma
    #[arg(long, value_parser = parse_rewrite, value_delimiter = ',', value_name = "FROM=TO", help_heading = "Signals")]
    pub rewrite: Vec<Rewrite>,

    /// The signals that begin a shutdown. Repeatable, or a list by comma. Default: TERM, and INT where there is no terminal
    #[arg(long, value_parser = parse_signal, value_delimiter = ',', value_name = "SIGNAL", help_heading = "Shutdown")]
    pub stop_signal: Vec<Signal>,

    /// The time from the stop signal to the container's end, which nobody tells PID 1: `auto` is 30 s under Kubernetes and
    /// else 10 s, as `docker stop` waits. What is left is killed at the grace less a margin of min(2 s, grace/5); `off`
    /// never kills. Time that a preStop hook takes counts too: subtract it here
    #[arg(long, value_parser = parse_grace, default_value = "auto", value_name = "TIME", help_heading = "Shutdown")]
    pub grace: Grace,

    /// Wait this long before a stop signal is passed on, so that a load balancer can notice first. At most half of the
    /// time is spent on it; a second stop signal skips it
    #[arg(long, value_parser = parse_time, default_value = "0", value_name = "TIME", help_heading = "Shutdown")]
    pub drain_delay: Duration,

    /// What SIGTERM does in our child, if that is a Python (CPython 3.9 and newer) without a handler of its own: `default`
    /// ends it at once; `exit` lets the agent raise SystemExit(143), so that `finally` and `atexit` run. A second one, or a
    /// quarter of the grace later the agent, ends it as the default does
    #[arg(
        long,
        value_enum,
        default_value = "default",
        value_name = "default|exit",
        hide_possible_values = true,
        help_heading = "Python"
    )]
    pub term: Term,

    /// After the child has ended by itself, what it left behind gets TERM and this long; after a stop signal it first has
    /// this long (at most a quarter of what is left) to finish undisturbed, then gets TERM, and may use the rest of the
    /// grace. `off` leaves with the child
    #[arg(long, value_parser = parse_off_or_duration, default_value = "2s", value_name = "TIME", help_heading = "Shutdown")]
    pub stray_grace: Grace,

    /// Leave with another exit code, such as 143=0. Repeatable, or a list by comma
    #[arg(long, value_parser = parse_exit_map, value_delimiter = ',', value_name = "CODE=CODE", help_heading = "Shutdown")]
    pub map_exit: Vec<(u8, u8)>,

    /// Adopt orphaned descendants where we are not PID 1
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Processes"
    )]
    pub subreaper: Switch,

    /// Hand a terminal's foreground to the child and follow job control
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Processes"
    )]
    pub terminal: Switch,

    /// Be sent this signal when our own parent ends
    #[arg(long, value_parser = parse_signal, value_name = "SIGNAL", help_heading = "Processes")]
    pub parent_death: Option<Signal>,

    /// Look once a minute for zombies that only the application itself can reap
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Processes"
    )]
    pub zombie_report: Switch,

    /// Look once a minute whether limits were changed while the application runs
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Processes"
    )]
    pub resize_report: Switch,

    /// Look once a second (ten times while it grows) at how often the CPU quota stops the application, and tell once when
    /// that begins to matter
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Processes"
    )]
    pub throttle_report: Switch,

    /// How log lines on stderr look
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true,
        help_heading = "What is said"
    )]
    pub log_format: LogFormat,

    /// The least that is logged: off, error, warn, info or debug
    #[arg(
        long,
        value_enum,
        default_value = "info",
        value_name = "LEVEL",
        hide_possible_values = true,
        help_heading = "What is said"
    )]
    pub log_level: LogLevel,

    /// Where a death by signal, OOM kill or expired grace is explained, if the file exists and holds nothing of the
    /// application's: `auto` is /dev/termination-log, `off` nowhere
    #[arg(long, value_parser = parse_termination_log, default_value = "auto", value_name = "PATH", help_heading = "What is said")]
    pub termination_log: TerminationLog,

    /// The command; options end at the first word that is not one
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
