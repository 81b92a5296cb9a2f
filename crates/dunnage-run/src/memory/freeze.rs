//! Letting the fattest worker stand still for a moment, so that what it does can be written down before the kernel kills.
//!
//! Only as PID 1: if we die, everything does, and nobody is left standing. Not a process that holds a GPU (a rank that
//! stands still ends its whole job), none whose thread waits for a device, and not the only one: it could answer no probe.
//! Whatever happens then, it goes on after a second; dropping this lets it go on.

use std::fs::read_dir;
use std::path::Path;
use std::time::Duration;

use dunnage_policy::process::Identity;
use dunnage_policy::signal::Signal;

use super::workers::Crew;
use crate::procfs::{is_still, parse_stat};

/// How long it stands still at most.
const LONGEST: Duration = Duration::from_secs(1);

/// The most descriptors and threads that are looked at; one with more is left alone.
const MOST: usize = 4096;

/// A process that stands still.
#[derive(Debug)]
pub struct Frozen {
    who: Identity,
    name: String,
    until: Duration,
}

impl Frozen {
    /// Stops the fattest worker, or says why not.
    pub fn stop_fattest(now: Duration) -> Result<Self, String> {
        if dunnage_sys::current_pid() != 1 {
            return Err("nothing is stopped where we are not PID 1".to_owned());
        }
        Self::stop_fattest_of(&Crew::read(), now)
    }

    fn stop_fattest_of(crew: &Crew, now: Duration) -> Result<Self, String> {
        let fattest = crew.candidates.iter().max_by_key(|process| process.rss);
        let fattest = fattest.ok_or("the application's processes cannot be seen")?;
        let siblings = crew.candidates.iter().filter(|process| {
            process.parent == fattest.parent && process.arguments == fattest.arguments
        });
        if siblings.count() < 2 {
            return Err("the fattest process is the only one of its kind".to_owned());
        }
        let who = crew.identity(fattest.pid).ok_or("it has just ended")?;
        let name = format!("{} ({})", crew.name(fattest.pid), fattest.pid);
        may_stand_still(fattest.pid).map_err(|reason| format!("{name} {reason}"))?;
        dunnage_sys::signal_checked(fattest.pid, Signal::STOP.number(), || is_still(who))
            .map_err(|error| format!("{name} cannot be stopped: {error}"))?;
        Ok(Self {
            who,
            name,
            until: now + LONGEST,
        })
    }

    /// When it must go on.
    pub fn until(&self) -> Duration {
        self.until
    }

    /// Who it is.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let who = self.who;
        let _ = dunnage_sys::signal_checked(who.pid, Signal::CONT.number(), || is_still(who));
    }
}

/// Says what speaks against it.
fn may_stand_still(pid: i32) -> Result<(), String> {
    let unknown = |what: &str| format!("is left alone, since its {what} cannot be seen");
    let folder = format!("/proc/{pid}/fd");
    let mut seen = 0;
    for entry in read_dir(&folder).map_err(|_| unknown("open files"))? {
        let entry = entry.map_err(|_| unknown("open files"))?;
        // one that was closed meanwhile is no reason
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        if is_gpu(&target) {
            return Err(format!(
                "is left alone, since it has {} open",
                target.display()
            ));
        }
        seen += 1;
        if seen > MOST {
            return Err("is left alone, since it has too many files open".to_owned());
        }
    }
    for (count, entry) in read_dir(format!("/proc/{pid}/task"))
        .map_err(|_| unknown("threads"))?
        .flatten()
        .enumerate()
    {
        let stat = std::fs::read(entry.path().join("stat")).unwrap_or_default();
        if parse_stat(&stat).is_some_and(|thread| thread.state == 'D') {
            return Err("is left alone, since a thread of it waits for a device".to_owned());
        }
        if count > MOST {
            return Err("is left alone, since it has too many threads".to_owned());
        }
    }
    Ok(())
}

fn is_gpu(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.starts_with("/dev/nvidia") || text.starts_with("/dev/dri/") || text == "/dev/kfd"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_init_stops_anybody() {
        let reason = Frozen::stop_fattest(Duration::ZERO).unwrap_err();
        assert!(reason.contains("PID 1"), "{reason}");
    }

    #[test]
    fn who_holds_a_gpu_or_cannot_be_seen_is_left_alone() {
        for path in [
            "/dev/nvidia0",
            "/dev/nvidiactl",
            "/dev/dri/renderD128",
            "/dev/kfd",
        ] {
            assert!(is_gpu(Path::new(path)), "{path}");
        }
        assert!(!is_gpu(Path::new("/dev/null")) && !is_gpu(Path::new("/srv/dev/nvidia")));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        // on its way to its program it may wait for a disk
        let may = (0..1000).any(|_| may_stand_still(child.id() as i32).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(may);
        assert!(
            may_stand_still(i32::MAX)
                .unwrap_err()
                .contains("cannot be seen")
        );
    }

    #[test]
    fn one_of_two_alike_stands_still_until_this_is_dropped_and_one_alone_does_not() {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60 & wait"])
            .spawn()
            .unwrap();
        let pid = shell.id() as i32;
        let crew = || Crew::below(pid);
        let are_up = |crew: &Crew| {
            let sleeps = crew.candidates.iter();
            let sleeps = sleeps.filter(|process| process.arguments == ["sleep", "60"]);
            sleeps.count() == 2
        };
        while !are_up(&crew()) {
            std::thread::yield_now();
        }
        // on its way to its program it may wait for a disk
        let frozen = (0..1000).find_map(|_| Frozen::stop_fattest_of(&crew(), Duration::ZERO).ok());
        let frozen = frozen.unwrap();
        let stopped = frozen.who.pid;
        let state = || crate::procfs::read_process(stopped).map(|process| process.state);
        while state() != Some('T') {
            std::thread::yield_now();
        }
        assert_eq!(frozen.until(), LONGEST);
        drop(frozen);
        while state() == Some('T') {
            std::thread::yield_now();
        }
        let _ = dunnage_sys::kill(stopped, Signal::KILL.number());
        while are_up(&crew()) {
            std::thread::yield_now();
        }
        let reason = Frozen::stop_fattest_of(&crew(), Duration::ZERO).unwrap_err();
        assert!(reason.contains("only one"), "{reason}");
        for process in crew().candidates {
            let _ = dunnage_sys::kill(process.pid, Signal::KILL.number());
        }
        shell.wait().unwrap();
    }
}
