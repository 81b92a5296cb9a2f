//! A memory cgroup of v1 to run in.

use super::support::*;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A cgroup below the controller's top, removed at the end.
pub struct MemoryCgroup(PathBuf);

impl MemoryCgroup {
    /// One with this limit in bytes, `-1` for none. `None`, and a line that says so, where that cannot be.
    pub fn new(test: &str, limit: &str) -> Option<Self> {
        let cgroup = Self::make(limit);
        if cgroup.is_none() {
            println!("skipped: {test}: needs root and a writable cgroup v1 memory controller");
        }
        cgroup
    }

    fn make(limit: &str) -> Option<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dunnage-test-{}-{count}", std::process::id());
        let path = PathBuf::from("/sys/fs/cgroup/memory").join(name);
        fs::create_dir(&path).ok()?;
        let cgroup = Self(path);
        fs::write(cgroup.0.join("memory.limit_in_bytes"), limit).ok()?;
        Some(cgroup)
    }

    /// Sets another limit, in bytes.
    pub fn limit(&self, limit: &str) {
        fs::write(self.0.join("memory.limit_in_bytes"), limit).unwrap();
    }

    /// `dunnage run` in this cgroup.
    pub fn command(&self, options: &[&str], words: &[&str]) -> Command {
        let inner = command(Place::Below, options, words);
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        let mut outer = Command::new("sh");
        outer.args(["-c", &enter, "sh"]).arg(inner.get_program());
        outer.args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }

    /// Starts a run in this cgroup.
    pub fn start(&self, options: &[&str], words: &[&str]) -> Run {
        start_command(self.command(options, words))
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        wait_until("an empty cgroup", || {
            fs::remove_dir(&self.0).is_ok() || !self.0.exists()
        });
    }
}
