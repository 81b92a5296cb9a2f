//! The real program and ours, as PID 1 or not.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program that stands in.
pub const DUNNAGE: &str = env!("CARGO_BIN_EXE_dunnage");

/// Long enough for a busy machine; nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Where a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// PID 1 of a new PID namespace.
    Init,
    /// A child of the test.
    Below,
}

/// A real program and ours under its name.
pub struct Pair {
    pub real: PathBuf,
    pub ours: PathBuf,
    _folder: TempDir,
}

impl Pair {
    /// Both programs of this name; says what is left out where the real one is not installed.
    pub fn of(name: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap();
        let Some(real) = std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
        else {
            println!("skipped: compat: {name} is not installed (apt-get install {name})");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join(name);
        symlink(DUNNAGE, &ours).unwrap();
        Some(Self {
            real,
            ours,
            _folder: folder,
        })
    }

    /// What `look` sees of the real program and of ours, everywhere: must be the same.
    pub fn same<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        look: impl Fn(&Path, Place) -> T,
    ) {
        for place in places() {
            self.same_at(place, what, &look);
        }
    }

    /// The same, in one place.
    pub fn same_at<T: PartialEq + std::fmt::Debug>(
        &self,
        place: Place,
        what: &str,
        look: impl Fn(&Path, Place) -> T,
    ) -> T {
        let real = look(&self.real, place);
        let ours = look(&self.ours, place);
        assert_eq!(
            ours,
            real,
            "ours is not as {} {what} ({place:?})",
            self.real.display()
        );
        ours
    }
}

/// The places that this machine has: PID namespaces need root.
pub fn places() -> Vec<Place> {
    static CAN_UNSHARE: OnceLock<bool> = OnceLock::new();
    let can = *CAN_UNSHARE.get_or_init(|| {
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--mount-proc", "true"])
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    if can {
        return vec![Place::Init, Place::Below];
    }
    println!("skipped: compat as PID 1: needs root and unshare");
    vec![Place::Below]
}

/// A program with words after it, in a place; nothing in the environment speaks to any of the programs.
pub fn command(place: Place, program: &Path, words: &[&str]) -> Command {
    let mut command = match place {
        Place::Below => Command::new(program),
        Place::Init => {
            let mut command = Command::new("unshare");
            command
                .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
                .arg(program);
            command
        }
    };
    command.args(words).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["DUNNAGE_", "TINI_", "DUMB_INIT_", "POSIXLY_CORRECT"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// What a program did, as its user sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    /// Whether it said anything on stderr; what it said is its own business.
    pub spoke: bool,
}

/// A run under way; its output goes to files, which nobody waits for.
pub struct Run {
    pub outer: Child,
    place: Place,
    folder: TempDir,
}

/// Starts a prepared command.
pub fn start(place: Place, mut command: Command) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| fs::File::create(folder.path().join(name)).unwrap();
    command.stdout(file("stdout")).stderr(file("stderr"));
    Run {
        outer: command.spawn().unwrap(),
        place,
        folder,
    }
}

/// Runs a prepared command to its end.
pub fn outcome(place: Place, command: Command) -> Outcome {
    start(place, command).finish()
}

impl Run {
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.folder.path().join("stdout")).unwrap()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// Waits until the lines on stdout are enough, and returns them.
    pub fn wait_for_lines(&self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        wait_until("lines", || {
            let text = self.stdout();
            // a line that has not ended is no line yet
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            lines = whole.lines().map(ToOwned::to_owned).collect();
            enough(&lines)
        });
        lines
    }

    /// The init's process id as the test sees it.
    pub fn init(&self) -> i32 {
        let outer = self.outer.id() as i32;
        if self.place == Place::Below {
            return outer;
        }
        let mut found = None;
        wait_until("an init", || {
            found = only_child(outer);
            found.is_some()
        });
        found.unwrap()
    }

    /// Its child's.
    pub fn child(&self) -> i32 {
        let init = self.init();
        let mut found = None;
        wait_until("a child", || {
            found = only_child(init);
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits for the end; a death by signal is 128 and the signal, negative where it is the program's own.
    pub fn finish(mut self) -> Outcome {
        let mut status = None;
        wait_until("the end", || {
            status = self.outer.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        Outcome {
            code: status.code().unwrap_or_else(|| -status.signal().unwrap()),
            stdout: self.stdout(),
            spoke: !self.stderr().is_empty(),
        }
    }
}

fn only_child(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().next()?.parse().ok()
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited too long for {what}");
        sleep(Duration::from_millis(1));
    }
}

/// The state letter of a process; `None` where it has gone.
pub fn state(pid: i32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text[text.rfind(')')? + 2..].chars().next()
}

/// Whether a process is there and has not ended.
pub fn lives(pid: i32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Sends a signal.
pub fn send(pid: i32, signal: i32) {
    dunnage_sys::kill(pid, signal).unwrap();
}
