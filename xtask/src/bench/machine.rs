//! Where the numbers come from.

use crate::tools::{Result, cargo, root, say, stdout_of};
use std::fs;
use std::process::Command;

/// The date and the machine, as rows of a list.
pub(crate) fn describe() -> Result<Vec<(&'static str, String)>> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?
        .trim()
        .to_owned();
    let rows = vec![
        ("date", date()?),
        ("tree", describe_tree()),
        (
            "CPU",
            format!(
                "{}, {} usable",
                cpu_model(),
                std::thread::available_parallelism()?
            ),
        ),
        ("kernel", kernel),
        ("load before the run", load()),
        ("cgroup", cgroup_version()?.to_owned()),
        (
            "Python (sends and receives the signals)",
            stdout_of(Command::new("python3").arg("--version"))?
                .trim()
                .to_owned(),
        ),
        (
            "compiler",
            stdout_of(cargo(["--version"]).current_dir(root()))?
                .trim()
                .to_owned(),
        ),
    ];
    for (name, value) in &rows {
        say(&format!("{name}: {value}"));
    }
    Ok(rows)
}

/// The time in UTC, RFC 3339.
pub(crate) fn date() -> Result<String> {
    let told = stdout_of(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))?;
    Ok(told.trim().to_owned())
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "));
    model.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, name)| name.to_owned(),
    )
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Which cgroup version limits CPU time here. Both can be mounted; the one with the cpu controller counts.
fn cgroup_version() -> Result<&'static str> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let has_v1_cpu = mounts.lines().any(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        fields.get(2) == Some(&"cgroup")
            && fields
                .get(3)
                .is_some_and(|list| list.split(',').any(|one| one == "cpu"))
    });
    Ok(match (has_v1_cpu, mounts.contains(" cgroup2 ")) {
        (true, true) => "v1 for CPU, v2 mounted beside it (hybrid)",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    })
}

pub(crate) fn describe_tree() -> String {
    let git = |args: &[&str]| stdout_of(Command::new("git").args(args).current_dir(root())).ok();
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "not under git".to_owned();
    };
    // the page itself is written by this run
    let changed = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ":!docs/benchmarks.md",
    ]);
    let is_clean = changed.is_some_and(|list| list.trim().is_empty());
    format!(
        "{}{}",
        commit.trim(),
        if is_clean {
            ""
        } else {
            " with uncommitted changes"
        }
    )
}
