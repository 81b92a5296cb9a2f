//! The steps before the loop, in order: block signals, become subreaper, read limits, plan, start the child.

use std::ffi::OsString;
use std::time::Duration;

use dunnage_cgroup::{Bandwidth, Limits};
use dunnage_policy::agent::{Agent, Pairs, RELEASE, TERM_EXIT};
use dunnage_policy::event::Event;
use dunnage_policy::plan::{PLANNED, plan};
use dunnage_policy::signal::Signal;
use dunnage_sys::{Group, Mask, SignalFd, Spawn};

use crate::command::{Refusal, prepare};
use crate::config::{self, Conduct, Config, Manners, PlanMode};
use crate::control::Control;
use crate::counters::Counters;
use crate::forward::Forwarder;
use crate::health::Health;
use crate::log::Log;
use crate::own_cgroup::OwnCgroup;
use crate::stated::hand_on_overrides;
use crate::supervisor::{Finished, Start, Supervisor};
use crate::terminal::{find_own_terminal, free_terminal};
use crate::termination_log;
use crate::throttle::ThrottleWatch;
use crate::watch::Watch;

/// Tells the child's processes where the control socket is.
const SOCKET_VARIABLE: &str = "DUNNAGE_SOCKET";

/// The signal state that we were started with, which is the child's too.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    mask: Mask,
    ignored: Mask,
}

impl Inherited {
    /// Blocks every signal, first of all things, so that none can end or stop us from now on.
    pub fn take() -> std::io::Result<Self> {
        let mask = dunnage_sys::block_all()?;
        let mut ignored = dunnage_sys::ignored();
        // Rust's runtime ignores SIGPIPE before main
        let pipe = libc_pipe();
        if !dunnage_sys::sigpipe_was_ignored() {
            ignored = Mask(ignored.0 & !(1 << (pipe - 1)));
        }
        Ok(Self { mask, ignored })
    }
}

/// SIGPIPE's number, the same on every architecture.
fn libc_pipe() -> i32 {
    13
}

/// Replaces us by the command, with the signal state that we were given. Returns on failure only.
pub fn execute_directly(
    command: &[OsString],
    environment: &[(OsString, OsString)],
    inherited: Inherited,
) -> Refusal {
    match prepare(command, environment) {
        Ok(program) => {
            let failure = dunnage_sys::exec(&program, inherited.mask, inherited.ignored);
            crate::command::explain(&program, failure)
        }
        Err(refusal) => refusal,
    }
}

/// Runs the command to its end and returns the code to leave with.
pub fn run(config: &Config, inherited: Inherited) -> u8 {
    let mut log = Log::new(config.voice.format, config.voice.threshold);
    let code = match start(config, inherited, &mut log) {
        Ok((mut supervisor, mut descriptor)) => supervisor.run(&mut descriptor, &mut log),
        Err(mut refusal) => {
            refusal.code = config.conduct.manners.failure_code(None, refusal.code);
            Finished {
                code: refuse(config, &refusal, &mut log),
            }
        }
    };
    log.finish();
    code.code
}

/// Says why the command does not run, in the log and (it is our own failure) in the termination log.
pub fn refuse(config: &Config, refusal: &Refusal, log: &mut Log) -> u8 {
    let command = config
        .command
        .iter()
        .map(|word| word.to_string_lossy())
        .take(8)
        .collect::<Vec<_>>()
        .join(" ");
    let event = Event::NotExecuted {
        command,
        reason: refusal.reason.clone(),
        code: refusal.code,
    };
    if let Some(path) = &config.voice.termination_log {
        let _ = termination_log::write(path, &event.text());
    }
    log.say(&event);
    refusal.code
}

