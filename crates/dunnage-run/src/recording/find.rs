//! Which processes are recorded.

use std::collections::{BTreeMap, BTreeSet};

use dunnage_policy::process::{Identity, Process};
use dunnage_python::{Error, Target};

use crate::procfs::{is_python, read_process_table, read_program};

/// Finds the Python processes below some, again and again: workers come and go.
#[derive(Debug, Default)]
pub struct Finder {
    /// These are recorded whatever they run.
    named: Vec<i32>,
    /// Below these Pythons are looked for.
    above: Vec<i32>,
    /// What was found out about processes, with the program that they ran then.
    known: BTreeMap<i32, (Identity, Vec<u8>, bool)>,
}

impl Finder {
    /// Processes that somebody named, and the Pythons below them.
    pub fn of(pids: &[i32]) -> Self {
        Self {
            named: pids.to_vec(),
            above: pids.to_vec(),
            ..Self::default()
        }
    }

    /// All Pythons below a process.
    pub fn below(ancestor: i32) -> Self {
        Self {
            above: vec![ancestor],
            ..Self::default()
        }
    }

    /// Looks now. Those that were named come first.
    pub fn find(&mut self) -> Vec<i32> {
        let table = read_process_table();
        let mut found: Vec<i32> = self
            .named
            .iter()
            .copied()
            .filter(|pid| table.get(*pid).is_some_and(|process| !process.is_zombie()))
            .collect();
        let mut below = BTreeSet::new();
        let mut known = BTreeMap::new();
        for process in self.above.iter().flat_map(|pid| table.descendants(*pid)) {
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
