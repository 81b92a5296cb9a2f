//! Does a program hear SIGTERM? One answer for every rule that asks, with where it is known from.
//!
//! A program hears it by a handler, by a wait for signals, or by a framework whose main loop handles it. That a framework is
//! imported does not say that its loop runs, nor does a signal's name in a text say that something is set up: these two
//! keep a rule from saying that nothing handles SIGTERM, and are no proof that something does.

use super::about::{is_imported, modules};
use crate::graph::Workload;
use crate::graph::mcp::{self, Transport};
use crate::parse::python::{Argument, Call, Module, Value};
use crate::repository::Repository;
use crate::source::Location;

/// How sure it is that a program hears SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// A call sets it up.
    By(Location),
    /// It may: by the main loop of a framework, or in a way that is not read.
    Perhaps,
    /// Nothing in its modules says so.
    No,
}

/// Packages whose main loop handles SIGTERM.
const FRAMEWORKS: &[&str] = &[
    "aiogram",
    "aiohttp",
    "aiorun",
    "apache-airflow",
    "arq",
    "celery",
    "dagster",
    "daphne",
    "dramatiq",
    "faust",
    "faust-streaming",
    "granian",
    "gunicorn",
    "hypercorn",
    "jupyterlab",
    "kopf",
    "locust",
    "mode-streaming",
    "nameko",
    "notebook",
    "prefect",
    "python-telegram-bot",
    "ray",
    "rq",
    "sanic",
    "scrapy",
    "streamlit",
    "twisted",
    "uvicorn",
    "uvloop",
];

/// Does the program of a workload hear SIGTERM?
pub(super) fn hears(repository: &Repository, workload: &Workload) -> Hears {
    let set_up = modules(repository, workload)
        .flat_map(|(_, module)| &module.calls)
        .find(|call| sets_up(call));
    if let Some(call) = set_up {
        return Hears::By(call.at);
    }
    let may = FRAMEWORKS
        .iter()
        .any(|name| is_imported(repository, workload, name))
        || names_it(repository, workload)
        || modules(repository, workload).any(|(_, module)| {
            // FastMCP starts uvicorn where it is not asked over stdin
            mcp::transport(module) == Some(Transport::Http)
                || module.calls.iter().any(|call| may_reload(module, call))
        });
    if may { Hears::Perhaps } else { Hears::No }
}

/// Does a call set up what happens at SIGTERM: `signal.signal`, an event loop's handler, `sigwait`, dunnage's hook, or
/// Werkzeug's reloader? A signal that is not named in the text may be this one.
pub(super) fn sets_up(call: &Call) -> bool {
    let last = call.name.rsplit('.').next().unwrap_or_default();
    let takes_signals = matches!(last, "add_signal_handler" | "open_signal_receiver")
        || matches!(
            call.name.as_str(),
            "signal.signal" | "asyncio.run_until_signal"
        );
    let waits = matches!(
        call.name.as_str(),
        "signal.sigwait" | "signal.sigtimedwait" | "signal.set_wakeup_fd"
    );
    waits
        || call.name == "dunnage.on_drain"
        || reloads(call)
        || (takes_signals && names_term(call, last == "open_signal_receiver"))
}

/// `app.run(debug=True)`: Werkzeug's reloader sets a handler for SIGTERM.
pub(super) fn reloads(call: &Call) -> bool {
    call.name.ends_with("run")
        && ["debug", "use_reloader"].iter().any(|name| {
            call.keyword(name)
                .is_some_and(|argument| argument.value == Value::Bool(true))
        })
}

/// `app.run(debug=debug)`: the reloader, if the variable is true when it runs. A constant of the module tells.
fn may_reload(module: &Module, call: &Call) -> bool {
    let is_false = |name: &str| {
        module
            .assignments
            .iter()
            .any(|(global, value, _)| global == name && *value == Value::Bool(false))
    };
    call.name.ends_with("run")
        && ["debug", "use_reloader"].iter().any(|name| {
            call.keyword(name)
                .is_some_and(|argument| match &argument.value {
                    Value::None | Value::Bool(_) | Value::Int(_) => false,
                    Value::Name(name) => !is_false(name),
                    _ => true,
                })
        })
}

/// Is SIGTERM the signal, or among them where there are more? Nothing that is read may be it as well.
fn names_term(call: &Call, takes_more: bool) -> bool {
    let count = if takes_more { usize::MAX } else { 1 };
    call.arguments.is_empty() || call.arguments.iter().take(count).any(may_be_term)
}

