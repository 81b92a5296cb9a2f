//! CPU012.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::{cpu_in_words, server_name};
use crate::graph::workload::Workload;
use crate::parse::command::{Server, ServerKind};
use crate::repository::Repository;
use crate::rules::about::{about, pythons, start_workers, workers_under};
use crate::rules::compute::computes;
use crate::rules::mem::at_least;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// An asyncio server with several worker processes under a limit of one CPU or less. Under one CPU as a whole it is an info where
    /// the program is not seen to compute and its imports, once for each worker, leave half of the memory limit free: then the
    /// second process costs little, and hides what blocks the first one's loop.
    ///
    /// ## Why
    /// An event loop waits for thousands of clients in one thread; what a second process would add is a second CPU, and the
    /// limit has none. What it does add is a second copy of the application in memory, and two processes that use one quota
    /// up sooner. uvicorn's workers also die without an init that reaps what they leave: 20 of 20 orphans stayed zombies
    /// with `uvicorn --workers 2` as process 1 (measured, uvicorn 0.54).
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["uvicorn", "main:app", "--workers", "4"]   # limits: cpu: "1"
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["uvicorn", "main:app"]
    /// ```
    /// and `replicas: 4`: the scheduler places them where there is CPU, and a pod that dies takes a quarter with it.
    ///
    /// ## Fix
    /// Unsafe: one worker. Blocking code inside `async def` profits from a second process by hiding the blocking; then keep
    /// it and say so in an ignore.
    ///
    /// ## References
    /// - <https://fastapi.tiangolo.com/deployment/docker/#replication-number-of-processes>
    pub(in crate::rules) static RULE = {
        id: "CPU012",
        name: "event-loops-under-one-cpu",
        title: "several event-loop workers under a limit of one CPU",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some((server, workers, limit)) = workers_under(workload, workload.limits.cpu.as_ref())
        else {
            continue;
        };
        // from 4 for each CPU on CPU006 says it
        let is_few = u64::from(workers.value) * 1000 < 4 * limit.value || workers.value <= 3;
        if !is_loop(server) || workers.value < 2 || limit.value > 1000 || !is_few {
            continue;
        }
        let message = format!(
            "{} {} event loops under a CPU limit of {}: more processes add memory, no CPU",
            workers.value,
            server_name(server.kind),
            cpu_in_words(limit.value)
        );
        let title = "start one worker, and more replicas";
        let is_felt = limit.value < 1000
            || computes(context.repository, workload)
            || is_memory_tight(context.repository, workload, workers.value);
        let severity = if is_felt {
            Severity::Warning
        } else {
            Severity::Info
        };
        let finding = Finding::new(&RULE, workers.at, message)
            .severity(severity)
            .because(
                limit.at,
                format!("the limit is {}", cpu_in_words(limit.value)),
            )
            .fix(start_workers(context.repository, workers, 1, title));
        findings.push(about(finding, workload));
    }
}

/// Do the imports of all workers together take more than half of the memory limit?
fn is_memory_tight(repository: &Repository, workload: &Workload, workers: u32) -> bool {
    let limit = workload.limits.memory.as_ref();
    let imports = at_least(repository, workload);
    limit.zip(imports).is_some_and(|(limit, (bytes, _))| {
        bytes.saturating_mul(u64::from(workers) * 2) > limit.value
    })
}

fn is_loop(server: &Server) -> bool {
    let class = server
        .worker_class
        .as_ref()
        .map_or("", |class| class.value.as_str());
    match server.kind {
        ServerKind::Uvicorn | ServerKind::FastApi | ServerKind::Hypercorn | ServerKind::Granian => {
            true
        }
        ServerKind::Gunicorn => class.contains("uvicorn") || class.contains("aiohttp"),
        _ => false,
    }
}
