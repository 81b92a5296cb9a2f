//! `cargo xtask growth`: what the memory watch promises, counted in real memory cgroups.
//!
//! Programs grow in six ways until the kernel kills, hundreds of times, and the record must be complete before that; work
//! that only looks like pressure must not be touched; what is fragmented must fit. It needs root and the memory controller
//! on cgroup v1, where the kernel says that it is out of memory before it kills: `play.py` makes a group kill of that.

mod flat;
mod fragment;
mod grow;
mod outlive;
mod play;
pub(crate) mod statistics;

use crate::bench::machine;
use crate::tools::{Result, python_environment, root, say, target_dir};
use play::Stage;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask growth [PART...] [OPTION...]
  parts: growth, threads, outlive, flat, fragments; all without one
  --runs N           of growth; default 299, which prove 99 % if none misses
  --at-once N        so many runs of growth or outlive at a time, which is faster and harder; default 1
  --thread-runs N    of a process with 20 threads; default 100
  --outlive-runs N   of four threads that a kill of one process ends; default 200
  --flat-seconds N   for each piece of work that is no pressure; default 20
  --program FILE     measure this program instead of building one
  --table            write the result into docs/memory.md";
/// NumPy and pandas of fixed releases, so that two runs compare.
const PACKAGES: &str = "numpy==2.4.6 pandas==3.1.1";
const PARTS: [&str; 5] = ["growth", "threads", "outlive", "flat", "fragments"];
const FRAGMENT_RUNS: usize = 5;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    parts: Vec<String>,
    runs: usize,
    at_once: usize,
    thread_runs: usize,
    outlive_runs: usize,
    flat_seconds: u32,
    program: Option<PathBuf>,
    table: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            parts: Vec::new(),
            runs: 299,
            at_once: 1,
            thread_runs: 100,
            outlive_runs: 200,
            flat_seconds: 20,
            program: None,
            table: false,
        };
        let mut args = args.iter();
        while let Some(word) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
            };
            match word.as_str() {
                part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
                "--table" => options.table = true,
                "--runs" => options.runs = value()?.parse()?,
                "--at-once" => options.at_once = value()?.parse()?,
                "--thread-runs" => options.thread_runs = value()?.parse()?,
                "--outlive-runs" => options.outlive_runs = value()?.parse()?,
                "--flat-seconds" => options.flat_seconds = value()?.parse()?,
                "--program" => options.program = Some(value()?.into()),
                _ => return Err(format!("{word} is no part and no option\n{USAGE}").into()),
            }
        }
        if options.parts.is_empty() {
            options.parts = PARTS.map(str::to_owned).to_vec();
        }
        Ok(options)
    }
}

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let options = Options::parse(args)?;
    if !Path::new("/sys/fs/cgroup/memory/cgroup.event_control").exists() {
        say("skipped: growth needs the memory controller on cgroup v1, as root");
        return Ok(ExitCode::from(2));
    }
    let stage = Stage {
        program: match &options.program {
            Some(program) => fs::canonicalize(program)?,
            None => crate::dist::build()?,
        },
        python: python_environment("growth-venv", PACKAGES)?,
        scratch: target_dir().join("growth"),
    };
    let machine = machine::describe()?;
    let mut all_met = true;
    for part in &options.parts {
        let (text, is_met) = match part.as_str() {
            "growth" => grow::play(&stage, &grow::plan(options.runs), options.at_once)?,
            "threads" => grow::play(&stage, &grow::plan_threads(options.thread_runs), 1)?,
            "outlive" => outlive::play(&stage, options.outlive_runs, options.at_once)?,
            "flat" => flat::play(&stage, &flat::plan(options.flat_seconds))?,
            _ => fragment::play(&stage, FRAGMENT_RUNS)?,
        };
        let at_once = match (part.as_str(), options.at_once) {
            ("growth" | "outlive", 2..) => format!(" {} runs at a time.", options.at_once),
            _ => String::new(),
        };
        let text = format!("{}{at_once}\n\n{text}", describe(&machine, part));
        say(&format!("\n{part}\n\n{text}"));
        if options.table {
            write(part, &text)?;
        }
        all_met &= is_met;
    }
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where and when it was counted, as one line.
fn describe(machine: &[(&str, String)], part: &str) -> String {
    let wanted = [
        "date",
        "tree",
        "CPU",
        "kernel",
        "load before the run",
        "cgroup",
    ];
    let rows = machine.iter().filter(|(name, _)| wanted.contains(name));
    let rows: Vec<String> = rows
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let kill = match part {
        "growth" | "threads" => ", a group kill played",
        _ => "",
    };
    format!("{}; memory controller on cgroup v1{kill}.", rows.join("; "))
}

/// Puts a part between its markers in the page.
fn write(part: &str, text: &str) -> Result<()> {
    let file = root().join("docs/memory.md");
    let page = fs::read_to_string(&file)?;
    let page = replace(&page, part, text).ok_or_else(|| {
        format!(
            "{}: the markers of the part {part} are missing",
            file.display()
        )
    })?;
    fs::write(&file, page)?;
    say(&format!("wrote the part {part} of docs/memory.md"));
    Ok(())
}

fn replace(page: &str, part: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- growth {part}: written by `cargo xtask growth {part} --table` -->");
    let end = format!("<!-- end of growth {part} -->");
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(
            &line
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn without_a_part_all_are_played() {
        let options = parse("--runs 10 --table").unwrap();
        assert_eq!(
            (options.runs, options.table, options.parts.len()),
            (10, true, 5)
        );
        assert_eq!(parse("flat --flat-seconds 3").unwrap().parts, ["flat"]);
        for line in ["moon", "--runs", "--runs x"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_page_has_a_place_for_every_part() {
        let page = fs::read_to_string(root().join("docs/memory.md")).unwrap();
        for part in PARTS {
            assert!(
                replace(&page, part, "text").is_some_and(|page| page.contains("\ntext\n<!-- end")),
                "{part}"
            );
        }
    }
}