fn start<'a>(
    config: &'a Config,
    mut inherited: Inherited,
    log: &mut Log,
) -> Result<(Supervisor<'a>, SignalFd), Refusal> {
    let internal = |what: &str, error: &dyn std::fmt::Display| Refusal {
        code: 125,
        reason: format!("{what}: {error}"),
    };
    let conduct = &config.conduct;
    dunnage_sys::set_default(Signal::CHLD.number());
    if conduct.subreaper && dunnage_sys::current_pid() != 1 {
        degrade(log, "orphans are not adopted", dunnage_sys::set_subreaper());
    }
    keep_manners(conduct, &mut inherited, log);
    if conduct.manners == Manners::Dunnage {
        degrade(
            log,
            "processes cannot be seen, so shells are not looked through and what the application leaves behind is not told to stop",
            std::fs::File::open("/proc/self/stat").map(drop),
        );
    }
    if let Some(signal) = conduct.parent_death {
        degrade(
            log,
            "our parent's end will not be noticed",
            dunnage_sys::die_with_parent(signal.number()),
        );
    }
    let cgroup = OwnCgroup::new();
    let signals = SignalFd::new(Mask(u64::MAX))
        .map_err(|error| internal("cannot receive signals", &error))?;
    let Prepared {
        mut environment,
        started,
        watch,
        counts,
        bandwidth,
    } = read_and_plan(config, &cgroup, log);
    let control = open_control(&config.control, &mut environment, log);
    if !conduct.observe {
        // they are this run's: one that is started inside it could only find the address taken
        environment.retain(|(name, _)| name != "DUNNAGE_LISTEN" && name != "DUNNAGE_TEXTFILE");
    }
    let program = prepare(&config.command, &environment)?;
    let (terminal, hang_up) = match (conduct.terminal, conduct.group) {
        (false, _) | (true, Group::Inherited) => (None, false),
        (true, Group::Own) => (find_own_terminal(), false),
        (true, Group::Session) => free_terminal(),
    };
    let spawn = Spawn {
        program: &program,
        group: conduct.group,
        terminal,
        mask: inherited.mask,
        ignored: inherited.ignored,
    };
    let spawned = dunnage_sys::spawn(&spawn)
        .map_err(|error| internal("cannot make a process (pids limit or memory?)", &error.0))?;
    let (health, said) = Health::start(&config.health, &config.overrides);
    for event in said {
        log.say(&event);
    }
    let start = Start {
        // first of all: what it holds in reserve is not to be had by what is opened for evidence
        forwarder: Forwarder::new(spawned.pid, conduct.signal_to),
        spawned,
        program,
        started,
        watch,
        // after the fork: it takes as long as the child's way to its program
        counters: counts.then(|| Counters::open(cgroup.clone())),
        throttling: (counts && config.watched.throttling)
            .then(|| ThrottleWatch::open(cgroup.clone(), bandwidth)),
        cgroup,
        control,
        health,
        terminal: terminal.is_some(),
        hang_up,
    };
    Ok((Supervisor::new(config, start), signals))
}

/// Does what only a stand-in for another init does before the child starts.
fn keep_manners(conduct: &Conduct, inherited: &mut Inherited, log: &mut Log) {
    match conduct.manners {
        // a parent that used posix_spawn may have left them ignored; nobody can have meant that
        Manners::Dunnage => dunnage_sys::reset_library_signals(),
        Manners::Tini => {
            let faults = FAULTS.into_iter().fold(Mask::default(), Mask::with);
            // Rust's runtime has handlers for two of them
            FAULTS.into_iter().for_each(dunnage_sys::set_default);
            let _ = dunnage_sys::set_mask(Mask(!faults.0));
            if !conduct.subreaper && dunnage_sys::current_pid() != 1 {
                let what = "orphans are not adopted".to_owned();
                let reason =
                    "this is neither process 1 nor a subreaper (-s or TINI_SUBREAPER makes it one)"
                        .to_owned();
                log.say(&Event::Degraded { what, reason });
            }
        }
        Manners::DumbInit => {
            (1..32).for_each(dunnage_sys::set_default);
            *inherited = Inherited {
                mask: Mask::default(),
                ignored: Mask::default(),
            };
        }
    }
}

/// ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS: the signals of a program's own faults.
const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

fn degrade(log: &mut Log, what: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        log.say(&Event::Degraded {
            what: what.to_owned(),
            reason: error.to_string(),
        });
    }
}

/// What is known before the child starts.
struct Prepared {
    environment: Vec<(OsString, OsString)>,
    /// The start line, but for the child's id.
    started: Option<Event>,
    watch: Option<Watch>,
    /// Whether the cgroup's counters are to be read.
    counts: bool,
    /// The CPU quota.
    bandwidth: Option<Bandwidth>,
}

fn read_and_plan(config: &Config, cgroup: &OwnCgroup, log: &mut Log) -> Prepared {
    let mut environment: Vec<_> = std::env::vars_os().collect();
    if !config.conduct.observe && config.conduct.manners == Manners::Dunnage {
        config.agent.apply(&mut environment);
        let is_on = matches!(config.agent, Agent::On(_));
        tell_about_term(is_on && config.term_exit, &config.conduct, &mut environment);
        tell_about_release(config.release, &mut environment);
    }
    let silent = config.voice.threshold.is_none();
    if (silent || !config.evidence) && matches!(config.plan, PlanMode::Off) {
        return Prepared {
            environment,
            started: None,
            watch: None,
            counts: false,
            bandwidth: None,
        };
    }
    for name in &config.unknown_variables {
        log.say(&Event::UnknownVariable { name: name.clone() });
    }
    for text in &config.notes {
        log.say(&Event::Note { text: text.clone() });
    }
    if let (true, Agent::On(program)) = (config.conduct.observe, &config.agent) {
        log.say(&Event::Observed {
            would: format!(
                "put {} first on PYTHONPATH, for the agent that it carries",
                program.display()
            ),
        });
    }
    let limits = cgroup.read(|reader| reader.limits(&config.overrides, None));
    for text in &limits.notes {
        log.say(&Event::Note { text: text.clone() });
    }
    let set = apply_plan(config, &limits, &mut environment, log);
    let started = started_event(config, &limits, set);
    let bandwidth = limits.cpu.bandwidth;
    let watch = Watch::new(config.watched, limits, config.overrides.clone());
    Prepared {
        environment,
        started: Some(started),
        watch,
        counts: true,
        bandwidth,
    }
}

