//! Which Python processes have the agent.

use dunnage_policy::process::Identity;

use crate::procfs::{is_still, read_process};

/// The most processes that are remembered.
const MAX_AGENTS: usize = 1024;

/// The processes that said hello, each once.
#[derive(Debug, Default)]
pub struct Agents {
    known: Vec<Identity>,
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
            return false;
        }
        self.known.push(process.identity);
        true
    }
}
