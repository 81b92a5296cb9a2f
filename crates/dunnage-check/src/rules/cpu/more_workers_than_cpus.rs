//! CPU006.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::{cpu_in_words, server_name};
use crate::graph::workload::Workload;
use crate::parse::command::{Server, ServerKind};
use crate::repository::Repository;
use crate::rules::about::{about, mentions, pythons, start_workers, told_cpus, workers_under};
use crate::rules::compute;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// Many more worker processes than the CPU limit can run: at least 8 for each CPU of the limit, 16 of celery, whose tasks
    /// often wait for other services. It is an error from 32 for each CPU on. From 4 for each CPU on, and over 2 × CPUs + 1, it
    /// is an info; a warning where the program's modules import what computes, or install a library of models or of
    /// documents where they are not among the files. An index of vectors (faiss) is no such library: what is installed beside it
    /// waits for a model elsewhere as often as not.
    ///
    /// The number may be a variable's that a shell fills in: `$WORKERS` from the manifest's `env` or Compose's
    /// `environment`, else from the image's `ENV`, else from what the script assigns; `${WORKERS:-16}` is 16 where none of
    /// them sets it. A value that comes from a Secret, an env file or a ConfigMap that is not among the files is not
    /// known, and not guessed.
    ///
    /// ## Why
    /// A worker that computes is one thread that wants a CPU. With a limit of 500m the kernel gives all of them together 50
    /// ms in each period of 100 ms. 4 busy workers on 4 CPUs use them up in 12.5 ms and stand still for 87.5 ms, all of them
    /// at once, also the one that would have answered the probe. Each worker costs the memory of the whole application, too
    /// (MEM004).
    ///
    /// A model that held in measurements (kernel 6.18, 2 CPUs): the stall is period × (1 − quota ÷ running threads);
    /// predicted 50, 50, 75 and 25 ms, measured 54, 53, 79 and 31.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["gunicorn", "--workers=64", "app:app"]   # limits: cpu: 500m
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["gunicorn", "--workers=2", "--threads=8", "app:app"]
    /// ```
    /// Threads wait for databases and other services as well as processes do, and share one copy of the program. More
    /// throughput is more replicas.
    ///
    /// ## Fix
    /// Unsafe: the limit rounded up, at least 2, which is what `dunnage run` tells Python. Whether the rest of the load
    /// needs threads or replicas is yours to say.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/design.html#how-many-workers>
    /// - <https://docs.kernel.org/scheduler/sched-bwc.html>
    pub(in crate::rules) static RULE = {
        id: "CPU006",
        name: "more-workers-than-cpus",
        title: "many more worker processes than the CPU limit can run",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// From so many workers for each CPU on it is a mistake and no choice.
const ABSURD: u64 = 32;

/// Fewer for each CPU are a number that somebody chooses.
const SEVERAL: u64 = 4;

/// Fewer for each CPU may well all be waiting: each would have to compute for an eighth of its time.
const MANY: u64 = 8;

/// The same of celery: tasks are what a request did not want to wait for.
const MANY_FOR_TASKS: u64 = 16;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let Some((server, workers, limit)) = workers_under(workload, workload.limits.cpu.as_ref())
        else {
            continue;
        };
        let count = u64::from(workers.value);
        let for_each_cpu = count * 1000 / limit.value.max(1);
        let is_usual = count <= 2 * limit.value.div_ceil(1000) + 1;
        if is_usual || for_each_cpu < SEVERAL || waits_without_processes(server) {
            continue;
        }
        let name = server_name(server.kind);
        let message = format!(
            "{count} {name} workers share a CPU limit of {}",
            cpu_in_words(limit.value)
        );
        let many = match server.kind {
            ServerKind::Celery => MANY_FOR_TASKS,
            _ => MANY,
        };
        let may_wait = for_each_cpu < many;
        let computing = may_wait
            .then(|| computes(context.repository, workload))
            .flatten();
        let severity = match for_each_cpu {
            ABSURD.. => Severity::Error,
            _ if may_wait && computing.is_none() => Severity::Info,
            _ => Severity::Warning,
        };
        let fewer = told_cpus(limit.value);
        let title = format!("start {fewer} workers");
        let mut finding = Finding::new(&RULE, workers.at, message).severity(severity);
        if let Some((library, at)) = computing {
            finding = finding.because(at, format!("{library} computes"));
        }
        let finding = finding
            .because(
                limit.at,
                format!("the limit is {}", cpu_in_words(limit.value)),
            )
            .fix(start_workers(context.repository, workers, fewer, title));
        findings.push(about(finding, workload));
    }
}

/// What shows that it computes: what its modules import; where they are not seen, what is installed, or might be.
fn computes(repository: &Repository, workload: &Workload) -> Option<(&'static str, Location)> {
    let is_celery = workload
        .server()
        .is_some_and(|server| server.kind == ServerKind::Celery);
    let is_seen = if is_celery {
        mentions(repository, workload, &["shared_task", ".task\n", ".task("])
    } else {
        !workload.modules.is_empty()
    };
    let unseen = || match workload.built {
        _ if is_seen => None,
        Some(_) => compute::installs(workload),
        None => compute::lists(repository),
    };
    compute::imports(repository, workload).or_else(unseen)
}

/// Celery's pools of green threads or threads are no processes.
fn waits_without_processes(server: &Server) -> bool {
    server.kind == ServerKind::Celery
        && server.worker_class.as_ref().is_some_and(|class| {
            matches!(
                class.value.as_str(),
                "gevent" | "eventlet" | "threads" | "solo"
            )
        })
}
