//! A container's inside without a container: a PID namespace of its own, so that what is started is PID 1.
//!
//! `unshare` of util-linux makes it; where we are not root, within a user namespace. PID 1 is the application itself, as
//! in an image without an init, or tini, or `dunnage run`.

use super::cgroup::Group;
use super::cleanup::Janitor;
use anyhow::{Context as _, Result, anyhow, bail};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What a started program must do within this, or the machine is not fit for a demo.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often to look whether something ended.
const LOOK: Duration = Duration::from_millis(2);
/// How much of a program's complaints is quoted.
const QUOTED_BYTES: u64 = 1 << 20;

/// Enters the cgroups whose folders stand before `--`, then becomes what stands behind it.
const ENTER: &str = r#"while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@""#;

/// Variables that would decide the outcome, for us or against us.
const CAPS: [&str; 7] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "WEB_CONCURRENCY",
];

/// Who is PID 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Init {
    /// The application itself.
    Plain,
    Tini,
    Dunnage,
}

/// What the scenarios need to start something.
pub(super) struct Lab {
    pub(super) janitor: Arc<Janitor>,
    pub(super) python: String,
    pub(super) tini: Option<PathBuf>,
    /// This program itself.
    pub(super) program: PathBuf,
    /// `unshare` with its options.
    pub(super) unshare: Vec<&'static str>,
    pub(super) scratch: PathBuf,
    pub(super) started: AtomicU32,
}

/// The words that start something as PID 1, or what is missing for that.
pub(super) fn find_unshare() -> Result<Vec<&'static str>> {
    let as_root = vec!["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mut as_user = as_root.clone();
    as_user.splice(1..1, ["--user", "--map-root-user"]);
    let mut refusals = Vec::new();
    for words in [as_root, as_user] {
        let output = Command::new("unshare")
            .args(words.get(1..).unwrap_or_default())
            .arg("true")
            .output();
        match output {
            Ok(output) if output.status.success() => return Ok(words),
            Ok(output) => refusals.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => bail!(
                "cannot run unshare of util-linux: {error} (on Debian: apt-get install util-linux)"
            ),
        }
    }
    Err(anyhow!(
        "cannot make a PID namespace ({}): this needs root with CAP_SYS_ADMIN (in a container: `docker run --privileged`) or \
         user namespaces for everybody",
        refusals.join("; ")
    ))
}

/// Something that runs in a PID namespace of its own.
pub(super) struct Contained {
    child: Child,
    janitor: Arc<Janitor>,
    lines: Receiver<String>,
    complaints: PathBuf,
}

impl Lab {
    /// The words that make `init` PID 1, before those of the application. `grace` and the options are what `dunnage run`
    /// is told.
    fn init_words(&self, init: Init, grace: &str, options: &[&str]) -> Result<Vec<OsString>> {
        Ok(match init {
            Init::Plain => Vec::new(),
            Init::Tini => {
                let tini = self.tini.as_ref().context("tini is not installed")?;
                vec![tini.into(), "--".into()]
            }
            Init::Dunnage => {
                let usual = ["run", "--grace", grace, "--log-format", "json"];
                let words = usual.iter().chain(options).chain(&["--"]);
                let program = std::iter::once(self.program.clone().into_os_string());
                program.chain(words.map(OsString::from)).collect()
            }
        })
    }

    /// Starts `command` under `init`, in `group` if there is one.
    pub(super) fn start(
        &self,
        init: Init,
        grace: &str,
        command: &[&str],
        group: Option<&Group>,
    ) -> Result<Contained> {
        self.start_with(init, grace, &[], command, group)
    }

    /// As [`Lab::start`], with further options for `dunnage run`.
    pub(super) fn start_with(
        &self,
        init: Init,
        grace: &str,
        options: &[&str],
        command: &[&str],
        group: Option<&Group>,
    ) -> Result<Contained> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let complaints = self.scratch.join(format!("stderr-{number}"));
        let mut start = Command::new("sh");
        start.args(["-c", ENTER, "sh"]);
        start.args(group.map(Group::folders).unwrap_or_default());
        start.arg("--").args(&self.unshare);
        start
            .args(self.init_words(init, grace, options)?)
            .args(command);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DUNNAGE_") {
                start.env_remove(name);
            }
        }
        for name in CAPS {
            start.env_remove(name);
        }
        start
            .current_dir(&self.scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints)?)
            // ^C is for the demo, which sees to the rest
            .process_group(0);
        let mut child = self.janitor.spawn(&mut start).context("cannot run sh")?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::Builder::new().spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            })?;
        }
        Ok(Contained {
            child,
            janitor: Arc::clone(&self.janitor),
            lines,
            complaints,
        })
    }
}

