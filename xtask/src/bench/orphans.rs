//! Orphans: 20,000 one after the other, and 3,000 that end at once.

use super::inits::{Init, NONE};
use super::{Measured, as_pid1, median};
use crate::tools::{Result, say, stdout_of};
use std::fs;
use std::path::Path;

pub(crate) const ORPHANS: usize = 20_000;
pub(crate) const BURST: usize = 3_000;
/// Runs of the burst with each init.
pub(crate) const BURST_RUNS: usize = 7;

pub(crate) fn measure(inits: &[Init], measured: &mut [Measured], scratch: &Path) -> Result<()> {
    let script = scratch.join("orphans.py");
    fs::write(&script, include_str!("orphans.py"))?;
    say(&format!("{ORPHANS} orphans"));
    for (init, measured) in inits.iter().zip(measured.iter_mut()) {
        let (left, seconds) = run_one(init, &script, "one-by-one", ORPHANS)?;
        measured.orphans_left = Some(left);
        // the time until they are gone, where they go
        measured.orphans_s = (left == 0.0).then_some(seconds);
    }
    say(&format!(
        "{BURST} orphans that end at once, {BURST_RUNS} runs each"
    ));
    let mut times = vec![Vec::new(); inits.len()];
    for round in 0..BURST_RUNS {
        for turn in 0..inits.len() {
            let index = (round + turn) % inits.len();
            if inits[index].name == NONE {
                continue;
            }
            let (left, seconds) = run_one(&inits[index], &script, "burst", BURST)?;
            if left > 0.0 {
                return Err(format!("{} left {left} of {BURST} zombies", inits[index].name).into());
            }
            times[index].push(seconds);
        }
    }
    for (measured, times) in measured.iter_mut().zip(times) {
        measured.burst_s = median(&times);
    }
    Ok(())
}

/// Zombies left, and seconds until none was there.
fn run_one(init: &Init, script: &Path, way: &str, count: usize) -> Result<(f64, f64)> {
    let mut command = as_pid1();
    command
        .args(&init.prefix)
        .arg("python3")
        .arg(script)
        .arg(way)
        .arg(count.to_string());
    let told = stdout_of(&mut command)?;
    let (left, seconds) = told
        .trim()
        .split_once(' ')
        .ok_or_else(|| format!("unexpected answer: {told}"))?;
    Ok((left.parse()?, seconds.parse()?))
}
