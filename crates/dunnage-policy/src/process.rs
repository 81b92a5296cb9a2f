//! The process table as decisions need it: who is whose child, who is a shell, who catches what.
//!
//! Descendants are known by parent alone. A process that `kubectl exec` started has parent 0 and so belongs to nobody
//! here, although it shares our PID namespace and our cgroup.

use std::collections::BTreeMap;

use crate::signal::Signal;

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Process id in our PID namespace.
    pub pid: i32,
    /// When it was started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Who it is.
    pub identity: Identity,
    /// Its parent; 0 where the parent is outside our PID namespace.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// State letter of `/proc/PID/stat`: `Z` is a zombie, `D` cannot be interrupted.
    pub state: char,
    /// How many threads it has, its main thread counted even after that has ended.
    pub threads: u32,
    /// What it is called: the program and, for an interpreter, the script.
    pub command: String,
}

impl Process {
    /// Whether it has ended and only waits for its parent to reap it. A process whose main thread alone has ended shows
    /// the same state, and lives on in its other threads.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// A look at all processes of our PID namespace.
#[derive(Debug, Clone, Default)]
pub struct ProcessTable(BTreeMap<i32, Process>);

impl FromIterator<Process> for ProcessTable {
    fn from_iter<T: IntoIterator<Item = Process>>(processes: T) -> Self {
        Self(
            processes
                .into_iter()
                .map(|process| (process.identity.pid, process))
                .collect(),
        )
    }
}

impl ProcessTable {
    /// The process with this id.
    pub fn get(&self, pid: i32) -> Option<&Process> {
        self.0.get(&pid)
    }

    /// The children of a process, zombies included, in order of their ids.
    pub fn children(&self, parent: i32) -> impl Iterator<Item = &Process> {
        self.0
            .values()
            .filter(move |process| process.parent == parent && process.identity.pid != parent)
    }

