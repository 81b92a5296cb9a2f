//! A server that a module starts by itself: `app.run(host=…)`, `uvicorn.run(…)`, `serve(app)`.

use super::hold::{Held, Holds};
use super::{Host, Listening, Said, Socket, address};
use crate::graph::config::runs;
use crate::graph::workload::Workload;
use crate::parse::command::ServerKind;
use crate::parse::python::{Argument, Call, Module, Value};
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated};

/// How a call says where.
struct Serves {
    /// As a person calls what it starts.
    name: &'static str,
    /// The argument of the host, and its position.
    host: (&'static str, usize),
    /// That of the port.
    port: (&'static str, usize),
    /// Its defaults; none where they depend on what is not read.
    defaults: (Option<Host>, Option<u16>),
}

/// Arguments in whose presence host and port say nothing.
const ELSEWHERE: [&str; 7] = [
    "fd",
    "listen",
    "path",
    "share",
    "sock",
    "uds",
    "unix_socket",
];

/// No argument has so many before it.
const NOWHERE: usize = usize::MAX;

/// Where the module that a workload begins in listens. None where several calls could, or none is understood.
pub(super) fn listens(
    repository: &Repository,
    workload: &Workload,
    holds: &Holds<'_>,
) -> Option<Listening> {
    let file = *workload.modules.first()?;
    let module = repository.module(file)?;
    let mut serving = module.calls.iter().filter_map(|call| {
        let serves = serves(module, call)?;
        Some((call, serves))
    });
    let (call, serves) = serving.next()?;
    if serving.next().is_some() || !runs(module, call) || call.has_unpacking() {
        return None;
    }
    if ELSEWHERE.iter().any(|name| call.keyword(name).is_some()) {
        return None;
    }
    let code = Code {
        repository,
        file,
        module,
        holds,
    };
    let socket = match serves.name {
        "gRPC" => address(
            ServerKind::Python,
            &code.text(call.arguments.first()?)?,
            None,
        )?,
        _ => code.socket(call, &serves),
    };
    (socket.host.is_some() || socket.port.is_some()).then(|| Listening {
        name: serves.name,
        at: call.at,
        is_code: true,
        sockets: vec![socket],
    })
}

/// On which ports a workload's modules serve metrics for Prometheus; none for one that the files do not tell.
pub(super) fn metrics<'a>(
    repository: &'a Repository,
    workload: &'a Workload,
    holds: &'a Holds<'a>,
) -> impl Iterator<Item = Option<u16>> + 'a {
    let exports = |call: &&Call| {
        let name = call.name.strip_prefix("prometheus_client.");
        let name = name.map(|name| name.trim_start_matches("exposition."));
        matches!(name, Some("start_http_server" | "start_wsgi_server"))
    };
    let modules = workload
        .modules
        .iter()
        .filter_map(|file| Some((*file, repository.module(*file)?)));
    modules.flat_map(move |(file, module)| {
        let code = Code {
            repository,
            file,
            module,
            holds,
        };
        let calls = module.calls.iter().filter(exports);
        calls.map(move |call| code.text(call.argument(0, "port")?)?.value.parse().ok())
    })
}

/// Whose server a call starts.
fn serves(module: &Module, call: &Call) -> Option<Serves> {
    let with = |name, host, port, defaults| {
        Some(Serves {
            name,
            host,
            port,
            defaults,
        })
    };
    let keywords = (("host", NOWHERE), ("port", NOWHERE));
    let first = (("host", 0), ("port", 1));
    let of_loopback = |port| (Some(Host::Loopback), Some(port));
    let of_all = |port| (Some(Host::Others), Some(port));
    let unknown = (None, None);
    match call.name.as_str() {
        "uvicorn.run" => return with("uvicorn", keywords.0, keywords.1, of_loopback(8000)),
        "waitress.serve" => return with("waitress", keywords.0, keywords.1, of_all(8080)),
        "aiohttp.web.run_app" => return with("aiohttp", keywords.0, keywords.1, of_all(8080)),
        "werkzeug.serving.run_simple" | "wsgiref.simple_server.make_server" => {
            return with("the development server", first.0, first.1, unknown);
        }
        "bottle.run" => return with("bottle", keywords.0, keywords.1, of_loopback(8080)),
        _ => {}
    }
    let (object, method) = call.name.rsplit_once('.')?;
    match (method, made_by(module, object)) {
        ("run", Some("flask.Flask")) => with(
            "Flask's development server",
            first.0,
            first.1,
            of_loopback(5000),
        ),
        ("run", Some("quart.Quart")) => with(
            "Quart's development server",
            first.0,
            first.1,
            of_loopback(5000),
        ),
        ("run", Some("flask_socketio.SocketIO")) => with(
            "Flask-SocketIO",
            ("host", 1),
            ("port", 2),
            of_loopback(5000),
        ),
        ("run", Some("sanic.Sanic")) => with("Sanic", first.0, first.1, of_loopback(8000)),
        // its defaults are those of HOST and PORT
        ("run" | "run_server", Some("dash.Dash")) => {
            with("Dash's development server", first.0, first.1, unknown)
        }
        ("add_insecure_port", _) => with("gRPC", first.0, first.1, unknown),
        ("launch", _) if module.imports("gradio") => with(
            "Gradio",
            ("server_name", NOWHERE),
            ("server_port", NOWHERE),
            unknown,
        ),
        ("run" | "run_server" | "listen" | "serve" | "run_app" | "launch", _) => {
            let is_server = call.keyword("host").is_some() || call.keyword("port").is_some();
            is_server
                .then(|| with("the program", keywords.0, keywords.1, unknown))
                .flatten()
        }
        _ => None,
    }
}

