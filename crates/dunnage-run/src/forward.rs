//! Passing signals on: who gets one, and who has had it.

use std::collections::BTreeMap;
use std::io;

use dunnage_policy::event::Event;
use dunnage_policy::process::{Identity, Process, ProcessTable};
use dunnage_policy::signal::Signal;
use dunnage_policy::target::{SignalTo, all_targets, auto_targets};
use dunnage_sys::KeptLink;

use crate::log::Log;
use crate::procfs::{
    describe, is_no_shell, is_still, keeps_to_itself, open_program_link, read_process,
    read_process_table,
};
use crate::reserve::Reserve;

/// How many processes an event names.
pub const NAMED: usize = 16;

/// Sends signals below the supervisor and remembers who has had which.
pub struct Forwarder {
    child: i32,
    supervisor: i32,
    signal_to: SignalTo,
    /// What the child runs; `None` where `/proc` does not say.
    program: Option<KeptLink>,
    /// Let go for a look at `/proc`.
    reserve: Reserve,
    told: BTreeMap<Identity, u64>,
    behind_shell: BTreeMap<i32, String>,
    failures: u64,
    /// The signals whose way through a shell has been told.
    announced: u64,
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

fn named(process: &Process) -> String {
    format!("{} ({})", describe(process), process.identity.pid)
}

impl Forwarder {
    /// For a child of ours.
    pub fn new(child: i32, signal_to: SignalTo) -> Self {
        let supervisor = dunnage_sys::current_pid();
        let mut reserve = Reserve::default();
        reserve.hold();
        Self {
            child,
            supervisor,
            signal_to,
            program: open_program_link(child),
            reserve,
            told: BTreeMap::new(),
            behind_shell: BTreeMap::new(),
            failures: 0,
            announced: 0,
        }
    }

    /// The command of a process that was signalled behind a shell.
    pub fn command_behind_shell(&self, pid: i32) -> Option<&String> {
        self.behind_shell.get(&pid)
    }

    /// Passes a signal on to whom it is for. `remember`: it is one that nobody should get twice.
    pub fn forward(&mut self, signal: Signal, remember: bool, log: &mut Log) {
        // the application waits for what is done before the signal is sent: nothing is opened for that but where it must
        // be looked for
        let is_for_child_alone = match self.signal_to {
            SignalTo::Child => true,
            SignalTo::Auto => self.program.as_ref().is_some_and(is_no_shell),
            SignalTo::Group | SignalTo::All => false,
        };
        if is_for_child_alone {
            return self.send_to_child(signal, remember, log);
        }
        self.reserve.release();
        self.look_and_forward(signal, remember, log);
        self.reserve.hold();
    }

    fn look_and_forward(&mut self, signal: Signal, remember: bool, log: &mut Log) {
        match self.signal_to {
            SignalTo::Auto if keeps_to_itself(self.child, signal) => {
                self.send_through_shell(signal, remember, log);
            }
            SignalTo::Child | SignalTo::Auto => self.send_to_child(signal, remember, log),
            SignalTo::Group => self.send_to_group(signal, remember, log),
            SignalTo::All => {
                let table = read_process_table();
                for identity in all_targets(&table, self.supervisor).processes {
                    self.send(identity, signal, remember, log);
                }
            }
        }
    }

    /// The child is ours and not reaped, so that its id cannot mean another process.
    fn send_to_child(&mut self, signal: Signal, remember: bool, log: &mut Log) {
        let result = dunnage_sys::kill(self.child, signal.number());
        self.note(self.child, signal, result, log);
        if !remember {
            return;
        }
        self.reserve.release();
        if let Some(process) = read_process(self.child) {
            *self.told.entry(process.identity).or_default() |= bit(signal);
        }
        self.reserve.hold();
    }

    fn send_to_group(&mut self, signal: Signal, remember: bool, log: &mut Log) {
        let members: Vec<Identity> = if remember {
            group_members(self.supervisor, self.child)
        } else {
            Vec::new()
        };
        let result = dunnage_sys::kill_group(self.child, signal.number());
        let result = match result {
            // a new session's leader may not be there yet
            Err(error) if error.raw_os_error() == Some(3) => {
                dunnage_sys::kill(self.child, signal.number())
            }
            result => result,
        };
        self.note(self.child, signal, result, log);
        for identity in members {
            *self.told.entry(identity).or_default() |= bit(signal);
        }
    }

    fn send_through_shell(&mut self, signal: Signal, remember: bool, log: &mut Log) {
        let table = read_process_table();
        let targets = auto_targets(&table, self.child, |process| {
            keeps_to_itself(process.identity.pid, signal)
        });
        if targets.processes.is_empty() {
            return self.send_to_child(signal, remember, log);
        }
        let name = |identity: &Identity| table.get(identity.pid).map(describe);
        // named before they are signalled: afterwards they may be gone
        let shell = table.get(self.child).map(named).unwrap_or_default();
        let mut to = Vec::new();
        self.behind_shell.clear();
        for identity in targets.behind_shell.iter().take(NAMED) {
            let command = name(identity).unwrap_or_default();
            to.push(format!("{command} ({})", identity.pid));
            self.behind_shell.insert(identity.pid, command);
        }
        for identity in targets.processes {
            self.send(identity, signal, remember, log);
        }
        if !to.is_empty() && self.announced & bit(signal) == 0 {
            self.announced |= bit(signal);
            log.say(&Event::ForwardedThroughShell { signal, shell, to });
        }
    }

