//! `cargo xtask fuzz`: every target of `fuzz/` for a while, from the fixtures as seeds.
//!
//! A parser that starts from nothing spends its minute on finding the first word that it knows. So each target gets the files of
//! `fixtures/` and `examples/` that are of its kind, what is kept for it in `fuzz/seeds` where no fixture is, and what earlier runs
//! found (`fuzz/corpus`, not part of the repository). A crash stands in `fuzz/artifacts` and makes the task fail.

use crate::tools::{Result, complain, find_program, root, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What a target begins with, but for `fuzz/seeds`: files whose names begin with one of these words, or end in one that begins with a dot.
const SEEDS: [(&str, &[&str]); 19] = [
    ("cfs_quota", &["cpu.cfs_quota_us"]),
    ("cgroup_file", &["cgroup"]),
    ("command_line", &[".sh", "Dockerfile"]),
    ("compose", &["compose."]),
    ("cpu_list", &["cpuset.", "online"]),
    ("cpu_max", &["cpu.max"]),
    ("dockerfile", &["Dockerfile"]),
    ("fixer", &["Dockerfile"]),
    ("flat_keyed", &["memory.stat", "memory.events", "cpu.stat"]),
    ("kubernetes", &[".yaml"]),
    ("mountinfo", &["mountinfo"]),
    ("number", &["memory.max", "memory.limit_in_bytes"]),
    ("pressure", &["cpu.pressure", "memory.pressure"]),
    ("python_source", &[".py"]),
    ("record", &["record.jsonl"]),
    ("requirements", &["requirements"]),
    ("shell_script", &[".sh", "Dockerfile"]),
    ("status", &["status"]),
    ("yaml", &[".yaml"]),
];

/// An input that takes longer is a hang; more memory than this is one too.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

const USUAL_SECONDS: u32 = 60;

/// `[SECONDS] [TARGET…]`.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    if find_program("cargo-fuzz").is_none() {
        say("skipped: fuzzing: needs cargo-fuzz (`cargo install cargo-fuzz`) and a nightly Rust");
        return Ok(ExitCode::SUCCESS);
    }
    let (seconds, named) = match args.split_first() {
        Some((first, rest)) if first.parse::<u32>().is_ok() => (first.parse()?, rest),
        _ => (USUAL_SECONDS, args),
    };
    let targets = if named.is_empty() {
        targets()?
    } else {
        named.to_vec()
    };
    say(&format!(
        "{seconds} s each\n\n| target | seeds | executions | |\n|---|---|---|---|"
    ));
    let mut all_end_well = true;
    for target in &targets {
        let seeds = lay_seeds(target)?;
        let (executions, ends_well) = fuzz(target, seconds)?;
        let end = if ends_well { "no crash" } else { "**crash**" };
        say(&format!("| {target} | {seeds} | {executions} | {end} |"));
        all_end_well &= ends_well;
    }
    Ok(if all_end_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The names of all, by their files.
fn targets() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        found.extend(path.file_stem().map(|name| name.to_string_lossy().into()));
    }
    found.sort();
    Ok(found)
}

/// Copies the files of a target's kind to its corpus, and counts them.
fn lay_seeds(target: &str) -> Result<usize> {
    let corpus = root().join("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let files = seeds(target)?;
    for (index, path) in files.iter().enumerate() {
        fs::copy(path, corpus.join(format!("seed-{index}")))?;
    }
    Ok(files.len())
}

fn seeds(target: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["fixtures", "examples"] {
        list(&root().join(folder), &mut files)?;
    }
    let words = SEEDS.iter().find(|(name, _)| *name == target);
    files.retain(|path| words.is_some_and(|(_, words)| is_seed(path, words)));
    let own = root().join("fuzz/seeds").join(target);
    if own.is_dir() {
        list(&own, &mut files)?;
    }
    Ok(files)
}

fn is_seed(path: &Path, words: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    words.iter().any(|word| {
        if word.starts_with('.') {
            name.ends_with(word)
        } else {
            name.starts_with(word)
        }
    }) && path.is_file()
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Runs a target with one job. How often it was executed, and whether no input made it crash or hang.
fn fuzz(target: &str, seconds: u32) -> Result<(u64, bool)> {
    let output = Command::new("rustup")
        .args(["run", "nightly", "cargo", "fuzz", "run"])
        // nothing of ours that is fuzzed has unsafe code: what a sanitizer finds cannot be there, and it halves the speed
        .args(["--sanitizer", "none", target, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .args(LIMITS)
        .current_dir(root())
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        complain(&told);
    }
    Ok((
        executions(&told).unwrap_or_default(),
        output.status.success(),
    ))
}

/// As libFuzzer tells it at its end.
fn executions(told: &str) -> Option<u64> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_all_seeds_are_a_target_s() {
        let targets = targets().unwrap();
        for target in &targets {
            assert!(!seeds(target).unwrap().is_empty(), "{target}");
        }
        for (target, _) in SEEDS {
            assert!(targets.contains(&target.to_owned()), "{target}");
        }
    }

    #[test]
    fn what_was_executed_is_read_from_the_end_of_the_run() {
        let told = "Done 9 runs\nstat::number_of_executed_units: 1234\nstat::peak_rss_mb: 44\n";
        assert_eq!(executions(told), Some(1234));
        assert_eq!(executions("error: no nightly"), None);
    }
}
