//! Whether there is memory for the thread's own work.
//!
//! Opening a file of `/proc`, a new page of the record's file, a page of the heap: all that is charged to the container that
//! is about to run out. Where the kernel kills one process at a time, and the thread asks for a page at the wrong moment, the
//! one that is killed next is `dunnage run` ([`dunnage_policy::oom`]). There the thread does without while the container is
//! full: what it would open it leaves out or waits with, what it would write it keeps in pages that it has. Nothing is lost by
//! that, since it outlives the kill. Where the kill takes the whole container it goes on: after the kill is too late.

use std::time::{Duration, Instant};

use dunnage_cgroup::{MemoryBound, Reader, Root};
use dunnage_policy::oom::{Hold, Kills, is_full};

use crate::memory::{outlives_kills, working_set};

/// How long it does without. From the first charge that found no room to the kill it took 24 to 344 ms, and a container
/// under a quota that has run out does not even die.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What may be kept instead of written, in bytes. A record of one process with 20 threads has some 20 KiB.
pub(super) const KEPT: usize = 64 << 10;

/// What is left, as the kernel tells it. The one of nowhere always has room.
#[derive(Default)]
pub(super) struct Headroom(Option<Files>);

/// The kernel's files, kept open.
struct Files {
    reader: Reader,
    /// What the user says that is killed.
    kills: Option<Kills>,
    /// A limit that the user knows of, in bytes.
    stated: Option<u64>,
    /// What memory is held against; `None` where nothing is held back.
    bound: Option<MemoryBound>,
    hold: Hold,
    began: Instant,
}

impl Headroom {
    /// Of the running system.
    pub fn new(kills: Option<Kills>, stated: Option<u64>) -> Self {
        Self::below(&Root::system(), kills, stated)
    }

    fn below(root: &Root, kills: Option<Kills>, stated: Option<u64>) -> Self {
        Self(Some(Files {
            // what it would open to see whether it was moved needs memory too
            reader: Reader::open(root).check_every(Duration::MAX),
            kills,
            stated,
            bound: None,
            hold: Hold::new(PATIENCE),
            began: Instant::now(),
        }))
    }

    /// Finds the limit, and what is killed at it.
    pub fn find(&mut self) {
        if let Some(files) = &mut self.0 {
            files.find();
        }
    }

    /// Whether anything may have to wait.
    pub fn may_be_short(&self) -> bool {
        self.0.as_ref().is_some_and(|files| files.bound.is_some())
    }

    /// Whether to do without now.
    pub fn is_short(&mut self) -> bool {
        self.0.as_mut().is_some_and(Files::is_short)
    }

    /// Waits until there is room, or patience ends.
    pub fn wait(&mut self) {
        while self.is_short() {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Files {
    fn find(&mut self) {
        let bound = self.reader.memory_bound(self.stated).ok().flatten();
        self.bound = bound.filter(|_| outlives_kills(self.kills, &mut self.reader));
        if self.bound.is_some() {
            // the kernel takes memory for a file when it is read first
            let _ = (self.reader.bound_usage(), self.reader.bound_memory());
        }
    }

    fn is_short(&mut self) -> bool {
        let Some(bound) = self.bound else {
            return false;
        };
        let is_full = self.is_full(bound);
        self.hold.look(is_full, self.began.elapsed())
    }

    fn is_full(&mut self, bound: MemoryBound) -> bool {
        let Ok(usage) = self.reader.bound_usage() else {
            return false;
        };
        // the page cache is only asked for where it matters
        is_full(usage, bound.capacity)
            && self
                .reader
                .bound_memory()
                .is_ok_and(|memory| is_full(working_set(&memory, bound, usage), bound.capacity))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// A v1 container with a limit of 1000 MB, below a folder.
    pub fn container(folder: &Path) -> Headroom {
        let put = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/self/cgroup", "4:memory:/app\n");
        let mount = "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        put("proc/self/mountinfo", mount);
        put(
            "sys/fs/cgroup/memory/app/memory.limit_in_bytes",
            "1000000000\n",
        );
        use_mb(folder, 500, 0);
        let mut headroom = Headroom::below(&Root::at(folder), None, None);
        headroom.find();
        headroom
    }

    pub fn use_mb(folder: &Path, all: u64, files: u64) {
        let group = folder.join("sys/fs/cgroup/memory/app");
        let stat = format!(
            "total_inactive_file {}\ntotal_active_file 0\n",
            files * 1_000_000
        );
        fs::write(group.join("memory.stat"), stat).unwrap();
        let usage = format!("{}\n", all * 1_000_000);
        fs::write(group.join("memory.usage_in_bytes"), usage).unwrap();
    }

    #[test]
    fn a_container_full_of_page_cache_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut headroom = container(folder.path());
        assert!(!headroom.is_short());
        use_mb(folder.path(), 999, 300);
        assert!(!headroom.is_short());
        use_mb(folder.path(), 999, 5);
        assert!(headroom.is_short());
        assert!(!Headroom::default().is_short());
    }

    #[test]
    fn who_waits_in_a_container_that_stays_full_goes_on_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut headroom = container(folder.path());
        use_mb(folder.path(), 999, 0);
        headroom.wait();
        assert!(!headroom.is_short(), "patience has ended");
    }
}
