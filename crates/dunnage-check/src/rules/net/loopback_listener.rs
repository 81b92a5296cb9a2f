//! NET001.

use super::{about_missed, asks, missed};
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Edit, Fix, Target, words};
use crate::graph::Workload;
use crate::graph::listens::Listening;
use crate::graph::reach::Why;
use crate::graph::workload::{Asker, Request};
use crate::parse::command::{Server, ServerKind};
use crate::parse::python::Call;
use crate::repository::Repository;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span};

rule! {
    /// ## What it finds
    /// A server that listens on 127.0.0.1 (`localhost`, `::1`) only, in a container that somebody outside asks on that port: a
    /// Service that selects it, a probe of the kubelet, or `ports` of Compose. The address is said (`--bind 127.0.0.1:8000`,
    /// `app.run(host="127.0.0.1")`) or is the server's own default: gunicorn without `PORT`, uvicorn, hypercorn, daphne,
    /// granian, `flask run`, `app.run()`, `runserver`, `fastapi dev` and `mlflow server` all begin there.
    ///
    /// Nothing is said where another container of the pod may ask on localhost (a proxy, a mesh), where several programs share
    /// the container, on the host's network, of a Unix socket, and where an image, a file or a variable that is not here may
    /// say another address. Where the image was found by its name only, the address must stand in its command, and it is a
    /// warning. `EXPOSE` is no reason: it opens nothing.
    ///
    /// ## Why
    /// A container has a network of its own, and 127.0.0.1 is its own loopback device. Requests from a Service, from a probe
    /// and from a port of the host arrive at the container's other address, where nobody listens: "connection refused", at
    /// every request. The probe fails, the pod never becomes ready or is killed over and over; `kubectl port-forward` and
    /// `kubectl exec … curl localhost` work all the while, since both ask from within.
    ///
    /// ## Example
    /// ```dockerfile
    /// CMD ["uvicorn", "shop:app", "--port", "8000"]
    /// ```
    ///
    /// ## Instead
    /// ```dockerfile
    /// CMD ["uvicorn", "shop:app", "--host", "0.0.0.0", "--port", "8000"]
    /// ```
    ///
    /// ## Fix
    /// Unsafe: the address becomes 0.0.0.0, or is said where it was not.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/settings.html#bind>
    /// - <https://www.uvicorn.org/settings/#socket-binding>
    /// - <https://flask.palletsprojects.com/en/stable/api/#flask.Flask.run>
    pub(in crate::rules) static RULE = {
        id: "NET001",
        name: "loopback-listener",
        title: "the server listens on 127.0.0.1, where no request from outside of the container arrives",
        family: Family::Net,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, missed) in missed(context, Why::Loopback) {
        let listening = &missed.listening;
        let Some(socket) = listening.sockets.first() else {
            continue;
        };
        let said = socket.host.and_then(|host| host.at);
        let by_default = if said.is_none() { " by default" } else { "" };
        let message = format!(
            "{} listens on 127.0.0.1{by_default}: {}",
            listening.name,
            in_vain(&missed.requests)
        );
        let mut finding = Finding::new(&RULE, said.unwrap_or(listening.at), message);
        for request in &missed.requests {
            finding = finding.because(request.at, asks(request));
        }
        let fix = match said {
            Some(at) => say_instead(Target::of(context.repository, at.file), at),
            None => say(context.repository, workload, listening),
        };
        let fix = fix.map(|edit| Fix::changing("listen on all addresses", vec![edit]));
        findings.push(about_missed(missed, finding.fix(fix), workload));
    }
}

/// What becomes of the requests.
fn in_vain(requests: &[Request]) -> &'static str {
    let by = |asker| requests.iter().any(|request| request.by == asker);
    match (by(Asker::Service), by(Asker::Probe)) {
        (true, true) => "the Service's requests and the probes are refused",
        (true, false) => "the Service's requests are refused",
        (false, true) => "the probes are refused",
        (false, false) => "what arrives at the host's port is refused",
    }
}

/// 0.0.0.0 in the place of the address that is written.
fn say_instead(target: Target<'_>, at: Location) -> Option<Edit> {
    let written = target.slice(at.span);
    let old = ["127.0.0.1", "localhost"]
        .into_iter()
        .find(|old| written.matches(old).count() == 1)?;
    let start = at.span.start as usize + written.find(old)?;
    Some(target.replace(Span::new(start..start + old.len()), "0.0.0.0"))
}

/// The address said where it was a default.
fn say(repository: &Repository, workload: &Workload, listening: &Listening) -> Option<Edit> {
    if listening.is_code {
        return say_in_call(repository, listening);
    }
    let server = workload.server()?;
    let port = listening.sockets.first()?.port?;
    let address = format!("0.0.0.0:{}", port.value);
    let (behind, new): (_, Vec<&str>) = match server.kind {
        ServerKind::Gunicorn | ServerKind::Hypercorn => (app(server)?, vec!["--bind", &address]),
        ServerKind::Uvicorn | ServerKind::Granian => (app(server)?, vec!["--host", "0.0.0.0"]),
        ServerKind::Daphne => (app(server)?, vec!["-b", "0.0.0.0"]),
        ServerKind::Flask | ServerKind::FastApi | ServerKind::Mlflow => {
            (subcommand(server)?, vec!["--host", "0.0.0.0"])
        }
        ServerKind::Django if port.at.is_none() => (subcommand(server)?, vec![&address]),
        _ => return None,
    };
    let (at, text) = behind;
    let target = Target::of(repository, at.file);
    // a word that a variable or a script gave stands somewhere else
    let written = target.slice(at.span).trim_matches(['"', '\'']);
    (written == text).then(|| words::insert_after(target, at.span, &new))?
}

fn app(server: &Server) -> Option<(Location, &str)> {
    let app = server.app.as_ref()?;
    Some((app.at, &app.value))
}

fn subcommand(server: &Server) -> Option<(Location, &str)> {
    let subcommand = server.subcommand.as_deref()?;
    Some((subcommand.at, &subcommand.value))
}

/// `host="0.0.0.0"` behind what the call is given by position.
fn say_in_call(repository: &Repository, listening: &Listening) -> Option<Edit> {
    let module = repository.module(listening.at.file)?;
    let call: &Call = module.calls.iter().find(|call| call.at == listening.at)?;
    let target = Target::of(repository, call.at.file);
    let positional = call.arguments.iter();
    let last = positional
        .take_while(|argument| argument.keyword.is_none())
        .last();
    if let Some(last) = last {
        return Some(target.insert(last.at.span.end as usize, ", host=\"0.0.0.0\""));
    }
    let open = call.callee.span.end as usize;
    let is_open = target.text.get(open..)?.starts_with('(');
    let comma = if call.arguments.is_empty() { "" } else { ", " };
    is_open.then(|| target.insert(open + 1, format!("host=\"0.0.0.0\"{comma}")))
}
