//! The Python side of IMG001: a module that is started by itself and serves by what its framework brings for development.

use super::development_server::{because_of_the_environment, milder_where_unsure};
use crate::Confidence;
use crate::finding::{Finding, Severity};
use crate::graph::Workload;
use crate::graph::config::runs;
use crate::graph::workload::Origin;
use crate::parse::python::{Call, Module, Value};
use crate::repository::Repository;
use crate::rules::flask;
use crate::rules::python::{self, Code};
use crate::rules::term::reloads;
use crate::rules::{Context, Rule};
use crate::source::FileId;

/// Does the module that a workload begins in serve so, or start a reloader?
pub(super) fn serves(repository: &Repository, workload: &Workload) -> bool {
    entry(repository, workload).is_some_and(|(_, module)| {
        let mut calls = module.calls.iter().filter(|call| runs(module, call));
        calls.any(|call| reloads(call) || server_of(module, call).is_some())
    })
}

/// The module that a workload begins in, where it is plain Python and no server's.
fn entry<'a>(repository: &'a Repository, workload: &Workload) -> Option<(FileId, &'a Module)> {
    python::plain_python(workload)?;
    python::entry(repository, workload)
}

/// Looks into the module that a workload begins in.
pub(super) fn check(
    context: &Context<'_>,
    workload: &Workload,
    rule: &'static Rule,
    found: &mut Vec<Finding>,
) {
    let Some((file, module)) = entry(context.repository, workload) else {
        return;
    };
    let code = Code {
        file,
        module,
        workloads: vec![workload],
    };
    for call in module.calls.iter().filter(|call| runs(module, call)) {
        let Some((server, confidence)) = server_of(module, call) else {
            continue;
        };
        let is_debugging = call
            .keyword("debug")
            .is_some_and(|debug| debug.value == Value::Bool(true));
        let is_open = server.starts_with("Flask") && flask::leaves_it_open(call);
        let debugger = flask::debugger(workload).filter(|_| is_open);
        let message = if is_debugging || debugger.is_some() {
            format!("{server} serves this container, with its debugger and its reloader")
        } else {
            format!("{server} serves this container")
        };
        let mut finding = Finding::new(rule, call.at, message).confidence(confidence);
        if is_open {
            finding = because_of_the_environment(finding, workload);
        }
        let written = context.repository.file(file).source.slice(call.at.span);
        if ends_before_it_serves(workload, written) {
            finding = finding.severity(Severity::Info);
        }
        finding = milder_where_unsure(context.repository, finding, workload);
        let name = context.repository.file(file).source.name();
        let app = call.name.split('.').next().unwrap_or("app");
        let title = format!(
            "start it with a server: gunicorn --bind 0.0.0.0:8000 {}:{app}",
            name.trim_end_matches(".py")
        );
        found.push(code.found(finding).fix(python::told_by_run(&title)));
    }
}

/// Does an argument raise before anything is served: `os.environ.get["PORT"]`, or `os.environ["PORT"]` in a manifest that
/// says everything and not that? An image alone may be started with any variable.
fn ends_before_it_serves(workload: &Workload, call: &str) -> bool {
    if call.contains("environ.get[") {
        return true;
    }
    if workload.origin == Origin::Dockerfile || workload.unknown_environment.is_some() {
        return false;
    }
    let mut asked = call.split("environ[").skip(1);
    asked.any(|rest| {
        let name = rest.trim_start().strip_prefix(['"', '\'']);
        let name = name.and_then(|name| name.split(['"', '\'']).next());
        name.is_some_and(|name| !workload.environment.contains_key(name))
    })
}

/// Whose development server a call starts.
fn server_of(module: &Module, call: &Call) -> Option<(&'static str, Confidence)> {
    let known = match call.name.as_str() {
        "flask.Flask().run" => "Flask's development server",
        "werkzeug.serving.run_simple" => "werkzeug's development server",
        "bottle.run" if call.keyword("server").is_none() => "bottle's development server",
        "wsgiref.simple_server.make_server" => "wsgiref",
        "django.core.management.call_command"
            if call
                .arguments
                .first()
                .is_some_and(|name| name.value == Value::Text("runserver".into())) =>
        {
            "Django's development server"
        }
        _ => "",
    };
    if !known.is_empty() {
        return Some((known, Confidence::High));
    }
    let name = call
        .name
        .strip_suffix(".run")
        .or_else(|| call.name.strip_suffix(".run_server"))?;
    match made_by(module, name)? {
        "flask.Flask" => Some(("Flask's development server", Confidence::High)),
        "quart.Quart" => Some(("Quart's development server", Confidence::High)),
        "dash.Dash" => Some(("Dash's development server", Confidence::High)),
        // create_app() of the repository: Flask's custom.
        maker if maker.rsplit('.').next() == Some("create_app") && has_flask_words(call) => {
            Some(("Flask's development server", Confidence::Medium))
        }
        _ => None,
    }
}

/// The call that made what a name means.
fn made_by<'a>(module: &'a Module, name: &str) -> Option<&'a str> {
    let globals = module
        .assignments
        .iter()
        .filter(|(global, ..)| global == name)
        .map(|(_, value, _)| value);
    let locals = module
        .locals
        .iter()
        .filter(|local| local.name == name)
        .map(|local| &local.value);
    globals.chain(locals).find_map(|value| match value {
        Value::Call(maker) => Some(maker.as_str()),
        _ => None,
    })
}

/// `debug`, `host`, `port`, `threaded`: what Flask's `run` takes.
fn has_flask_words(call: &Call) -> bool {
    call.arguments.iter().all(|argument| {
        matches!(
            argument.keyword.as_deref(),
            Some("debug" | "host" | "port" | "threaded" | "use_reloader")
        )
    })
}