    /// Sends a signal to every descendant that has not had it; returns them, named.
    pub fn tell_strays(&mut self, signal: Signal, log: &mut Log) -> (Vec<String>, usize) {
        self.reserve.release();
        let table = read_process_table();
        let living = living_descendants(&table, self.supervisor);
        // whoever ended need not be remembered
        self.told
            .retain(|identity, _| living.iter().any(|process| process.identity == *identity));
        let untold: Vec<&Process> = living
            .into_iter()
            .filter(|process| {
                self.told
                    .get(&process.identity)
                    .is_none_or(|mask| mask & bit(signal) == 0)
            })
            .collect();
        let names = untold
            .iter()
            .take(NAMED)
            .map(|process| named(process))
            .collect();
        for process in &untold {
            self.send(process.identity, signal, true, log);
        }
        let count = untold.len();
        self.reserve.hold();
        (names, count)
    }

    /// KILLs every descendant; returns them, named, and whether the child was among them.
    pub fn kill_all(&mut self, child_lives: bool, log: &mut Log) -> Killed {
        self.reserve.release();
        let table = read_process_table();
        let living = living_descendants(&table, self.supervisor);
        let names = living
            .iter()
            .take(NAMED)
            .map(|process| named(process))
            .collect();
        let count = living.len();
        for process in &living {
            self.send(process.identity, Signal::KILL, false, log);
        }
        // one that has ended and is about to be reaped was not killed by us
        let child = child_lives
            && table
                .get(self.child)
                .is_none_or(|process| !process.is_zombie());
        if child && table.get(self.child).is_none() {
            // /proc is hidden: what can be reached without it
            let _ = dunnage_sys::kill_group(self.child, Signal::KILL.number());
            let _ = dunnage_sys::kill(self.child, Signal::KILL.number());
        }
        self.reserve.hold();
        Killed {
            names,
            count,
            child,
        }
    }

    fn send(&mut self, identity: Identity, signal: Signal, remember: bool, log: &mut Log) {
        let result = if identity.pid == self.child {
            dunnage_sys::kill(identity.pid, signal.number())
        } else {
            dunnage_sys::signal_checked(identity.pid, signal.number(), || is_still(identity))
        };
        self.note(identity.pid, signal, result, log);
        if remember {
            *self.told.entry(identity).or_default() |= bit(signal);
        }
    }

    /// Says once for each signal that it could not be sent; a process that has just ended is no failure.
    fn note(&mut self, pid: i32, signal: Signal, result: io::Result<()>, log: &mut Log) {
        let Err(error) = result else { return };
        if error.raw_os_error() == Some(3) || self.failures & bit(signal) != 0 {
            return;
        }
        self.failures |= bit(signal);
        let reason = match error.raw_os_error() {
            Some(1) => "it runs as another user; give the container CAP_KILL, or let dunnage start as that user".to_owned(),
            _ => error.to_string(),
        };
        log.say(&Event::ForwardFailed {
            signal,
            pid,
            reason,
        });
    }
}

/// What a KILL hit.
pub struct Killed {
    /// The first of them, named.
    pub names: Vec<String>,
    /// How many they are.
    pub count: usize,
    /// Whether the direct child was among them.
    pub child: bool,
}

/// Every descendant that has not ended.
pub fn living_descendants(table: &ProcessTable, supervisor: i32) -> Vec<&Process> {
    table
        .descendants(supervisor)
        .into_iter()
        .filter(|process| !process.is_zombie())
        .collect()
}

fn group_members(supervisor: i32, group: i32) -> Vec<Identity> {
    let table = read_process_table();
    let members = living_descendants(&table, supervisor)
        .into_iter()
        .filter(|process| process.group == group);
    members.map(|process| process.identity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogFormat;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    /// Passes USR1 on to a program that has begun, which must die of it. Whether descriptors were opened for that.
    fn looks_at_proc(words: &[&str], to: SignalTo) -> bool {
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut forwarder = Forwarder::new(child.id() as i32, to);
        // whoever opens anything holds them again afterwards
        forwarder.reserve.release();
        let signal = Signal::USR1;
        forwarder.forward(signal, false, &mut Log::new(LogFormat::Text, None));
        assert_eq!(child.wait().unwrap().signal(), Some(signal.number()));
        forwarder.reserve.is_held()
    }

    #[test]
    fn nothing_is_opened_before_a_program_that_is_no_shell_gets_its_signal() {
        assert!(!looks_at_proc(&["sleep", "60"], SignalTo::Auto));
        assert!(!looks_at_proc(&["sh", "-c", "read line"], SignalTo::Child));
        assert!(looks_at_proc(&["sh", "-c", "read line"], SignalTo::Auto));
    }
}