impl Contained {
    /// The next line of output.
    pub(super) fn next_line(&self) -> Result<String> {
        self.lines.recv_timeout(PATIENCE).map_err(|_| {
            let said = self.read_complaints();
            let last = said.trim().lines().last().unwrap_or("nothing").to_owned();
            anyhow!("a program of the demo did not come up; the last line on its stderr: {last}")
        })
    }

    /// Waits for a line that must come next.
    pub(super) fn expect_line(&self, wanted: &str) -> Result<()> {
        let line = self.next_line()?;
        if line == wanted {
            return Ok(());
        }
        bail!("a program of the demo said {line:?} instead of {wanted:?}")
    }

    /// The lines that are left, once everything has ended.
    pub(super) fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    /// What was written to stderr.
    pub(super) fn read_complaints(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(&self.complaints) {
            let _ = file.take(QUOTED_BYTES).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// PID 1 of the namespace, by its number out here.
    pub(super) fn init_pid(&self) -> Result<i32> {
        let unshare = self.child.id() as i32;
        let found = read_processes().find(|(_, process)| process.parent == unshare);
        found
            .map(|(pid, _)| pid)
            .context("the first process of the namespace has ended")
    }

    /// Sends a signal to PID 1, as a container runtime does.
    pub(super) fn signal(&self, signal: i32) -> Result<()> {
        dunnage_sys::kill(self.init_pid()?, signal)
            .context("cannot signal the first process of the namespace")
    }

    /// Waits for the end; the exit code as a runtime reports it (128 + signal), or nothing when the time is over.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.janitor.try_wait(&mut self.child)? {
                let signal = status.signal().map(|signal| 128 + signal);
                return Ok(status.code().or(signal));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Kills everything that is in the namespace and waits for that. There is no exit code to be had: `unshare` cannot
    /// pass on that its child was killed. A runtime reports 137.
    pub(super) fn kill(&mut self) -> Result<()> {
        // by --kill-child unshare takes PID 1 with it, and PID 1 everybody else; but only PID 1 ends when all have ended
        match self.init_pid() {
            Ok(pid) => {
                let _ = dunnage_sys::kill(pid, 9);
            }
            Err(_) => {
                let _ = self.child.kill();
            }
        }
        let ended = self.wait(PATIENCE)?;
        ended.map(drop).context("a killed namespace does not end")
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        if let Ok(None) = self.janitor.try_wait(&mut self.child) {
            let _ = self.child.kill();
            let _ = self.wait(PATIENCE);
        }
    }
}

/// A line of `/proc/PID/stat`, as far as it is needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) group: i32,
}

/// All processes that can be seen.
pub(super) fn read_processes() -> impl Iterator<Item = (i32, Process)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, read_process(&entry.path())?))
    })
}

/// The process of that number.
pub(super) fn read_pid(pid: i32) -> Option<Process> {
    read_process(&Path::new("/proc").join(pid.to_string()))
}

fn read_process(folder: &Path) -> Option<Process> {
    let stat = fs::read(folder.join("stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&stat))
}

fn parse_stat(stat: &str) -> Option<Process> {
    // the name may hold blanks and brackets; what follows its last bracket may not
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    Some(Process {
        state: rest.next()?.chars().next()?,
        parent: rest.next()?.parse().ok()?,
        group: rest.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_looks_like_a_stat_line_is_read_right() {
        let expected = Process {
            state: 'Z',
            parent: 41,
            group: 42,
        };
        assert_eq!(parse_stat("42 (a) R 7 (b)) Z 41 42 42 0"), Some(expected));
        assert_eq!(parse_stat("42 (a"), None);
        assert_eq!(parse_stat("42 (a) Z"), None);
    }

    #[test]
    fn our_own_parent_is_found() {
        assert_eq!(
            read_pid(std::process::id() as i32).map(|process| process.parent),
            Some(std::os::unix::process::parent_id() as i32)
        );
    }
}
