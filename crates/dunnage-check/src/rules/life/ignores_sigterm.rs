//! LIFE001.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::staying;
use crate::graph::workload::{Origin, Workload};
use crate::parse::command::{ServerKind, Step};
use crate::repository::Repository;
use crate::rules::about::{about, grace_in_words, mentions, pythons, use_dunnage};
use crate::rules::flask;
use crate::rules::python::entry;
use crate::rules::term::{self, Hears};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span, Stated};

rule! {
    /// ## What it finds
    /// A long-running Python program of this repository that is process 1 and nowhere in its modules handles SIGTERM, neither itself nor
    /// by a framework that does (uvicorn, gunicorn, Celery, aiohttp, Twisted and others); and `flask run` without its reloader. A guess where
    /// the program imports a module of its own name (`from app import app` in app.py): it ends there, or means another one.
    /// A Deployment must show that its program stays: by a loop, a server, a wait or a consumer in its modules, or by a probe or a Service.
    /// A warning where that is in a package that is not here, and silent of a program that does its work once and returns.
    /// An info for a tool that somebody runs by hand: an `ENTRYPOINT` without a `CMD` or a port, of a Dockerfile that nothing refers
    /// to, whose module reads arguments (argparse, click).
    ///
    /// ## Why
    /// The kernel gives process 1 no default action: a signal without a handler is dropped. CPython installs a handler for
    /// SIGINT only. So `kubectl delete pod`, every rolling update and every drain of a node wait the whole grace period (30
    /// s), and then the kernel kills the program in the middle of what it does, with 137. Measured: alive 4 s after SIGTERM
    /// as process 1, ended with 143 at once below any init (CPython 3.11).
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["python", "worker.py"]
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// signal.signal(signal.SIGTERM, lambda *_: stop.set())
    /// ```
    /// where `stop` is an event that the main loop looks at; or an init before the program, which ends it at once; or
    /// `STOPSIGNAL SIGINT`, if `KeyboardInterrupt` may end it.
    ///
    /// ## Fix
    /// Unsafe: install dunnage and start the program under it.
    ///
    /// ## References
    /// - pid_namespaces(7), "The namespace init process"
    /// - <https://docs.python.org/3/library/signal.html#general-rules>
    pub(in crate::rules) static RULE = {
        id: "LIFE001",
        name: "ignores-sigterm",
        title: "Python is process 1 and ignores SIGTERM",
        family: Family::Life,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "passes SIGTERM on to a child that is not process 1, so that its default action holds again",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context) {
        let by_itself = ignores(context.repository, workload);
        let Some((name, at)) = by_itself
            .map(|app| (app.value.as_str(), app.at))
            .or_else(|| Some(("flask run", flask_run(workload)?)))
        else {
            continue;
        };
        let grace = grace_in_words(workload);
        let message = format!(
            "{name} is process 1 and ignores SIGTERM: each stop takes {grace} and ends in SIGKILL"
        );
        let mut finding = Finding::new(&RULE, at, message);
        if !workload.is_service() {
            // a Job ends by itself as a rule; what is left is its deletion
            finding = finding.severity(Severity::Info);
        } else if by_itself.is_some() && stays(context.repository, workload).is_none() {
            finding = finding
                .severity(Severity::Warning)
                .confidence(Confidence::Medium);
        }
        if by_itself.is_some() && imports_itself(context.repository, workload) {
            // it ends there, or another module of this name is meant: what it does is not seen
            finding = finding.confidence(Confidence::Low);
        }
        if let Some(entry) = workload.modules.first().filter(|_| by_itself.is_some()) {
            let at = Location {
                file: *entry,
                span: Span::default(),
            };
            finding = finding.because(at, "no module of the program handles SIGTERM");
        }
        finding = finding.fix(use_dunnage(context.repository, workload));
        findings.push(about(finding, workload));
    }
}

/// The program, where it is process 1, runs on and sets up nothing for SIGTERM.
pub(super) fn ignores<'a>(
    repository: &Repository,
    workload: &'a Workload,
) -> Option<&'a Stated<String>> {
    let Some(Step::Server(server)) = workload.first() else {
        return None;
    };
    let is_plain = server.kind == ServerKind::Python && workload.life.foreign_init.is_none();
    let app = server
        .app
        .as_ref()
        .filter(|_| is_plain && !workload.modules.is_empty())?;
    let hears = stays(repository, workload) == Some(false)
        || term::hears(repository, workload) != Hears::No
        || flask::may_reload(repository, workload)
        || is_stopped_otherwise(workload);
    (!hears).then_some(app)
}

/// `from app import app` at the top of app.py, which names itself.
fn imports_itself(repository: &Repository, workload: &Workload) -> bool {
    let Some((file, module)) = entry(repository, workload) else {
        return false;
    };
    let name = repository.file(file).source.name().trim_end_matches(".py");
    module
        .imports
        .iter()
        .any(|import| !import.is_lazy && import.name.split('.').next() == Some(name))
}

/// `flask run` as process 1, without the reloader, which would handle SIGTERM.
pub(super) fn flask_run(workload: &Workload) -> Option<Location> {
    let Some(Step::Server(server)) = workload.first() else {
        return None;
    };
    let runs = server.kind == ServerKind::Flask
        && server
            .subcommand
            .as_ref()
            .is_some_and(|word| word.value == "run")
        && workload.life.foreign_init.is_none();
    // `--debug` and `--reload` are kept as what makes it one for development; else it is `run` itself
    let command = server.subcommand.as_ref().map(|word| word.at);
    let reloads = server.development != command || flask::may_debug(workload);
    server
        .at
        .filter(|_| runs && !reloads && !is_stopped_otherwise(workload))
}

/// Does it run until somebody stops it? None where the files do not tell. Outside of a Deployment a loop without an end must say
/// so, since an image's program may as well be a tool or a test.
fn stays(repository: &Repository, workload: &Workload) -> Option<bool> {
    const LOOPS: [&str; 12] = [
        "while True",
        "while 1:",
        "while not ",
        "run_forever",
        "serve_forever",
        "start_consuming",
        "wait_for_termination",
        ".listen()",
        "run_pending",
        "BlockingScheduler",
        ".start_polling",
        ".infinity_polling",
    ];
    let kind = match &workload.origin {
        Origin::Kubernetes { kind, .. } => kind.as_str(),
        _ => "",
    };
    let is_kept = matches!(
        kind,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Rollout"
    );
    if mentions(repository, workload, &LOOPS) {
        return Some(true);
    }
    if is_kept {
        staying::stays(repository, workload)
    } else {
        Some(false)
    }
}

/// By a signal that Python has a handler for, or that nothing can handle.
fn is_stopped_otherwise(workload: &Workload) -> bool {
    matches!(term::stop_signal(workload).as_str(), "INT" | "KILL")
}
