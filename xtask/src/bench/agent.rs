//! What the agent adds to the start of an interpreter, which every process below `dunnage run` pays.
//!
//! It comes in through the path (the program was copied into the image), or through the `.pth` file of the wheel, which is
//! cheaper. Two programs of one statement: one that imports nothing, and one that imports what most applications do. The second
//! pays for the first use of `compile()` by itself, which is a good part of what the first pays for the agent.

use super::median;
use super::start::time_whole;
use crate::tools::{Result, root, say, stdout_of};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs of each program, for each way.
pub(crate) const RUNS: usize = 100;
/// Runs before the first that counts.
const WARM_UP: usize = 5;
/// What is started.
pub(crate) const PROGRAMS: [&str; 2] = ["pass", "import dataclasses"];

/// Medians in milliseconds, with an agent that greets a supervisor and watches its page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Start {
    pub(crate) plain: f64,
    /// Through the path.
    pub(crate) agent: f64,
    /// Through the wheel's file.
    pub(crate) pth: f64,
}

/// Takes every hello and forgets it.
const SUPERVISOR: &str = "\
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(sys.argv[1])
listener.listen(64)
print(flush=True)
while True:
    listener.accept()[0].close()
";

/// How an interpreter is started.
struct Place {
    python: PathBuf,
    program: PathBuf,
    /// A user site that holds the wheel's file.
    site: PathBuf,
    socket: PathBuf,
}

#[derive(Clone, Copy)]
enum Way {
    Plain,
    Path,
    Pth,
}

const WAYS: [Way; 3] = [Way::Plain, Way::Path, Way::Pth];

/// The interpreter's version, and one line for each of [`PROGRAMS`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Starts {
    pub(crate) python: String,
    pub(crate) of: Vec<Start>,
}

pub(crate) fn measure(program: &Path) -> Result<Starts> {
    let python = interpreter()?;
    say(&format!(
        "start of {}, {RUNS} runs each, without and with the agent",
        python.display()
    ));
    let folder = std::env::temp_dir().join(format!("dunnage-bench-agent-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let starts = measure_in(&folder, &python, program);
    std::fs::remove_dir_all(&folder)?;
    starts
}

fn measure_in(folder: &Path, python: &Path, program: &Path) -> Result<Starts> {
    let script = "import sys; print('%d.%d' % sys.version_info[:2])";
    let version = stdout_of(Command::new(python).args(["-c", script]))?;
    let site = folder.join(format!("lib/python{}/site-packages", version.trim()));
    std::fs::create_dir_all(&site)?;
    let door = "dunnage_agent.pth";
    std::fs::copy(root().join("python").join(door), site.join(door))?;
    std::fs::write(folder.join("memory"), [0; 16])?;
    let place = Place {
        python: python.to_owned(),
        program: program.to_owned(),
        site: folder.to_owned(),
        socket: folder.join("control"),
    };
    let mut supervisor = Command::new(python)
        .args(["-c", SUPERVISOR])
        .arg(&place.socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let listens = supervisor.stdout.take().map(|mut said| said.read(&mut [0]));
    let of = PROGRAMS.map(|text| start(&place, text));
    supervisor.kill()?;
    supervisor.wait()?;
    if !matches!(listens, Some(Ok(1))) {
        return Err("nobody listens for the agent".into());
    }
    Ok(Starts {
        python: stdout_of(Command::new(python).arg("--version"))?
            .trim()
            .to_owned(),
        of: of.into_iter().collect::<Result<_>>()?,
    })
}

/// The system's, which is what an image has; else the one on PATH, but not a script that only looks for one.
fn interpreter() -> Result<PathBuf> {
    let system = Path::new("/usr/bin/python3");
    if system.exists() {
        return Ok(system.to_owned());
    }
    let told =
        stdout_of(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]))?;
    Ok(told.trim().into())
}

fn start(place: &Place, text: &str) -> Result<Start> {
    let mut all = [const { Vec::new() }; WAYS.len()];
    for round in 0..WARM_UP + RUNS {
        // in each round another way begins
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            let time = time_one(place, WAYS[way], text)?;
            if round >= WARM_UP {
                all[way].push(time);
            }
        }
    }
    let middle = |times: &[f64]| median(times).ok_or("nothing was measured");
    let [plain, path, pth] = &all;
    Ok(Start {
        plain: middle(plain)?,
        agent: middle(path)?,
        pth: middle(pth)?,
    })
}

fn time_one(place: &Place, way: Way, text: &str) -> Result<f64> {
    let mut command = Command::new(&place.python);
    command
        .args(["-c", text])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if !matches!(way, Way::Plain) {
        command
            .env("PYTHONPATH", &place.program)
            .env("DUNNAGE_AGENT", &place.program)
            .env("DUNNAGE_CPU_COUNT", "2")
            .env("DUNNAGE_SOCKET", &place.socket);
    }
    if matches!(way, Way::Pth) {
        command.env("PYTHONUSERBASE", &place.site);
    }
    time_whole(&mut command)
}
