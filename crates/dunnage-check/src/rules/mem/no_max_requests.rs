use crate::finding::{Confidence, Finding, Severity};
use crate::parse::command::{Server, ServerKind};
use crate::rules::python::with_chain;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// gunicorn under a memory limit without `max_requests`.
    ///
    /// ## Why
    /// What CPython's small-object heap holds once it seldom gives back: an arena of 1 MiB stays while one object of it
    /// lives, and one survivor in a thousand kept 97 % of 596 MB (CPython 3.11 and 3.13). A worker that is replaced after some thousand requests
    /// begins anew. It is a question of taste: a replaced worker drops its idle keep-alive connections, loads the
    /// application again, and hides a leak that had better be found.
    ///
    /// ## Example
    /// ```sh
    /// gunicorn -w 4 shop.wsgi
    /// ```
    ///
    /// ## Instead
    /// ```sh
    /// gunicorn -w 4 --max-requests 5000 --max-requests-jitter 500 shop.wsgi
    /// ```
    /// With the jitter the workers do not all restart at once.
    ///
    /// ## Fix
    /// None: how long a worker may live depends on how fast it grows.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/settings.html#max-requests>
    pub(super) static RULE = {
        id: "MEM011",
        name: "no-max-requests",
        title: "gunicorn's workers are never replaced",
        family: Family::Mem,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "With --recycle on, replaces the fattest worker when memory grows near the limit and nothing came back.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for workload in &context.graph.workloads {
        let (Some(server), Some(limit)) = (workload.server(), &workload.limits.memory) else {
            continue;
        };
        if server.kind != ServerKind::Gunicorn || is_said(server) {
            continue;
        }
        let at = server.at.unwrap_or(workload.at);
        let message = "gunicorn's workers are never replaced, so what they once held stays";
        let finding = Finding::new(&RULE, at, message).of(&workload.name);
        let finding = with_chain(finding, workload);
        let note = format!("the memory limit is {} MiB", limit.value >> 20);
        found.push(finding.because(limit.at, note));
    }
}

fn is_said(server: &Server) -> bool {
    let mut unknown = server.unknown.iter();
    server.max_requests.is_some() || unknown.any(|option| option == "--max-requests")
}
