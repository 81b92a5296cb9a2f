//! Does a request from outside reach the server? One answer for the rules that say why none does, and for those that have
//! nothing to say about a container that no request reaches.
//!
//! Only what is sure counts: the server is the one program of its container, its command stands in the manifest or in an image
//! that is built here under the manifest's name for it, and its address is written or its own default. Where the image is a
//! guess from names, only what its command says counts, and it is no error.

use super::compose::service_node;
use super::listens::{Host, Listening, Socket, listens};
use super::workload::{Asker, Origin, Request, StartPlace, Workload};
use crate::finding::Confidence;
use crate::parse::Model;
use crate::parse::command::Step;
use crate::parse::compose::Compose;
use crate::parse::yaml::Node;
use crate::repository::Repository;

/// A server that requests are sent to which it does not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Where it listens.
    pub listening: Listening,
    /// Those that it does not get.
    pub requests: Vec<Request>,
    /// Why it does not.
    pub why: Why,
    /// Is no link from who asks to the server a guess?
    pub is_firm: bool,
}

/// Why a server does not get requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It answers the container itself only.
    Loopback,
    /// It has other ports than all that are asked.
    Port,
}

/// Programs that listen for others, in an image or a script.
const OTHERS: [&str; 21] = [
    "apache2",
    "caddy",
    "circus",
    "concurrently",
    "cloudflared",
    "envoy",
    "foreman",
    "haproxy",
    "honcho",
    "httpd",
    "monit",
    "nginx",
    "ngrok",
    "pm2",
    "runit",
    "s6-",
    "socat",
    "stunnel",
    "supervisor",
    "traefik",
    "varnish",
];

/// Ports of a mapping that a debugger or a dashboard beside the server has.
const ASIDE: [u16; 6] = [3000, 5678, 8089, 8265, 9090, 9229];

/// What asks a server in vain; none where it is reached, or the files do not tell.
pub(super) fn missed(repository: &Repository, workload: &Workload) -> Option<Missed> {
    let listening = told(repository, workload)?;
    let (why, requests) = match inside_only(workload, &listening) {
        Some(requests) => (Why::Loopback, requests),
        None if misses(repository, workload, &listening) => (Why::Port, workload.requests.clone()),
        None => return None,
    };
    Some(Missed {
        is_firm: is_firm(workload, &listening),
        listening,
        requests,
        why,
    })
}

/// The requests that arrive where it listens on loopback alone.
fn inside_only(workload: &Workload, listening: &Listening) -> Option<Vec<Request>> {
    let is_inside = |socket: &Socket| socket.host.is_some_and(|host| host.value == Host::Loopback);
    if !listening.sockets.iter().all(is_inside) {
        return None;
    }
    let ports = listening.ports();
    let is_asked = |request: &&Request| match &ports {
        Some(ports) => ports.contains(&request.port),
        None => workload
            .requests
            .iter()
            .all(|other| other.port == request.port),
    };
    let requests: Vec<Request> = workload.requests.iter().filter(is_asked).copied().collect();
    (!requests.is_empty()).then_some(requests)
}

/// Are all requests for ports that it does not have?
fn misses(repository: &Repository, workload: &Workload, listening: &Listening) -> bool {
    let Some(ports) = listening.ports() else {
        return false;
    };
    let requests = &workload.requests;
    let is_aside = |request: &Request| {
        request.by == Asker::Host && (requests.len() > 1 || ASIDE.contains(&request.port))
    };
    let is_met = requests
        .iter()
        .any(|request| ports.contains(&request.port) || is_aside(request));
    !is_met
        && !is_proxied(repository, workload)
        && !listens_besides(repository, workload, listening)
}

/// Where the server listens, if it is the only one and that is sure.
fn told(repository: &Repository, workload: &Workload) -> Option<Listening> {
    if workload.requests.is_empty() || !workload.is_service() {
        return None;
    }
    let listening = listens(repository, workload)?;
    let is_sure = (is_firm(workload, &listening) || is_all_said(workload, &listening))
        && is_alone(repository, workload)
        && !is_overlaid(repository, workload);
    is_sure.then_some(listening)
}

/// Do the words of a command, and no script's, say all that is known of the server's sockets?
fn is_all_said(workload: &Workload, listening: &Listening) -> bool {
    let is_said = |socket: &Socket| {
        let host = socket.host.is_none_or(|host| host.at.is_some());
        host && socket.port.is_none_or(|port| port.at.is_some())
    };
    let mut steps = workload.steps.iter();
    !listening.is_code
        && listening.sockets.iter().all(is_said)
        && !steps.any(|step| matches!(step, Step::Script { .. }))
}

