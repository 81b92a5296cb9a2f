//! What the calls of the Python module cost beside bare `pread`s of the same files, psutil and loky; what importing
//! and marking cost.

use super::report::{Target, at_most};
use crate::tools::{Result, cargo, must_succeed, root, say, stdout_of, target_dir};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What `python_costs.py` prints. Times of calls in microseconds.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Costs {
    rounds: u32,
    calls: u32,
    starts: u32,
    /// With one, two and three levels that can be seen, each with a limit.
    levels: Vec<BTreeMap<String, f64>>,
    imports_ms: BTreeMap<String, f64>,
    marks_ns: BTreeMap<String, f64>,
}

/// Builds the extension as it is shipped, beside a copy of the package, and measures.
pub(crate) fn measure(scratch: &Path) -> Result<Costs> {
    say("calls of the Python module");
    let python = crate::python::tools()?;
    let site = scratch.join("python");
    lay_out_module(&site)?;
    let text = stdout_of(
        Command::new(python)
            .arg(root().join("xtask/src/bench/python_costs.py"))
            .env("PYTHONPATH", site),
    )?;
    Ok(serde_json::from_str(&text)?)
}

/// Builds the extension as it is shipped, and lays the package with it into a folder to be imported from.
pub(crate) fn lay_out_module(site: &Path) -> Result<()> {
    must_succeed(&mut cargo([
        "build",
        "--quiet",
        "--locked",
        "--profile",
        "wheel",
        "-p",
        "dunnage-py",
    ]))?;
    let package = site.join("dunnage");
    fs::create_dir_all(&package)?;
    for entry in fs::read_dir(root().join("python/dunnage"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name()
            && path.extension().is_some_and(|kind| kind == "py")
        {
            fs::copy(&path, package.join(name))?;
        }
    }
    fs::copy(
        target_dir().join("wheel/libdunnage_native.so"),
        package.join("_native.abi3.so"),
    )?;
    Ok(())
}

impl Costs {
    fn call(&self, depth: usize, name: &str) -> Option<f64> {
        self.levels.get(depth)?.get(name).copied()
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let nanos = |name: &str| self.marks_ns.get(name).copied();
        let further = self
            .call(2, "cpu_limit")
            .zip(self.call(0, "cpu_limit"))
            .map(|(three, one)| (three - one) / 2.0);
        let ratio = self
            .call(0, "memory")
            .zip(self.call(0, "memory's preads"))
            .map(|(ours, bare)| ours / bare);
        vec![
            at_most(
                "`dunnage.cpu_limit()`, one level",
                self.call(0, "cpu_limit"),
                3.0,
                "µs",
                2,
            ),
            at_most("each further level", further, 2.0, "µs", 2),
            at_most(
                "`dunnage.memory()` over its `pread`s",
                ratio,
                1.5,
                "times",
                2,
            ),
            at_most(
                "`dunnage.mark()`",
                nanos("dunnage.mark(name, id)"),
                150.0,
                "ns",
                0,
            ),
            at_most(
                "`with dunnage.span()`",
                nanos("with dunnage.span(name, id)"),
                300.0,
                "ns",
                0,
            ),
        ]
    }

    pub(super) fn render(&self, page: &mut String) {
        let _ = writeln!(
            page,
            "cgroup v1, each visible level with a limit, in a cgroup namespace as a container has it. Medians of {} rounds of {} \
             calls, all in turn.\n\n| call | µs |\n|---|---|",
            self.rounds, self.calls
        );
        for (depth, times) in self.levels.iter().enumerate() {
            let levels = depth + 1;
            for (name, time) in times {
                let where_ = if name.starts_with("cpu_limit") {
                    format!(", levels: {levels}")
                } else {
                    String::new()
                };
                let _ = writeln!(page, "| {name}{where_} | {time:.2} |");
            }
        }
        let _ = writeln!(
            page,
            "\nMarks for `dunnage record`, in nanoseconds: {}.",
            self.marks_ns
                .iter()
                .map(|(name, time)| format!("`{name}` {time:.0}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let _ = writeln!(
            page,
            "\nCPU time added to the start of an interpreter (medians of {} starts): {}.",
            self.starts,
            self.imports_ms
                .iter()
                .map(|(name, time)| format!("`{name}` {time:.1} ms"))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
}