/// The call that made what a name means: `flask.Flask` for `app = Flask(__name__)`, and for `Flask(__name__).run()`.
fn made_by<'a>(module: &'a Module, name: &'a str) -> Option<&'a str> {
    if let Some(maker) = name.strip_suffix("()") {
        return Some(maker);
    }
    let globals = module.assignments.iter();
    let globals = globals.filter(|(global, ..)| global == name);
    let locals = module.locals.iter().filter(|local| local.name == name);
    let mut values = globals
        .map(|(_, value, _)| value)
        .chain(locals.map(|local| &local.value));
    match (values.next()?, values.next()) {
        (Value::Call(maker), None) => Some(maker),
        _ => None,
    }
}

struct Code<'a> {
    repository: &'a Repository,
    file: FileId,
    module: &'a Module,
    holds: &'a Holds<'a>,
}

impl Code<'_> {
    fn socket(&self, call: &Call, serves: &Serves) -> Socket {
        // Flask takes its defaults from there
        let is_open = self.holds.mentions(&["SERVER_NAME"]);
        let said = |(name, position): (&str, usize)| {
            let argument = match position {
                NOWHERE => call.keyword(name),
                _ => call.argument(position, name),
            };
            argument.filter(|argument| argument.value != Value::None)
        };
        let host = match said(serves.host) {
            Some(argument) => self
                .text(argument)
                .and_then(|said| Host::of(&said.value).map(|host| Said::stated(&said, host))),
            None => serves.defaults.0.filter(|_| !is_open).map(Said::default),
        };
        let port = match said(serves.port) {
            Some(argument) => self.text(argument).and_then(|said| {
                let port = said.value.parse().ok()?;
                Some(Said::stated(&said, port))
            }),
            None => serves.defaults.1.filter(|_| !is_open).map(Said::default),
        };
        Socket { host, port }
    }

    /// What an argument is: a constant, a name that is bound once to one, or a variable of the environment.
    fn text(&self, argument: &Argument) -> Option<Stated<String>> {
        self.value(&argument.value, argument.at)
    }

    fn value(&self, value: &Value, at: Location) -> Option<Stated<String>> {
        let Value::Name(name) = value else {
            return constant(value, at).or_else(|| self.variable(at));
        };
        let globals = self.module.assignments.iter();
        let mut bound = globals.filter(|(global, ..)| global == name);
        let is_local = self.module.locals.iter().any(|local| local.name == *name);
        let (_, value, at) = bound.next().filter(|_| !is_local)?;
        if bound.next().is_some() {
            return None;
        }
        constant(value, *at).or_else(|| self.variable(*at))
    }

    /// `os.environ.get("PORT", "8000")`, in `int(…)` or by itself.
    fn variable(&self, at: Location) -> Option<Stated<String>> {
        let source = &self.repository.file(self.file).source;
        let written = source.slice(at.span);
        let written = written
            .strip_prefix("int(")
            .and_then(|rest| rest.strip_suffix(')'))
            .unwrap_or(written);
        let is_one = |call: &&Call| {
            matches!(call.name.as_str(), "os.environ.get" | "os.getenv")
                && call.at.span.start >= at.span.start
                && call.at.span.end <= at.span.end
                && source.slice(call.at.span) == written
        };
        let call = self.module.calls.iter().find(is_one)?;
        let Value::Text(name) = &call.arguments.first()?.value else {
            return None;
        };
        match self.holds.variable(name) {
            Held::Is(said) => Some(said.clone()),
            Held::Unset if !self.holds.has_package("python-dotenv") => {
                let default = call.arguments.get(1)?;
                constant(&default.value, default.at)
            }
            _ => None,
        }
    }
}

fn constant(value: &Value, at: Location) -> Option<Stated<String>> {
    match value {
        Value::Text(text) => Some(Stated::new(text.to_string(), at)),
        Value::Int(number) => Some(Stated::new(number.to_string(), at)),
        _ => None,
    }
}
