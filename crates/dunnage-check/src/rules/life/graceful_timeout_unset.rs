use super::endless;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::graph::Workload;
use crate::parse::Model;
use crate::parse::command::{Server, ServerKind};
use crate::repository::Repository;
use crate::rules::about::{grace_in_words, modules};
use crate::rules::python::with_chain;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;
use dunnage_policy::shutdown;
use std::time::Duration;

rule! {
    /// ## What it finds
    /// uvicorn without `--timeout-graceful-shutdown`: a note. A warning where a module of the program makes a connection that does
    /// not end when uvicorn asks it to:
    ///
    /// - a `StreamingResponse` beside a generator without an end (`while True`, `while not await request.is_disconnected()`,
    ///   `async for … in pubsub.listen()`);
    /// - the same below `fastapi.sse`'s `EventSourceResponse`, and below sse-starlette's where the version that is asked for is older
    ///   than 3.1: later ones end their streams when the server stops;
    /// - a WebSocket's handler that receives nothing and waits for something else, a queue or a subscription.
    ///
    /// ## Why
    /// At SIGTERM uvicorn takes no new connections and waits for the open requests, for ever by default. An endless stream or
    /// a long request keeps it waiting until the grace period is over and SIGKILL comes: then the lifespan's shutdown has not
    /// run, nothing was flushed, and each deploy takes the whole grace period (30 s under Kubernetes) for each pod.
    ///
    /// WebSockets alone do not: uvicorn closes them (code 1012), and a handler that waits in `receive` or sends in a loop
    /// ends by the exception. Tried with one open connection each, SIGTERM, and a bound of 15 s (2026-11-30, 2 CPUs, CPython 3.11; uvicorn 0.30.6
    /// and 0.54.0; once each):
    ///
    /// | Open | Gone after |
    /// |---|---|
    /// | nothing | 0.1 to 0.2 s |
    /// | WebSocket, handler in `receive_text` | 0.2 to 0.3 s, also where the client never answers |
    /// | WebSocket, handler that sends in a loop | 0.2 to 0.3 s; over 15 s where it swallows the exception |
    /// | WebSocket, handler that waits for an event | over 15 s |
    /// | endless `StreamingResponse`, also one that asks `is_disconnected` | over 15 s |
    /// | `EventSourceResponse`, sse-starlette 3.1.2, 3.2.0, 3.7.0 | 0.1 to 0.2 s |
    /// | the same, sse-starlette 1.6.5, 2.4.1, 3.0.0, 3.0.4, and `fastapi.sse` (8 s bound for the last three) | over the bound |
    /// | a request of 60 s | over 15 s |
    ///
    /// hypercorn 0.18 has a limit of its own, 3 s: it was gone after 3.1 to 4.0 s with each of these but one, a request that
    /// sleeps in a thread.
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
    /// - <https://github.com/sysid/sse-starlette>
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
            "uvicorn waits for open connections until it is killed after {}",
            grace_in_words(workload)
        );
        let finding = Finding::new(&RULE, at, message).confidence(Confidence::High);
        let mut finding = with_chain(finding.within(workload), workload);
        if let Some((at, note)) = held_by(context, workload) {
            finding = finding.severity(Severity::Warning).because(at, note);
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

/// Where a module of the program makes a connection that outlasts what uvicorn does to end it.
fn held_by(context: &Context<'_>, workload: &Workload) -> Option<(Location, &'static str)> {
    modules(context.repository, workload).find_map(|(file, module)| {
        let text = context.repository.file(file).source.text.as_str();
        let import = |is_one: fn(&str) -> bool| {
            let mut imports = module.imports.iter();
            imports.find(|import| is_one(&import.name))
        };
        let stream = import(|name| name.ends_with(".StreamingResponse"))
            .or_else(|| import(|name| name == "fastapi.sse.EventSourceResponse"))
            .or_else(|| {
                import(is_event_source).filter(|_| installs_old_event_source(context.repository))
            });
        if let Some(stream) = stream.filter(|_| endless::yields_for_ever(text)) {
            return Some((stream.at, "a stream without an end stays open"));
        }
        let socket = import(|name| name.ends_with(".WebSocket"))?;
        let note = "a WebSocket's handler waits for something else than its client";
        endless::waits_beside_the_client(text).then_some((socket.at, note))
    })
}

fn is_event_source(name: &str) -> bool {
    name.starts_with("sse_starlette.") && name.ends_with(".EventSourceResponse")
}

/// Does a list of dependencies ask for an sse-starlette before 3.1, the first that ends its streams under uvicorn's own command?
fn installs_old_event_source(repository: &Repository) -> bool {
    let lists = repository
        .files()
        .filter_map(|(_, file)| match &file.model {
            Model::Requirements(list) => Some((&file.source, list)),
            _ => None,
        });
    lists
        .flat_map(|(source, list)| list.packages.iter().map(move |package| (source, package)))
        .filter(|(_, package)| package.value == "sse-starlette")
        .any(|(source, package)| {
            let rest = source.text.get(package.at.span.start as usize..);
            rest.and_then(|rest| rest.lines().next())
                .is_some_and(is_pinned_to_old)
        })
}

/// `sse-starlette==2.1.0`, `sse-starlette~=1.6`, `sse-starlette = "^2.1"`; not `>=2.1`, which installs the newest.
fn is_pinned_to_old(line: &str) -> bool {
    let pin = ["==", "~=", "^"]
        .iter()
        .find_map(|sign| line.split_once(sign));
    let Some((_, version)) = pin else {
        return false;
    };
    let mut numbers = version
        .trim_start()
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < (3, 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_pinned_to_old;

    #[test]
    fn only_a_pin_says_which_version_is_installed() {
        for old in [
            "sse-starlette==2.1.0",
            "sse-starlette~=1.6",
            "sse-starlette = \"^2.1\"",
            "sse-starlette==3.0.4",
        ] {
            assert!(is_pinned_to_old(old), "{old}");
        }
        for new in [
            "sse-starlette",
            "sse-starlette>=2.1",
            "sse-starlette==3.1.2",
            "sse-starlette==x",
        ] {
            assert!(!is_pinned_to_old(new), "{new}");
        }
    }
}