/// Tells the agent in our child to make SIGTERM an exit, and how long that may take: a quarter of the grace.
fn tell_about_term(is_wanted: bool, conduct: &Conduct, environment: &mut Pairs) {
    environment.retain(|(name, _)| name != TERM_EXIT);
    if is_wanted {
        let grace = conduct.grace.filter(|_| conduct.rules.budget.is_some());
        let quarter = grace.map_or(0, |grace| milliseconds(grace) / 4);
        let value = format!("{}:{quarter}", dunnage_sys::current_pid());
        environment.push((TERM_EXIT.into(), value.into()));
    }
}

/// Tells the agent whether it may be asked to give memory back: our option comes before the variable that we were given.
fn tell_about_release(is_wanted: bool, environment: &mut Pairs) {
    environment.retain(|(name, _)| name != RELEASE);
    if !is_wanted {
        environment.push((RELEASE.into(), "off".into()));
    }
}

/// Makes the control socket and tells the child where it is.
fn open_control(
    wanted: &config::Control,
    environment: &mut Vec<(OsString, OsString)>,
    log: &mut Log,
) -> Option<Control> {
    let chosen = match wanted {
        config::Control::Off => return None,
        config::Control::Observe => {
            let would = "make a control socket and set DUNNAGE_SOCKET".to_owned();
            log.say(&Event::Observed { would });
            return None;
        }
        config::Control::On(chosen) => chosen.as_deref(),
    };
    match Control::open(chosen) {
        Ok(control) => {
            if let Some(reasons) = control.passed_over(chosen) {
                let what = format!("the control socket is {}", control.socket().display());
                let reason = reasons.trim_end_matches("; ").to_owned();
                log.say(&Event::Degraded { what, reason });
            }
            environment.retain(|(name, _)| name != SOCKET_VARIABLE);
            environment.push((SOCKET_VARIABLE.into(), control.socket().into()));
            Some(control)
        }
        Err(reason) => {
            let what = "no control socket, so no notice of a shutdown inside Python".to_owned();
            log.say(&Event::Degraded { what, reason });
            None
        }
    }
}

/// Puts the plan's variables into the child's environment, or says what would be; returns what was set, for the start line.
fn apply_plan(
    config: &Config,
    limits: &Limits,
    environment: &mut Vec<(OsString, OsString)>,
    log: &mut Log,
) -> Vec<String> {
    let (PlanMode::Observe(options) | PlanMode::Apply(options)) = &config.plan else {
        return Vec::new();
    };
    let plan = plan(limits, &|name: &str| std::env::var_os(name), options);
    for text in plan
        .notes
        .iter()
        .filter(|text| !limits.notes.contains(text))
    {
        log.say(&Event::PlanNote { text: text.clone() });
    }
    let pairs = plan.environment();
    let shown = pairs
        .iter()
        .filter(|(name, _)| name != PLANNED)
        .map(|(name, value)| format!("{name}={value}"));
    if matches!(config.plan, PlanMode::Observe(_)) {
        for pair in shown {
            log.say(&Event::Observed {
                would: format!("set {pair}"),
            });
        }
        return Vec::new();
    }
    let set = shown.collect();
    hand_on_overrides(&config.overrides, environment);
    for (name, value) in pairs {
        environment.retain(|(key, _)| *key != *name);
        environment.push((name.into(), value.into()));
    }
    set
}

fn started_event(config: &Config, limits: &Limits, set: Vec<String>) -> Event {
    let memory = limits.memory.limit.as_ref();
    Event::Started {
        pid: 0,
        command: shown_command(&config.command),
        mode: if config.conduct.observe {
            "observe"
        } else {
            "run"
        },
        cpus: limits.cpu.effective.value,
        cpu_source: limits.cpu.effective.source.clone(),
        memory_limit_bytes: memory.map(|limit| limit.value),
        memory_source: memory.map(|limit| limit.source.clone()),
        set,
        agent: match (&config.agent, config.conduct.observe) {
            (Agent::On(_), true) => "observed",
            (agent, _) => agent.in_words(),
        }
        .to_owned(),
        grace_ms: config
            .conduct
            .grace
            .filter(|_| config.conduct.rules.budget.is_some())
            .map(milliseconds),
    }
}

/// The command as a person would name it.
pub fn shown_command(command: &[OsString]) -> String {
    let words: Vec<_> = command
        .iter()
        .take(8)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    dunnage_policy::process::short_command(&words, "")
}

/// Whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
