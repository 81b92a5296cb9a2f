//! Where a workload's server listens, as far as the files tell for sure.
//!
//! What the command line says comes first, then the variables that the server reads by itself, then its own default. A default
//! holds only where nothing can stand in its way that the files do not show: a base image that may set variables, a
//! configuration that was not read, an env file. Each part keeps the place that says it; a default has none.

mod code;
mod hold;

use super::render::server_name;
use super::workload::{Asker, Workload};
use crate::parse::command::{Binding, Server, ServerKind};
use crate::repository::Repository;
use crate::source::{Location, Stated};
use hold::{Held, Holds};
use std::net::IpAddr;

/// A server and its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Its name in a sentence.
    pub name: &'static str,
    /// Where it is started: its name in the command, or the call.
    pub at: Location,
    /// Is it a call of Python that starts it?
    pub is_code: bool,
    /// At least one.
    pub sockets: Vec<Socket>,
}

impl Listening {
    /// All its ports; none where one of them is not known.
    pub fn ports(&self) -> Option<Vec<u16>> {
        let sockets = self.sockets.iter();
        sockets.map(|socket| Some(socket.port?.value)).collect()
    }
}

/// One socket. What the files do not tell is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Which addresses are answered.
    pub host: Option<Said<Host>>,
    /// The port.
    pub port: Option<Said<u16>>,
}

/// A value, and where it is said; a server's own default is said nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// None for a default.
    pub at: Option<Location>,
}

/// Which addresses a socket answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Those of the loopback device: nobody outside of the container reaches it.
    Loopback,
    /// Others, or all.
    Others,
}

impl<T> Said<T> {
    fn default(value: T) -> Self {
        Self { value, at: None }
    }

    fn stated<S>(stated: &Stated<S>, value: T) -> Self {
        Self {
            value,
            at: Some(stated.at),
        }
    }
}

impl Host {
    /// Of an address or a name; none of a name whose address the files do not tell.
    fn of(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('[').trim_end_matches(']');
        if text.eq_ignore_ascii_case("localhost") {
            return Some(Self::Loopback);
        }
        if matches!(text, "" | "*" | "0") {
            return Some(Self::Others);
        }
        let address: IpAddr = text.parse().ok()?;
        Some(if address.is_loopback() {
            Self::Loopback
        } else {
            Self::Others
        })
    }
}

/// Where the server of a workload listens. None where the files do not tell.
pub(crate) fn listens(repository: &Repository, workload: &Workload) -> Option<Listening> {
    let server = workload.server()?;
    let holds = Holds::of(repository, workload);
    if server.kind == ServerKind::Python || server.call.is_some() {
        return code::listens(repository, workload, &holds);
    }
    Some(Listening {
        name: server_name(server.kind),
        at: server.at?,
        is_code: false,
        sockets: of_command(server, &holds)?,
    })
}

/// Do the Services ask nothing but ports on which the program itself serves metrics?
pub(super) fn is_only_scraped(repository: &Repository, workload: &Workload) -> bool {
    let holds = Holds::of(repository, workload);
    let requests = workload.requests.iter();
    let mut asked = requests.filter(|request| request.by == Asker::Service);
    let ports: Vec<u16> = code::metrics(repository, workload, &holds)
        .flatten()
        .collect();
    let is_any = asked.clone().next().is_some();
    is_any && asked.all(|request| ports.contains(&request.port))
}

/// What a server does by itself.
struct Defaults {
    host: &'static str,
    port: u16,
    /// The variables that it reads.
    host_variable: &'static str,
    port_variable: &'static str,
    /// A variable that may say anything.
    options_variable: &'static str,
}

/// From the servers' own sources: gunicorn 27.0.1, uvicorn 0.54.0, hypercorn 0.18.0, daphne 4.2.3, granian 2.8.9, Flask 3.1.3,
/// fastapi-cli 0.0.34, waitress 3.0.2, MLflow 3.17.2; Django's documentation of `runserver`.
fn defaults(server: &Server) -> Option<Defaults> {
    let loopback = |port, host_variable, port_variable| Defaults {
        host: "127.0.0.1",
        port,
        host_variable,
        port_variable,
        options_variable: "",
    };
    let all = |port, host_variable, port_variable| Defaults {
        host: "0.0.0.0",
        ..loopback(port, host_variable, port_variable)
    };
    let subcommand = server.subcommand.as_ref().map(|word| word.value.as_str());
    Some(match (server.kind, subcommand) {
        (ServerKind::Gunicorn, _) => Defaults {
            options_variable: "GUNICORN_CMD_ARGS",
            ..loopback(8000, "", "")
        },
        (ServerKind::Uvicorn, _) => loopback(8000, "UVICORN_HOST", "UVICORN_PORT"),
        (ServerKind::Granian, _) => loopback(8000, "GRANIAN_HOST", "GRANIAN_PORT"),
        (ServerKind::Hypercorn | ServerKind::Daphne, _)
        | (ServerKind::Django, Some("runserver")) => loopback(8000, "", ""),
        (ServerKind::Mlflow, Some("server" | "ui")) => Defaults {
            options_variable: "GUNICORN_CMD_ARGS",
            ..loopback(5000, "MLFLOW_HOST", "MLFLOW_PORT")
        },
        (ServerKind::Flask, Some("run")) => loopback(5000, "FLASK_RUN_HOST", "FLASK_RUN_PORT"),
        (ServerKind::FastApi, Some("dev")) => loopback(8000, "", "PORT"),
        (ServerKind::FastApi, Some("run")) => all(8000, "", "PORT"),
        (ServerKind::Waitress, _) => all(8080, "", ""),
        (ServerKind::Streamlit, Some("run")) => {
            all(8501, "STREAMLIT_SERVER_ADDRESS", "STREAMLIT_SERVER_PORT")
        }
        _ => return None,
    })
}

