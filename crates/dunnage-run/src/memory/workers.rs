//! Looks at the processes below us as the choice of a worker needs them.

use dunnage_policy::process::{Identity, ProcessTable};
use dunnage_policy::worker::Candidate;
use dunnage_sys::read_bounded;

use crate::procfs::{read_arguments, read_process_table};

/// The most processes whose memory is read.
const MOST: usize = 4096;

/// Processes, and their memory.
pub struct Crew {
    pub table: ProcessTable,
    pub candidates: Vec<Candidate>,
}

impl Crew {
    /// Takes a look at those below us.
    pub fn read() -> Self {
        Self::below(dunnage_sys::current_pid())
    }

    /// Takes a look at those below a process. Who goes meanwhile is left out.
    pub fn below(ancestor: i32) -> Self {
        let table = read_process_table();
        let below = table.descendants(ancestor);
        let alive = below.iter().filter(|process| !process.is_zombie());
        let candidates = alive.take(MOST).filter_map(|process| {
            let pid = process.identity.pid;
            Some(Candidate {
                pid,
                parent: process.parent,
                arguments: read_arguments(pid),
                rss: read_anonymous(pid)?,
            })
        });
        Self {
            candidates: candidates.collect(),
            table,
        }
    }

    /// Who has this id, now.
    pub fn identity(&self, pid: i32) -> Option<Identity> {
        self.table.get(pid).map(|process| process.identity)
    }

    /// What a person would call a process.
    pub fn name(&self, pid: i32) -> String {
        let process = self.table.get(pid);
        process.map_or_else(|| "a process".to_owned(), crate::procfs::describe)
    }
}

/// A process's own memory, in bytes.
fn read_anonymous(pid: i32) -> Option<u64> {
    let mut buffer = Vec::new();
    let path = format!("/proc/{pid}/status");
    read_bounded(path.as_ref(), 8192, &mut buffer).ok()?;
    parse_anonymous(&buffer)
}

/// The `RssAnon` line of `/proc/PID/status`, in bytes.
fn parse_anonymous(status: &[u8]) -> Option<u64> {
    let line = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"RssAnon:"))?;
    let text = std::str::from_utf8(line).ok()?.trim().strip_suffix("kB")?;
    text.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_s_own_memory_is_read_and_nothing_is_guessed() {
        assert_eq!(
            parse_anonymous(b"VmRSS: 9 kB\nRssAnon:\t     120 kB\n"),
            Some(122_880)
        );
        assert_eq!(parse_anonymous(b"RssAnon: 120\n"), None);
        assert_eq!(parse_anonymous(b"RssAnon: 99999999999999999999 kB\n"), None);
        assert!(read_anonymous(dunnage_sys::current_pid()).is_some_and(|bytes| bytes > 4096));
    }

    #[test]
    fn a_child_is_found_with_its_command_line() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let found = (0..1000).any(|_| {
            let crew = Crew::read();
            let seen = crew
                .candidates
                .iter()
                .find(|candidate| candidate.pid == pid);
            let is_there = seen.is_some_and(|seen| seen.arguments == ["sleep", "60"]);
            is_there && crew.identity(pid).is_some() && crew.name(pid) == "sleep"
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
    }
}
