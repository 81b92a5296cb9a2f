//! PID004.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::{server_name, step_at};
use crate::graph::workload::Workload;
use crate::parse::command::{ServerKind, Step};
use crate::parse::python::Value;
use crate::repository::Repository;
use crate::rules::about::{about, modules, pythons, use_dunnage};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// Python or uvicorn as process 1, with no init above it, whose own modules start processes that may leave children
    /// behind (`os.fork`, `multiprocessing`, `ProcessPoolExecutor`, `subprocess` with `shell=True`). uvicorn with several
    /// workers is alone worth an info: it waits for its own workers, not for what they leave behind. So is a
    /// program that is seen to end by itself: its zombies end with it. Of a shell that stays
    /// above workers PID001 to PID003 tell.
    ///
    /// ## Why
    /// When a process dies its children are handed to process 1, which must wait for them. An init does. Python does not:
    /// every one that ends stays a zombie, holds a number of the pids limit, and at the limit no thread and no process can
    /// be made any more. Measured: 5,000 of 5,000 orphans stayed under Python 3.11 as process 1, 20 of 20 under uvicorn with
    /// or without `--workers`. gunicorn's master waits for all of them (0 of 20), so it is not reported.
    ///
    /// ## Example
    /// ```dockerfile
    /// ENTRYPOINT ["python", "main.py"]    # and main.py uses ProcessPoolExecutor
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// ENTRYPOINT ["tini", "--", "python", "main.py"]
    /// ```
    /// or `dunnage run --` in tini's place, which also ends what is left over when the program is gone.
    ///
    /// ## Fix
    /// Unsafe: install dunnage and start the program under it. For Compose `init: true` does as well.
    ///
    /// ## References
    /// - <https://github.com/krallin/tini>
    /// - wait(2), "NOTES"
    pub(in crate::rules) static RULE = {
        id: "PID004",
        name: "forks-without-init",
        title: "the program makes processes, and no init reaps what they leave behind",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "reaps every orphan, passes signals on, and ends what is left when the program is gone",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.life.foreign_init.is_none()) {
        let Some(reason) = reason(context.repository, workload) else {
            continue;
        };
        let mut finding = Finding::new(&RULE, reason.at, reason.message)
            .severity(reason.severity)
            .confidence(reason.confidence);
        if !workload.is_service() {
            // its zombies end with it
            finding = finding.severity(Severity::Info);
        }
        if let Some((place, note)) = reason.cause {
            finding = finding.because(place, note);
        }
        finding = finding.fix(use_dunnage(context.repository, workload));
        findings.push(about(finding, workload));
    }
}

/// Why an init is wanted.
struct Reason {
    at: Location,
    message: String,
    cause: Option<(Location, String)>,
    severity: Severity,
    confidence: Confidence,
}

fn reason(repository: &Repository, workload: &Workload) -> Option<Reason> {
    let first = workload.first()?;
    let at = step_at(first).or_else(|| workload.chain.last().map(|link| link.at))?;
    let Step::Server(server) = first else {
        return None;
    };
    let name = server_name(server.kind);
    let workers = server.workers.as_ref().filter(|workers| workers.value > 1);
    if let (ServerKind::Uvicorn | ServerKind::FastApi, Some(workers)) = (server.kind, workers) {
        let message = format!(
            "{name} is process 1 over {} workers and reaps no orphan",
            workers.value
        );
        // its own workers it waits for: whether they leave children behind is not seen here
        return Some(Reason {
            at,
            message,
            cause: None,
            severity: Severity::Info,
            confidence: Confidence::High,
        });
    }
    if !matches!(
        server.kind,
        ServerKind::Python | ServerKind::Uvicorn | ServerKind::FastApi
    ) {
        return None;
    }
    let (call, what) = spawns(repository, workload)?;
    let message = format!("{name} is process 1, makes processes by {what}, and reaps no orphan");
    Some(Reason {
        at,
        message,
        cause: Some((call, format!("{what} makes processes"))),
        severity: Severity::Warning,
        confidence: Confidence::Medium,
    })
}

/// A call that makes processes which may outlive their parent.
fn spawns(repository: &Repository, workload: &Workload) -> Option<(Location, String)> {
    modules(repository, workload).find_map(|(_, module)| {
        module.calls.iter().find_map(|call| {
            let is_spawn = match call.name.as_str() {
                "os.fork"
                | "os.forkpty"
                | "multiprocessing.Process"
                | "multiprocessing.Pool"
                | "multiprocessing.pool.Pool"
                | "concurrent.futures.ProcessPoolExecutor"
                | "multiprocessing.context.Process"
                | "asyncio.create_subprocess_shell"
                | "os.system" => true,
                name if name.starts_with("subprocess.") => call
                    .keyword("shell")
                    .is_some_and(|argument| argument.value == Value::Bool(true)),
                _ => false,
            };
            is_spawn.then(|| (call.callee, call.name.to_string()))
        })
    })
}