/// The sockets of a server that a command line starts.
fn of_command(server: &Server, holds: &Holds<'_>) -> Option<Vec<Socket>> {
    let none = Binding::default();
    let binding = server.binding.as_deref().unwrap_or(&none);
    let defaults = defaults(server);
    if binding.is_elsewhere {
        return None;
    }
    if !binding.addresses.is_empty() {
        // what is added elsewhere does not take away what is said here
        let of = |said: &Stated<String>| address(server.kind, said, defaults.as_ref());
        return binding.addresses.iter().map(of).collect();
    }
    let is_open = binding.is_unclear || !holds.is_known() || may_be_configured(server, holds);
    let options = defaults.as_ref().map_or("", |known| known.options_variable);
    let is_open = is_open || (!options.is_empty() && holds.variable(options) != Held::Unset);
    if server.kind == ServerKind::Gunicorn {
        return gunicorn_alone(holds).filter(|_| !is_open);
    }
    let host = match &binding.host {
        Some(said) => Host::of(&said.value).map(|host| Said::stated(said, host)),
        None => defaults.as_ref().filter(|_| !is_open).and_then(|known| {
            let default = Host::of(known.host)?;
            by_itself(holds, known.host_variable, default, Host::of)
        }),
    };
    let port = match &binding.port {
        Some(said) => said.value.parse().ok().map(|port| Said::stated(said, port)),
        None => defaults.as_ref().filter(|_| !is_open).and_then(|known| {
            let read = |text: &str| text.parse().ok();
            by_itself(holds, known.port_variable, known.port, read)
        }),
    };
    (host.is_some() || port.is_some()).then(|| vec![Socket { host, port }])
}

/// What a server takes where its command does not say it: the value of its own variable, else its default.
fn by_itself<T>(
    holds: &Holds<'_>,
    variable: &str,
    default: T,
    read: impl Fn(&str) -> Option<T>,
) -> Option<Said<T>> {
    match holds.variable(variable) {
        Held::Unset => Some(Said::default(default)),
        Held::Unknown => None,
        Held::Is(said) => read(&said.value).map(|value| Said::stated(said, value)),
    }
}

/// gunicorn without a word about where: its default is made from `PORT`.
fn gunicorn_alone(holds: &Holds<'_>) -> Option<Vec<Socket>> {
    let (host, port) = match holds.variable("PORT") {
        Held::Unset => (Said::default(Host::Loopback), Some(Said::default(8000))),
        Held::Is(said) => {
            let port = said.value.parse().ok();
            let host = Said::stated(said, Host::Others);
            (host, port.map(|port| Said::stated(said, port)))
        }
        Held::Unknown => return None,
    };
    let host = Some(host);
    Some(vec![Socket { host, port }])
}

/// May something say it that was not read: a configuration, a command of the project's own, a `.flaskenv`?
fn may_be_configured(server: &Server, holds: &Holds<'_>) -> bool {
    match server.kind {
        ServerKind::Gunicorn => {
            server.config.is_some() || holds.has_file("gunicorn.conf.py") || holds.mounts_files()
        }
        ServerKind::Hypercorn => server.config.is_some(),
        // a port that is said on the command line is read before
        ServerKind::Streamlit => true,
        // Flask-Script has a `manage.py runserver` too
        ServerKind::Django => {
            !holds.has_package("django")
                || holds.has_file("runserver.py")
                || holds.has_text("manage.py", "default_")
        }
        ServerKind::Flask => !holds.lacks_package("python-dotenv"),
        _ => false,
    }
}

/// `0.0.0.0:8000`, `:8000`, `127.0.0.1`, `[::]:80`; `8000` alone is Django's port.
fn address(kind: ServerKind, said: &Stated<String>, defaults: Option<&Defaults>) -> Option<Socket> {
    let text = said.value.trim_start_matches("tcp://");
    if text.contains("://") || text.starts_with("unix:") || text.contains('/') {
        return None;
    }
    let default = || Some(Said::default(defaults?.port));
    let port = |text: &str| text.parse().ok().map(|port| Said::stated(said, port));
    let host = |text: &str| Host::of(text).map(|host| Said::stated(said, host));
    if kind == ServerKind::Django && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Socket {
            host: Some(Said::default(Host::Loopback)),
            port: port(text),
        });
    }
    let is_whole_v6 = text.parse::<IpAddr>().is_ok() || text.ends_with(']');
    match text.rsplit_once(':').filter(|_| !is_whole_v6) {
        Some((before, after)) => Some(Socket {
            host: host(before),
            port: port(after),
        }),
        None if text.contains('$') => None,
        None => Some(Socket {
            host: host(text),
            port: default(),
        }),
    }
}

#[cfg(test)]
mod tests;
