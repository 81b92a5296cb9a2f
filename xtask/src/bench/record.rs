//! What recording costs, for its section of `docs/record.md`: all of it, or parts, so that none takes long on a machine that others
//! want too. What is not measured anew is taken as it was last measured.

use super::machine;
use super::report::{Target, at_most, render_targets};
use crate::tools::{Result, python_environment, root, say, stdout_of};
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

const BEGIN: &str = "<!-- bench record -->\n";
const END: &str = "<!-- end of bench record -->\n";

const PARTS: [&str; 4] = ["own", "slow", "py_spy", "minute"];

#[derive(Debug, Deserialize)]
struct Costs {
    own: Own,
    slow: Slow,
    py_spy: Option<PySpy>,
    minute: Minute,
}

#[derive(Debug, Deserialize)]
struct Own {
    calm: Looking,
    idle: Looking,
    fast: Looking,
}

#[derive(Debug, Deserialize)]
struct Looking {
    recordings: u32,
    percent: f64,
    percent_range: [f64; 2],
    with_files_percent: f64,
    interval_median_ms: f64,
    interval_p99_ms: f64,
    notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Slow {
    pairs: u32,
    wall_percent: f64,
    cpu_percent: f64,
    wall_interval: [f64; 2],
    cpu_interval: [f64; 2],
    wall_range: [f64; 2],
}

#[derive(Debug, Deserialize)]
struct PySpy {
    version: String,
    ours_percent: f64,
    theirs_percent: f64,
}

#[derive(Debug, Deserialize)]
struct Minute {
    rss_mib: f64,
    render_s: f64,
    looks: u64,
    ticks: u64,
    json_mib: f64,
}

/// Measures these parts, or all, and writes the section anew.
pub(crate) fn run(parts: &[String]) -> Result<ExitCode> {
    if let Some(word) = parts.iter().find(|word| !PARTS.contains(&word.as_str())) {
        return Err(format!("{word} is no part of it; there are {}", PARTS.join(", ")).into());
    }
    let program = crate::dist::build()?;
    let machine = machine::describe()?;
    let scratch = crate::tools::target_dir().join("bench");
    fs::create_dir_all(&scratch)?;
    let spy = match python_environment("spy-venv", "py-spy==0.4.1") {
        Ok(python) => python.with_file_name("py-spy").into_os_string(),
        Err(error) => {
            say(&format!("skipped: py-spy: {error}"));
            "-".into()
        }
    };
    let text = stdout_of(
        Command::new("python3")
            .arg(root().join("xtask/src/bench/record_costs.py"))
            .args([program.as_os_str(), &spy, scratch.as_os_str()])
            .args(
                PARTS
                    .iter()
                    .filter(|part| parts.is_empty() || parts.iter().any(|wanted| wanted == *part)),
            ),
    )?;
    let costs = merge(&scratch.join("record.json"), &text)?;
    let (section, met) = costs.render(&machine);
    say(&section);
    let file = root().join("docs/record.md");
    fs::write(&file, replace(&fs::read_to_string(&file)?, &section))?;
    say("wrote its section of docs/record.md");
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What was measured now, and before; kept for the next time.
fn merge(kept: &Path, text: &str) -> Result<Costs> {
    let mut all: serde_json::Map<String, serde_json::Value> = match fs::read_to_string(kept) {
        Ok(before) => serde_json::from_str(&before)?,
        Err(_) => serde_json::Map::new(),
    };
    let new: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    all.extend(new);
    fs::write(kept, serde_json::to_string_pretty(&all)?)?;
    let costs = serde_json::from_value(all.into());
    costs.map_err(|error| format!("not all was measured yet: {error}").into())
}

fn replace(page: &str, section: &str) -> String {
    let before = page.split(BEGIN).next().unwrap_or_default();
    let after = page.split(END).nth(1).unwrap_or_default();
    format!("{before}{BEGIN}{section}{END}{after}")
}

impl Costs {
    fn targets(&self) -> Vec<Target> {
        let ratio = self
            .py_spy
            .as_ref()
            .map(|spy| spy.ours_percent / spy.theirs_percent);
        let percent = |what, value, aim| at_most(what, Some(value), aim, "%", 2);
        vec![
            percent(
                "looking each 5 ms at 20 threads that all work, of a core",
                self.own.calm.percent,
                1.0,
            ),
            percent(
                "looking each 5 ms at 20 threads that mostly sleep, of a core",
                self.own.idle.percent,
                1.0,
            ),
            percent(
                "looking each 1 ms at 10 threads, of a core",
                self.own.fast.percent,
                10.0,
            ),
            percent(
                "less work of the target by the clock, at 1 kHz",
                self.slow.wall_percent,
                2.0,
            ),
            percent(
                "less work of the target by CPU time, at 1 kHz",
                self.slow.cpu_percent,
                2.0,
            ),
            at_most(
                "CPU time over `py-spy record --gil`'s, at 1 kHz",
                ratio,
                0.5,
                "times",
                2,
            ),
            at_most(
                "largest size, 60 s of 50 threads",
                Some(self.minute.rss_mib),
                64.0,
                "MiB",
                1,
            ),
            at_most(
                "its page from its JSON",
                Some(self.minute.render_s),
                1.0,
                "s",
                2,
            ),
        ]
    }

    fn render(&self, machine: &[(&'static str, String)]) -> (String, bool) {
        let mut text = String::new();
        for (name, value) in machine {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text.push('\n');
        let targets = self.targets();
        render_targets(&targets, &mut text);
        let (calm, fast, slow, minute) = (&self.own.calm, &self.own.fast, &self.slow, &self.minute);
        let _ = writeln!(
            text,
            "\nOne thread of the target computes without a pause, the others work 0.2 ms and sleep 20 ms, where they mostly sleep 1 s. \
             Medians of {} recordings of 3 s: from {:.2} to {:.2}, {:.2} to {:.2}, and {:.2} to {:.2} % of a core. Reached: a look each \
             {:.2} ms (99 of 100 within {:.2} ms) where 5 ms were asked for, each {:.2} ms ({:.2} ms) where 1 ms was. The \
             whole command, with reading the interpreter, judging and writing JSON, took {:.1} % and {:.1} % of a core. Work \
             of the target, whose threads sleep 0.2 s for this: medians of {} pairs of half seconds, with a recorder that looks and one that is stopped, in turns. The median \
             lies, with 95 % (by the signs of the pairs), between {:.2} and {:.2} % by the clock, and between {:.2} and {:.2} % by CPU \
             time; single pairs by the clock go from {:.1} to {:.1} %. The minute has {} looks with {} things that were new, {:.1} MiB of JSON.",
            calm.recordings,
            calm.percent_range[0],
            calm.percent_range[1],
            self.own.idle.percent_range[0],
            self.own.idle.percent_range[1],
            fast.percent_range[0],
            fast.percent_range[1],
            calm.interval_median_ms,
            calm.interval_p99_ms,
            fast.interval_median_ms,
            fast.interval_p99_ms,
            calm.with_files_percent,
            fast.with_files_percent,
            slow.pairs,
            slow.wall_interval[0],
            slow.wall_interval[1],
            slow.cpu_interval[0],
            slow.cpu_interval[1],
            slow.wall_range[0],
            slow.wall_range[1],
            minute.looks,
            minute.ticks,
            minute.json_mib,
        );
        if let Some(spy) = &self.py_spy {
            let _ = writeln!(
                text,
                "\n{} took {:.1} % of a core, the whole of `dunnage record` {:.1} %: medians of 3 recordings of 2 s each, in \
                 turns. It shows stacks, which this does not; this shows who waits, and the quota.",
                spy.version, spy.theirs_percent, spy.ours_percent
            );
        }
        for note in calm.notes.iter().chain(&fast.notes) {
            let _ = writeln!(text, "\nThe recorder noted: {note}.");
        }
        (text, targets.iter().all(Target::is_not_missed))
    }
}
