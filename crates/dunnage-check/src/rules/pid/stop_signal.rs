//! PID013.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target};
use crate::graph::workload::Workload;
use crate::parse::command::{Server, ServerKind};
use crate::repository::Repository;
use crate::rules::about::{about, pythons, runs_dunnage};
use crate::rules::shells::server_name;
use crate::rules::term;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span, Stated};

rule! {
    /// ## What it finds
    /// A `STOPSIGNAL` or `stop_signal` that the server does not take as a request to stop gracefully, and uWSGI without
    /// `--die-on-term` under the usual SIGTERM.
    ///
    /// ## Why
    /// The signal that asks a container to stop is a convention between the image and its program. gunicorn stops
    /// gracefully at TERM; INT and QUIT are its quick shutdown, which cuts the requests that are open. uvicorn and hypercorn
    /// answer TERM and INT and have no handler for QUIT: as process 1 the kernel drops it and the grace period runs out.
    /// Celery's QUIT is the cold shutdown that loses running tasks. uWSGI takes TERM as "reload everything": it starts anew,
    /// and is killed at the end of the grace period.
    ///
    /// ## Example
    /// ```dockerfile
    /// STOPSIGNAL SIGINT
    /// CMD ["gunicorn", "shop.wsgi:app"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// STOPSIGNAL SIGTERM
    /// ```
    /// For uWSGI: `--die-on-term`, or `STOPSIGNAL SIGINT`.
    ///
    /// ## Fix
    /// Unsafe: SIGTERM in its place.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/signals.html>
    /// - <https://docs.celeryq.dev/en/stable/userguide/workers.html#stopping-the-worker>
    /// - <https://uwsgi-docs.readthedocs.io/en/latest/Management.html#signals-for-controlling-uwsgi>
    pub(in crate::rules) static RULE = {
        id: "PID013",
        name: "stop-signal",
        title: "the stop signal is not one at which this server stops gracefully",
        family: Family::Pid,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "passes the signal on as it is, and kills what is left in time",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| workload.is_service()) {
        let Some(server) = workload.server() else {
            continue;
        };
        let Some((at, message)) = judge(workload, server) else {
            continue;
        };
        let mut finding = Finding::new(&RULE, at, message);
        let signal = workload.life.stop_signal.as_ref();
        finding = finding.fix(signal.and_then(|signal| mend(context.repository, server, signal)));
        findings.push(about(finding, workload));
    }
}

fn judge(workload: &Workload, server: &Server) -> Option<(Location, String)> {
    let name = server_name(server);
    let stated = workload.life.stop_signal.as_ref();
    let signal = term::stop_signal(workload);
    let what = match (server.kind, signal.as_str()) {
        (_, "KILL") => "ends it without any warning".to_owned(),
        (ServerKind::Gunicorn, "INT" | "QUIT") => {
            format!("is {name}'s quick shutdown: requests that are open are cut")
        }
        (ServerKind::Celery, "QUIT") => {
            format!("is {name}'s cold shutdown: running tasks are lost")
        }
        (ServerKind::Uvicorn | ServerKind::Hypercorn, "QUIT" | "USR1" | "USR2" | "HUP") => {
            format!("is not handled by {name}")
        }
        (ServerKind::Uwsgi, "TERM") => {
            let is_configured = server.dies_on_term
                || server.config.is_some()
                || workload.variable("UWSGI_DIE_ON_TERM").is_some()
                || workload.variable("UWSGI_INI").is_some();
            if is_configured || runs_dunnage(workload) {
                return None;
            }
            format!("makes {name} reload, not stop, without --die-on-term")
        }
        _ => return None,
    };
    let at = stated.map(|signal| signal.at).or(server.at)?;
    Some((at, format!("SIG{signal} {what}")))
}

fn mend(repository: &Repository, server: &Server, signal: &Stated<String>) -> Option<Fix> {
    let target = Target::of(repository, signal.at.file);
    let written = target.slice(signal.at.span);
    let found = written.find(signal.value.as_str())?;
    if server.kind == ServerKind::Uwsgi {
        return None;
    }
    let start = signal.at.span.start as usize + found;
    let span = Span::new(start..start + signal.value.len());
    Some(Fix::changing(
        "stop it by SIGTERM",
        vec![target.replace(span, "SIGTERM")],
    ))
}
