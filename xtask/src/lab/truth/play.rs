//! One case: a workload under a quota, recorded and traced at once. Its folder holds all that was seen, so that it can be judged again.

use super::stage::Stage;
use super::{Case, Quota};
use crate::tools::{Result, root, say};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What does not change between the cases of a run.
pub(super) struct Parts {
    pub(super) program: PathBuf,
    pub(super) python: PathBuf,
    /// A folder to load the probed library from; `None` where the interpreter is one file.
    pub(super) library_folder: Option<PathBuf>,
    pub(super) seconds: f64,
    /// Looks in a second.
    pub(super) rate: u32,
    /// Of which commit the program is.
    pub(super) tree: String,
}

/// A thread's own counters (`schedstat`), gained between begin and end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) pid: i32,
    pub(super) run: u64,
    pub(super) wait: u64,
}

/// What was seen besides the files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) case: String,
    pub(super) date: String,
    pub(super) tree: String,
    pub(super) clock: String,
    pub(super) lost: u64,
    pub(super) threads: BTreeMap<i32, Counted>,
    /// `nr_periods`, `nr_throttled`, throttled nanoseconds, gained.
    pub(super) quota: [u64; 3],
    /// Whether the kernel tells which threads it throttles.
    pub(super) has_flag: bool,
}

pub(super) const TRACE: &str = "trace.txt";
pub(super) const SWITCHES: &str = "switches.txt";
pub(super) const REQUESTS: &str = "requests.txt";
pub(super) const RECORDING: &str = "recording.json";
pub(super) const FACTS: &str = "facts.json";

/// How many neighbours want the CPUs in the case `host`.
const NEIGHBOURS: usize = 4;

pub(super) fn play(case: &Case, parts: &Parts, stage: &Stage, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    stage.set_quota(None)?;
    let mut workload = Workload::start(case, parts, stage, folder)?;
    stage.set_quota(match case.quota {
        Quota::Cpus(cpus) => Some(cpus),
        Quota::Unlimited | Quota::Host => None,
    })?;
    stage.set_shares(case.quota == Quota::Host)?;
    let neighbours = match case.quota {
        Quota::Host => Neighbours::start(&stage.noise, NEIGHBOURS)?,
        _ => Neighbours(Vec::new()),
    };
    let switches = Switches::start(&parts.python)?;
    let has_flag = switches.has_flag;
    let counters = stage.counters()?;
    stage.start()?;
    let before = read_threads(stage)?;
    let mut recorder = record(parts, workload.pid, folder)?;
    std::thread::sleep(Duration::from_millis(700));
    workload.go()?;
    let after = read_threads(stage)?;
    stage.stop()?;
    let quota = stage.counters()?;
    switches.end(&folder.join(SWITCHES))?;
    drop(neighbours);
    stage.set_quota(None)?;
    end_recording(&mut recorder)?;
    workload.end()?;
    let lost = stage.read(&folder.join(TRACE))?;
    let facts = Facts {
        case: case.name(),
        date: crate::bench::machine::date()?,
        tree: parts.tree.clone(),
        clock: stage.clock()?,
        lost,
        threads: gained(&before, &after),
        quota: [0, 1, 2].map(|index| quota[index] - counters[index]),
        has_flag,
    };
    fs::write(folder.join(FACTS), serde_json::to_string_pretty(&facts)?)?;
    Ok(())
}

struct Workload {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pid: i32,
}

impl Workload {
    /// Starts it in the group and waits until it is ready.
    fn start(case: &Case, parts: &Parts, stage: &Stage, folder: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", "for group in $1 $2; do echo $$ >\"$group/cgroup.procs\"; done; shift 2; exec \"$@\"", "sh"])
            .arg(&stage.group)
            .arg(stage.accounts.as_deref().unwrap_or(Path::new("")))
            .arg(&parts.python)
            .arg(root().join("lab/truth").join(case.workload.script))
            .arg(folder.join(REQUESTS))
            .arg(parts.seconds.to_string())
            .args(case.workload.words)
            .env("PYTHONPATH", root().join("python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TRUTH_OUTSIDE", outside(&stage.group))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(folder) = &parts.library_folder {
            command.env("LD_LIBRARY_PATH", folder);
        }
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut workload = Self {
            child,
            input: input.ok_or("no way to speak to the workload")?,
            output: BufReader::new(output.ok_or("no way to hear the workload")?),
            pid: 0,
        };
        let ready = workload.hear("ready ")?;
        workload.pid = ready.trim().parse()?;
        Ok(workload)
    }

    fn hear(&mut self, word: &str) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        match line.strip_prefix(word) {
            Some(rest) => Ok(rest.to_owned()),
            None => Err(format!("the workload ended before it said `{}`", word.trim()).into()),
        }
    }

    /// Lets it work, and waits until it has.
    fn go(&mut self) -> Result<()> {
        writeln!(self.input, "go")?;
        self.hear("done")?;
        Ok(())
    }

    fn end(self) -> Result<()> {
        let Self {
            mut child, input, ..
        } = self;
        drop(input);
        let status = child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("the workload ended with {status}").into())
    }
}

