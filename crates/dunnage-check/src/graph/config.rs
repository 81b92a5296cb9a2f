//! Options of a server that stand in Python instead of its command line: gunicorn.conf.py, Celery's configuration, and
//! `uvicorn.run(…)` of a module that is started by itself. What the command line says wins, as it does in the servers.

use crate::parse::command::{Binding, Server, ServerKind};
use crate::parse::python::{Call, Module, Value};
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated};

/// Fills in what gunicorn's configuration file says and the command line does not.
pub fn gunicorn(repository: &Repository, file: FileId, server: &mut Server) {
    let Some(module) = repository.module(file) else {
        return;
    };
    let text = &repository.file(file).source.text;
    for (name, value, at) in &module.assignments {
        set(server, name, value, with_name(text, name, *at));
    }
    let has_binding = server.binding.is_some();
    let binds = module.assignments.iter();
    for (_, value, at) in binds.filter(|(name, ..)| name == "bind" && !has_binding) {
        bind(server.binding.get_or_insert_default(), value, *at);
    }
    // a hook or another line may set it in a way that is not read
    if text.contains("bind") && server.binding.is_none() {
        server.binding.get_or_insert_default().is_unclear = true;
    }
}

/// `bind = "0.0.0.0:8000"`, or a list of them.
fn bind(binding: &mut Binding, value: &Value, at: Location) {
    match value {
        Value::Text(text) if binding.addresses.is_empty() => {
            let addresses = text.split(',').map(str::trim);
            let stated = addresses.map(|address| Stated::new(address.to_owned(), at));
            binding.addresses.extend(stated);
        }
        Value::List(values) if binding.addresses.is_empty() => {
            values.iter().for_each(|value| match value {
                Value::Text(text) => binding.addresses.push(Stated::new(text.to_string(), at)),
                _ => binding.is_elsewhere = true,
            });
        }
        _ => binding.is_elsewhere = true,
    }
}

/// `reload = True`: with its name the place can be shown by itself.
fn with_name(text: &str, name: &str, value: Location) -> Location {
    let before = text.get(..value.span.start as usize).unwrap_or_default();
    let words = before.trim_end().trim_end_matches('=').trim_end();
    if name != "reload" || !words.ends_with(name) {
        return value;
    }
    let start = (words.len() - name.len()) as u32;
    Location {
        file: value.file,
        span: value.span.to(crate::source::Span { start, end: start }),
    }
}

/// Fills in what Celery's configuration says: assignments to `app.conf`, `app.conf.update(…)`, and settings with Django's
/// prefix.
pub fn celery(repository: &Repository, modules: &[FileId], server: &mut Server) {
    for module in modules.iter().filter_map(|id| repository.module(*id)) {
        for (name, value, at) in &module.assignments {
            let last = name.rsplit('.').next().unwrap_or_default();
            // A plain name is Celery's only if it says so: any module may have a `timeout`.
            if name.contains(".conf.") || last.to_ascii_lowercase().contains("worker_") {
                set(server, celery_option(last), value, *at);
            }
        }
        let updates = module
            .calls
            .iter()
            .filter(|call| call.name.ends_with(".conf.update"));
        for argument in updates.flat_map(|call| &call.arguments) {
            let name = argument.keyword.as_deref().unwrap_or_default();
            set(server, celery_option(name), &argument.value, argument.at);
        }
    }
}

/// Celery's names, old and new, in gunicorn's words.
fn celery_option(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    match name.trim_start_matches("celery_") {
        "worker_concurrency" | "celeryd_concurrency" => "workers",
        "worker_pool" | "celeryd_pool" => "worker_class",
        "worker_max_tasks_per_child" | "celeryd_max_tasks_per_child" => "max_requests",
        _ => "",
    }
}

/// `python main.py` that calls `uvicorn.run("main:app", workers=4)` is uvicorn with these options. Changes nothing if the
/// module does not start a server so.
pub fn uvicorn(repository: &Repository, entry: FileId, server: &mut Server) {
    let Some(module) = repository.module(entry) else {
        return;
    };
    let Some(call) = module
        .calls_of("uvicorn.run")
        .find(|call| runs(module, call))
    else {
        return;
    };
    server.kind = ServerKind::Uvicorn;
    server.call = Some(call.at);
    let text = &repository.file(entry).source.text;
    for argument in &call.arguments {
        match (argument.keyword.as_deref(), &argument.value) {
            (None | Some("app"), Value::Text(app)) => {
                server.app = Some(Stated::new(app.to_string(), argument.at));
            }
            (Some("timeout_graceful_shutdown"), value) => {
                set(server, "graceful_timeout", value, argument.at);
            }
            (Some("limit_max_requests"), value) => set(server, "max_requests", value, argument.at),
            (Some(name @ ("workers" | "reload")), value) => {
                set(server, name, value, with_name(text, name, argument.at));
            }
            _ => {}
        }
    }
}

/// Does a call run when the module is started: at its top level, under `__main__`, or in a function that these call?
pub fn runs(module: &Module, call: &Call) -> bool {
    if call.function.is_empty() {
        return true;
    }
    module
        .calls
        .iter()
        .any(|other| other.function.is_empty() && other.name == call.function)
}

