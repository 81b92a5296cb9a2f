//! Starting the program, as PID 1 or not, and reading what it says.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program.
pub const DUNNAGE: &str = env!("CARGO_BIN_EXE_dunnage");

/// Long enough for a busy machine; nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// PID 1 of a new PID namespace.
    Init,
    /// A child of the test.
    Below,
}

/// The places that this machine has: PID namespaces need root. Says what is left out.
pub fn places(test: &str) -> Vec<Place> {
    if can_unshare() {
        return vec![Place::Init, Place::Below];
    }
    println!("skipped: {test} as PID 1: needs root and unshare");
    vec![Place::Below]
}

/// Whether the test can go on as PID 1; says so if not.
pub fn needs_init(test: &str) -> bool {
    let can = can_unshare();
    if !can {
        println!("skipped: {test}: needs root and unshare");
    }
    can
}

fn can_unshare() -> bool {
    let status = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A run and the folder that holds what it wrote.
pub struct Run {
    pub outer: Child,
    pub folder: TempDir,
}

/// What is left of a run.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Finished {
    /// The events of this name.
    pub fn all(&self, name: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// The only event of this name.
    pub fn one(&self, name: &str) -> &Value {
        match self.all(name).as_slice() {
            [event] => event,
            others => panic!("{} events {name} in {}", others.len(), self.stderr),
        }
    }
}

/// `dunnage run` with a JSON log, options and a command.
pub fn command(place: Place, options: &[&str], words: &[&str]) -> Command {
    let mut command = match place {
        Place::Below => Command::new(DUNNAGE),
        Place::Init => {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--kill-child", "--mount-proc", DUNNAGE]);
            command
        }
    };
    command
        .args(["run", "--log-format", "json"])
        .args(options)
        .arg("--")
        .args(words);
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DUNNAGE_"))
    {
        command.env_remove(name);
    }
    command
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::null());
    command
}

/// Starts a run; its output goes to files.
pub fn start(place: Place, options: &[&str], words: &[&str]) -> Run {
    start_command(command(place, options, words))
}

/// Starts a prepared command.
pub fn start_command(mut command: Command) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| fs::File::create(folder.path().join(name)).unwrap();
    command
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .current_dir(folder.path());
    Run {
        outer: command.spawn().unwrap(),
        folder,
    }
}

/// Runs to the end.
pub fn run(place: Place, options: &[&str], words: &[&str]) -> Finished {
    start(place, options, words).finish()
}

impl Run {
    /// The supervisor's process id as the test sees it.
    pub fn supervisor(&self) -> i32 {
        let outer = self.outer.id() as i32;
        let mut found = None;
        wait_until("the supervisor", || {
            found = if is_dunnage(outer) {
                Some(outer)
            } else {
                children(outer).into_iter().find(|pid| is_dunnage(*pid))
            };
            found.is_some()
        });
        found.unwrap()
    }

    /// Sends the supervisor a signal by name.
    pub fn signal(&self, name: &str) {
        send(self.supervisor(), name);
    }

    /// Waits until stdout holds `text`.
    pub fn wait_for(&self, text: &str) {
        wait_until(text, || self.stdout().contains(text));
    }

    /// Waits until stderr holds `text`.
    pub fn wait_for_event(&self, text: &str) {
        wait_until(text, || self.read("stderr").contains(text));
    }

    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap()).into_owned()
    }

    /// A file in the run's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        let mut status = None;
        wait_until("the end of the run", || {
            status = self.outer.try_wait().unwrap();
            status.is_some()
        });
        let stderr = self.read("stderr");
        let events = stderr
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        Finished {
            code: status.unwrap().code().unwrap_or(-1),
            stdout: self.stdout(),
            events,
            stderr,
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

/// Sends a signal by name, with kill(1).
pub fn send(pid: i32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited too long for {what}");
        sleep(Duration::from_millis(5));
    }
}

fn is_dunnage(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == Path::new(DUNNAGE))
}

/// The children of a process.
pub fn children(parent: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat_field(*pid, 1) == Some(parent.to_string()))
        .collect()
}

/// A field of `/proc/PID/stat` after the name; 0 is the state, 1 the parent.
pub fn stat_field(pid: i32, index: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(index)
        .map(str::to_owned)
}

/// A line of `/proc/PID/status`.
pub fn status_line(pid: i32, name: &str) -> String {
    let mut text = String::new();
    fs::File::open(format!("/proc/{pid}/status"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap()
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

/// A Python program that says `up`, and on SIGTERM says `told`, works for `seconds`, says `done` and exits with 0.
pub fn graceful(seconds: f64) -> String {
    format!(
        "import signal,sys,time\n\
         def stop(*_):\n    print('told', flush=True); time.sleep({seconds}); print('done', flush=True); sys.exit(0)\n\
         signal.signal(signal.SIGTERM, stop); print('up', flush=True)\n\
         while True: time.sleep(60)\n"
    )
}
