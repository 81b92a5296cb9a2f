//! Which processes are recorded.

use std::collections::{BTreeMap, BTreeSet};

use dunnage_policy::process::{Identity, Process};
use dunnage_python::{Error, Target};

use crate::procfs::{
    descends_from, is_python, is_still, read_process, read_process_table, read_program,
};

/// Finds the Python processes below some, again and again: workers come and go.
#[derive(Debug, Default)]
pub struct Finder {
    /// These are recorded whatever they run, and what is below them if it is a Python.
    named: Vec<Identity>,
    /// Below this one Pythons are looked for.
    above: Option<i32>,
    /// What was found out about processes, with the program that they ran then.
    known: BTreeMap<i32, (Identity, Vec<u8>, bool)>,
}

impl Finder {
    /// Processes that somebody named, and the Pythons below them. What later has the id of one of them is another process.
    pub fn of(pids: &[i32]) -> Self {
        let mut finder = Self::default();
        for process in pids.iter().filter_map(|pid| read_process(*pid)) {
            if !finder.named.contains(&process.identity) {
                finder.named.push(process.identity);
            }
        }
        finder
    }

    /// Forgets those that were named and are not below a process.
    pub fn keep_below(&mut self, ancestor: i32) {
        self.named
            .retain(|named| descends_from(named.pid, ancestor) && is_still(*named));
    }

    /// All Pythons below a process.
    pub fn below(ancestor: i32) -> Self {
        Self {
            above: Some(ancestor),
            ..Self::default()
        }
    }

    /// Looks now. Those that were named come first.
    pub fn find(&mut self) -> Vec<i32> {
        let table = read_process_table();
        let is_there = |named: &&Identity| {
            let process = table.get(named.pid);
            process.is_some_and(|process| process.identity == **named && !process.is_zombie())
        };
        let there = self.named.iter().filter(is_there);
        let mut found: Vec<i32> = there.map(|named| named.pid).collect();
        let mut below = BTreeSet::new();
        let mut known = BTreeMap::new();
        let above = found.iter().copied().chain(self.above);
        for process in above.flat_map(|pid| table.descendants(pid)) {
            let pid = process.identity.pid;
            if found.contains(&pid) || process.is_zombie() || known.contains_key(&pid) {
                continue;
            }
            let program = read_program(pid);
            let answer = match self.known.get(&pid) {
                Some((identity, before, answer))
                    if *identity == process.identity && *before == program =>
                {
                    *answer
                }
                _ => runs_python(process),
            };
            if answer {
                below.insert(pid);
            }
            known.insert(pid, (process.identity, program, answer));
        }
        self.known = known;
        found.extend(below);
        found
    }
}

/// Whether a process is a Python, also where another program holds one (uWSGI).
fn runs_python(process: &Process) -> bool {
    if is_python(process) {
        return true;
    }
    let target = Target::prepare(process.identity.pid);
    matches!(target, Ok(_) | Err(Error::NoInterpreter(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn who_was_named_is_found_until_it_ends_and_nobody_else_by_its_id() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let mut finder = Finder::of(&[pid, -1, pid]);
        assert_eq!(finder.find(), [pid]);
        let other = Identity {
            start_ticks: 1,
            ..finder.named[0]
        };
        let mut late = Finder {
            named: vec![other],
            ..Finder::default()
        };
        assert_eq!(late.find(), [0; 0]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(finder.find(), [0; 0]);
    }

    #[test]
    fn of_those_that_were_named_only_who_is_below_somebody_may_be_kept() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (pid, own) = (child.id() as i32, std::process::id() as i32);
        let mut finder = Finder::of(&[own, pid]);
        finder.keep_below(own);
        assert_eq!(finder.find(), [pid]);
        finder.keep_below(pid);
        assert_eq!(finder.find(), [0; 0]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
