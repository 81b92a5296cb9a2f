//! MEM004.

use super::footprint::at_least;
use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::{bytes_in_words, count, server_name};
use crate::parse::command::{Server, ServerKind};
use crate::rules::about::{about, pythons, start_workers, workers_under};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// Worker processes that each import the application, whose imports together are more than the memory limit.
    ///
    /// ## Why
    /// gunicorn without `--preload` and uvicorn start every worker with an empty interpreter, and each imports everything
    /// for itself: nothing is shared. 8 workers with pandas (41 MiB anonymous each, measured as for MEM003) need 330 MiB
    /// before the first request. With `memory.oom.group`, which the kubelet sets since 1.28, the kernel then kills all
    /// processes of the container, not the fattest.
    ///
    /// ## Example
    /// ```yaml
    /// command: [gunicorn, --workers=8, "app:app"]     # and pandas
    /// resources: {limits: {memory: 256Mi}}
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// command: [gunicorn, --workers=2, --threads=8, "app:app"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: as many workers as half of the limit holds the imports of, at least 1.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/settings.html#preload-app>
    pub(in crate::rules) static RULE = {
        id: "MEM004",
        name: "workers-over-memory-limit",
        title: "the imports of all workers together are more than the memory limit",
        family: Family::Mem,
        severity: Severity::Error,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some((server, workers, limit)) =
            workers_under(workload, workload.limits.memory.as_ref())
        else {
            continue;
        };
        let Some((each, package)) =
            at_least(context.repository, workload).filter(|_| imports_in_each(server))
        else {
            continue;
        };
        let all = each * u64::from(workers.value);
        if workers.value < 2 || all <= limit.value || each > limit.value {
            continue;
        }
        let message = format!(
            "{} {} workers import at least {} each, {} together, under a limit of {}",
            workers.value,
            server_name(server.kind),
            bytes_in_words(each),
            bytes_in_words(all),
            bytes_in_words(limit.value)
        );
        let mut finding = Finding::new(&RULE, workers.at, message).because(
            limit.at,
            format!("the limit is {}", bytes_in_words(limit.value)),
        );
        if let Some(at) = workload.packages.get(package) {
            finding = finding.because(*at, format!("{package} takes most of it"));
        }
        let fewer = u32::try_from(limit.value / 2 / each).unwrap_or(1).max(1);
        let title = format!("start {}", count(fewer, "worker"));
        finding = finding.fix(start_workers(context.repository, workers, fewer, title));
        findings.push(about(finding, workload));
    }
}

/// Does each worker import the application for itself, so that nothing is shared?
fn imports_in_each(server: &Server) -> bool {
    match server.kind {
        ServerKind::Gunicorn => !server.preload,
        ServerKind::Uvicorn | ServerKind::FastApi | ServerKind::Granian | ServerKind::Hypercorn => {
            true
        }
        _ => false,
    }
}
