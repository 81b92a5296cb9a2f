//! The instrument in the kernel: an instance of the tracer with its probes, in a mount namespace of its own, and the groups of the workload.
//!
//! Instances and probes belong to the whole machine and outlive whoever made them. So a guard, in a process group of its own where ^C does not
//! reach it, waits until we are gone or done, and takes all away (`lab/truth/guard.sh`).

use super::symbols;
use crate::lab::cgroup::{Version, quota, version};
use crate::tools::{Result, root, stdout_of};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// For each CPU. A run of 12 s fills about 15 MB.
const BUFFER_KIB: u32 = 96 * 1024;
const PROBES: [(&str, char, &str); 4] = [
    ("take", 'p', "take_gil"),
    ("taken", 'r', "take_gil"),
    ("drop", 'p', "drop_gil"),
    ("dropped", 'r', "drop_gil"),
];

pub(super) struct Stage {
    instance: PathBuf,
    /// The group whose quota is set, and one for those who disturb it.
    pub(super) group: PathBuf,
    /// On cgroup v1 time is counted in a hierarchy of its own.
    pub(super) accounts: Option<PathBuf>,
    pub(super) noise: PathBuf,
    guard: Child,
}

impl Stage {
    /// Sets all up for an interpreter whose code is in `library`. `scratch` is a folder of ours.
    pub(super) fn build(scratch: &Path, library: &Path) -> Result<Self> {
        let tracer = scratch.join("tracefs");
        fs::create_dir_all(&tracer)?;
        stdout_of(
            Command::new("mount")
                .args(["-t", "tracefs", "none"])
                .arg(&tracer),
        )?;
        let name = format!("dunnage_truth_{}", std::process::id());
        let groups = match version() {
            Version::V1 => PathBuf::from("/sys/fs/cgroup/cpu"),
            Version::V2 => PathBuf::from("/sys/fs/cgroup"),
        };
        let (group, noise) = (groups.join(&name), groups.join(format!("{name}_noise")));
        let accounts = Some(Path::new("/sys/fs/cgroup/cpuacct"))
            .filter(|folder| version() == Version::V1 && folder.is_dir())
            .map(|folder| folder.join(&name));
        let guard = Command::new("sh")
            .arg(root().join("lab/truth/guard.sh"))
            .args([&tracer, Path::new(&name), &group, &noise])
            .args(&accounts)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let stage = Self {
            instance: tracer.join("instances").join(&name),
            group,
            accounts,
            noise,
            guard,
        };
        fs::create_dir(&stage.instance)?;
        for group in [&stage.group, &stage.noise]
            .into_iter()
            .chain(&stage.accounts)
        {
            fs::create_dir(group).map_err(|error| format!("{}: {error}", group.display()))?;
        }
        stage.set_up(&tracer, &name, library)?;
        Ok(stage)
    }

