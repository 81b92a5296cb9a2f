//! What an image listens on, as far as its Dockerfile tells.

use crate::parse::command::{self, Binding, Step};
use crate::parse::dockerfile::{Dockerfile, Form, Start};
use crate::parse::shell::fill::Variables;

/// What an image listens on, as far as its Dockerfile tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ports {
    /// The command says the number.
    Said(Vec<u16>),
    /// `EXPOSE` says it, which nothing holds to.
    Exposed(Vec<u16>),
}

impl Ports {
    /// Of a Dockerfile's last stage.
    pub(super) fn of(dockerfile: &Dockerfile) -> Self {
        let Some(stage) = dockerfile.stages.last() else {
            return Self::Exposed(Vec::new());
        };
        let starts = [&stage.entrypoint, &stage.command];
        let said: Vec<u16> = starts.into_iter().flatten().filter_map(port_of).collect();
        if !said.is_empty() {
            return Self::Said(said);
        }
        let exposed = stage.exposed.iter();
        let numbers = exposed.filter_map(|port| port.value.split('/').next()?.parse().ok());
        Self::Exposed(numbers.collect())
    }

    pub(super) fn numbers(&self) -> &[u16] {
        match self {
            Self::Said(ports) | Self::Exposed(ports) => ports,
        }
    }
}

/// The port that a command says: a server's in its own words, another program's in the usual ones. None where it is a
/// variable's.
fn port_of(start: &Start) -> Option<u16> {
    let (steps, text) = match &start.form {
        Form::Exec(words) => {
            let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            (command::read(words), texts.join(" "))
        }
        Form::Shell(text) => {
            let mut variables = Variables::unknown();
            let steps = command::read_text("sh", text, start.arguments, &mut variables);
            (steps, text.clone())
        }
    };
    let server = steps.iter().find_map(|step| match step {
        Step::Server(server) => server.binding.as_deref(),
        _ => None,
    });
    server.and_then(Binding::port).or_else(|| usual_port(&text))
}

/// The number behind `--port`, `-p`, `--bind`, `-b` and the like, and of `0.0.0.0:8000` alone.
fn usual_port(text: &str) -> Option<u16> {
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''));
    let mut port = None;
    while let Some(word) = words.next() {
        let value = match word {
            "--port" | "-p" | "--http-port" => words.next(),
            "--bind" | "-b" => words.next().and_then(|value| value.rsplit(':').next()),
            _ => word.strip_prefix("0.0.0.0:"),
        };
        port = port.or(value.and_then(|value| value.parse().ok()));
    }
    port
}
