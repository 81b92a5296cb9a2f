//! CPU011.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::graph::render::{count, cpu_in_words, server_name};
use crate::graph::workload::Workload;
use crate::rules::about::{about, planned_threads, pythons, runs_dunnage, set_env, workers_under};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Stated;

rule! {
    /// ## What it finds
    /// Thread pools that are capped, but for one process: the number of a pool's threads times the number of worker
    /// processes is more than twice the CPU limit.
    ///
    /// ## Why
    /// Every worker process has a pool of its own. `OMP_NUM_THREADS=4` under four gunicorn workers is 16 threads that compute
    /// at the same time, and a limit of 4 CPUs pays for 4 of them: the quota of each period of 100 ms is used up after 25
    /// ms, and all workers stand still for the other 75.
    ///
    /// ## Example
    /// ```yaml
    /// command: [gunicorn, --workers=4, "app:app"]
    /// env:
    ///   - {name: OMP_NUM_THREADS, value: "4"}
    /// resources: {limits: {cpu: "4"}}
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    ///   - {name: OMP_NUM_THREADS, value: "1"}
    /// ```
    ///
    /// ## Fix
    /// Unsafe, since it chooses a number: the limit divided by the workers, rounded down, at least 1, as `dunnage plan
    /// --workers 4` would.
    ///
    /// ## References
    /// - <https://docs.kernel.org/scheduler/sched-bwc.html>
    pub(in crate::rules) static RULE = {
        id: "CPU011",
        name: "workers-times-threads",
        title: "worker processes times the threads of their pools is more than the CPU limit",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "divides the quota by --workers or WEB_CONCURRENCY where the variable is not yours",
        check: check,
    };
}

const VARIABLES: [&str; 4] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some((server, workers, limit)) = workers_under(workload, workload.limits.cpu.as_ref())
        else {
            continue;
        };
        let Some((name, threads, at)) = widest(workload) else {
            continue;
        };
        let product = u64::from(workers.value) * u64::from(threads);
        if workers.value < 2 || threads < 2 || product * 1000 <= 2 * limit.value {
            continue;
        }
        let message = format!(
            "{} {} workers with pools of {threads} are {product} threads under a CPU limit of {}",
            workers.value,
            server_name(server.kind),
            cpu_in_words(limit.value)
        );
        let planned = planned_threads(limit.value, workers.value).to_string();
        let mut finding = Finding::new(&RULE, at.at, message)
            .because(workers.at, count(workers.value, "worker"))
            .because(
                limit.at,
                format!("the limit is {}", cpu_in_words(limit.value)),
            );
        if !runs_dunnage(workload) || at.at.file == workload.at.file {
            finding = finding.fix(set_env(context.repository, workload, name, &planned).map(
                |edit| {
                    Fix::changing(
                        format!("set {name} to {planned}, as `dunnage plan` would"),
                        vec![edit],
                    )
                },
            ));
        }
        findings.push(about(finding, workload));
    }
}

/// The variable that asks for most.
fn widest(workload: &Workload) -> Option<(&'static str, u32, &Stated<String>)> {
    VARIABLES
        .iter()
        .filter_map(|name| {
            let stated = workload.environment.get(*name)?;
            Some((*name, stated.value.trim().parse().ok()?, stated))
        })
        .max_by_key(|(_, threads, _)| *threads)
}
