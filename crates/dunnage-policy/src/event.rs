//! What the supervisor says: one typed stream, of which every output is a view.
//!
//! Each event stands here once, with its level, when it is printed and what its fields mean; `docs/events.md` is
//! generated from this file. Text is for a person who is on call at night, JSON (`dunnage.event/1`) for machines.

mod cpu;
mod memory;

use serde::Serialize;

use crate::message::Door;
use crate::shutdown::End;
use crate::signal::Signal;
use crate::verdict::{Cause, seconds};

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The application could not be run, or ended badly.
    Error,
    /// Something a person should look at.
    Warn,
    /// What happens in an ordinary life.
    Info,
    /// Details.
    Debug,
}

/// An event's entry in the documentation.
#[derive(Debug, Clone, Copy)]
pub struct EventDoc {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its level.
    pub level: Level,
    /// When it is printed.
    pub when: &'static str,
    /// Its fields and their meaning.
    pub fields: &'static [(&'static str, &'static str)],
}

macro_rules! events {
    ($( #[doc = $when:literal] $name:ident = $wire:literal, $level:ident { $( #[doc = $doc:literal] $field:ident : $type:ty, )* } )*) => {
        /// Everything that can be said.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(tag = "event")]
        pub enum Event {
            $( #[doc = $when] #[serde(rename = $wire)] $name { $( #[doc = $doc] $field: $type, )* }, )*
        }

        /// The catalogue, in the order of a run.
        pub const CATALOGUE: &[EventDoc] = &[
            $( EventDoc { name: $wire, level: Level::$level, when: $when, fields: &[ $( (stringify!($field), $doc), )* ] }, )*
        ];

        impl Event {
            /// How much it matters.
            pub fn level(&self) -> Level {
                match self { $( Self::$name { .. } => Level::$level, )* }
            }
        }
    };
}

events! {
    /// Once, when the program has been executed.
    Started = "started", Info {
        /// The child's process id.
        pid: i32,
        /// The program and what it runs.
        command: String,
        /// `run` or `observe`.
        mode: &'static str,
        /// CPUs that can be used, a fraction.
        cpus: f64,
        /// The file that says so.
        cpu_source: String,
        /// The memory limit in bytes; null where none is visible.
        memory_limit_bytes: Option<u64>,
        /// The file that says so; null without a limit.
        memory_source: Option<String>,
        /// The variables that the child was given, as NAME=value.
        set: Vec<String>,
        /// Whether Python processes get the agent: `on`, `outer` (an outer dunnage's), `observed`, or why not.
        agent: String,
        /// The grace period in milliseconds; null where nothing is ever killed.
        grace_ms: Option<u64>,
    }
    /// At start, for each thing about the limits that a person should know.
    Note = "note", Info {
        /// One sentence.
        text: String,
    }
    /// At start, for each thing about the plan that `dunnage plan` says too.
    PlanNote = "plan_note", Debug {
        /// One sentence.
        text: String,
    }
    /// At start, for a DUNNAGE_* variable that means nothing to us.
    UnknownVariable = "unknown_variable", Warn {
        /// Its name.
        name: String,
    }
    /// In `--mode observe`, for each thing that would have been done otherwise.
    Observed = "observed", Info {
        /// What would have been done.
        would: String,
    }
    /// When an optional part cannot work here; the application runs without it.
    Degraded = "degraded", Warn {
        /// What is lost.
        what: String,
        /// Why.
        reason: String,
    }
    /// At start, for each earlier run of which the report folder holds no end; once each, and three at most.
    LastTime = "last_time", Warn {
        /// One sentence: what its file says, and no more than can be known from it.
        text: String,
        /// The file; `dunnage report FILE` prints it.
        path: String,
        /// The host that it ran on; null where that is this one.
        host: Option<String>,
        /// How many records it holds.
        records: usize,
        /// The last working set that is known, in bytes.
        working_set_bytes: Option<u64>,
        /// What might have been charged in all then, in bytes.
        capacity_bytes: Option<u64>,
        /// When that was.
        at: Option<String>,
        /// The signal of a shutdown that had begun; null without one.
        stop_signal: Option<String>,
    }
    /// At start, with --listen.
    Listening = "listening", Info {
        /// The address and port on which health and metrics can be asked for.
        address: String,
    }
    /// When the agent in a Python process says that it is there; once for each process.
    AgentPresent = "agent_present", Debug {
        /// The process id.
        pid: i32,
        /// Python's version, as the process says.
        python: String,
        /// The way that the agent came in: `path` (PYTHONPATH) or `pth` (the wheel's file).
        door: Door,
    }
    /// When a Python that was given the agent has not said within seconds that it is there; for the first such process only.
    AgentAbsent = "agent_absent", Info {
        /// The process id.
        pid: i32,
        /// The process's command.
        command: String,
    }
    /// When a stop signal begins the shutdown.
    Stopping = "stopping", Info {
        /// The signal.
        signal: Signal,
        /// Who sent it, in our PID namespace; 0 is from outside (kubelet, the container runtime).
        sender: i32,
        /// The time until everything that is left is killed, in milliseconds; null where nothing is.
        budget_ms: Option<u64>,
        /// The delay before the signal is passed on, in milliseconds.
        drain_delay_ms: u64,
    }
    /// When a signal is passed on to a shell's children too, because the shell would keep it to itself.
    ForwardedThroughShell = "forwarded_through_shell", Info {
        /// The signal.
        signal: Signal,
        /// The shell and its process id.
        shell: String,
        /// The processes behind it that got the signal too.
        to: Vec<String>,
    }
    /// When a signal could not be passed on.
    ForwardFailed = "forward_failed", Warn {
        /// The signal.
        signal: Signal,
        /// The process it was for.
        pid: i32,
        /// Why.
        reason: String,
    }
    /// When descendants that outlived the child are asked to end.
    StraysTold = "strays_told", Info {
        /// The signal.
        signal: Signal,
        /// The processes, as command (pid); at most 16.
        processes: Vec<String>,
        /// How many they are.
        count: usize,
    }
    /// When the time is over and what is left is killed.
    Killed = "killed", Warn {
        /// The processes, as command (pid); at most 16.
        processes: Vec<String>,
        /// How many they are.
        count: usize,
        /// The time that they had, in milliseconds.
        waited_ms: u64,
    }
    /// When the child stops or goes on as a job of a shell.
    JobControl = "job_control", Debug {
        /// The signal that stopped it.
        signal: Signal,
        /// What was done about it.
        action: &'static str,
    }
    /// When a limit was changed while the application runs (a live resize); seen within a minute, at once where memory is watched.
    LimitsChanged = "limits_changed", Info {
        /// Usable CPUs before.
        cpus_before: f64,
        /// Usable CPUs now.
        cpus: f64,
        /// The memory limit before, in bytes.
        memory_limit_bytes_before: Option<u64>,
        /// The memory limit now, in bytes.
        memory_limit_bytes: Option<u64>,
    }
    /// When a process keeps zombies that only itself can reap; again when they have doubled.
    Zombies = "zombies", Warn {
        /// The process that does not reap its children.
        parent: String,
        /// Its process id.
        pid: i32,
        /// How many zombies it has.
        count: usize,
        /// Whether they are more than a minute ago.
        growing: bool,
        /// The command of one of them.
        example: String,
    }
    /// When a descendant that was left to us has ended; only where that was asked for (tini's `-w`).
    Reaped = "reaped", Warn {
        /// Its process id.
        pid: i32,
    }
    /// When the kernel has OOM-killed processes of this container; seen when a killed process is reaped.
    OomKill = "oom_kill", Warn {
        /// How many since the start.
        count: u64,
    }
    /// When throttling by the CPU quota begins to matter: a tenth of the periods over 15 s, or a window longer than a period. Once, until it has not mattered for a minute, and ten minutes later at the earliest.
    CpuThrottled = "cpu_throttled", Warn {
        /// Over which time the following was counted, in milliseconds.
        over_ms: u64,
        /// CFS periods in which the container ran.
        periods: u64,
        /// Those in which it was throttled.
        throttled: u64,
        /// How long it was throttled, in microseconds, summed over CPUs.
        throttled_usec: u64,
        /// The longest window in which it stood still, in microseconds. An estimate: the throttled time gained between two looks (100 ms), for each period and CPU.
        longest_usec: u64,
    }
    /// When memory has risen up the ladder (`docs/memory.md`): once for each rise, and one that is not higher than the last that was told at most once a minute.
    MemoryPressure = "memory_pressure", Info {
        /// `watch`, `release`, `shed`, `record` or `brink`.
        rung: &'static str,
        /// All that is charged, page cache included, and swap where it may be used, in bytes.
        usage_bytes: u64,
        /// The part that the kernel cannot take back by dropping page cache; null where it was not read.
        working_set_bytes: Option<u64>,
        /// What there is: the limit or memory.high, whichever is less, and swap that may be used.
        capacity_bytes: u64,
        /// How fast it grows; 0 where it does not.
        bytes_per_second: u64,
        /// When it will be full at this rate, in milliseconds; null where it does not grow.
        full_in_ms: Option<u64>,
    }
    /// When memory has risen to a further rung in a rise that was told.
    MemoryRung = "memory_rung", Debug {
        /// `watch`, `release`, `shed`, `record` or `brink`.
        rung: &'static str,
        /// All that is charged, page cache included, and swap where it may be used, in bytes.
        usage_bytes: u64,
        /// The part that the kernel cannot take back by dropping page cache; null where it was not read.
        working_set_bytes: Option<u64>,
        /// What there is: the limit or memory.high, whichever is less, and swap that may be used.
        capacity_bytes: u64,
        /// How fast it grows; 0 where it does not.
        bytes_per_second: u64,
        /// When it will be full at this rate, in milliseconds; null where it does not grow.
        full_in_ms: Option<u64>,
    }
    /// When memory has fallen below the ladder again, after a rise that was told.
    MemoryFallen = "memory_fallen", Info {
        /// What the kernel cannot take back by dropping page cache or, where that was not read, all that is charged, in bytes.
        working_set_bytes: u64,
        /// What there is, in bytes.
        capacity_bytes: u64,
        /// The highest rung that was reached meanwhile.
        rung: &'static str,
        /// The most that was in use meanwhile, in bytes.
        highest_bytes: u64,
        /// How long it was up, in milliseconds.
        lasted_ms: u64,
    }
    /// When Python processes were asked to give memory back and have answered, or had three seconds for it.
    MemoryReleased = "memory_released", Info {
        /// The processes that answered, as command (pid); at most 16.
        processes: Vec<String>,
        /// How many they are; 0 where nobody answered.
        count: usize,
        /// By how much the working set of the container has fallen meanwhile, in bytes.
        returned_bytes: u64,
        /// What is empty inside these processes and cannot be returned; null where none could say.
        pinned_bytes: Option<u64>,
        /// How long it took from the request, in milliseconds.
        took_ms: u64,
        /// What they had to say, at most 8 sentences.
        notes: Vec<String>,
    }
    /// When readiness is switched off because memory runs short, and when it is on again; only with --listen or --textfile.
    Shedding = "shedding", Warn {
        /// Whether it is off now.
        on: bool,
    }
    /// When it was written down what every process does, because memory runs out.
    MemoryRecord = "memory_record", Warn {
        /// Its number in this run.
        number: u32,
        /// `level`, `growth`, `limit_hit` or `brink`.
        why: &'static str,
        /// Whether it holds everything that was wanted.
        complete: bool,
        /// How long it took, in milliseconds.
        took_ms: u64,
        /// The file; null without --report-dir.
        path: Option<String>,
        /// The line of Python that the growing process was at, or why that is not known; null where no Python grows.
        headline: Option<String>,
    }
    /// When a record was wanted and could not be made.
    MemoryRecordFailed = "memory_record_failed", Warn {
        /// `level`, `growth`, `limit_hit` or `brink`.
        why: &'static str,
        /// Why not.
        reason: String,
    }
    /// With --recycle, when a worker was told to end so that its parent starts a new one.
    Recycled = "recycled", Warn {
        /// The worker's process id.
        pid: i32,
        /// Its command.
        command: String,
        /// Its memory, in bytes (`RssAnon`).
        rss_bytes: u64,
        /// The parent that replaces it, as command (pid).
        parent: String,
    }
    /// With --recycle, when no worker could be recycled, or a recycled one was not replaced.
    RecycleRefused = "recycle_refused", Warn {
        /// Why, and what to use instead.
        reason: String,
    }
    /// With --on-brink stop or exit, for each thing that was done to the application, or why it was not.
    Brink = "brink", Warn {
        /// `stopped`, `continued`, `exit` or `refused`.
        action: &'static str,
        /// What about it.
        text: String,
    }
    /// When lines were lost because nobody read them.
    LinesLost = "lines_lost", Warn {
        /// How many.
        count: u64,
    }
    /// Instead of `started`, when the program could not be executed.
    NotExecuted = "not_executed", Error {
        /// The command as it was given.
        command: String,
        /// Why, and what next.
        reason: String,
        /// The code that we leave with: 125, 126 or 127.
        code: u8,
    }
    /// Once, at the end.
    Ended = "ended", Info {
        /// What ended the application.
        cause: Cause,
        /// The code that we leave with.
        code: u8,
        /// The code before --map-exit.
        child_code: u8,
        /// One sentence.
        sentence: String,
        /// How the shutdown sequence ended.
        end: End,
        /// How long the application ran, in milliseconds.
        ran_ms: u64,
        /// CFS periods in which the container ran; null where unknown.
        periods: Option<u64>,
        /// Those in which it was throttled.
        throttled: Option<u64>,
        /// How long it was throttled, in microseconds, summed over CPUs.
        throttled_usec: Option<u64>,
        /// The longest window in which it stood still, in microseconds, an estimate as in `cpu_throttled`; null where nothing was throttled or nobody looked.
        longest_throttled_usec: Option<u64>,
    }
}

impl Event {
    /// The line for a person, without the program's name and without a line break.
    pub fn text(&self) -> String {
        match self {
            Self::Started { .. } => self.started_text(),
            Self::CpuThrottled { .. } => self.throttled_text(),
            Self::Ended { .. } => self.ended_text(),
            Self::Note { text } | Self::PlanNote { text } => text.clone(),
            Self::UnknownVariable { name } => {
                format!("{name} is set, but no option has this variable; see `dunnage run --help`")
            }
            Self::Observed { would } => format!("observe: would {would}"),
            Self::Degraded { what, reason } => format!("{what}: {reason}"),
            Self::Listening { address } => {
                format!("listens on http://{address} for /livez, /readyz and /metrics")
            }
            Self::AgentPresent { pid, python, door } => present_text(*pid, python, *door),
            Self::AgentAbsent { pid, command } => format!(
                "{command} ({pid}) runs without the agent: CPU counts are not told in it (python -I, -E or -S, one before 3.9 \
                 or another implementation, or PYTHONPATH was set anew; nothing else is lost)"
            ),
            Self::Stopping {
                signal,
                sender,
                budget_ms,
                drain_delay_ms,
            } => stopping_text(*signal, *sender, *budget_ms, *drain_delay_ms),
            Self::ForwardedThroughShell { signal, shell, to } => format!(
                "{shell} is a shell that keeps {signal} to itself; passed it on to {} too (exec the command to need no help)",
                to.join(", ")
            ),
            Self::ForwardFailed {
                signal,
                pid,
                reason,
            } => format!("could not send {signal} to process {pid}: {reason}"),
            Self::StraysTold {
                signal,
                processes,
                count,
            } => {
                format!(
                    "the child has ended; sent {signal} to what it left: {}",
                    list(processes, *count)
                )
            }
            Self::Killed {
                processes,
                count,
                waited_ms,
            } => {
                format!(
                    "killed after {}: {}",
                    seconds(*waited_ms),
                    list(processes, *count)
                )
            }
            Self::JobControl { signal, action } => {
                format!("the child was stopped by {signal}; {action}")
            }
            Self::LimitsChanged {
                cpus_before,
                cpus,
                memory_limit_bytes_before,
                memory_limit_bytes,
            } => format!(
                "limits changed while running: {} → {} CPUs, memory {} → {}; thread pools keep the size they were started with",
                number(*cpus_before),
                number(*cpus),
                size(*memory_limit_bytes_before),
                size(*memory_limit_bytes)
            ),
            Self::Zombies {
                parent,
                pid,
                count,
                growing,
                example,
            } => format!(
                "{parent} ({pid}) has {count} zombies that only it can reap{}: it started e.g. {example} and never waited for it",
                if *growing { ", and they grow" } else { "" }
            ),
            Self::Reaped { pid } => format!("reaped process {pid}, whose parent had left it"),
            Self::OomKill { count } => format!(
                "the kernel has OOM-killed {count} of this container's processes since the start"
            ),
            Self::LastTime { .. }
            | Self::MemoryPressure { .. }
            | Self::MemoryRung { .. }
            | Self::MemoryFallen { .. }
            | Self::MemoryReleased { .. }
            | Self::Shedding { .. }
            | Self::MemoryRecord { .. }
            | Self::MemoryRecordFailed { .. }
            | Self::Recycled { .. }
            | Self::RecycleRefused { .. }
            | Self::Brink { .. } => self.memory_text(),
            Self::LinesLost { count } => format!("{count} lines were lost: nobody read stderr"),
            Self::NotExecuted {
                command, reason, ..
            } => format!("cannot run {command}: {reason}"),
        }
    }

    fn started_text(&self) -> String {
        let Self::Started {
            pid,
            command,
            mode,
            cpus,
            cpu_source,
            memory_limit_bytes,
            set,
            agent,
            grace_ms,
            ..
        } = self
        else {
            return String::new();
        };
        let mut text = format!(
            "started {command} ({pid}): {} CPUs ({cpu_source}), memory {}",
            number(*cpus),
            size(*memory_limit_bytes)
        );
        match set.as_slice() {
            [] => {}
            [one] => text.push_str(&format!(", set {one}")),
            [first, rest @ ..] => text.push_str(&format!(
                ", set {first} and {} more (`dunnage plan` says why)",
                rest.len()
            )),
        }
        match agent.as_str() {
            "on" => text.push_str(", agent"),
            "outer" | "observed" => {}
            reason => text.push_str(&format!(", no agent ({reason})")),
        }
        text.push_str(&grace_ms.map_or_else(
            || ", no deadline at shutdown".to_owned(),
            |grace| format!(", grace {}", seconds(grace)),
        ));
        if *mode == "observe" {
            text.push_str(", only observing");
        }
        text
    }

    fn ended_text(&self) -> String {
        let Self::Ended {
            sentence,
            code,
            child_code,
            ran_ms,
            periods,
            throttled,
            throttled_usec,
            longest_throttled_usec,
            ..
        } = self
        else {
            return String::new();
        };
        let mut text = format!("{sentence}; exit code {code}");
        if code != child_code {
            text.push_str(&format!(" (mapped from {child_code})"));
        }
        text.push_str(&format!("; ran {}", seconds(*ran_ms)));
        if let (Some(periods), Some(throttled @ 1..), Some(usec)) =
            (periods, throttled, throttled_usec)
        {
            text.push_str(&format!(
                "; {}",
                cpu::counted_text(*periods, *throttled, *usec, *longest_throttled_usec)
            ));
        }
        text
    }
}

fn present_text(pid: i32, python: &str, door: Door) -> String {
    let way = match door {
        Door::Path => "PYTHONPATH",
        Door::Pth => "a .pth file",
    };
    let python: String = python.chars().filter(|c| !c.is_control()).collect();
    format!("the agent is in process {pid}, Python {python}, by {way}")
}

fn stopping_text(
    signal: Signal,
    sender: i32,
    budget_ms: Option<u64>,
    drain_delay_ms: u64,
) -> String {
    let from = if sender == 0 {
        "from outside the container".to_owned()
    } else {
        format!("from process {sender}")
    };
    let delay = if drain_delay_ms == 0 {
        String::new()
    } else {
        format!("passed on in {}, ", seconds(drain_delay_ms))
    };
    let deadline = budget_ms.map_or_else(
        || "no deadline".to_owned(),
        |budget| format!("what is left in {} is killed", seconds(budget)),
    );
    format!("got {signal} {from}: stopping; {delay}{deadline}")
}

fn list(processes: &[String], count: usize) -> String {
    let more = count.saturating_sub(processes.len());
    let names = processes.join(", ");
    if more == 0 {
        names
    } else {
        format!("{names} and {more} more")
    }
}

/// CPUs without needless zeros.
fn number(cpus: f64) -> String {
    let text = format!("{cpus:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn size(bytes: Option<u64>) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        None => "no limit seen".to_owned(),
        Some(bytes) if bytes >= 10 * 1024 * MIB => {
            format!("{:.1} GiB", bytes as f64 / (1024 * MIB) as f64)
        }
        Some(bytes) => format!("{} MiB", bytes / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_catalogue_is_unique_and_documented() {
        for (index, doc) in CATALOGUE.iter().enumerate() {
            assert!(
                CATALOGUE
                    .iter()
                    .skip(index + 1)
                    .all(|other| other.name != doc.name),
                "{}",
                doc.name
            );
            assert!(
                !doc.when.trim().is_empty()
                    && doc
                        .fields
                        .iter()
                        .all(|(_, meaning)| !meaning.trim().is_empty())
            );
        }
    }

    #[test]
    fn an_event_in_json_has_the_fields_that_the_catalogue_names() {
        let event = Event::Zombies {
            parent: "python app.py".to_owned(),
            pid: 7,
            count: 200,
            growing: true,
            example: "sleep".to_owned(),
        };
        let json = serde_json::to_value(&event).unwrap();
        let doc = CATALOGUE.iter().find(|doc| doc.name == "zombies").unwrap();
        assert_eq!(json["event"], "zombies");
        for (field, _) in doc.fields {
            assert!(!json[field].is_null(), "{field}");
        }
        assert_eq!(json.as_object().unwrap().len(), doc.fields.len() + 1);
    }

    #[test]
    fn lines_read_as_a_person_would_say_it() {
        let stopping = Event::Stopping {
            signal: Signal::TERM,
            sender: 0,
            budget_ms: Some(28_000),
            drain_delay_ms: 500,
        };
        assert_eq!(
            stopping.text(),
            "got SIGTERM from outside the container: stopping; passed on in 0.5 s, what is left in 28 s is killed"
        );
        let killed = Event::Killed {
            processes: vec!["python app.py (7)".to_owned()],
            count: 3,
            waited_ms: 28_000,
        };
        assert_eq!(
            killed.text(),
            "killed after 28 s: python app.py (7) and 2 more"
        );
        let changed = Event::LimitsChanged {
            cpus_before: 2.0,
            cpus: 0.25,
            memory_limit_bytes_before: None,
            memory_limit_bytes: Some(1 << 29),
        };
        assert_eq!(
            changed.text(),
            "limits changed while running: 2 → 0.25 CPUs, memory no limit seen → 512 MiB; thread pools keep the size they were started with"
        );
    }
}
