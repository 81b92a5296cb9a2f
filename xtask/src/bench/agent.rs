//! What the agent adds to the start of an interpreter, which every process below `dunnage run` pays.
//!
//! Two programs of one statement: one that imports nothing, and one that imports what most applications do. The second
//! pays for the first use of `compile()` by itself, which is a good part of what the first pays for the agent.

use super::median;
use super::start::time_whole;
use crate::tools::{Result, say, stdout_of};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs of each program, for each way.
pub(crate) const RUNS: usize = 100;
/// Runs before the first that counts.
const WARM_UP: usize = 5;
/// What is started.
pub(crate) const PROGRAMS: [&str; 2] = ["pass", "import dataclasses"];

/// Medians in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Start {
    pub(crate) plain: f64,
    /// With the agent, which finds no supervisor to greet.
    pub(crate) agent: f64,
}

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
    let of = PROGRAMS.map(|text| start(&python, program, text));
    Ok(Starts {
        python: stdout_of(Command::new(&python).arg("--version"))?
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

fn start(python: &Path, program: &Path, text: &str) -> Result<Start> {
    let mut plain = Vec::with_capacity(RUNS);
    let mut agent = Vec::with_capacity(RUNS);
    for round in 0..WARM_UP + RUNS {
        let mut times = [0.0; 2];
        // in each round the way that begins is the other one
        for turn in [round % 2, (round + 1) % 2] {
            times[turn] = time_one(python, (turn == 1).then_some(program), text)?;
        }
        if round >= WARM_UP {
            plain.push(times[0]);
            agent.push(times[1]);
        }
    }
    let middle = |times: &[f64]| median(times).ok_or("nothing was measured");
    Ok(Start {
        plain: middle(&plain)?,
        agent: middle(&agent)?,
    })
}

fn time_one(python: &Path, program: Option<&Path>, text: &str) -> Result<f64> {
    let mut command = Command::new(python);
    command
        .args(["-c", text])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some(program) = program {
        command
            .env("PYTHONPATH", program)
            .env("DUNNAGE_AGENT", program)
            .env("DUNNAGE_CPU_COUNT", "2")
            .env("DUNNAGE_SOCKET", "/nowhere/control");
    }
    time_whole(&mut command)
}
