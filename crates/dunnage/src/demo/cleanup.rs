//! Nothing of the demo outlives the demo: its processes, its cgroups, its scratch folder.
//!
//! Whatever is made is noted here first, under one lock. The ordinary end and an error go through [`Guard`]'s drop; a
//! signal is read by a thread of its own, which takes the lock for good, sweeps and leaves. A demo that was killed
//! outright is swept by the next one, see [`is_stale`].

use super::cgroup::{self, Home};
use anyhow::{Context as _, Result};
use dunnage_sys::{Interest, SignalFd};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const PREFIX: &str = "dunnage-demo-";
/// HUP, INT and TERM.
const ENDING: [i32; 3] = [1, 2, 15];

#[derive(Default)]
struct Belongings {
    processes: Vec<u32>,
    groups: Vec<Vec<PathBuf>>,
    scratch: Option<PathBuf>,
    home: Option<Home>,
}

/// Knows what has to be cleaned up.
#[derive(Default)]
pub(super) struct Janitor(Mutex<Belongings>);

/// Sweeps when it is dropped.
pub(super) struct Guard(pub(super) Arc<Janitor>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.lock().sweep();
    }
}

impl Belongings {
    fn sweep(&mut self) {
        for pid in self.processes.drain(..) {
            // it has not been waited for, so the number is still its own
            let _ = dunnage_sys::kill(pid as i32, 9);
        }
        for folders in self.groups.drain(..) {
            cgroup::remove(&folders);
        }
        if let Some(home) = self.home.take() {
            home.undo();
        }
        if let Some(folder) = self.scratch.take() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Janitor {
    fn lock(&self) -> MutexGuard<'_, Belongings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the signals that would end us and starts the thread that sweeps and leaves when one comes. Call it before
    /// any other thread is started.
    pub(super) fn watch(self: &Arc<Self>) -> Result<()> {
        let mask = ENDING
            .iter()
            .fold(dunnage_sys::Mask(0), |mask, &signal| mask.with(signal));
        let before = dunnage_sys::set_mask(mask).context("cannot block signals")?;
        dunnage_sys::set_mask(dunnage_sys::Mask(before.0 | mask.0))?;
        let signals = SignalFd::new(mask).context("signalfd")?;
        let janitor = Arc::clone(self);
        std::thread::Builder::new()
            .name("janitor".to_owned())
            .spawn(move || janitor.leave_at_signal(&signals))
            .context("cannot start a thread")?;
        Ok(())
    }

    fn leave_at_signal(&self, signals: &SignalFd) {
        use std::os::fd::AsFd as _;
        loop {
            // errors end in another look: without this thread no signal would end the demo at all
            let _ = dunnage_sys::poll(&[Some((signals.as_fd(), Interest::Read))], None);
            if let Ok(Some(info)) = signals.read() {
                let mut belongings = self.lock();
                belongings.sweep();
                std::process::exit(128 + info.signal);
            }
        }
    }

    /// Makes the folders of one cgroup.
    pub(super) fn make_group(&self, folders: &[PathBuf]) -> io::Result<()> {
        let mut belongings = self.lock();
        belongings.groups.push(folders.to_vec());
        folders.iter().try_for_each(fs::create_dir)
    }

    /// Kills what is left in a cgroup and removes it.
    pub(super) fn remove_group(&self, folders: &[PathBuf]) {
        let mut belongings = self.lock();
        if let Some(index) = belongings.groups.iter().position(|known| known == folders) {
            belongings.groups.remove(index);
            cgroup::remove(folders);
        }
    }

    /// Notes that processes were moved to a leaf and have to be moved back.
    pub(super) fn make_home(&self, home: Home) -> io::Result<()> {
        let mut belongings = self.lock();
        belongings.home.insert(home).make()
    }

    /// Takes over the leaf of another demo, to move its processes back at the end.
    pub(super) fn adopt_home(&self, home: Home) {
        self.lock().home = Some(home);
    }

    /// Starts a process that will be killed at the end, should it still run.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut belongings = self.lock();
        // an application that never hears of a signal would prove nothing
        dunnage_sys::start_with_mask(command, dunnage_sys::Mask(0));
        let child = command.spawn()?;
        belongings.processes.push(child.id());
        Ok(child)
    }

    /// How the process ended, if it has.
    pub(super) fn try_wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let mut belongings = self.lock();
        let status = child.try_wait()?;
        if status.is_some() {
            belongings.processes.retain(|&pid| pid != child.id());
        }
        Ok(status)
    }

    /// A folder for programs and output, which nobody else can write to.
    pub(super) fn make_scratch(&self) -> Result<PathBuf> {
        let parent = std::env::temp_dir();
        sweep_stale_scratch(&parent);
        let folder = parent.join(own_name("files"));
        let mut belongings = self.lock();
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(belongings.scratch.insert(folder).clone())
    }
}

/// `dunnage-demo-PID-PIDNAMESPACE-WHAT`: says whose it is to those who come later.
pub(super) fn own_name(what: &str) -> String {
    format!("{PREFIX}{}-{}-{what}", std::process::id(), pid_namespace())
}

/// The inode of the PID namespace that process ids are counted in.
fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino())
}

/// Whether the name is that of a demo which no longer runs. One in another PID namespace is left alone: whether it runs
/// cannot be seen from here.
pub(super) fn is_stale(name: &str) -> bool {
    is_stale_among(name, pid_namespace(), |pid| {
        Path::new("/proc").join(pid.to_string()).exists()
    })
}

fn is_stale_among(name: &str, namespace: u64, is_alive: impl Fn(u32) -> bool) -> bool {
    let mut parts = name.strip_prefix(PREFIX).unwrap_or_default().splitn(3, '-');
    let pid = parts.next().and_then(|part| part.parse().ok());
    let inode = parts.next().and_then(|part| part.parse().ok());
    match (pid, inode, parts.next()) {
        (Some::<u32>(pid), Some::<u64>(inode), Some(_)) => {
            namespace != 0 && inode == namespace && pid != 0 && !is_alive(pid)
        }
        _ => false,
    }
}

fn sweep_stale_scratch(parent: &Path) {
    let own = fs::metadata("/proc/self").map(|file| file.uid()).ok();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry
            .metadata()
            .is_ok_and(|found| found.is_dir() && Some(found.uid()) == own);
        if is_ours && is_stale(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_demo_of_the_same_pid_namespace_left_is_stale() {
        let alive = |pid| pid == 7;
        assert!(is_stale_among("dunnage-demo-8-40-zombies-1", 40, alive));
        assert!(!is_stale_among("dunnage-demo-7-40-zombies-1", 40, alive));
        assert!(!is_stale_among("dunnage-demo-8-41-zombies-1", 40, alive));
        assert!(!is_stale_among("dunnage-demo-8", 40, alive));
        assert!(!is_stale_among("dunnage-demo-0-40-x", 40, alive));
        assert!(!is_stale_among("dunnage-demo--40-x", 40, alive));
        assert!(!is_stale_among("system.slice", 40, alive));
        assert!(!is_stale_among(&own_name("files"), pid_namespace(), |_| {
            true
        }));
    }

    #[test]
    fn what_a_guard_knows_is_gone_when_it_is_dropped() {
        let guard = Guard(Arc::default());
        let folder = guard.0.make_scratch().unwrap();
        fs::write(folder.join("file"), "x").unwrap();
        let mut child = guard.0.spawn(Command::new("sleep").arg("600")).unwrap();
        drop(guard);
        assert!(!folder.exists());
        assert!(!child.wait().unwrap().success());
    }
}