/// One option by gunicorn's name, if nothing said it before.
fn set(server: &mut Server, name: &str, value: &Value, at: Location) {
    let option = format!("--{}", name.replace('_', "-"));
    let is_said = |server: &Server, short: &str| {
        let mut unknown = server.unknown.iter();
        unknown.any(|said| *said == option || *said == short)
    };
    let number = match value {
        Value::Int(number) => u32::try_from(*number)
            .ok()
            .map(|number| Stated::new(number, at)),
        _ => None,
    };
    let text = match value {
        Value::Text(text) => Some(Stated::new(text.to_string(), at)),
        // A class object: `worker_class = UvicornWorker`.
        Value::Name(name) => Some(Stated::new(name.to_string(), at)),
        _ => None,
    };
    match name {
        "preload_app" => server.preload |= *value == Value::Bool(true),
        "reload" if *value == Value::Bool(true) => {
            server.development.get_or_insert(at);
        }
        "workers" if !is_said(server, "-w") => {
            fill(&mut server.workers, number, &mut server.unknown, option);
        }
        "threads" if !is_said(server, "") => {
            fill(&mut server.threads, number, &mut server.unknown, option);
        }
        "timeout" if !is_said(server, "-t") => {
            fill(&mut server.timeout, number, &mut server.unknown, option);
        }
        "graceful_timeout" if !is_said(server, "") => {
            fill(
                &mut server.graceful_timeout,
                number,
                &mut server.unknown,
                option,
            );
        }
        "max_requests" if !is_said(server, "") => {
            fill(
                &mut server.max_requests,
                number,
                &mut server.unknown,
                option,
            );
        }
        "worker_class" if !is_said(server, "-k") => {
            let text = text.map(Box::new);
            fill(&mut server.worker_class, text, &mut server.unknown, option);
        }
        "worker_tmp_dir" if !is_said(server, "") => {
            fill(
                &mut server.worker_tmp_dir,
                text.map(Box::new),
                &mut server.unknown,
                option,
            );
        }
        "wsgi_app" if server.app.is_none() => server.app = text,
        _ => {}
    }
}

fn fill<T>(place: &mut Option<T>, value: Option<T>, unknown: &mut Vec<String>, option: String) {
    match (&place, value) {
        (Some(_), _) => {}
        (None, Some(value)) => *place = Some(value),
        (None, None) => unknown.push(option),
    }
}

#[cfg(test)]
mod tests {
    use super::{celery, gunicorn, uvicorn};
    use crate::parse::command::{Server, ServerKind};
    use crate::repository::Repository;
    use crate::source::{FileId, Location, Span, Stated};

    fn repository(name: &str, text: &str) -> Repository {
        Repository::parse(vec![(name.to_owned(), text.to_owned())])
    }

    fn here<T>(value: T) -> Stated<T> {
        let at = Location {
            file: FileId(7),
            span: Span::default(),
        };
        Stated::new(value, at)
    }

    #[test]
    fn gunicorns_file_says_what_the_command_line_does_not() {
        let text = "import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1\nthreads = 4\ntimeout = 60 * 2\n\
                    worker_class = 'gthread'\npreload_app = True\nworker_tmp_dir = '/dev/shm'\nbind = '0.0.0.0:80'\n";
        let repository = repository("gunicorn.conf.py", text);
        let mut server = Server {
            threads: Some(here(8)),
            ..Server::default()
        };
        gunicorn(&repository, FileId(0), &mut server);
        assert_eq!(server.threads, Some(here(8)));
        assert_eq!(server.timeout.unwrap().value, 120);
        assert_eq!(server.worker_class.unwrap().value, "gthread");
        assert_eq!(server.worker_tmp_dir.unwrap().value, "/dev/shm");
        assert!(server.preload && server.workers.is_none());
        assert_eq!(server.unknown, ["--workers"]);
    }

    #[test]
    fn an_option_whose_value_is_not_known_is_not_guessed_from_the_file() {
        let repository = repository("gunicorn.conf.py", "workers = 3\n");
        let mut server = Server {
            unknown: vec!["-w".to_owned()],
            ..Server::default()
        };
        gunicorn(&repository, FileId(0), &mut server);
        assert!(server.workers.is_none());
    }

    #[test]
    fn celerys_options_are_read_from_every_form() {
        for text in [
            "from celery import Celery\napp = Celery()\napp.conf.worker_concurrency = 6\n",
            "from celery import Celery\napp = Celery()\napp.conf.update(worker_concurrency=6)\n",
            "worker_concurrency = 6\n",
            "CELERY_WORKER_CONCURRENCY = 6\n",
        ] {
            let repository = repository("tasks.py", text);
            let mut server = Server::default();
            celery(&repository, &[FileId(0)], &mut server);
            assert_eq!(server.workers.map(|count| count.value), Some(6), "{text}");
        }
    }

    #[test]
    fn a_module_that_runs_uvicorn_is_uvicorn() {
        let text = "import uvicorn\ndef main():\n    uvicorn.run('main:app', workers=4, reload=True)\n\
                    if __name__ == '__main__':\n    main()\n";
        let repository = repository("main.py", text);
        let mut server = Server::default();
        uvicorn(&repository, FileId(0), &mut server);
        assert_eq!(server.kind, ServerKind::Uvicorn);
        assert_eq!(server.workers.unwrap().value, 4);
        assert_eq!(server.app.unwrap().value, "main:app");
        let reload = repository
            .file(FileId(0))
            .source
            .slice(server.development.unwrap().span);
        assert_eq!(reload, "reload=True");
        let mut server = Server::default();
        let repository = self::repository(
            "main.py",
            "import uvicorn\ndef never():\n    uvicorn.run('a:b')\n",
        );
        uvicorn(&repository, FileId(0), &mut server);
        assert_eq!(server.kind, ServerKind::Python);
    }
}
