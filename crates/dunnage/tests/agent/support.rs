//! Interpreters, a program with an agent, and what Python prints with and without it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The versions that are looked for; the first four are too old for the agent.
const VERSIONS: [&str; 11] = [
    "2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15",
];

/// The oldest minor version of Python 3 that runs the agent.
const OLDEST: u32 = 9;

/// The package, in which the agent's sources are.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/dunnage");

/// An interpreter.
#[derive(Debug, Clone)]
pub struct Python {
    pub version: (u32, u32),
    pub path: PathBuf,
}

impl Python {
    /// Whether the agent does anything in it.
    pub fn has_agent(&self) -> bool {
        self.version.0 == 3 && self.version.1 >= OLDEST
    }

    /// The interpreter with nothing of the test's environment that it or we would obey.
    pub fn plainly(&self) -> Command {
        cleaned(Command::new(&self.path))
    }
}

/// Every interpreter of this machine, one for each version; says which are missing.
pub fn pythons() -> Vec<Python> {
    let (found, missing): (Vec<_>, Vec<_>) = VERSIONS
        .into_iter()
        .map(|version| find(version).ok_or(version))
        .partition(Result::is_ok);
    let missing: Vec<_> = missing.into_iter().filter_map(Result::err).collect();
    if !missing.is_empty() {
        println!(
            "skipped: agent: Python {} is not on this machine",
            missing.join(", ")
        );
    }
    let found: Vec<_> = found.into_iter().flatten().collect();
    assert!(!found.is_empty(), "no Python on this machine");
    found
}

/// Those of them that run the agent.
pub fn pythons_with_agent(test: &str) -> Vec<Python> {
    let found: Vec<_> = pythons().into_iter().filter(Python::has_agent).collect();
    if found.is_empty() {
        println!("skipped: agent: {test} needs CPython 3.{OLDEST} or newer");
    }
    found
}

fn find(version: &str) -> Option<Python> {
    let name = format!("python{version}");
    let (major, minor) = version.split_once('.')?;
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    let pyenv = fs::read_dir(home.join(".pyenv/versions"));
    let ours = pyenv.into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        let is_this = entry
            .file_name()
            .to_str()?
            .starts_with(&format!("{version}."));
        is_this.then(|| entry.path().join("bin").join(&name))
    });
    let system = Path::new("/usr/bin").join(&name);
    let path = ours.chain([system]).find(|path| path.is_file())?;
    Some(Python {
        version: (major.parse().ok()?, minor.parse().ok()?),
        path,
    })
}

fn cleaned(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PYTHON") || text.starts_with("DUNNAGE_") || text == "WEB_CONCURRENCY" {
            command.env_remove(name);
        }
    }
    // a test leaves nothing beside the interpreter, and no __pycache__ of one run is the other's
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONHASHSEED", "0")
        .stdin(Stdio::null());
    command
}

/// The program with an agent, in a folder of its own, which everybody can read.
pub struct Program {
    /// Removed with the program.
    _folder: TempDir,
    pub path: PathBuf,
}

impl Program {
    pub fn new() -> Self {
        Self::with_file("", "")
    }

    /// `broken` replaces the agent's own source.
    pub fn with_agent(broken: &str) -> Self {
        Self::with_file("_dunnage_agent.py", broken)
    }

    /// `broken` replaces one file of the agent.
    pub fn with_file(other: &str, broken: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder_path = fs::canonicalize(folder.path()).unwrap();
        let path = folder_path.join("dunnage");
        fs::copy(env!("CARGO_BIN_EXE_dunnage"), &path).unwrap();
        let script = "import sys, zipfile\n\
            program, folder, other, broken = sys.argv[1:]\n\
            with zipfile.ZipFile(program, 'a') as file:\n\
            \x20   for name in ('sitecustomize.py', '_dunnage_agent.py', '_dunnage_term.py',\n\
            \x20                '_dunnage_thread.py', '_dunnage_release.py', '_release_rules.py'):\n\
            \x20       part = '/' if name.startswith('_release') else '/_agent/'\n\
            \x20       text = open(folder + part + name).read()\n\
            \x20       file.writestr(name, broken if name == other else text)\n";
        let status = Command::new("python3")
            .args(["-c", script])
            .args([path.as_os_str(), PACKAGE.as_ref()])
            .args([other, broken])
            .status();
        assert!(status.unwrap().success());
        Self {
            _folder: folder,
            path,
        }
    }

    /// `dunnage exec` before an interpreter that is told 2 CPUs and behaves as before in everything else.
    pub fn exec(&self, python: &Python) -> Command {
        self.exec_with(python, &["--cpu-limit", "1.5"])
    }

    pub fn exec_with(&self, python: &Python, options: &[&str]) -> Command {
        let mut command = cleaned(Command::new(&self.path));
        command
            .arg("exec")
            .args(options)
            .arg("--")
            .arg(&python.path);
        command
    }
}

/// What is left of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs to the end.
pub fn printed(command: &mut Command) -> Printed {
    command.output().unwrap().into()
}

/// Runs to the end, which must be a good one, and returns the words on stdout.
pub fn words(command: &mut Command) -> Vec<String> {
    let printed = printed(command);
    assert_eq!(
        (printed.code, printed.stderr.as_str()),
        (Some(0), ""),
        "{command:?}: {printed:?}"
    );
    printed
        .stdout
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until there is something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// An application below a supervisor; its output goes to files.
pub struct Run {
    supervisor: Child,
    folder: tempfile::TempDir,
}

impl Run {
    pub fn start(program: &Program, python: &Python, options: &[&str], script: &str) -> Self {
        Self::start_within(program, python, options, script, |command| command)
    }

    /// `within` puts the command where it is to run.
    pub fn start_within(
        program: &Program,
        python: &Python,
        options: &[&str],
        script: &str,
        within: impl FnOnce(Command) -> Command,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| fs::File::create(folder.path().join(name)).unwrap();
        let mut command = Command::new(&program.path);
        for (name, value) in program.exec(python).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let script = format!("import os, signal, sys, time\n{script}");
        command
            .args(["run", "--log-format", "json"])
            .args(options)
            .arg("--")
            .arg(&python.path)
            .args(["-u", "-c", &script]);
        let mut command = within(command);
        command.stdout(file("stdout")).stderr(file("stderr"));
        Self {
            supervisor: command.spawn().unwrap(),
            folder,
        }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Waits for a line of stdout, with its end: Python may write that by itself.
    pub fn wait_for(&self, line: &str) {
        let line = format!("{line}\n");
        self.wait_until(&line, || {
            self.read("stdout")
                .split_inclusive('\n')
                .any(|known| known == line)
        });
    }

    /// Waits until something is so.
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < end,
                "waited too long for {what}: {}",
                self.read("stderr")
            );
            sleep(Duration::from_millis(5));
        }
    }

    pub fn terminate(&self) {
        let pid = self.supervisor.id().to_string();
        let status = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(status.unwrap().success());
    }

    /// The exit code and what the application printed; nothing had to be killed.
    pub fn finish(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.supervisor.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "waited too long for the end");
            sleep(Duration::from_millis(5));
        };
        let stderr = self.read("stderr");
        assert!(!stderr.contains("\"event\":\"killed\""), "{stderr}");
        (status.code(), self.read("stdout"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}
