//! Playing a case in one place: start, steps, end.

use super::case::{Case, Exec, Stderr, Step};
use super::cgroup::Group;
use super::command::{container_command, entering, environment, host_command, id, runtime, words};
use super::expect::{json_values, texts};
use super::place::{Place, Setting};
use super::request::request;
use crate::record::{Record, read_folder};
use crate::tools::Result;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

pub(crate) const TICK: Duration = Duration::from_millis(10);
/// A case's report folder, which must be there before.
const REPORTS: &str = "{out}/report";
/// What a new pipe holds.
const PIPE_BYTES: usize = 65_536;

/// What came of it.
pub(crate) struct Observed {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) termination_log: String,
    pub(crate) responses: Vec<String>,
    out: PathBuf,
}

impl Observed {
    /// The lines of stderr that are events.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.stderr.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// What is in the report folder.
    pub(crate) fn records(&self) -> Vec<Record> {
        read_folder(&self.out.join("report"))
    }

    /// The text of a file in the out folder.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        let bytes = fs::read(self.out.join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}

/// Text that grows while somebody reads a pipe.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn read_from(&self, mut pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let text = self.clone();
        spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let mut bytes = text.0.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend_from_slice(&buffer[..length]);
            }
        })
    }

    fn get(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A case that runs.
struct Running<'a> {
    case: &'a Case,
    setting: &'a Setting,
    folder: &'a Path,
    group: &'a Group,
    outer: Child,
    stdout: Text,
    stderr: Text,
    readers: Vec<JoinHandle<()>>,
    sessions: Vec<Child>,
    requests: Vec<JoinHandle<String>>,
    patience: Duration,
    /// A full pipe stays open and unread as long as the case runs.
    _unread: KeptPipe,
}

/// Plays a case in a folder of its own. An error is a step that did not come to pass, or an end that did not come.
pub(crate) fn play(case: &Case, setting: &Setting, folder: &Path) -> Result<Observed> {
    fs::create_dir_all(folder.join("out"))?;
    must(Command::new("chmod").arg("777").arg(folder.join("out")))?;
    if case.start.iter().any(|word| word == REPORTS) {
        fs::create_dir(folder.join("out/report"))?;
        must(
            Command::new("chmod")
                .arg("777")
                .arg(folder.join("out/report")),
        )?;
    }
    let log = folder.join("termination-log");
    fs::write(&log, case.termination_log.as_deref().unwrap_or_default())?;
    must(Command::new("chmod").arg("666").arg(&log))?;
    let group = Group::create(&setting.name_of(case), &case.pod)?;
    let (command, pipe) = prepare(case, setting, folder, &group)?;
    let mut running = start(command, pipe, case, setting, folder, &group)?;
    let played = case
        .steps
        .iter()
        .try_for_each(|step| running.step(step).map_err(|why| format!("{step:?}: {why}")));
    let ended = match played {
        Ok(()) => running.wait_for_end(),
        Err(why) => Err(why.into()),
    };
    running.clean_up();
    fs::write(folder.join("stdout"), running.stdout.get())?;
    fs::write(folder.join("stderr"), running.stderr.get())?;
    let status = ended?;
    let requests = std::mem::take(&mut running.requests);
    Ok(Observed {
        code: code_of(status),
        stdout: running.stdout.get(),
        stderr: running.stderr.get(),
        termination_log: fs::read_to_string(&log).unwrap_or_default(),
        responses: requests
            .into_iter()
            .map(|request| request.join().unwrap_or_default())
            .collect(),
        out: folder.join("out"),
    })
}

/// The unread end of stderr, if it must stay open.
type KeptPipe = Option<std::io::PipeReader>;

fn prepare(
    case: &Case,
    setting: &Setting,
    folder: &Path,
    group: &Group,
) -> Result<(Command, KeptPipe)> {
    let mut command = match setting.place {
        Place::Host => host_command(case, setting, folder, group)?,
        _ => container_command(case, setting, folder, group)?,
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut kept = None;
    match case.stderr {
        Stderr::Read => {
            command.stderr(Stdio::piped());
        }
        Stderr::Full | Stderr::Broken => {
            let (reader, mut writer) = std::io::pipe()?;
            if case.stderr == Stderr::Full {
                writer.write_all(&vec![b'x'; PIPE_BYTES])?;
                kept = Some(reader);
            }
            command.stderr(writer);
        }
    }
    Ok((command, kept))
}

fn start<'a>(
    mut command: Command,
    pipe: KeptPipe,
    case: &'a Case,
    setting: &'a Setting,
    folder: &'a Path,
    group: &'a Group,
) -> Result<Running<'a>> {
    let mut outer = command.spawn()?;
    // its copies of the pipes' ends must not hold them open
    drop(command);
    let (stdout, stderr) = (Text::default(), Text::default());
    let mut readers = Vec::new();
    readers.extend(outer.stdout.take().map(|pipe| stdout.read_from(pipe)));
    readers.extend(outer.stderr.take().map(|pipe| stderr.read_from(pipe)));
    Ok(Running {
        case,
        setting,
        folder,
        group,
        outer,
        stdout,
        stderr,
        readers,
        sessions: Vec::new(),
        requests: Vec::new(),
        patience: Duration::from_secs(case.patience) * setting.slowness,
        _unread: pipe,
    })
}