    fn set_up(&self, tracer: &Path, name: &str, library: &Path) -> Result<()> {
        self.write("tracing_on", "0")?;
        self.write("trace_clock", "mono")?;
        self.write("buffer_size_kb", &BUFFER_KIB.to_string())?;
        // or two timers of one structure could not be told from those of another
        self.write("options/hash-ptr", "0")?;
        let code = fs::read(library)?;
        let places = symbols::find(&code, &["take_gil", "drop_gil"]).unwrap_or_default();
        for (probe, kind, function) in PROBES {
            let place = places
                .get(function)
                .ok_or_else(|| format!("{}: no symbol {function}", library.display()))?;
            let line = format!("{kind}:{name}/{probe} {}:{place:#x}\n", library.display());
            append(&tracer.join("uprobe_events"), &line)?;
        }
        self.write(
            "events/timer/hrtimer_expire_entry/filter",
            "function.function == sched_cfs_period_timer || function.function == sched_cfs_slack_timer",
        )?;
        for event in ["sched/sched_waking", "timer/hrtimer_expire_entry", name] {
            self.write(&format!("events/{event}/enable"), "1")?;
        }
        Ok(())
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let file = self.instance.join(file);
        fs::write(&file, value).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    pub(super) fn start(&self) -> Result<()> {
        self.write("trace", "")?;
        self.write("tracing_on", "1")
    }

    pub(super) fn stop(&self) -> Result<()> {
        self.write("tracing_on", "0")
    }

    /// The trace as text, and how many events it lost.
    pub(super) fn read(&self, file: &Path) -> Result<u64> {
        fs::write(file, fs::read(self.instance.join("trace"))?)?;
        let mut lost = 0;
        for cpu in fs::read_dir(self.instance.join("per_cpu"))? {
            let stats = fs::read_to_string(cpu?.path().join("stats"))?;
            lost += count_lost(&stats);
        }
        self.write("trace", "")?;
        Ok(lost)
    }

    /// Which clock the times of the trace are of.
    pub(super) fn clock(&self) -> Result<String> {
        let text = fs::read_to_string(self.instance.join("trace_clock"))?;
        let chosen = text
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'));
        Ok(chosen.ok_or("the tracer names no clock")?.0.to_owned())
    }

    /// Sets the quota, in CPUs; `None` takes it away.
    pub(super) fn set_quota(&self, cpus: Option<f64>) -> Result<()> {
        let (file, value) = match (version(), cpus) {
            (Version::V1, cpus) => (
                "cpu.cfs_quota_us",
                cpus.map_or("-1".to_owned(), |cpus| quota(cpus).to_string()),
            ),
            (Version::V2, cpus) => (
                "cpu.max",
                cpus.map_or("max".to_owned(), |cpus| format!("{} 100000", quota(cpus))),
            ),
        };
        let file = self.group.join(file);
        fs::write(&file, value).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// Sets what the group's CPUs are worth to it where others want them too: as usual, or as a pod that requests a tenth of a CPU.
    pub(super) fn set_shares(&self, is_small: bool) -> Result<()> {
        let (file, value) = match (version(), is_small) {
            (Version::V1, false) => ("cpu.shares", "1024"),
            (Version::V1, true) => ("cpu.shares", "102"),
            (Version::V2, false) => ("cpu.weight", "100"),
            (Version::V2, true) => ("cpu.weight", "4"),
        };
        let file = self.group.join(file);
        fs::write(&file, value).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// `nr_periods`, `nr_throttled` and the throttled time in nanoseconds.
    pub(super) fn counters(&self) -> Result<[u64; 3]> {
        let text = fs::read_to_string(self.group.join("cpu.stat"))?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.trim().parse::<u64>().ok())
        };
        let nanos = value("throttled_time ").or_else(|| Some(value("throttled_usec ")? * 1000));
        Ok([
            value("nr_periods ").unwrap_or_default(),
            value("nr_throttled ").unwrap_or_default(),
            nanos.unwrap_or_default(),
        ])
    }

    /// The processes in the group.
    pub(super) fn processes(&self) -> Result<Vec<i32>> {
        let text = fs::read_to_string(self.group.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Lets the guard take all away, and waits for it.
    pub(super) fn end(mut self) -> Result<()> {
        drop(self.guard.stdin.take());
        let status = self.guard.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{} or its probes are still there", self.instance.display()).into())
    }
}

fn append(file: &Path, line: &str) -> Result<()> {
    use std::io::Write as _;
    let mut open = fs::OpenOptions::new().append(true).open(file)?;
    open.write_all(line.as_bytes())
        .map_err(|error| format!("{}: {error}: {line}", file.display()).into())
}

fn count_lost(stats: &str) -> u64 {
    stats
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, _)| ["overrun", "commit overrun", "dropped events"].contains(key))
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_way_in_which_the_tracer_loses_events_counts() {
        let stats = "entries: 346\noverrun: 2\ncommit overrun: 3\nbytes: 23528\ndropped events: 4\nread events: 9\n";
        assert_eq!(super::count_lost(stats), 9);
    }
}
