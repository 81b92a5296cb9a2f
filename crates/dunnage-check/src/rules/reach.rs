//! Does a request from outside reach the server? One answer for the rules that say why none does, and for those that have
//! nothing to say about a container that no request reaches.
//!
//! Only what is sure counts: the server is the one program of its container, its command stands in the manifest or in an image
//! that is built here under the manifest's name for it, and its address is written or its own default. Where the image is a
//! guess from names, only what its command says counts, and it is no error.

use super::Context;
use super::about::{about, modules, node, stage};
use crate::finding::{Confidence, Finding, Severity};
use crate::graph::Workload;
use crate::graph::listens::{Host, Listening, Socket, listens};
use crate::graph::workload::{Asker, Origin, Python, Request, StartPlace};
use crate::parse::Model;
use crate::parse::command::Step;
use crate::parse::compose::Compose;
use crate::parse::yaml::Node;

/// A server, and who asks it in vain.
pub(super) struct Missed {
    /// Where it listens.
    pub(super) listening: Listening,
    /// Who asks.
    pub(super) requests: Vec<Request>,
    /// Is no link from who asks to the server a guess?
    pub(super) is_firm: bool,
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

/// Does it get the requests that are sent to it? True where the files do not tell.
pub(super) fn is_reached(context: &Context<'_>, workload: &Workload) -> bool {
    told(context, workload).is_none_or(|listening| {
        inside_only(workload, &listening).is_none() && !misses(context, workload, &listening)
    })
}

impl Missed {
    /// A finding about it: as sure as the links are, and no error where one of them is a guess.
    pub(super) fn about(&self, finding: Finding, workload: &Workload) -> Finding {
        let finding = about(finding, workload);
        if self.is_firm {
            finding.confidence(Confidence::High)
        } else {
            finding.severity(Severity::Warning)
        }
    }
}

/// A server that answers the container itself only, where somebody outside asks its port.
pub(super) fn on_loopback(context: &Context<'_>, workload: &Workload) -> Option<Missed> {
    let listening = told(context, workload)?;
    let requests = inside_only(workload, &listening)?;
    Some(Missed {
        is_firm: is_firm(workload, &listening),
        listening,
        requests,
    })
}

/// The requests that arrive where it listens on loopback alone.
fn inside_only(workload: &Workload, listening: &Listening) -> Option<Vec<Request>> {
    let is_inside = |socket: &Socket| socket.host.is_some_and(|host| host.value == Host::Loopback);
    if !listening.sockets.iter().all(is_inside) {
        return None;
    }
    let ports: Option<Vec<u16>> = ports(listening);
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

/// A server that has other ports than all that are asked.
pub(super) fn elsewhere(context: &Context<'_>, workload: &Workload) -> Option<Missed> {
    let listening = told(context, workload)?;
    misses(context, workload, &listening).then(|| Missed {
        is_firm: is_firm(workload, &listening),
        listening,
        requests: workload.requests.clone(),
    })
}

/// Are all requests for ports that it does not have?
fn misses(context: &Context<'_>, workload: &Workload, listening: &Listening) -> bool {
    let Some(ports) = ports(listening) else {
        return false;
    };
    let requests = &workload.requests;
    let is_aside = |request: &Request| {
        request.by == Asker::Host && (requests.len() > 1 || ASIDE.contains(&request.port))
    };
    let is_met = requests
        .iter()
        .any(|request| ports.contains(&request.port) || is_aside(request));
    !is_met && !is_proxied(context, workload) && !listens_besides(context, workload, listening)
}

/// Is the image or its container called as the folder or the ending of the Dockerfile that it would be from? Without that, a
/// port that differs says that the image is another one.
pub(super) fn is_called_alike(context: &Context<'_>, workload: &Workload) -> bool {
    let Some(built) = workload.built else {
        return false;
    };
    let plain = |text: &str| format!("-{}-", text.to_ascii_lowercase().replace(['_', ' '], "-"));
    let source = &context.repository.file(built.file).source;
    let folder = source.folder().rsplit('/').next().unwrap_or_default();
    let image = workload.image.as_ref().map_or("", |image| &image.value);
    let base = image.rsplit('/').next().unwrap_or_default();
    let base = base.split([':', '@']).next().unwrap_or_default();
    let names = [plain(base), plain(&workload.name)];
    // `Dockerfile.api`, `api.Dockerfile`
    let endings = source.name().split('.');
    let endings = endings.filter(|part| !part.eq_ignore_ascii_case("dockerfile"));
    endings.chain([folder]).any(|word| {
        let word = plain(word);
        word.len() > 2 && names.iter().any(|name| name.contains(&word))
    })
}

fn ports(listening: &Listening) -> Option<Vec<u16>> {
    let ports = listening.sockets.iter();
    ports.map(|socket| Some(socket.port?.value)).collect()
}

/// Where the server listens, if it is the only one and that is sure.
fn told(context: &Context<'_>, workload: &Workload) -> Option<Listening> {
    if workload.requests.is_empty() || workload.python == Python::No || !workload.is_service() {
        return None;
    }
    let listening = listens(context.repository, workload)?;
    let is_sure = (is_firm(workload, &listening) || is_all_said(workload, &listening))
        && is_alone(context, workload)
        && !is_overlaid(context, workload);
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
fn is_alone(context: &Context<'_>, workload: &Workload) -> bool {
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
        context
            .repository
            .file(entry.at.file)
            .source
            .slice(entry.at.span)
    });
    let image = stage(context.repository, workload);
    let image = image.map(|(file, _)| context.repository.file(file).source.text.as_str());
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
fn is_overlaid(context: &Context<'_>, workload: &Workload) -> bool {
    let Origin::Compose { service } = &workload.origin else {
        return false;
    };
    let own = workload.at.file;
    let folder = context.repository.file(own).source.folder();
    let beside = context
        .repository
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
fn is_proxied(context: &Context<'_>, workload: &Workload) -> bool {
    let is_compose = matches!(workload.origin, Origin::Compose { .. });
    let service = node(context.repository, workload).filter(|_| is_compose);
    service.is_some_and(|(_, node)| {
        let mut keys = ["expose", "labels"].into_iter();
        keys.any(|key| node.get(key).is_some())
    })
}

/// May its modules listen on another port as well: for metrics, for probes?
fn listens_besides(context: &Context<'_>, workload: &Workload, listening: &Listening) -> bool {
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
    let mut calls = modules(context.repository, workload).flat_map(|(_, module)| &module.calls);
    calls.any(|call| {
        let last = call.name.rsplit('.').next().unwrap_or_default();
        call.at != listening.at
            && (CALLS.contains(&last) || last.ends_with("HTTPServer") || call.name == "uvicorn.run")
    })
}
