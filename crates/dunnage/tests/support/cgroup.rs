//! A memory cgroup of v1 to run in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

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

    /// The cgroup's folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The command, in this cgroup.
    pub fn within(&self, command: &Command) -> Command {
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        let mut outer = Command::new("sh");
        outer.args(["-c", &enter, "sh"]);
        crate::inner::append(&mut outer, command);
        outer
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // whoever was killed a moment ago may still be in it
        for _ in 0..6000 {
            if fs::remove_dir(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
    }
}
