//! Who gets a signal.
//!
//! The direct child gets it, as under any init. The exception is a shell that stands between us and the application and
//! would keep the signal to itself: `sh -c "cd /srv && python app.py"` does not exec, dies of SIGTERM at once (or, as
//! PID 1, ignores it) and its Python hears nothing. Under [`SignalTo::Auto`] such a shell's children get the signal too.
//! A shell with a trap knows what it is doing, and is left to do it.

use crate::process::{Identity, Process, ProcessTable};

/// The user's choice (`--signal-to`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignalTo {
    /// The direct child; its children too where it is a shell that does not catch the signal.
    #[default]
    Auto,
    /// The direct child only.
    Child,
    /// The direct child's process group.
    Group,
    /// Every descendant.
    All,
}

/// Who is signalled, in order, each process once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets {
    /// Those that get the signal, shells first: a shell that is still there when its command ends would go on with the
    /// next one.
    pub processes: Vec<Identity>,
    /// Of those, the ones reached through a shell.
    pub behind_shell: Vec<Identity>,
}

/// The targets below `child`. `keeps` tells whether a process is a shell that neither became its command nor catches
/// the signal; it is asked for the child and for what is reached through one.
pub fn auto_targets(
    table: &ProcessTable,
    child: i32,
    mut keeps: impl FnMut(&Process) -> bool,
) -> Targets {
    let mut targets = Targets::default();
    let Some(first) = table.get(child).filter(|process| !process.is_zombie()) else {
        return targets;
    };
    targets.processes.push(first.identity);
    let mut shells = if keeps(first) {
        vec![child]
    } else {
        Vec::new()
    };
    while let Some(shell) = shells.pop() {
        for process in table.children(shell).filter(|process| !process.is_zombie()) {
            if targets.processes.contains(&process.identity) {
                continue;
            }
            targets.processes.push(process.identity);
            targets.behind_shell.push(process.identity);
            if keeps(process) {
                shells.push(process.identity.pid);
            }
        }
    }
    targets
}

/// Every living descendant of `ancestor`, parents first.
pub fn all_targets(table: &ProcessTable, ancestor: i32) -> Targets {
    let living = table
        .descendants(ancestor)
        .into_iter()
        .filter(|process| !process.is_zombie());
    Targets {
        processes: living.map(|process| process.identity).collect(),
        behind_shell: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process {
            identity: Identity {
                pid,
                start_ticks: 0,
            },
            parent,
            group: pid,
            state: 'S',
            threads: 1,
            command: String::new(),
        }
    }

    fn pids(identities: &[Identity]) -> Vec<i32> {
        identities.iter().map(|identity| identity.pid).collect()
    }

    #[test]
    fn a_program_that_is_no_shell_is_the_only_target() {
        let table = [process(1, 0), process(7, 1), process(8, 7)]
            .into_iter()
            .collect();
        let targets = auto_targets(&table, 7, |_| false);
        assert_eq!(pids(&targets.processes), [7]);
        assert!(targets.behind_shell.is_empty());
    }

    #[test]
    fn the_application_behind_nested_shells_is_reached_and_its_workers_are_not() {
        // 7 sh -> 8 sh -> 9 python -> 10 worker; 7 sh -> 11 tee
        let table = [
            process(1, 0),
            process(7, 1),
            process(8, 7),
            process(9, 8),
            process(10, 9),
            process(11, 7),
        ]
        .into_iter()
        .collect();
        let targets = auto_targets(&table, 7, |process| process.identity.pid <= 8);
        assert_eq!(pids(&targets.processes), [7, 8, 11, 9]);
        assert_eq!(pids(&targets.behind_shell), [8, 11, 9]);
    }

    #[test]
    fn the_dead_are_not_signalled() {
        let zombie = Process {
            state: 'Z',
            ..process(8, 7)
        };
        let table = [process(7, 1), zombie].into_iter().collect();
        assert_eq!(pids(&auto_targets(&table, 7, |_| true).processes), [7]);
        assert_eq!(auto_targets(&table, 99, |_| true), Targets::default());
    }

    proptest! {
        #[test]
        fn nobody_is_signalled_twice_and_exec_sessions_never(
            rows in prop::collection::vec((2..30_i32, 0..30_i32), 0..40), shells in any::<u32>(), session in 2..30_i32,
        ) {
            let mut rows: Vec<_> = rows.into_iter().map(|(pid, parent)| process(pid, parent)).collect();
            rows.push(process(1, 0));
            rows.push(process(2, 1));
            rows.push(process(session, i32::from(session == 2)));
            let table: ProcessTable = rows.into_iter().collect();
            let targets = auto_targets(&table, 2, |process| shells & (1 << (process.identity.pid % 32)) != 0);
            for list in [targets.processes.clone(), all_targets(&table, 1).processes] {
                let mut unique = list.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), list.len());
                for identity in list {
                    prop_assert_ne!(table.get(identity.pid).unwrap().parent, 0);
                }
            }
            for identity in &targets.behind_shell {
                prop_assert!(targets.processes.contains(identity));
            }
        }
    }
}
