//! Python, and the servers that are written in it.

use super::wrapper::known_name;
use super::{Read, Server, ServerKind, Step, Word, has_extension};
use crate::source::{Location, Stated};

/// A path without its folders.
pub fn file_name(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or_default()
}

/// A server by its own name, Python, or a file of Python.
pub(super) fn read<'a>(name: &str, words: &'a [Word]) -> Option<Read<'a>> {
    let (first, rest) = words.split_first()?;
    let server = if known_name(name) == "python" || known_name(name) == "pypy" {
        python(first.at, rest)
    } else if let Some(kind) = server_kind(name) {
        let mut server = Server::new(kind, first.at);
        server.take_options(rest);
        if kind == ServerKind::Uwsgi && server.config.is_none() {
            // `uwsgi /etc/uwsgi.ini`
            let file = rest
                .iter()
                .find(|word| has_extension(&word.text, &["ini", "xml", "yaml", "yml", "json"]));
            server.config = file.map(|word| Box::new(Stated::new(word.text.clone(), word.at)));
        }
        refine(server)
    } else if name == "manage.py" || name == "django-admin" {
        django(first.at, rest)
    } else if has_extension(name, &["py"]) {
        let mut server = Server::new(ServerKind::Python, first.at);
        server.app = Some(Stated::new(first.text.clone(), first.at));
        server
    } else {
        return None;
    };
    Some(Read::Ends(vec![Step::Server(Box::new(server))]))
}

/// The server that a program or a module of this name is.
fn server_kind(name: &str) -> Option<ServerKind> {
    Some(match name {
        "gunicorn" | "gunicorn3" | "gunicorn.app.wsgiapp" => ServerKind::Gunicorn,
        "uvicorn" => ServerKind::Uvicorn,
        "hypercorn" => ServerKind::Hypercorn,
        "granian" => ServerKind::Granian,
        "daphne" => ServerKind::Daphne,
        "uwsgi" => ServerKind::Uwsgi,
        "waitress-serve" | "waitress" => ServerKind::Waitress,
        "celery" => ServerKind::Celery,
        "rq" | "rqworker" => ServerKind::Rq,
        "dramatiq" => ServerKind::Dramatiq,
        "flask" => ServerKind::Flask,
        "fastapi" => ServerKind::FastApi,
        "streamlit" => ServerKind::Streamlit,
        "jupyter" | "jupyter-lab" | "jupyter-notebook" | "jupyterhub" => ServerKind::Jupyter,
        "airflow" => ServerKind::Airflow,
        "mlflow" => ServerKind::Mlflow,
        _ => return None,
    })
}

/// What its subcommand says about it.
fn refine(mut server: Server) -> Server {
    let subcommand = server.subcommand.as_ref().map_or("", |word| &word.value);
    let serves_for_development = matches!(
        (server.kind, subcommand),
        (ServerKind::Flask, "run") | (ServerKind::FastApi, "dev")
    );
    if serves_for_development {
        let at = server.subcommand.as_ref().map(|word| word.at);
        server.development = server.development.or(at);
    }
    let is_finite = match server.kind {
        ServerKind::Flask => !matches!(subcommand, "run" | ""),
        ServerKind::Mlflow => !matches!(subcommand, "server" | "ui"),
        _ => false,
    };
    if is_finite {
        // `flask db upgrade`: a program of Flask that ends
        server.kind = ServerKind::Python;
    }
    server
}

/// `python [options] file.py`, `-m module`, `-c text`.
fn python(at: Location, words: &[Word]) -> Server {
    let mut server = Server::new(ServerKind::Python, at);
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let Some(letters) = word.text.strip_prefix('-') else {
            return python_file(server, word, after);
        };
        rest = after;
        server.is_unbuffered |=
            letters.contains('u') && !letters.starts_with(['X', 'W', '-', 'm', 'c']);
        if letters.ends_with('m') && letters.len() <= 3 {
            return rest
                .split_first()
                .map_or(server.clone(), |(module, arguments)| {
                    python_module(server, word.at, module, arguments)
                });
        }
        if letters.ends_with('c') && letters.len() <= 3 {
            return server;
        }
        if matches!(letters, "X" | "W" | "-check-hash-based-pycs") {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    server
}

fn python_file(mut server: Server, file: &Word, arguments: &[Word]) -> Server {
    let name = file_name(&file.text);
    if name == "manage.py" {
        return Server {
            is_unbuffered: server.is_unbuffered,
            ..django(file.at, arguments)
        };
    }
    // `python /opt/venv/bin/gunicorn …`
    if !has_extension(name, &["py"])
        && let Some(kind) = server_kind(name)
    {
        server.kind = kind;
        server.take_options(arguments);
        return refine(server);
    }
    server.app = Some(Stated::new(file.text.clone(), file.at));
    server
}

fn python_module(
    mut server: Server,
    option: Location,
    module: &Word,
    arguments: &[Word],
) -> Server {
    let name = module.text.trim_end_matches(".__main__");
    if let Some(kind) = server_kind(name) {
        let span = option.span.to(module.at.span);
        server.kind = kind;
        server.at = Some(Location { span, ..option });
        server.take_options(arguments);
        return refine(server);
    }
    if matches!(name, "http.server" | "wsgiref.simple_server") {
        server.development = Some(module.at);
    }
    server.app = Some(Stated::new(module.text.clone(), module.at));
    server
}

/// `manage.py runserver` serves for development; its other commands are programs of their own, most of which end.
fn django(at: Location, words: &[Word]) -> Server {
    let mut server = Server::new(ServerKind::Django, at);
    server.take_options(words);
    match &server.subcommand {
        Some(word) if word.value.starts_with("runserver") => server.development = Some(word.at),
        _ => server.kind = ServerKind::Python,
    }
    server
}
