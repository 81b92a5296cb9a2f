//! The processes of a container: its init, who is a zombie, who an orphan, who runs.

use std::path::PathBuf;
use std::time::Duration;

use dunnage_policy::process::{Process, ProcessTable};
use dunnage_python::process::{read_status, read_task, read_tasks};
use dunnage_run::{read_process, read_program};
use dunnage_sys::{read_bounded, read_link_bounded};

use super::process::{read_signals, read_words};
use super::{Refused, words_as_text};
use crate::commands::doctor::facts::{Init, Named, Processes, Zombie};

/// The most zombies and orphans that are named.
const MOST_NAMED: usize = 20;
/// The most threads whose state is read in one look.
const MOST_THREADS: usize = 4000;

/// Inits that start one child and adopt what it leaves behind.
pub(in crate::commands::doctor) const SINGLE_CHILD_INITS: [&str; 6] = [
    "dunnage",
    "tini",
    "tini-static",
    "docker-init",
    "dumb-init",
    "catatonit",
];

/// Process 1 of the PID namespace that a process is in, as seen from here.
pub(super) fn find_init(table: &ProcessTable, pid: i32) -> i32 {
    let namespace =
        |pid: &str| read_link_bounded(&PathBuf::from(format!("/proc/{pid}/ns/pid"))).ok();
    let (theirs, ours) = (namespace(&pid.to_string()), namespace("self"));
    if theirs.is_none() || theirs == ours {
        return 1;
    }
    let all = table.descendants(0);
    let mut inits = all
        .iter()
        .map(|process| process.identity.pid)
        .filter(|pid| {
            let inner = read_status(&pid.to_string(), "NSpid");
            let is_first =
                inner.is_some_and(|ids| ids.len() > 1 && ids.last().is_some_and(|id| id == "1"));
            is_first && namespace(&pid.to_string()) == theirs
        });
    inits.next().unwrap_or(1)
}

/// The init and all below it, without us.
pub(super) fn members(table: &ProcessTable, init: i32, own: i32) -> Vec<Process> {
    let below = table.descendants(init).into_iter();
    let all = table.get(init).into_iter().chain(below);
    all.filter(|process| process.identity.pid != own)
        .cloned()
        .collect()
}

/// What a person would call a process: its command line, or its name where it has none.
pub(super) fn command_of(process: &Process) -> String {
    let told = words_as_text(process.identity.pid);
    told.unwrap_or_else(|| format!("[{}]", process.command))
}

/// What is known of the init itself.
pub(super) fn read_init(pid: i32, refused: &mut Refused) -> Option<Init> {
    let process = read_process(pid)?;
    let words = refused.take(&format!("/proc/{pid}/cmdline"), read_words(pid));
    Some(Init {
        pid,
        words: words.unwrap_or_default(),
        name: process.command,
        program: String::from_utf8_lossy(&read_program(pid)).into_owned(),
        signals: read_signals(pid),
    })
}

/// Counts, zombies that are there still, those of the subject first since not all are named, and orphans.
pub(super) fn read(
    table: &ProcessTable,
    members: &[Process],
    init: i32,
    subject: i32,
) -> Processes {
    let living = || members.iter().filter(|process| !process.is_zombie());
    let mut zombies: Vec<&Process> = members
        .iter()
        .filter(|process| process.is_zombie() && is_zombie_still(process))
        .collect();
    zombies.sort_by_key(|process| process.parent != subject);
    let named = |process: &&Process| Zombie {
        pid: process.identity.pid,
        name: process.command.clone(),
        parent: name_parent(table, process.parent),
    };
    let orphans = find_orphans(table, init);
    Processes {
        count: living().count() as u32,
        threads: living().map(|process| process.threads).sum(),
        zombie_count: zombies.len() as u32,
        zombies: zombies.iter().take(MOST_NAMED).map(named).collect(),
        orphans: orphans
            .into_iter()
            .take(MOST_NAMED)
            .map(|process| Named {
                pid: process.identity.pid,
                command: command_of(process),
            })
            .collect(),
        ..Processes::default()
    }
}

