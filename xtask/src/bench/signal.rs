//! How long a signal takes from PID 1 to the application.
//!
//! Sender and receiver are Python, since the standard library of Rust can neither send a signal nor wait for one. Their
//! cost is the same for every init and is in the row without an init, where the receiver is PID 1 itself.
//!
//! All of them are in a CPU cgroup, as in a container. Outside of one an init that calls `setsid` for its child is faster
//! by a third: each session is scheduled as a group of its own (autogroup), which the kernel does for the root group
//! alone (`task_wants_autogroup` in kernel/sched/autogroup.c).

use super::inits::Init;
use super::{Measured, median};
use crate::lab::case::Limits;
use crate::lab::cgroup::Group;
use crate::tools::{Result, say, stdout_of};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Signals to each init.
pub(crate) const SIGNALS: usize = 300;

/// Enters the cgroups before `--` and becomes the command after it.
const ENTER: &str =
    "while [ \"$1\" != -- ]; do echo $$ >\"$1\" || exit 125; shift; done; shift; exec \"$@\"";

pub(crate) fn measure(inits: &[Init], measured: &mut [Measured], scratch: &Path) -> Result<()> {
    say(&format!("signal to handler, {SIGNALS} each"));
    let script = scratch.join("signal_latency.py");
    fs::write(&script, include_str!("signal_latency.py"))?;
    let limits = Limits::default();
    let group = Group::create("signal", &limits)?;
    let mut command = Command::new("sh");
    command.args(["-c", ENTER, "sh"]);
    command.args(group.create_app(&limits)?).arg("--");
    command.arg("python3").arg(script);
    command.arg("send").arg(SIGNALS.to_string());
    // one argument for each init, its words on lines of their own
    command.args(inits.iter().map(|init| init.prefix.join("\n")));
    let told = stdout_of(&mut command)?;
    let lines: Vec<&str> = told.lines().collect();
    if lines.len() != inits.len() {
        return Err(format!(
            "{} rows of latencies for {} inits",
            lines.len(),
            inits.len()
        )
        .into());
    }
    for (measured, line) in measured.iter_mut().zip(lines) {
        let mut micros: Vec<f64> = line
            .split(' ')
            .map(|ns| Ok(ns.parse::<f64>()? / 1e3))
            .collect::<Result<_>>()?;
        if micros.len() != SIGNALS {
            return Err(format!("{} latencies instead of {SIGNALS}", micros.len()).into());
        }
        micros.sort_by(f64::total_cmp);
        measured.signal_us = median(&micros);
        measured.signal_p95_us = micros.get(SIGNALS * 95 / 100).copied();
    }
    Ok(())
}
