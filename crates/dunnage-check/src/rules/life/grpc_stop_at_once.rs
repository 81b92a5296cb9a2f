use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Edit, Fix};
use crate::parse::python::{Call, Module, Value};
use crate::rules::python;
use crate::rules::term::{self, Hears};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `server.stop(None)` and `server.stop(0)` of a gRPC server, and a gRPC server that waits for its end without anything
    /// that stops it at SIGTERM.
    ///
    /// ## Why
    /// The argument of `stop` is a grace period in seconds. `None` and 0 abort every call that is being answered: each
    /// client sees `CANCELLED` or `UNAVAILABLE`. A server that nobody stops is ended by SIGTERM itself, with the same effect;
    /// as PID 1 it ignores SIGTERM and is killed with all calls when the grace period is over.
    ///
    /// ## Example
    /// ```python
    /// server.stop(None)
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// signal.signal(signal.SIGTERM, lambda *_: server.stop(20))
    /// server.wait_for_termination()
    /// ```
    /// The number has to be below the container's grace period.
    ///
    /// ## Fix
    /// Unsafe: the end takes as long as the calls that are being answered, at most 20 s.
    ///
    /// ## References
    /// - <https://grpc.github.io/grpc/python/grpc.html#grpc.Server.stop>
    pub(super) static RULE = {
        id: "LIFE008",
        name: "grpc-stop-at-once",
        title: "a gRPC server drops the calls that it is answering",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::code(context) {
        let servers: Vec<&Call> = code
            .module
            .calls
            .iter()
            .filter(|call| matches!(call.name.as_str(), "grpc.server" | "grpc.aio.server"))
            .collect();
        let stops: Vec<&Call> = code
            .module
            .calls
            .iter()
            .filter(|call| is_stop(call, &servers))
            .collect();
        for stop in &stops {
            if let Some(grace) = stop
                .argument(0, "grace")
                .filter(|grace| is_nothing(&grace.value))
            {
                let message = "the calls that are being answered are aborted at once";
                let edit = Edit {
                    file: code.file,
                    span: grace.at.span,
                    text: "20".to_owned(),
                };
                found.push(
                    code.found(Finding::new(&RULE, stop.at, message))
                        .fix(Fix::changing("give the calls 20 s to finish", vec![edit])),
                );
            }
        }
        let Some(server) = servers.first() else {
            continue;
        };
        let is_handled = code.module.calls.iter().any(term::sets_up)
            || code
                .workloads
                .iter()
                .any(|workload| matches!(term::hears(context.repository, workload), Hears::By(_)));
        if stops.is_empty() && !is_handled && waits(code.module) {
            let message = "nothing stops this gRPC server at SIGTERM, so the calls that it is answering are lost";
            let finding = Finding::new(&RULE, server.at, message).confidence(Confidence::Medium);
            found.push(code.found(finding).fix(python::told_by_run(
                "call server.stop(20) in a handler of SIGTERM",
            )));
        }
    }
}

/// `stop` of a name that one of the servers has.
fn is_stop(call: &Call, servers: &[&Call]) -> bool {
    call.name.strip_suffix(".stop").is_some_and(|name| {
        servers
            .iter()
            .any(|server| server.assigned.as_deref() == Some(name))
    })
}

fn is_nothing(grace: &Value) -> bool {
    matches!(grace, Value::None | Value::Int(0)) || *grace == Value::Float(0.0)
}

fn waits(module: &Module) -> bool {
    module
        .calls
        .iter()
        .any(|call| call.name.ends_with(".wait_for_termination"))
}
