//! What an init costs while nothing happens: memory, and how often it wakes up.

use super::inits::Init;
use super::{Measured, as_pid1, median};
use crate::tools::{Result, say};
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

/// How long the inits are watched.
pub(crate) const SECONDS: u64 = 10;
/// Instances of each init.
pub(crate) const INSTANCES: usize = 3;
/// What happens at the start is not idleness; the last of it is the second look for a Python without the agent, after 5 s.
const SETTLE: Duration = Duration::from_secs(7);

pub(crate) fn measure(inits: &[Init], measured: &mut [Measured]) -> Result<()> {
    say(&format!("idle for {SECONDS} s, {INSTANCES} of each"));
    let mut running = Vec::new();
    for (index, init) in inits
        .iter()
        .enumerate()
        .filter(|(_, init)| !init.prefix.is_empty())
    {
        for _ in 0..INSTANCES {
            running.push((index, Idle::start(init)?));
        }
    }
    std::thread::sleep(SETTLE);
    let before: Vec<f64> = running
        .iter()
        .map(|(_, idle)| idle.switches())
        .collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    let mut samples = vec![(Vec::new(), Vec::new(), Vec::new()); inits.len()];
    for ((index, idle), before) in running.iter().zip(before) {
        let (rss, pss, switches) = &mut samples[*index];
        switches.push(idle.switches()? - before);
        rss.push(idle.field("smaps_rollup", "Rss:")?);
        pss.push(idle.field("smaps_rollup", "Pss:")?);
    }
    for (measured, (rss, pss, switches)) in measured.iter_mut().zip(samples) {
        measured.rss_kib = median(&rss);
        measured.pss_kib = median(&pss);
        measured.switches = median(&switches);
    }
    Ok(())
}

/// An init that is PID 1 above a program that sleeps; ends when dropped.
struct Idle {
    unshare: Child,
    /// Its process id out here.
    pid: u32,
}

impl Idle {
    fn start(init: &Init) -> Result<Self> {
        let mut command = as_pid1();
        command.args(&init.prefix).args(["sleep", "1000"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut idle = Self {
            unshare: command.spawn()?,
            pid: 0,
        };
        for _ in 0..200 {
            // the init is there once it has a child of its own
            let first = first_child(idle.unshare.id());
            if let Some(pid) = first.filter(|&pid| first_child(pid).is_some()) {
                idle.pid = pid;
                return Ok(idle);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("{} did not start its child below unshare", init.name).into())
    }

    fn switches(&self) -> Result<f64> {
        self.field("status", "voluntary_ctxt_switches:")
    }

    fn field(&self, file: &str, name: &str) -> Result<f64> {
        let path = format!("/proc/{}/{file}", self.pid);
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let number = value
            .and_then(|text| text.split_whitespace().next())
            .ok_or_else(|| format!("{path} has no {name}"))?;
        Ok(number.parse()?)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // with --kill-child the namespace goes with it
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

/// The first child of a process whose number of threads is one.
fn first_child(pid: u32) -> Option<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    list.split_whitespace().next()?.parse().ok()
}
