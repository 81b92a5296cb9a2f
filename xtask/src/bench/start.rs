//! What an init adds to the start of a program: `true`, from spawning to its end.

use super::inits::Init;
use super::{Measured, as_pid1, median};
use crate::tools::{Result, say};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs of each init, for each of the two ways.
pub(crate) const RUNS: usize = 400;
/// Runs before the first that counts: page cache, CPU clock.
const WARM_UP: usize = 20;

pub(crate) fn measure(inits: &[Init], measured: &mut [Measured]) -> Result<()> {
    say(&format!(
        "start of `true`, {RUNS} runs each, as an ordinary process and as PID 1"
    ));
    let plain = interleave(inits, || None)?;
    let pid1 = interleave(inits, || Some(as_pid1()))?;
    for ((measured, plain), pid1) in measured.iter_mut().zip(plain).zip(pid1) {
        measured.start_ms = median(&plain);
        measured.start_pid1_ms = median(&pid1);
    }
    Ok(())
}

/// Milliseconds of each run of each init; in each round the init that begins is another one.
fn interleave(inits: &[Init], wrap: impl Fn() -> Option<Command>) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::with_capacity(RUNS); inits.len()];
    for round in 0..WARM_UP + RUNS {
        for turn in 0..inits.len() {
            let index = (round + turn) % inits.len();
            let took = time_one(command(&inits[index], wrap()))?;
            if round >= WARM_UP {
                times[index].push(took);
            }
        }
    }
    Ok(times)
}

fn command(init: &Init, wrapper: Option<Command>) -> Command {
    let mut words = init.prefix.iter().map(String::as_str).chain(["/bin/true"]);
    let mut command = wrapper.unwrap_or_else(|| Command::new(words.next().unwrap_or_default()));
    command.args(words);
    command
}

fn time_one(mut command: Command) -> Result<f64> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    time_whole(&mut command)
}

/// Milliseconds from a command's start to its end, which must be a success.
pub(crate) fn time_whole(command: &mut Command) -> Result<f64> {
    let begin = Instant::now();
    let status = command.status()?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    if status.success() {
        Ok(took)
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}
