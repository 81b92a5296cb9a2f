//! CPU014.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::rules::about::{about, pythons, set_env};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `PYTHON_CPU_COUNT=1`, under CPython 3.13 or newer or a Python whose version the files do not tell.
    ///
    /// ## Why
    /// The variable looks like the way to tell Python the CPU limit, and it is more than that: it also sizes pools that
    /// wait. With 1 the default executor, which `asyncio.to_thread` and every name lookup of asyncio run in, has 5 threads
    /// instead of 32 on a big node (measured, 3.13), and the idiom `Pool(os.cpu_count() - 1)` raises `ValueError: Number of
    /// processes must be at least 1`.
    ///
    /// ## Example
    /// ```dockerfile
    /// ENV PYTHON_CPU_COUNT=1
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// ENV PYTHON_CPU_COUNT=2 OMP_NUM_THREADS=1
    /// ```
    /// Compute pools have variables of their own (CPU001).
    ///
    /// ## Fix
    /// Unsafe: 2, the least that `dunnage run` tells Python, which keeps the executors at the size that they have without it.
    ///
    /// ## References
    /// - <https://docs.python.org/3/using/cmdline.html#envvar-PYTHON_CPU_COUNT>
    pub(in crate::rules) static RULE = {
        id: "CPU014",
        name: "python-cpu-count-of-one",
        title: "PYTHON_CPU_COUNT=1 shrinks executors that wait, too",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "tells Python the quota rounded up, at least 2, by its agent and without this variable",
        check: check,
    };
}

const VARIABLE: &str = "PYTHON_CPU_COUNT";

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let is_old = workload
            .base
            .python
            .is_some_and(|version| version < (3, 13));
        let Some(stated) = workload
            .environment
            .get(VARIABLE)
            .filter(|stated| stated.value.trim() == "1" && !is_old)
        else {
            continue;
        };
        let message =
            "PYTHON_CPU_COUNT=1 leaves the default executor 5 threads, and cpu_count() - 1 is 0";
        let mut finding = Finding::new(&RULE, stated.at, message);
        if workload.base.python.is_none() {
            finding = finding.confidence(Confidence::Medium);
        }
        finding = finding.fix(
            set_env(context.repository, workload, VARIABLE, "2")
                .map(|edit| Fix::changing("set PYTHON_CPU_COUNT to 2", vec![edit])),
        );
        findings.push(about(finding, workload));
    }
}
