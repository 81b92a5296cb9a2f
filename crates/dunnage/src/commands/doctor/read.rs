//! Looks: at `/proc`, at the cgroup, at folders. Decides nothing.
//!
//! Everything is read from outside and nothing is called, stopped or signalled. What may not be read is passed over and
//! named. Two looks, [`PAUSE`] apart with some short ones between, tell what lasts from what passes.

mod container;
mod descriptors;
mod files;
mod process;
mod sockets;

use std::time::Duration;

use dunnage_cgroup::{CpuWatch, Overrides, PressureKind, Reader, Root, Throttling};
use dunnage_policy::process::{Process, ProcessTable};
use dunnage_run::{is_python, read_process_table};

use super::facts::{Counted, Facts, Named, Node, Python, Refusal};
use process::{first_number, read_words};

/// Between the first and the last look.
const PAUSE: Duration = Duration::from_millis(200);
/// Looks at who runs; with four pauses between.
const LOOKS: u32 = 5;

/// Gathers what was refused.
#[derive(Debug, Default)]
pub(super) struct Refused(Vec<Refusal>);

impl Refused {
    fn note(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        let refusal = Refusal {
            what: what.into(),
            reason: reason.into(),
        };
        if !self.0.contains(&refusal) {
            self.0.push(refusal);
        }
    }

    /// Takes a result; an error is noted unless the thing is merely not there.
    fn take<T>(&mut self, what: &str, result: std::io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    self.note(what, error.to_string());
                }
                None
            }
        }
    }
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The process that was asked for is not there.
    #[error("there is no process {0} here")]
    NoProcess(i32),
    /// There is no `/proc`.
    #[error("/proc cannot be read: nothing can be told about processes")]
    NoProc,
}

/// Looks at a process, or at the largest Python below process 1.
pub fn read(asked: Option<i32>) -> Result<Facts, Failure> {
    let table = read_process_table();
    let own = dunnage_sys::current_pid();
    if table.get(own).is_none() {
        return Err(Failure::NoProc);
    }
    if let Some(pid) = asked.filter(|pid| table.get(*pid).is_none()) {
        return Err(Failure::NoProcess(pid));
    }
    let mut refused = Refused::default();
    let pythons = pythons(&table, own);
    let pid = asked.or_else(|| largest(&pythons));
    let subject = pid.unwrap_or(1);
    let init = container::find_init(&table, subject);
    let members = container::members(&table, init, own);
    let python = pid.map(|pid| process::read(pid, &mut refused));

    let root = Root::system();
    let mut reader = Reader::open_of(&root, subject);
    let affinity = python.as_ref().and_then(|python| python.affinity);
    let limits = reader.limits(&Overrides::default(), affinity);
    let mut watch = CpuWatch::open(&root, subject).ok();
    let mut counted = count(&mut reader, watch.as_mut());

    let runnable = container::watch_runnable(&members, subject, LOOKS, PAUSE);
    counted.throttling_later = watch.as_mut().and_then(read_throttling);
    let mut processes = container::read(&table, &members, init, subject);
    processes.runnable = runnable;
    processes.workers = workers(&table, &pythons, subject);
    processes.pythons = named(&pythons, &members);

    let folders = files::read_folders(subject, python.as_ref(), &mut refused);
    Ok(Facts {
        init: container::read_init(init, &mut refused),
        node: read_node(subject, python.as_ref()),
        python,
        processes,
        limits,
        counted,
        folders,
        refused: refused.0,
    })
}

/// Every Python that can be seen, but us.
fn pythons(table: &ProcessTable, own: i32) -> Vec<Process> {
    let all = table.descendants(0).into_iter();
    all.filter(|process| process.identity.pid != own && !process.is_zombie() && is_python(process))
        .cloned()
        .collect()
}

/// The one with the most resident memory, process 1 only where there is no other; of those alike the oldest.
fn largest(pythons: &[Process]) -> Option<i32> {
    let sized = pythons.iter().map(|process| {
        let pid = process.identity.pid;
        let rss = process::read_rss(pid).unwrap_or(0);
        (pid != 1, rss, std::cmp::Reverse(pid))
    });
    sized.max().map(|(_, _, pid)| pid.0)
}

/// How many Pythons have the same Python for their parent as this one, itself counted.
fn workers(table: &ProcessTable, pythons: &[Process], pid: i32) -> u32 {
    let is_python = |pid: i32| pythons.iter().any(|process| process.identity.pid == pid);
    let parent = table.get(pid).map(|process| process.parent);
    let family = match parent.filter(|parent| is_python(*parent)) {
        Some(parent) => parent,
        None => pid,
    };
    let children = pythons.iter().filter(|process| process.parent == family);
    children.count() as u32
}

fn named(pythons: &[Process], members: &[Process]) -> Vec<Named> {
    let is_member = |pid: i32| members.iter().any(|member| member.identity.pid == pid);
    let within = pythons.iter().filter(|one| is_member(one.identity.pid));
    let name = |process: &Process| Named {
        pid: process.identity.pid,
        command: container::command_of(process),
    };
    within.take(100).map(name).collect()
}

fn count(reader: &mut Reader, watch: Option<&mut CpuWatch>) -> Counted {
    let is_bound = matches!(reader.memory_bound(None), Ok(Some(_)));
    let memory = if is_bound {
        reader.bound_memory()
    } else {
        reader.memory()
    };
    let mut pressure = |kind| {
        let pressure = reader.pressure(kind).ok()?;
        Some(pressure.some?.avg10)
    };
    let (cpu_pressure, memory_pressure) =
        (pressure(PressureKind::Cpu), pressure(PressureKind::Memory));
    let source = watch
        .as_ref()
        .map(|watch| watch.source().display().to_string());
    Counted {
        cpu_source: source,
        throttling: watch.and_then(read_throttling),
        throttling_later: None,
        cpu_pressure,
        memory: memory.ok(),
        events: reader.memory_events().ok(),
        memory_pressure,
        beside: reader.beside(),
    }
}

fn read_throttling(watch: &mut CpuWatch) -> Option<Throttling> {
    let counters = watch.read().ok()?;
    Some(Throttling {
        periods: counters.periods,
        throttled: counters.throttled,
        throttled_usec: counters.throttled_nsec / 1000,
    })
}

/// What the machine tells a process: its own view of it, which a bind mount may have changed.
fn read_node(pid: i32, python: Option<&Python>) -> Node {
    let text = |path: &str| {
        let seen = std::fs::read_to_string(format!("/proc/{pid}/root{path}"));
        seen.or_else(|_| std::fs::read_to_string(path)).ok()
    };
    let meminfo = text("/proc/meminfo").unwrap_or_default();
    let kib = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        first_number(line)?.checked_mul(1024)
    };
    let online = text("/sys/devices/system/cpu/online");
    let counted = online.and_then(|list| dunnage_cgroup::parse::parse_cpu_list(list.as_bytes()));
    let is_musl = python.is_some_and(|python| python.is_musl);
    let affinity = python.and_then(|python| python.affinity);
    let huge = text("/sys/kernel/mm/transparent_hugepage/enabled");
    Node {
        // musl's sysconf counts the mask
        cpus: if is_musl {
            affinity.or(counted)
        } else {
            counted
        },
        memory_bytes: kib("MemTotal:"),
        swap_bytes: kib("SwapTotal:"),
        huge_pages: huge
            .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())),
    }
}

/// A process's command line as one text.
fn words_as_text(pid: i32) -> Option<String> {
    let words = read_words(pid).ok()?;
    let text: String = words.join(" ").chars().take(160).collect();
    Some(text).filter(|text| !text.is_empty())
}