/// Is no link of the chain a guess? A manifest's own command needs none, where it says all.
fn is_firm(workload: &Workload, listening: &Listening) -> bool {
    let is_own = matches!(
        workload.start,
        Some(StartPlace::Manifest {
            command: Some(_),
            ..
        })
    );
    workload.confidence == Confidence::High || (is_own && is_all_said(workload, listening))
}

/// Is nothing else started in the container that could listen for it?
fn is_alone(repository: &Repository, workload: &Workload) -> bool {
    let mut steps = workload.steps.iter();
    if steps.any(|step| matches!(step, Step::Supervisor { .. })) {
        return false;
    }
    let script = workload.script.as_deref();
    let has_background = script.is_some_and(|entry| {
        let mut commands = entry.script.commands.iter();
        commands.any(|command| command.is_background)
    });
    let script = script.map(|entry| {
        let source = &repository.file(entry.at.file).source;
        source.slice(entry.at.span)
    });
    let image = workload.built;
    let image = image.map(|built| repository.file(built.file).source.text.as_str());
    let words = || workload.command.iter().map(|word| word.text.as_str());
    let mut texts = words().chain(script).chain(image);
    !has_background
        && !words().any(|text| has_ampersand(text) || branches(text))
        && !texts.any(|text| OTHERS.iter().any(|name| text.contains(name)))
}

/// `a & b`; not `a && b`, not `2>&1`.
fn has_ampersand(text: &str) -> bool {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    (0..bytes.len()).any(|index| {
        bytes[index] == b'&'
            && !matches!(at(index + 1), b'&' | b'>')
            && (index == 0 || !matches!(bytes[index - 1], b'&' | b'>'))
    })
}

/// Is another program started on another branch of a shell's text, or is the server sent to the background?
fn branches(text: &str) -> bool {
    let marks = ["||", "; then", "\nthen", "case ", "--daemon", "--detach"];
    marks.iter().any(|mark| text.contains(mark)) || text == "-D"
}

/// May another Compose file beside this one change it, or another service share its network?
fn is_overlaid(repository: &Repository, workload: &Workload) -> bool {
    let Origin::Compose { service } = &workload.origin else {
        return false;
    };
    let own = workload.at.file;
    let folder = repository.file(own).source.folder();
    let beside = repository
        .files()
        .filter_map(|(id, file)| match &file.model {
            Model::Compose(compose) if file.source.folder() == folder => Some((id, compose)),
            _ => None,
        });
    let shares = |compose: &Compose| {
        let mut modes = compose
            .services
            .iter()
            .filter_map(|(_, node)| node.get("network_mode")?.text());
        modes.any(|mode| mode.rsplit(':').next() == Some(service))
    };
    let changes = |compose: &Compose| {
        let named = compose.services.iter().find(|(name, _)| name == service);
        named.is_some_and(|(_, node): &(String, Node)| {
            ["command", "entrypoint", "environment", "env_file", "ports"]
                .iter()
                .any(|key| node.get(key).is_some())
        })
    };
    beside
        .into_iter()
        .any(|(id, compose)| shares(compose) || (id != own && changes(compose)))
}

/// Does a service of Compose say another port than the host's, for a proxy that asks beside it?
fn is_proxied(repository: &Repository, workload: &Workload) -> bool {
    let Origin::Compose { service } = &workload.origin else {
        return false;
    };
    service_node(repository, workload.at.file, service).is_some_and(|node| {
        let mut keys = ["expose", "labels"].into_iter();
        keys.any(|key| node.get(key).is_some())
    })
}

/// May its modules listen on another port as well: for metrics, for probes?
fn listens_besides(repository: &Repository, workload: &Workload, listening: &Listening) -> bool {
    const CALLS: [&str; 18] = [
        "HTTPServer",
        "TCPServer",
        "add_insecure_port",
        "add_secure_port",
        "bind",
        "create_server",
        "listen",
        "make_server",
        "run_app",
        "run_simple",
        "serve_forever",
        "start_http_server",
        "start_server",
        "start_wsgi_server",
        "Popen",
        "Process",
        "Server",
        "TCPSite",
    ];
    let modules = workload.modules.iter();
    let modules = modules.filter_map(|id| repository.module(*id));
    let mut calls = modules.flat_map(|module| &module.calls);
    calls.any(|call| {
        let last = call.name.rsplit('.').next().unwrap_or_default();
        call.at != listening.at
            && (CALLS.contains(&last) || last.ends_with("HTTPServer") || call.name == "uvicorn.run")
    })
}
