//! NET002.

use super::{about_missed, asks, missed};
use crate::finding::{Confidence, Finding, Severity};
use crate::graph::Workload;
use crate::graph::listens::Listening;
use crate::graph::reach::Why;
use crate::graph::workload::Asker;
use crate::names::has_word;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A container all of whose requests go to ports that its server does not have: the `targetPort` of each Service that
    /// selects it and the port of each probe (Compose: the one port that the host maps) are others than the one that the server
    /// is seen to listen on, by its command, its configuration or `app.run(port=…)`, or by its own default where nothing else
    /// can say it. A name of a port is what the container's `ports` make of it; `containerPort` by itself is documentation, and
    /// no reason.
    ///
    /// Nothing is said where another program or another container of the pod may listen there, where the program's modules open
    /// more sockets or start processes, and where a variable decides whose value is not here. Where the image was found by its
    /// name only, the port must stand in its command, and it is a warning; where not even a name says whose it is, only that there is
    /// one Dockerfile, a port that differs says that the image is another one, and nothing is found.
    ///
    /// ## Why
    /// Kubernetes never looks whether somebody listens on a port. The Service has endpoints, the pod runs, and every request is
    /// refused; with a probe on that port the pod never becomes ready, or is killed again and again. It comes from a port that
    /// was changed in one of the two places.
    ///
    /// ## Example
    /// ```yaml
    /// containers:
    /// - name: web
    ///   command: [gunicorn, --bind, "0.0.0.0:8080", "shop:app"]
    /// # and in the Service
    /// ports: [{port: 80, targetPort: 8000}]
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// ports: [{port: 80, targetPort: 8080}]
    /// ```
    ///
    /// ## Fix
    /// By hand: only you know which of the two ports is meant.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/tasks/debug/debug-application/debug-service/#is-the-service-defined-correctly>
    pub(in crate::rules) static RULE = {
        id: "NET002",
        name: "nobody-listens-there",
        title: "requests go to a port on which the server does not listen",
        family: Family::Net,
        severity: Severity::Error,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, missed) in missed(context, Why::Port) {
        if !missed.is_firm && !is_called_as_its_dockerfile(context, workload) {
            continue;
        }
        let Some(first) = missed.requests.first() else {
            continue;
        };
        let listening = &missed.listening;
        let who = match first.by {
            Asker::Service => "the Service sends requests to",
            Asker::Probe => "the probe asks",
            Asker::Host => "the host's port leads to",
        };
        let message = format!(
            "{who} port {}, and {} listens on {}",
            first.port,
            listening.name,
            ports(listening)
        );
        let mut finding = Finding::new(&RULE, first.at, message);
        for request in missed.requests.iter().skip(1) {
            finding = finding.because(request.at, asks(request));
        }
        for socket in &listening.sockets {
            let Some(port) = socket.port else { continue };
            let note = match port.at {
                Some(_) => format!("{} listens on {}", listening.name, port.value),
                None => format!("{} listens on {} by default", listening.name, port.value),
            };
            finding = finding.because(port.at.unwrap_or(listening.at), note);
        }
        findings.push(about_missed(missed, finding, workload));
    }
}

fn ports(listening: &Listening) -> String {
    let sockets = listening.sockets.iter();
    let ports = sockets.filter_map(|socket| Some(socket.port?.value.to_string()));
    ports.collect::<Vec<_>>().join(" and ")
}

/// Is the image or its container called as the folder or the ending of the Dockerfile that it would be from? Without that, a
/// port that differs says that the image is another one.
fn is_called_as_its_dockerfile(context: &Context<'_>, workload: &Workload) -> bool {
    let Some(built) = workload.built else {
        return false;
    };
    let source = &context.repository.file(built.file).source;
    let folder = source.folder().rsplit('/').next().unwrap_or_default();
    let image = workload.image.as_ref().map_or("", |image| &image.value);
    let base = image.rsplit('/').next().unwrap_or_default();
    let base = base.split([':', '@']).next().unwrap_or_default();
    // `Deployment/shop container web`
    let names = || workload.name.split(' ').chain([base]);
    // `Dockerfile.api`, `api.Dockerfile`
    let endings = source.name().split('.');
    let endings = endings.filter(|part| !part.eq_ignore_ascii_case("dockerfile"));
    endings
        .chain([folder])
        .any(|word| names().any(|name| has_word(name, word)))
}
