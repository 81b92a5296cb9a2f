//! Cases that start what one of the project's `examples/` says, as it is or as `dunnage check --fix=unsafe` leaves it.
//!
//! Nothing of it is written in the case: the words, the variables and the limits are those that `dunnage check --graph` reads
//! from the example's own Dockerfile and manifest. So the advice is what runs.

use super::Work;
use super::case::{Case, Example};
use crate::tools::{Result, must_succeed, root, say, stdout_of};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What of `dunnage.graph/1` a case needs.
#[derive(Deserialize)]
struct Graph {
    workloads: Vec<Workload>,
}

#[derive(Deserialize)]
struct Workload {
    command: Vec<String>,
    /// Values that are numbers; others are not told.
    environment: BTreeMap<String, Option<String>>,
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    millicpu: Option<u32>,
    memory_bytes: Option<u64>,
}

/// Lays the examples into the lab's folder and lets the cases start what is read from them.
pub(crate) fn fill(cases: &mut [Case], work: &Work) -> Result<()> {
    for case in cases {
        let Some(example) = &case.example else {
            continue;
        };
        let name = example.folder();
        let folder = work.lab.join(&name);
        if !folder.exists() {
            lay(example, &folder, work)?;
        }
        let text = stdout_of(
            Command::new(&work.checker)
                .args(["check", "--graph", "--format", "json", "."])
                .current_dir(&folder),
        )?;
        let graph: Graph = serde_json::from_str(&text)?;
        let [workload] = <[Workload; 1]>::try_from(graph.workloads)
            .map_err(|all| format!("{name}: {} workloads, not one", all.len()))?;
        take(case, workload);
        case.working_folder = Some(format!("{{lab}}/{name}"));
        say(&format!("{name}: {}", case.start.join(" ")));
    }
    Ok(())
}

/// A copy of the example; where it is to be mended, check must have nothing left to say of it.
fn lay(example: &Example, folder: &Path, work: &Work) -> Result<()> {
    std::fs::create_dir_all(folder.parent().unwrap_or(folder))?;
    let original = root().join("examples").join(&example.name);
    must_succeed(Command::new("cp").arg("-r").arg(original).arg(folder))?;
    let check = |option: &[&str]| {
        must_succeed(
            Command::new(&work.checker)
                .arg("check")
                .args(option)
                .arg(".")
                .current_dir(folder),
        )
    };
    if example.is_mended {
        check(&["--fix=unsafe"])?;
        check(&[])?;
    }
    must_succeed(Command::new("chmod").args(["-R", "a+rX"]).arg(folder))
}

/// The workload's own words and limits. The case's variables, which stand for the image's, lie over the workload's.
fn take(case: &mut Case, workload: Workload) {
    case.start = workload.command;
    for (name, value) in workload.environment {
        if let Some(value) = value {
            case.env.entry(name).or_insert(value);
        }
    }
    case.limits.cpus = workload
        .limits
        .millicpu
        .map(|thousandths| f64::from(thousandths) / 1000.0);
    case.limits.memory_mib = workload.limits.memory_bytes.map(|bytes| bytes >> 20);
}