fn is_zombie_still(process: &Process) -> bool {
    read_process(process.identity.pid)
        .is_some_and(|now| now.identity == process.identity && now.is_zombie())
}

fn name_parent(table: &ProcessTable, pid: i32) -> Named {
    let command = table.get(pid).map_or_else(|| "?".to_owned(), command_of);
    Named { pid, command }
}

/// Who was inherited by the init. `/proc` does not keep who started a process, so this is certain only in two cases: an
/// init of the kind that starts one child, and a process in a group whose leader is gone.
fn find_orphans(table: &ProcessTable, init: i32) -> Vec<&Process> {
    let Some(first) = table.get(init) else {
        return Vec::new();
    };
    let children: Vec<_> = table
        .children(init)
        .filter(|child| !child.is_zombie())
        .collect();
    if SINGLE_CHILD_INITS.contains(&first.command.as_str()) {
        let oldest = children
            .iter()
            .map(|child| child.identity.start_ticks)
            .min();
        return children
            .into_iter()
            .filter(|child| Some(child.identity.start_ticks) != oldest)
            .collect();
    }
    children
        .into_iter()
        .filter(|child| child.group != first.group && table.get(child.group).is_none())
        .collect()
}

/// How many threads of the cgroup ran or wanted to, at each of so many looks that take so long together.
pub(super) fn watch_runnable(
    members: &[Process],
    subject: i32,
    looks: u32,
    span: Duration,
) -> Vec<u32> {
    let cgroup = read_cgroup(subject);
    let pids: Vec<i32> = members
        .iter()
        .filter(|process| !process.is_zombie())
        .map(|process| process.identity.pid)
        .filter(|pid| cgroup.is_some() && read_cgroup(*pid) == cgroup)
        .collect();
    let mut counts = Vec::new();
    for look in 0..looks.max(1) {
        if look > 0 {
            std::thread::sleep(span / (looks - 1));
        }
        counts.push(count_runnable(&pids));
    }
    counts
}

fn count_runnable(pids: &[i32]) -> u32 {
    let threads = pids.iter().flat_map(|pid| {
        let tids = read_tasks(*pid).unwrap_or_default();
        tids.into_iter().map(move |tid| (*pid, tid))
    });
    let states = threads
        .take(MOST_THREADS)
        .filter_map(|(pid, tid)| read_task(pid, tid));
    states.filter(|task| task.state == 'R').count() as u32
}

fn read_cgroup(pid: i32) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    read_bounded(
        &PathBuf::from(format!("/proc/{pid}/cgroup")),
        64 << 10,
        &mut buffer,
    )
    .ok()?;
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunnage_policy::process::Identity;

    fn process(pid: i32, parent: i32, group: i32, command: &str) -> Process {
        Process {
            identity: Identity {
                pid,
                start_ticks: pid as u64,
            },
            parent,
            group,
            state: 'S',
            threads: 1,
            command: command.to_owned(),
        }
    }

    fn orphans(init: &str, others: &[Process]) -> Vec<i32> {
        let table = std::iter::once(process(1, 0, 1, init))
            .chain(others.iter().cloned())
            .collect();
        find_orphans(&table, 1)
            .iter()
            .map(|process| process.identity.pid)
            .collect()
    }

    #[test]
    fn what_an_init_of_one_child_has_besides_was_inherited() {
        let others = [
            process(7, 1, 7, "python3"),
            process(9, 1, 7, "sleep"),
            process(10, 9, 7, "sleep"),
        ];
        assert_eq!(orphans("tini", &others), [9]);
    }

    #[test]
    fn of_others_only_a_group_without_its_leader_tells() {
        let others = [
            process(7, 1, 1, "python3"),
            process(8, 1, 8, "python3"),
            process(9, 1, 5, "sleep"),
        ];
        assert_eq!(orphans("python3", &others), [9]);
    }
}
