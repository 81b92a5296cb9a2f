//! One run in a memory cgroup of its own, by `play.py`.

use crate::record::{Record, parse_time, read_folder};
use crate::tools::{Result, root};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What every run shares.
pub(crate) struct Stage {
    pub(crate) program: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) scratch: PathBuf,
}

/// What to run under which limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// Differs between runs at the same time.
    pub(crate) name: String,
    pub(crate) limit_mib: u64,
    pub(crate) cpus: Option<f64>,
    /// Whether the kernel's notice ends everything, as a group kill does.
    pub(crate) group_kill: bool,
    /// Whether what is held is looked at all the time, which costs some CPU.
    pub(crate) sample: bool,
    /// Options of `dunnage run`; without it, none.
    pub(crate) options: Option<Vec<&'static str>>,
    /// The program, below the project's folder, and its words.
    pub(crate) words: Vec<String>,
}

/// What came of it. Times are seconds since 1970.
#[derive(Debug, Clone, Deserialize)]
struct Played {
    code: i32,
    out_of_memory: Option<f64>,
    in_time: bool,
    most_held: u64,
    stdout: String,
    stderr: String,
    limit_hits: u64,
    throttled: String,
}

/// What came of a run, with what dunnage left.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) out_of_memory: Option<f64>,
    pub(crate) in_time: bool,
    pub(crate) most_held: u64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) limit_hits: u64,
    pub(crate) throttled: String,
    pub(crate) events: Vec<Value>,
    pub(crate) records: Vec<Record>,
}

#[derive(Serialize)]
struct Job<'a> {
    group: String,
    limit: u64,
    cpus: Option<f64>,
    group_kill: bool,
    sample: bool,
    patience: u32,
    command: Vec<String>,
    env: &'a Value,
}

const PATIENCE_SECONDS: u32 = 180;

impl Stage {
    /// Plays a run to its end.
    pub(crate) fn play(&self, run: &Run) -> Result<Seen> {
        let folder = self.scratch.join(&run.name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("report"))?;
        fs::create_dir_all(folder.join("files"))?;
        let job = Job {
            group: format!("dunnage-growth-{}-{}", std::process::id(), run.name),
            limit: run.limit_mib << 20,
            cpus: run.cpus,
            group_kill: run.group_kill,
            sample: run.sample,
            patience: PATIENCE_SECONDS,
            command: self.command(run, &folder),
            env: &json!({"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}),
        };
        fs::write(folder.join("run.json"), serde_json::to_string(&job)?)?;
        let script = root().join("xtask/src/growth/play.py");
        let output = Command::new("python3").arg(script).arg(&folder).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}", run.name, said.trim()).into());
        }
        let played = fs::read_to_string(folder.join("played.json"))?;
        let played: Played = serde_json::from_str(&played)?;
        let lines = played.stderr.lines();
        Ok(Seen {
            events: lines
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
            records: read_folder(&folder.join("report")),
            code: played.code,
            out_of_memory: played.out_of_memory,
            in_time: played.in_time,
            most_held: played.most_held,
            stdout: played.stdout,
            stderr: played.stderr,
            limit_hits: played.limit_hits,
            throttled: played.throttled,
        })
    }

    fn command(&self, run: &Run, folder: &Path) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(options) = &run.options {
            words.extend([self.program.display().to_string(), "run".to_owned()]);
            words.extend(["--log-format", "json", "--log-level", "debug"].map(str::to_owned));
            words.push("--report-dir".to_owned());
            words.push(folder.join("report").display().to_string());
            if run.group_kill {
                // the kernel of cgroup v1 would say that it kills one process
                words.extend(["--oom-kills", "group"].map(str::to_owned));
            }
            words.extend(options.iter().map(|word| fill(word, folder)));
            words.push("--".to_owned());
        }
        words.push(self.python.display().to_string());
        words.push(root().join(&run.words[0]).display().to_string());
        words.extend(run.words.iter().skip(1).map(|word| fill(word, folder)));
        words
    }
}

/// Does something with each item, some at a time; the results in the items' order.
pub(crate) fn play_at_once<I: Sync, T: Send>(
    items: &[I],
    at_once: usize,
    play: impl Fn(usize, &I) -> std::result::Result<T, String> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    let player = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else {
                break;
            };
            let played = play(number, item);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.push((number, played));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(player);
        }
    });
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_by_key(|(number, _)| *number);
    let played: std::result::Result<Vec<T>, String> =
        all.into_iter().map(|(_, played)| played).collect();
    Ok(played?)
}

fn fill(word: &str, folder: &Path) -> String {
    word.replace("{files}", &folder.join("files").display().to_string())
}

impl Seen {
    /// When the first event of that name, with these fields, was told.
    pub(crate) fn time_of(&self, name: &str, field: Option<(&str, &str)>) -> Option<f64> {
        let mut events = self.events.iter().filter(|event| event["event"] == name);
        let event = events.find(|event| field.is_none_or(|(key, value)| event[key] == value))?;
        parse_time(event["time"].as_str()?)
    }

    /// How many events of that name were told.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.events
            .iter()
            .filter(|event| event["event"] == name)
            .count()
    }

    /// Whether it was the application that ran, rather than the lab that failed.
    pub(crate) fn was_started(&self) -> bool {
        self.stdout.starts_with("up") || self.stdout.starts_with("ready")
    }
}