/// Where a process enters the group above.
fn outside(group: &Path) -> PathBuf {
    group.parent().unwrap_or(group).join("cgroup.procs")
}

/// The program under test. It stops by itself, later than the workload.
fn record(parts: &Parts, pid: i32, folder: &Path) -> Result<Child> {
    Ok(Command::new(&parts.program)
        .args(["record", "--rate"])
        .arg(parts.rate.to_string())
        .arg("--pid")
        .arg(pid.to_string())
        .arg("--duration")
        // long enough for requests that come late; it is told to stop before
        .arg(format!("{}s", (parts.seconds * 3.0).ceil() + 20.0))
        .arg("-o")
        .arg(folder.join(RECORDING))
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.join("summary.txt"))?)
        .stderr(fs::File::create(folder.join("recorder.txt"))?)
        .spawn()?)
}

/// As a person would: ^C ends the recording, and what was seen is kept.
fn end_recording(recorder: &mut Child) -> Result<()> {
    let pid = recorder.id().to_string();
    Command::new("sh")
        .args(["-c", "kill -s INT \"$1\"", "sh", &pid])
        .status()?;
    let status = recorder.wait()?;
    if !status.success() {
        say(&format!("the recorder ended with {status}"));
    }
    Ok(())
}

/// Those who want the CPUs too, in a group of their own.
struct Neighbours(Vec<Child>);

impl Neighbours {
    fn start(group: &Path, count: usize) -> Result<Self> {
        let mut neighbours = Self(Vec::new());
        for _ in 0..count {
            let child = Command::new("sh")
                .args(["-c", "echo $$ >\"$1\"; while :; do :; done", "sh"])
                .arg(group.join("cgroup.procs"))
                .spawn()?;
            neighbours.0.push(child);
        }
        Ok(neighbours)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Who notes the switches (`lab/truth/switches.py`).
struct Switches {
    child: Child,
    output: BufReader<ChildStdout>,
    has_flag: bool,
}

impl Switches {
    fn start(python: &Path) -> Result<Self> {
        let mut child = Command::new(python)
            .arg(root().join("lab/truth/switches.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no way to hear it")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        if let Some(rest) = line.strip_prefix("ready") {
            let has_flag = rest.trim().is_empty();
            return Ok(Self {
                child,
                output,
                has_flag,
            });
        }
        Err(said(child)?.into())
    }

    /// Writes them into the file.
    fn end(mut self, file: &Path) -> Result<()> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        fs::write(file, text)?;
        if self.child.wait()?.success() {
            return Ok(());
        }
        Err(said(self.child)?.into())
    }
}

fn said(child: Child) -> Result<String> {
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(format!("switches.py: {}", text.trim()))
}

fn read_threads(stage: &Stage) -> Result<BTreeMap<i32, Counted>> {
    let mut threads = BTreeMap::new();
    for pid in stage.processes()? {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let folder = task?.path();
            let tid = folder.file_name().and_then(|name| name.to_str());
            let Some(tid) = tid.and_then(|name| name.parse().ok()) else {
                continue;
            };
            let text = fs::read_to_string(folder.join("schedstat"))?;
            let mut fields = text.split_whitespace().map(str::parse::<u64>);
            if let (Some(Ok(run)), Some(Ok(wait))) = (fields.next(), fields.next()) {
                threads.insert(tid, Counted { pid, run, wait });
            }
        }
    }
    Ok(threads)
}

fn gained(
    before: &BTreeMap<i32, Counted>,
    after: &BTreeMap<i32, Counted>,
) -> BTreeMap<i32, Counted> {
    let gain = |(tid, now): (&i32, &Counted)| {
        let then = before.get(tid);
        let gained = Counted {
            pid: now.pid,
            run: now.run - then.map_or(0, |then| then.run),
            wait: now.wait - then.map_or(0, |then| then.wait),
        };
        (*tid, gained)
    };
    after.iter().map(gain).collect()
}