    /// All that descends from `ancestor`, itself not included, zombies included, parents before their children. A look
    /// is not atomic and may hold a loop; each process is listed once all the same.
    pub fn descendants(&self, ancestor: i32) -> Vec<&Process> {
        let mut by_parent: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
        for process in self.0.values() {
            by_parent.entry(process.parent).or_default().push(process);
        }
        let mut found: Vec<&Process> = Vec::new();
        let mut parents = vec![ancestor];
        while let Some(parent) = parents.pop() {
            // taking the entry out makes sure that no parent is visited twice
            for process in by_parent.remove(&parent).unwrap_or_default() {
                if process.identity.pid != ancestor {
                    found.push(process);
                    parents.push(process.identity.pid);
                }
            }
        }
        found
    }
}

/// What tells a shell: the name of its program file and its first two arguments. The file decides where it can be read
/// (another user's cannot); a script's own name, as in `comm`, says nothing.
pub fn is_shell(program: Option<&str>, arguments: &[&str]) -> bool {
    const SHELLS: [&str; 9] = [
        "sh", "ash", "dash", "bash", "zsh", "ksh", "mksh", "ksh93", "yash",
    ];
    // one file for many commands: the name it was called by decides
    const BOXES: [&str; 3] = ["busybox", "toybox", "busybox.static"];
    fn name(path: &str) -> &str {
        let file = path.rsplit('/').next().unwrap_or_default();
        file.trim_start_matches('-')
    }
    let is = |path: &str| SHELLS.contains(&name(path));
    let called_as_shell = || match arguments {
        [first, second, ..] if BOXES.contains(&name(first)) => is(second),
        [first, ..] => is(first),
        [] => false,
    };
    match program.map(|path| name(path.strip_suffix(" (deleted)").unwrap_or(path))) {
        Some(program) if BOXES.contains(&program) => called_as_shell(),
        Some(program) => SHELLS.contains(&program),
        None => called_as_shell(),
    }
}

/// A short name for a process from its command line: the program's file name, for an interpreter with what it runs.
/// At most 60 characters, without control characters.
pub fn short_command(arguments: &[&str], comm: &str) -> String {
    let base = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let text = match arguments {
        [] => format!("[{comm}]"),
        [program, rest @ ..] => {
            let program = base(program);
            let interpreter = program.starts_with("python") || is_shell(None, &[&program]);
            match rest {
                [flag @ ("-m" | "-c"), what, ..] if interpreter => {
                    format!("{program} {flag} {what}")
                }
                [script, ..] if interpreter && !script.starts_with('-') => {
                    format!("{program} {}", base(script))
                }
                _ => program,
            }
        }
    };
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(61)
        .collect();
    if clean.chars().count() > 60 {
        clean = clean.chars().take(59).chain(['…']).collect();
    }
    clean
}

/// Whether a signal mask as in `/proc/PID/status` (`SigCgt`, `SigIgn`) has a signal.
pub fn mask_has(mask: u64, signal: Signal) -> bool {
    mask & (1 << (signal.number() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn process(pid: i32, parent: i32) -> Process {
        Process {
            identity: Identity {
                pid,
                start_ticks: 7,
            },
            parent,
            group: pid,
            state: 'S',
            threads: 1,
            command: format!("p{pid}"),
        }
    }

    fn pids(found: Vec<&Process>) -> Vec<i32> {
        found
            .into_iter()
            .map(|process| process.identity.pid)
            .collect()
    }

    #[test]
    fn a_session_that_kubectl_exec_started_is_nobodys_descendant() {
        let table: ProcessTable = [
            process(1, 0),
            process(7, 1),
            process(8, 7),
            process(20, 0),
            process(21, 20),
        ]
        .into_iter()
        .collect();
        assert_eq!(pids(table.descendants(1)), [7, 8]);
    }

    #[test]
    fn shells_are_known_by_their_program_not_by_a_scripts_name() {
        assert!(is_shell(
            Some("/usr/bin/dash"),
            &["/bin/sh", "/entrypoint.sh"]
        ));
        assert!(is_shell(Some("/bin/busybox"), &["sh", "-c", "x"]));
        assert!(is_shell(Some("/bin/busybox"), &["busybox", "ash"]));
        assert!(is_shell(None, &["-bash"]));
        assert!(is_shell(Some("/usr/bin/bash (deleted)"), &[]));
        assert!(!is_shell(Some("/bin/busybox"), &["sleep", "sh"]));
        assert!(!is_shell(Some("/usr/bin/python3.11"), &["sh"]));
        assert!(!is_shell(None, &["/entrypoint.sh"]));
        assert!(!is_shell(None, &[]));
    }

    #[test]
    fn a_command_is_named_as_a_person_would() {
        assert_eq!(
            short_command(&["/usr/bin/python3", "-m", "shop", "--port"], "python3"),
            "python3 -m shop"
        );
        assert_eq!(
            short_command(&["python", "/srv/app.py"], "python"),
            "python app.py"
        );
        assert_eq!(short_command(&["/usr/bin/sleep", "5"], "sleep"), "sleep");
        assert_eq!(short_command(&[], "kworker"), "[kworker]");
        assert_eq!(short_command(&["a\nb\u{1b}[31m"], "x"), "a b [31m");
        assert_eq!(
            short_command(&["sh", "-c", &"x".repeat(500)], "sh")
                .chars()
                .count(),
            60
        );
    }

    proptest! {
        #[test]
        fn any_table_even_with_loops_is_walked_once(rows in prop::collection::vec((0..40_i32, 0..40_i32), 0..60), ancestor in 0..40_i32) {
            let table: ProcessTable = rows.iter().map(|(pid, parent)| process(*pid, *parent)).collect();
            let found = pids(table.descendants(ancestor));
            let mut unique = found.clone();
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), found.len());
            prop_assert!(!found.contains(&ancestor));
            for pid in found {
                let parent = table.get(pid).unwrap().parent;
                prop_assert!(parent == ancestor || table.get(parent).is_some());
            }
        }
    }
}
