use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::graph::Workload;
use crate::parse::command::{Server, ServerKind};
use crate::rules::about::modules;
use crate::rules::python::with_chain;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;
use dunnage_policy::shutdown;
use std::time::Duration;

rule! {
    /// ## What it finds
    /// uvicorn without `--timeout-graceful-shutdown`. A warning where the application streams or holds WebSockets, else a
    /// note.
    ///
    /// ## Why
    /// At SIGTERM uvicorn takes no new connections and waits for the open ones, for ever by default. One WebSocket, one
    /// server-sent stream or one slow download keeps it waiting until the grace period is over and SIGKILL comes: then the
    /// lifespan's shutdown has not run, nothing was flushed, and each deploy takes the whole grace period (30 s under
    /// Kubernetes) for each pod.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["uvicorn", "shop:app", "--host", "0.0.0.0"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["uvicorn", "shop:app", "--host", "0.0.0.0", "--timeout-graceful-shutdown", "26"]
    /// ```
    /// The number is the grace period without preStop, less a margin for the lifespan's end and one for the kill.
    ///
    /// ## Fix
    /// None is applied: the number belongs to the grace period of where it is deployed.
    ///
    /// ## References
    /// - <https://www.uvicorn.org/settings/#timeouts>
    pub(super) static RULE = {
        id: "LIFE007",
        name: "graceful-timeout-unset",
        title: "uvicorn waits for open connections for ever",
        family: Family::Life,
        severity: Severity::Info,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Kills what is left shortly before the grace period ends, and says what it was.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for workload in &context.graph.workloads {
        let Some(server) = workload.server().filter(|server| waits_for_ever(server)) else {
            continue;
        };
        let at = server.at.unwrap_or(workload.at);
        let seconds = graceful_seconds(workload);
        let message = format!(
            "uvicorn waits for open connections until it is killed after {} s",
            workload.life.grace
        );
        let finding = Finding::new(&RULE, at, message).confidence(Confidence::High);
        let mut finding = with_chain(finding.within(workload), workload);
        if let Some(stream) = long_connection(context, workload) {
            finding = finding
                .severity(Severity::Warning)
                .because(stream, "connections that stay open");
        }
        found.push(finding.fix(Fix::by_hand(format!(
            "give it --timeout-graceful-shutdown {seconds}"
        ))));
    }
}

fn waits_for_ever(server: &Server) -> bool {
    let is_said = server.graceful_timeout.is_some()
        || server
            .unknown
            .iter()
            .any(|option| option == "--timeout-graceful-shutdown");
    server.kind == ServerKind::Uvicorn && server.development.is_none() && !is_said
}

/// What a server may take to finish: the grace period without preStop, less the margin that `dunnage run` keeps for the
/// kill and as much again for what the application does last.
pub(super) fn graceful_seconds(workload: &Workload) -> u64 {
    let grace = Duration::from_secs(u64::from(workload.life.grace));
    let pre_stop = workload
        .life
        .pre_stop
        .as_ref()
        .and_then(|stop| stop.value)
        .unwrap_or(0);
    let left = grace.saturating_sub(Duration::from_secs(u64::from(pre_stop)));
    left.saturating_sub(2 * shutdown::margin(grace))
        .as_secs()
        .max(1)
}

/// Where a module of the program makes connections that last.
fn long_connection(context: &Context<'_>, workload: &Workload) -> Option<Location> {
    modules(context.repository, workload).find_map(|(_, module)| {
        let import = module.imports.iter().find(|import| {
            let last = import.name.rsplit('.').next().unwrap_or_default();
            matches!(
                last,
                "WebSocket" | "WebSocketEndpoint" | "EventSourceResponse"
            ) || import.name == "socketio"
        });
        import.map(|import| import.at)
    })
}
