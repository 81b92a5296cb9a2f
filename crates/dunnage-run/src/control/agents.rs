//! Which Python processes have the agent, and whether one is without it.
//!
//! A process that was forked from one that has the agent has it too, and says nothing. So a Python counts as one without
//! the agent only where the whole way from the child down to it is known and nobody on it has said hello, in two looks
//! in a row. It may still be starting, on a slow machine for long: one that does not sleep gets a third look.

use std::time::Duration;

use dunnage_policy::event::Event;
use dunnage_policy::process::{Identity, Process, ProcessTable};

use crate::procfs::{describe, is_python, is_still, read_process, read_process_table};

/// The most processes that are remembered.
const MAX_AGENTS: usize = 1024;

/// What a supervisor's process is called.
const SUPERVISOR: &str = "dunnage";

/// When it is looked for the first and the second time; after that once a minute, until one was found.
const LOOKS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(5)];
const INTERVAL: Duration = Duration::from_mins(1);

/// The processes that said hello, each once.
#[derive(Debug, Default)]
pub struct Agents {
    known: Vec<Identity>,
    search: Option<Search>,
}

/// The search for a Python without the agent.
#[derive(Debug)]
struct Search {
    supervisor: i32,
    child: i32,
    next: Duration,
    /// Those of the last look that had said nothing, and in how many looks.
    suspects: Vec<(Identity, usize)>,
}

impl Agents {
    /// Remembers a process; whether it was not known before. Those that have ended make room for new ones.
    pub fn remember(&mut self, pid: i32) -> bool {
        let Some(process) = read_process(pid) else {
            return false;
        };
        if self.known.contains(&process.identity) {
            return false;
        }
        if self.known.len() >= MAX_AGENTS {
            self.known.retain(|identity| is_still(*identity));
        }
        if self.known.len() >= MAX_AGENTS {
            // whoever is not remembered would seem to be without
            self.search = None;
            return false;
        }
        self.known.push(process.identity);
        true
    }

    /// Begins to search among the descendants of `child`, which was given the agent.
    pub fn expect(&mut self, supervisor: i32, child: i32) {
        self.search = Some(Search {
            supervisor,
            child,
            next: LOOKS[0],
            suspects: Vec::new(),
        });
    }

    /// Ends the search.
    pub fn expect_no_more(&mut self) {
        self.search = None;
    }

    /// When the next look is.
    pub fn look_at(&self) -> Option<Duration> {
        self.search.as_ref().map(|search| search.next)
    }

    /// Looks, if it is time; returns the first Python without the agent, once.
    pub fn look(&mut self, now: Duration) -> Option<Event> {
        let search = self.search.as_mut().filter(|search| now >= search.next)?;
        search.next = if now < LOOKS[1] {
            LOOKS[1]
        } else {
            // on the minute, where the loop looks at other things too
            INTERVAL * u32::try_from(now.as_secs() / INTERVAL.as_secs() + 1).unwrap_or(u32::MAX)
        };
        let table = read_process_table();
        let found = find_silent(
            &table,
            (search.supervisor, search.child),
            &self.known,
            is_python,
        );
        let looks_before = |process: &Process| {
            let known = |(identity, _): &&(Identity, usize)| *identity == process.identity;
            search
                .suspects
                .iter()
                .find(known)
                .map_or(0, |(_, looks)| *looks)
        };
        let is_absent = |process: &&&Process| match looks_before(process) {
            0 => false,
            1 => process.state == 'S',
            _ => true,
        };
        if let Some(process) = found.iter().find(is_absent) {
            let event = Event::AgentAbsent {
                pid: process.identity.pid,
                command: describe(process),
            };
            self.search = None;
            return Some(event);
        }
        search.suspects = found
            .iter()
            .map(|process| (process.identity, looks_before(process) + 1))
            .collect();
        None
    }
}

/// The Python processes below `child` of which nobody on the way down to them, nor they themselves, are among `known`.
fn find_silent<'a>(
    table: &'a ProcessTable,
    (supervisor, child): (i32, i32),
    known: &[Identity],
    is_python: impl Fn(&Process) -> bool,
) -> Vec<&'a Process> {
    let mut silent = Vec::new();
    let mut way: Vec<&Process> = table
        .get(child)
        .filter(|process| process.parent == supervisor)
        .into_iter()
        .collect();
    // a look is not atomic and may hold a loop
    for _ in 0..MAX_AGENTS {
        let Some(process) = way.pop() else { break };
        // what is below another supervisor says hello to that one
        if known.contains(&process.identity) || process.command == SUPERVISOR {
            continue;
        }
        if !process.is_zombie() && is_python(process) {
            silent.push(process);
        }
        way.extend(table.children(process.identity.pid));
    }
    silent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, command: &str) -> Process {
        Process {
            identity: Identity {
                pid,
                start_ticks: 5,
            },
            parent,
            group: 1,
            state: 'S',
            threads: 1,
            command: command.to_owned(),
        }
    }

    fn silent(known: &[i32]) -> Vec<i32> {
        let table: ProcessTable = [
            process(1, 0, "dunnage"),
            process(7, 1, "sh"),
            process(8, 7, "python"),
            process(9, 8, "python"),
            process(10, 7, "python"),
            process(11, 7, "dunnage"),
            process(12, 11, "python"),
            process(20, 1, "python"),
            process(21, 20, "python"),
            process(30, 0, "python"),
        ]
        .into_iter()
        .collect();
        let known: Vec<_> = known
            .iter()
            .map(|pid| table.get(*pid).unwrap().identity)
            .collect();
        let found = find_silent(&table, (1, 7), &known, |process| {
            process.command == "python"
        });
        let mut pids: Vec<_> = found.iter().map(|process| process.identity.pid).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn a_python_is_silent_if_nobody_on_the_way_to_it_said_hello() {
        assert_eq!(silent(&[]), [8, 9, 10]);
        assert_eq!(silent(&[8]), [10], "9 may be forked from 8");
        assert_eq!(silent(&[8, 10]), [0; 0]);
    }

    #[test]
    fn what_is_below_a_second_supervisor_is_that_ones() {
        assert!(!silent(&[]).contains(&12));
    }

    #[test]
    fn an_id_that_was_reused_is_not_the_process_that_said_hello() {
        let table: ProcessTable = [process(7, 1, "python")].into_iter().collect();
        let before = Identity {
            pid: 7,
            start_ticks: 4,
        };
        assert_eq!(find_silent(&table, (1, 7), &[before], |_| true).len(), 1);
    }

    #[test]
    fn orphans_are_not_judged_and_a_loop_ends() {
        // how an orphan (20) and a session (30) came to be is not known
        assert!(!silent(&[]).contains(&20) && !silent(&[]).contains(&30));
        let table: ProcessTable = [
            process(7, 1, "python"),
            process(8, 9, "a"),
            process(9, 8, "b"),
        ]
        .into_iter()
        .collect();
        assert_eq!(find_silent(&table, (1, 7), &[], |_| true).len(), 1);
    }
}