impl Running<'_> {
    fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::WaitStdout(text) => {
                let stdout = self.stdout.clone();
                self.wait(|| stdout.get().contains(text))
            }
            Step::WaitStderr(text) => {
                let stderr = self.stderr.clone();
                self.wait(|| stderr.get().contains(text))
            }
            Step::WaitFile(name) => {
                let file = self.folder.join("out").join(name);
                self.wait(|| file.exists())
            }
            Step::Signal(name) => {
                let pid = self.init()?;
                must(Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid]))
            }
            Step::Storm { signal, times } => {
                let pid = self.init()?;
                let script = "i=0; while [ $i -lt $3 ]; do kill -s $2 $1; i=$((i+1)); done";
                must(Command::new("sh").args([
                    "-c",
                    script,
                    "sh",
                    &pid,
                    signal,
                    &times.to_string(),
                ]))
            }
            Step::Exec(exec) => self.exec(exec),
            Step::Request { socket, path } => {
                self.request(socket, path.clone());
                Ok(())
            }
            Step::SetLimits(limits) => self.group.set_app(limits),
            Step::SetClock { by_seconds } => {
                if self.setting.guest.is_none() {
                    return Err("the clock of a real machine is left alone".into());
                }
                let script = "date -s \"@$(($(date +%s) + $1))\"";
                must(Command::new("sh").args(["-c", script, "sh", &by_seconds.to_string()]))
            }
            Step::Sleep { ms } => {
                sleep(Duration::from_millis(*ms));
                Ok(())
            }
        }
    }

    fn wait(&mut self, mut is_so: impl FnMut() -> bool) -> Result<()> {
        let end = Instant::now() + self.patience;
        loop {
            // asked before looking: what an ended run has said is read to its end first
            let ended = self.outer.try_wait()?;
            if ended.is_some() {
                self.settle();
            }
            if is_so() {
                return Ok(());
            }
            if let Some(status) = ended {
                return Err(format!("the run has ended before ({status})").into());
            }
            if Instant::now() > end {
                return Err(format!("not within {} s", self.patience.as_secs()).into());
            }
            sleep(TICK);
        }
    }

    /// PID 1's process id as this machine sees it.
    fn init(&mut self) -> Result<String> {
        let outer = self.outer.id();
        let file = match self.setting.place {
            Place::Host => PathBuf::from(format!("/proc/{outer}/task/{outer}/children")),
            _ => self.folder.join("pid"),
        };
        let mut pid = String::new();
        self.wait(|| {
            let text = fs::read_to_string(&file).unwrap_or_default();
            text.trim().clone_into(&mut pid);
            !pid.is_empty()
        })
        .map_err(|why| format!("PID 1: {why}"))?;
        Ok(pid)
    }

    fn exec(&mut self, exec: &Exec) -> Result<()> {
        let given = words(&exec.words, self.setting, self.case, self.folder);
        // a session that hangs must not hang the lab
        let patience = self.patience.as_secs().to_string();
        let mut command = if self.setting.place == Place::Host {
            let pid = self.init()?;
            let mut command = entering(&self.group.entries());
            command
                .args(["timeout", "-k", "5", &patience])
                .args(["nsenter", "--target", &pid, "--pid", "--mount", "--"])
                .args(given)
                .env_clear()
                .envs(environment(self.case, self.setting, self.folder));
            command
        } else {
            let mut command = Command::new("timeout");
            command
                .args(["-k", "5", &patience])
                .args(runtime(self.setting, self.folder))
                // runtimes differ in whom they take else
                .args(["exec", "--user", &self.case.user.ids()])
                .arg(id(self.case, self.setting))
                .args(given);
            command
        };
        command.stdin(Stdio::null());
        if exec.background {
            command.stdout(Stdio::null()).stderr(Stdio::null());
            self.sessions.push(command.spawn()?);
            return Ok(());
        }
        let output = command.output()?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let mut wrong = texts("stdout", &exec.stdout_has, &stdout);
        wrong.extend(json_values(
            &exec.stdout_json,
            &stdout,
            &self.setting.here(),
        ));
        let code = code_of(output.status);
        if code != exec.code {
            let stderr = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!(
                "exit code {code}, expected {}: {}",
                exec.code,
                stderr.trim()
            ));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(wrong.join("; ").into())
    }

    fn request(&mut self, socket: &str, path: String) {
        let file = self.folder.join("out").join(socket);
        let patience = self.patience;
        self.requests
            .push(spawn(move || request(&file, &path, patience)));
    }

    fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let end = Instant::now() + self.patience;
        loop {
            if let Some(status) = self.outer.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(format!("did not end within {} s", self.patience.as_secs()).into());
            }
            sleep(TICK);
        }
    }

    /// Nothing of the case is left after this.
    fn clean_up(&mut self) {
        if self.setting.place != Place::Host {
            let _ = Command::new("timeout")
                .args(["-k", "5", "60"])
                .args(runtime(self.setting, self.folder))
                .args(["delete", "--force", &id(self.case, self.setting)])
                .output();
        }
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        for session in &mut self.sessions {
            let _ = session.kill();
            let _ = session.wait();
        }
        self.settle();
    }

    /// Until what was said is read to its end; a process that is left may hold the pipes open.
    fn settle(&self) {
        let end = Instant::now() + Duration::from_secs(2) * self.setting.slowness;
        while Instant::now() < end && self.readers.iter().any(|reader| !reader.is_finished()) {
            sleep(TICK);
        }
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// Runs a command that must succeed and says nothing.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{}: {}: {}",
        command.get_program().display(),
        output.status,
        stderr.trim()
    )
    .into())
}
