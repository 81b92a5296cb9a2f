//! `cargo xtask bench`: `dunnage run` side by side with tini, dumb-init and catatonit, in one run on one machine.
//!
//! Everything is measured for all inits in turn, not for one init after the other, so that a change of the machine's mood
//! hits them alike. Medians and ratios go to `docs/benchmarks.md`, each beside the target it has to meet.

mod agent;
mod check;
mod idle;
mod inits;
pub(crate) mod machine;
mod orphans;
mod python;
pub(crate) mod record;
mod report;
mod signal;
mod start;

pub(crate) use python::lay_out_module;

use crate::tools::{Result, cargo, root, say, stdout_of};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What was measured of one init. `None` where it could not be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Idle, as PID 1: resident and proportional set size.
    rss_kib: Option<f64>,
    pss_kib: Option<f64>,
    /// Voluntary context switches in the idle seconds.
    switches: Option<f64>,
    /// From spawning to the end of `true`, as an ordinary process and as PID 1.
    start_ms: Option<f64>,
    start_pid1_ms: Option<f64>,
    /// From kill(2) on PID 1 to the return of sigwait(3) in its child.
    signal_us: Option<f64>,
    signal_p95_us: Option<f64>,
    /// Orphans made one after the other.
    orphans_left: Option<f64>,
    orphans_s: Option<f64>,
    /// Orphans that end at once.
    burst_s: Option<f64>,
}

/// The Python module's part alone: its section of the page is written anew, the others stay as they are.
pub(crate) fn run_module() -> Result<ExitCode> {
    let scratch = crate::tools::target_dir().join("bench");
    fs::create_dir_all(&scratch)?;
    let machine = machine::describe()?;
    let costs = python::measure(&scratch)?;
    let (mut section, met) =
        report::render_part(report::MODULE, "bench python", &machine, &costs.targets());
    costs.render(&mut section);
    write_section(report::MODULE, &section, met)
}

/// What `dunnage check` costs, in the same way.
pub(crate) fn run_check() -> Result<ExitCode> {
    crate::dist::build()?;
    let program = crate::dist::build_check()?;
    let machine = machine::describe()?;
    let costs = check::measure(&program)?;
    let (mut section, met) =
        report::render_part(check::HEADING, "bench check", &machine, &costs.targets());
    costs.render(&mut section);
    write_section(check::HEADING, &section, met)
}

fn write_section(heading: &str, section: &str, met: bool) -> Result<ExitCode> {
    say(section);
    let page = fs::read_to_string(page_path())?;
    fs::write(
        page_path(),
        report::replace_section(&page, heading, section),
    )?;
    say("wrote its section of docs/benchmarks.md");
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn page_path() -> PathBuf {
    root().join("docs/benchmarks.md")
}

pub(crate) fn run() -> Result<ExitCode> {
    let program = crate::dist::build()?;
    let machine = machine::describe()?;
    let scratch = crate::tools::target_dir().join("bench");
    fs::create_dir_all(&scratch)?;
    let (inits, missing) = inits::find(&program)?;
    for name in &missing {
        say(&format!(
            "skipped: {name} is not installed; on Debian: apt-get install {name}"
        ));
    }
    let mut measured = vec![Measured::default(); inits.len()];
    start::measure(&inits, &mut measured)?;
    idle::measure(&inits, &mut measured)?;
    signal::measure(&inits, &mut measured, &scratch)?;
    orphans::measure(&inits, &mut measured, &scratch)?;
    let starts = agent::measure(&program)?;
    let reads = read_costs();
    let module = python::measure(&scratch).map_err(|error| error.to_string());
    let page = report::Page {
        machine,
        inits,
        missing,
        measured,
        program_bytes: fs::metadata(&program)?.len(),
        starts,
        reads,
        module,
    };
    let mut text = page.render();
    // what has a run of its own only
    let old = fs::read_to_string(page_path()).unwrap_or_default();
    text.push_str(report::section_of(&old, check::HEADING).unwrap_or_default());
    say(&text);
    fs::create_dir_all(root().join("docs"))?;
    fs::write(page_path(), text)?;
    say("wrote docs/benchmarks.md");
    Ok(if page.all_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What a read of the cgroup files costs, as that crate's own example prints it, or why it could not be had.
fn read_costs() -> std::result::Result<String, String> {
    say("reading cgroup files");
    let mut example = cargo([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "dunnage-cgroup",
        "--example",
        "read_cost",
    ]);
    stdout_of(&mut example).map_err(|error| error.to_string())
}

/// The middle value; the mean of the two middle ones where there are two.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// `unshare` so that the program that follows is PID 1 of a namespace and dies with us.
fn as_pid1() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }
}
