//! A run to scrape: a Python that is throttled and holds memory, in a cgroup with limits where one can be made.

use crate::lab::case::Limits;
use crate::lab::cgroup::Group;
use crate::lab::command::entering;
use crate::tools::{Result, say, target_dir};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Two threads that want a CPU each, 64 MiB, and an orphan now and then.
const PROGRAM: &str = "
import subprocess, threading, time
held = bytearray(b'x') * (64 << 20)
def work():
    while True: sum(range(10000))
for _ in range(2): threading.Thread(target=work, daemon=True).start()
while True:
    subprocess.run(['sh', '-c', 'sleep 0.1 &'])
    time.sleep(0.5)
";

/// The run, ended when dropped.
pub(crate) struct Application {
    child: Child,
    address: String,
    textfile: PathBuf,
    /// Removed after the child.
    _group: Option<Group>,
}

impl Application {
    /// Starts it and waits until it listens and has written its file.
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let limits = Limits {
            cpus: Some(0.4),
            memory_mib: Some(256),
            ..Limits::default()
        };
        let group = Group::create("metrics", &limits);
        let entries = group.and_then(|group| Ok((group.create_app(&limits)?, group)));
        let (mut command, group) = match entries {
            Ok((entries, group)) => (entering(&entries), Some(group)),
            Err(error) => {
                say(&format!(
                    "skipped: metrics of limits: no cgroup can be made: {error}"
                ));
                (entering(&[]), None)
            }
        };
        let folder = scratch.join("textfile");
        fs::create_dir_all(&folder)?;
        let log = scratch.join("log");
        let child = command
            .arg(target_dir().join("debug/dunnage"))
            .args([
                "run",
                "--log-format",
                "json",
                "--listen",
                "127.0.0.1:0",
                "--textfile",
            ])
            .arg(&folder)
            .args(["--", "python3", "-c", PROGRAM])
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let mut application = Self {
            child,
            address: String::new(),
            textfile: folder.join("dunnage.prom"),
            _group: group,
        };
        let end = Instant::now() + Duration::from_secs(20);
        while application.address.is_empty() || !application.textfile.exists() {
            let said = fs::read_to_string(&log)?;
            application.address = listening(&said).unwrap_or_default();
            if Instant::now() > end {
                return Err(format!("dunnage run does not listen:\n{said}").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(application)
    }

    /// Address and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The metrics file.
    pub(crate) fn textfile(&self) -> &Path {
        &self.textfile
    }
}

/// The address that the log names.
fn listening(said: &str) -> Option<String> {
    said.lines().find_map(|line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "listening").then(|| event["address"].as_str().map(str::to_owned))?
    })
}

impl Drop for Application {
    fn drop(&mut self) {
        // the shell has become the supervisor: it is asked, and ends what is below it
        let pid = self.child.id().to_string();
        let _ = Command::new("sh")
            .args(["-c", "kill -s TERM \"$1\"", "sh", &pid])
            .status();
        let end = Instant::now() + Duration::from_secs(15);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
