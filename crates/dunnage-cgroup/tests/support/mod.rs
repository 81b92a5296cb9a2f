//! Cgroups of v1 that a test makes, moves itself into, and removes again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: moving is done to the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// The folders of one test; dropped, the process goes back and they are removed.
pub struct Stage {
    mount: PathBuf,
    home: PathBuf,
    made: Vec<PathBuf>,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    /// `None`, and a line that says so, where this machine or this user cannot have it.
    pub fn new(test: &str, controller: &str) -> Option<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = Self::prepare(controller, alone);
        if stage.is_none() {
            println!("skipped: {test}: needs root and a writable cgroup v1");
        }
        stage
    }

    fn prepare(controller: &str, alone: MutexGuard<'static, ()>) -> Option<Self> {
        let mount = Path::new("/sys/fs/cgroup").join(controller);
        if !mount.join("release_agent").exists() {
            return None;
        }
        let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = lines.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            (fields.next()? == controller).then(|| fields.next())?
        })?;
        let mut stage = Self {
            home: mount.join(own.trim_start_matches('/')),
            mount,
            made: Vec::new(),
            _alone: alone,
        };
        let probe = stage.make("probe").ok()?;
        fs::write(stage.home.join("cgroup.procs"), "0").ok()?;
        stage.remove(&probe);
        Some(stage)
    }

    /// Makes a cgroup below the controller's top; `name` may be a path.
    pub fn make(&mut self, name: &str) -> std::io::Result<PathBuf> {
        let mut path = self.mount.clone();
        for (depth, part) in Path::new(name).iter().enumerate() {
            path = if depth == 0 {
                let pid = std::process::id();
                path.join(format!("dunnage-test-{pid}-{}", part.display()))
            } else {
                path.join(part)
            };
            if !path.exists() {
                fs::create_dir(&path)?;
                self.made.push(path.clone());
            }
        }
        Ok(path)
    }

    pub fn remove(&mut self, cgroup: &Path) {
        // a thread that has just ended holds its cgroup for a moment
        for _ in 0..200 {
            if fs::remove_dir(cgroup).is_ok() || !cgroup.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.made.retain(|made| made != cgroup);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::write(self.home.join("cgroup.procs"), "0");
        while let Some(cgroup) = self.made.last().cloned() {
            self.remove(&cgroup);
        }
    }
}

/// Moves this process, all of its threads.
pub fn enter(cgroup: &Path) {
    set(cgroup, "cgroup.procs", "0");
}

pub fn set(cgroup: &Path, file: &str, value: &str) {
    let path = cgroup.join(file);
    fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