fn may_be_term(argument: &Argument) -> bool {
    match &argument.value {
        Value::Int(number) => *number == 15,
        Value::Name(name) => !is_another_signal(name),
        _ => true,
    }
}

fn is_another_signal(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.starts_with("SIG") && last != "SIGTERM"
}

/// Does the text of a module name the signal outside of a comment?
fn names_it(repository: &Repository, workload: &Workload) -> bool {
    workload.modules.iter().any(|id| {
        let lines = repository.file(*id).source.text.lines();
        let code = lines.map(|line| line.split('#').next().unwrap_or_default());
        code.filter(|line| line.contains("SIGTERM")).count() > 0
    })
}

/// The signal that stops a workload, as `TERM`.
pub(super) fn stop_signal(workload: &Workload) -> String {
    let stated = workload.life.stop_signal.as_ref();
    stated.map_or_else(|| "TERM".to_owned(), |signal| plain_name(&signal.value))
}

/// `SIGTERM`, `sigterm`, `15` as `TERM`.
fn plain_name(signal: &str) -> String {
    let name = signal.trim().trim_matches(['"', '\'']).to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let known = match name {
        "1" => "HUP",
        "2" => "INT",
        "3" => "QUIT",
        "9" => "KILL",
        "10" => "USR1",
        "12" => "USR2",
        "15" => "TERM",
        other => other,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    /// What a program of this text does, and the text of the call that says so.
    fn of(text: &str) -> (Hears, String) {
        let files = [
            (
                "Dockerfile",
                "FROM python:3.12\nCOPY . /app\nWORKDIR /app\nCMD [\"python\", \"main.py\"]\n",
            ),
            ("main.py", text),
        ];
        let texts = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let repository = Repository::parse(texts.to_vec());
        let graph = Graph::build(&repository);
        let hears = hears(&repository, &graph.workloads[0]);
        let call = match hears {
            Hears::By(at) => repository.file(at.file).source.slice(at.span).to_owned(),
            _ => String::new(),
        };
        (hears, call)
    }

    #[test]
    fn a_call_that_sets_up_sigterm_is_where_it_is_heard() {
        for call in [
            "signal.signal(signal.SIGTERM, stop)",
            "signal.signal(15, stop)",
            "signal.signal(number, stop)",
            "loop.add_signal_handler(signal.SIGTERM, stop)",
            "signal.sigwait([signal.SIGTERM])",
            "signal.set_wakeup_fd(3)",
            "dunnage.on_drain(stop)",
            "trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM)",
            "app.run(debug=True)",
        ] {
            let text = format!("import asyncio, dunnage, signal, trio\n{call}\n");
            assert_eq!(of(&text).1, call);
        }
    }

    #[test]
    fn another_signal_is_not_this_one() {
        for call in [
            "signal.signal(signal.SIGINT, stop)",
            "signal.signal(2, signal.SIG_DFL)",
            "loop.add_signal_handler(signal.SIGHUP, signal.SIG_IGN)",
            "app.run(debug=False)",
            "print('bye')",
        ] {
            let text = format!("import signal\n{call}\n");
            assert_eq!(of(&text).0, Hears::No, "{call}");
        }
    }

    #[test]
    fn a_framework_or_a_name_in_the_text_is_a_perhaps_and_a_comment_is_nothing() {
        assert_eq!(of("import uvicorn\nserve(uvicorn)\n").0, Hears::Perhaps);
        assert_eq!(of("NAMES = ['SIGTERM']\nwatch(NAMES)\n").0, Hears::Perhaps);
        assert_eq!(of("import requests\nx = 1  # SIGTERM?\n").0, Hears::No);
    }

    #[test]
    fn a_reloader_by_a_variable_is_a_perhaps_unless_the_module_says_that_it_is_off() {
        for (text, expected) in [
            ("debug = asked()\napp.run(debug=debug)\n", Hears::Perhaps),
            ("app.run(debug=asked() != 'production')\n", Hears::Perhaps),
            ("DEBUG = False\napp.run(debug=DEBUG)\n", Hears::No),
        ] {
            assert_eq!(of(text).0, expected, "{text}");
        }
    }

    #[test]
    fn a_signal_has_one_name_however_it_is_written() {
        for (written, name) in [
            ("SIGTERM", "TERM"),
            ("sigint", "INT"),
            ("9", "KILL"),
            ("\"QUIT\"", "QUIT"),
        ] {
            assert_eq!(plain_name(written), name);
        }
    }
}
