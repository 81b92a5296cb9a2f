//! What of a module runs in an event loop and blocks it, and for how long.
//!
//! Handlers and middleware that are `async def` run in the loop, and so does what they call and await by name in the same
//! module. What is handed to a thread is no call of theirs; what stands in a lambda, a generator or a nested function may be.

use crate::parse::python::{Call, Function, Module, Value};
use crate::source::Source;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Functions that call functions are followed so far.
const MOST_CALLS_DEEP: usize = 8;
/// More sessions than these are not told apart.
const MOST_SESSIONS: usize = 100;

/// How long a call keeps the loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Length {
    /// As long as a program runs.
    Program,
    /// So many seconds, or until a timeout of so many.
    Seconds(f64),
    /// As long as the other side does not answer.
    Endless,
}

/// A call that blocks the loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocking<'a> {
    pub(super) call: &'a Call,
    /// The handler that is its function, or that calls it.
    pub(super) handler: &'a Function,
    pub(super) length: Length,
}

/// The calls of a module that block an event loop.
pub(super) fn find<'a>(source: &Source, module: &'a Module) -> Vec<Blocking<'a>> {
    // Flask runs an `async def` in a loop of its own
    if module.imports("flask") {
        return Vec::new();
    }
    let named = module.functions.iter().enumerate();
    let indices: Indices<'_> = named
        .map(|(index, own)| (own.name.as_str(), index))
        .collect();
    let run_for = run_for(source, module, &indices);
    let sessions = sessions(module);
    let calls = module.calls.iter().filter(|call| !call.is_in_lambda);
    let blocking = calls.filter_map(|call| {
        let handler = run_for[*indices.get(call.function.as_str())?]?;
        let length = length(module, &sessions, call)?;
        Some(Blocking {
            call,
            handler,
            length,
        })
    });
    blocking.collect()
}

/// Where functions stand in [`Module::functions`], by their names.
type Indices<'a> = BTreeMap<&'a str, usize>;

/// For each function the handler that runs it in the loop: itself, or one that calls it; none where it does not run there.
fn run_for<'a>(
    source: &Source,
    module: &'a Module,
    indices: &Indices<'_>,
) -> Vec<Option<&'a Function>> {
    let functions = module.functions.iter();
    let mut found: Vec<Option<&Function>> = functions
        .map(|own| Some(own).filter(|own| is_handler(own)))
        .collect();
    for name in registered(module) {
        if let Some(&index) = indices.get(name) {
            let function = &module.functions[index];
            found[index] = Some(function)
                .filter(|function| function.is_async)
                .or(found[index]);
        }
    }
    for _ in 0..MOST_CALLS_DEEP {
        let mut is_more = false;
        for call in module.calls.iter().filter(|call| !call.is_in_lambda) {
            let caller = indices.get(call.function.as_str());
            let Some((caller, handler)) = caller.and_then(|&index| Some((index, found[index]?)))
            else {
                continue;
            };
            let name = callee(&module.functions[caller], call);
            let called = indices.get(name.as_ref()).copied();
            let is_new = |called: &usize| {
                found[*called].is_none() && runs_at_once(source, call, &module.functions[*called])
            };
            if let Some(called) = called.filter(is_new) {
                found[called] = Some(handler);
                is_more = true;
            }
        }
        if !is_more {
            break;
        }
    }
    found
}

/// The function that a call in `function` means: `View.fetch` for `self.fetch`.
fn callee<'a>(function: &Function, call: &'a Call) -> Cow<'a, str> {
    let class = function.name.rsplit_once('.');
    match (call.name.strip_prefix("self."), class) {
        (Some(method), Some((class, _))) => format!("{class}.{method}").into(),
        _ => call.name.as_str().into(),
    }
}

/// Does its text say that an ASGI framework awaits it for a request: a route, a middleware?
fn is_handler(function: &Function) -> bool {
    let has = |name: &str| function.parameters.iter().any(|own| own == name);
    let is_decorated = || function.decorators.iter().any(|(name, _)| is_route(name));
    let is_middleware = || has("call_next") || (has("scope") && has("receive") && has("send"));
    function.is_async && (is_decorated() || is_middleware())
}

/// What is given by its name to what makes routes and dependencies.
fn registered(module: &Module) -> impl Iterator<Item = &str> {
    const BY: [&str; 7] = [
        "Depends",
        "Route",
        "Security",
        "WebSocketRoute",
        "add_api_route",
        "add_route",
        "add_websocket_route",
    ];
    let calls = module
        .calls
        .iter()
        .filter(|call| BY.contains(&last(&call.name)));
    let values = calls
        .flat_map(|call| &call.arguments)
        .map(|argument| &argument.value);
    values.filter_map(|value| match value {
        Value::Name(name) => Some(name.as_str()),
        _ => None,
    })
}

/// `app.get`, `router.websocket`, `app.middleware`, `litestar.post`.
fn is_route(decorator: &str) -> bool {
    decorator.contains('.')
        && matches!(
            last(decorator),
            "get"
                | "post"
                | "put"
                | "patch"
                | "delete"
                | "head"
                | "options"
                | "route"
                | "api_route"
                | "websocket"
                | "websocket_route"
                | "middleware"
                | "exception_handler"
        )
}

/// The last part of a dotted name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// Does the body run where it is called: a plain function, or an awaited one? A generator's does not.
fn runs_at_once(source: &Source, call: &Call, called: &Function) -> bool {
    let before = &source.text[..call.at.span.start as usize];
    let is_awaited = before.trim_end().ends_with("await");
    called.decorators.is_empty()
        && called.is_async == is_awaited
        && !source.slice(called.at.span).contains("yield")
}

/// How long a call blocks; none where it does not, or where the text does not tell.
fn length(module: &Module, sessions: &[&Call], call: &Call) -> Option<Length> {
    let name = meaning(sessions, call);
    let (library, function) = name.rsplit_once('.')?;
    // a name that is not imported is something else: a dictionary of requests
    if !module.imports(library.split('.').next()?) {
        return None;
    }
    let is_request = matches!(
        function,
        "get" | "post" | "put" | "patch" | "delete" | "head" | "options" | "request"
    );
    match (library, function) {
        ("time", "sleep") => seconds(module, &call.arguments.first()?.value),
        ("requests" | "requests.Session()", _) if is_request => {
            timeout(module, call, None, Length::Endless)
        }
        ("urllib.request", "urlopen") => timeout(module, call, Some(2), Length::Endless),
        // httpx has a default of 5 s
        ("httpx", _) if is_request => timeout(module, call, None, Length::Seconds(5.0)),
        ("subprocess", "run" | "call" | "check_call" | "check_output") => {
            timeout(module, call, None, Length::Program)
        }
        ("os", "system") => Some(Length::Program),
        _ => None,
    }
}

/// The calls that make a session of requests with a name.
fn sessions(module: &Module) -> Vec<&Call> {
    let calls = module.calls.iter();
    let named = calls.filter(|call| is_session(&call.name) && call.assigned.is_some());
    named.take(MOST_SESSIONS).collect()
}

fn is_session(class: &str) -> bool {
    matches!(class, "requests.Session" | "requests.session")
}

/// The callee, where it is a method of a session with the session's class: `requests.Session().get`.
fn meaning<'a>(sessions: &[&Call], call: &'a Call) -> Cow<'a, str> {
    let is_of_session = |name: &str| {
        name.strip_suffix("()").is_some_and(is_session)
            || sessions.iter().any(|made| {
                made.assigned.as_deref() == Some(name)
                    && (made.function.is_empty() || made.function == call.function)
            })
    };
    match call.name.rsplit_once('.') {
        Some((name, method)) if is_of_session(name) => {
            format!("requests.Session().{method}").into()
        }
        _ => call.name.as_str().into(),
    }
}

fn timeout(
    module: &Module,
    call: &Call,
    position: Option<usize>,
    default: Length,
) -> Option<Length> {
    if call.has_unpacking() {
        return None;
    }
    let said = call.argument(position.unwrap_or(usize::MAX), "timeout");
    match said.map(|argument| &argument.value) {
        None => Some(default),
        Some(Value::None) if default == Length::Program => Some(default),
        Some(Value::None) => Some(Length::Endless),
        // to connect and to read
        Some(Value::List(both)) => {
            let both = both.iter().map(|one| number(module, one));
            Some(Length::Seconds(both.sum::<Option<f64>>()?))
        }
        Some(value) => seconds(module, value),
    }
}

fn seconds(module: &Module, value: &Value) -> Option<Length> {
    number(module, value).map(Length::Seconds)
}

/// A number, or the module's constant of this name.
fn number(module: &Module, value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Name(name) => {
            let mut values = module.assignments.iter().filter(|(own, ..)| own == name);
            match (values.next(), values.next()) {
                (Some((_, Value::Int(number), _)), None) => Some(*number as f64),
                (Some((_, Value::Float(number), _)), None) => Some(*number),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Length, find};
    use crate::parse::python::parse;
    use crate::source::{FileId, Source};

    /// What blocks in a handler of this body, beside what the module begins with.
    fn blocks(before: &str, body: &str) -> Vec<Length> {
        let text = format!(
            "import os, requests, time, httpx, subprocess\nfrom urllib.request import urlopen\n{before}\n\
             @app.get('/')\nasync def handler():\n    {body}\n"
        );
        lengths(text)
    }

    fn lengths(text: String) -> Vec<Length> {
        let path = "shop.py".to_owned();
        let source = Source { path, text };
        let module = parse(&source, FileId(0)).unwrap();
        let found = find(&source, &module);
        found.into_iter().map(|found| found.length).collect()
    }

    #[test]
    fn a_call_lasts_as_long_as_its_timeout_says() {
        for (body, expected) in [
            ("time.sleep(2.5)", Length::Seconds(2.5)),
            ("time.sleep(60 * 5)", Length::Seconds(300.0)),
            ("requests.get(u)", Length::Endless),
            ("requests.get(u, timeout=None)", Length::Endless),
            ("requests.get(u, timeout=PATIENCE)", Length::Seconds(7.0)),
            ("requests.post(u, timeout=(3, 9.5))", Length::Seconds(12.5)),
            ("requests.Session().put(u)", Length::Endless),
            ("with requests.Session() as s: s.get(u)", Length::Endless),
            ("httpx.get(u)", Length::Seconds(5.0)),
            ("httpx.get(u, timeout=None)", Length::Endless),
            ("urlopen(u)", Length::Endless),
            ("urlopen(u, None, 4)", Length::Seconds(4.0)),
            ("subprocess.run(c, timeout=None)", Length::Program),
            (
                "subprocess.check_output(c, timeout=9)",
                Length::Seconds(9.0),
            ),
            ("os.system(c)", Length::Program),
        ] {
            assert_eq!(blocks("PATIENCE = 7", body), [expected], "{body}");
        }
    }

    #[test]
    fn what_the_text_does_not_tell_or_another_thread_does_blocks_nothing() {
        for body in [
            "time.sleep(pause)",
            "requests.get(u, timeout=patience())",
            "requests.get(u, **options)",
            "await asyncio.sleep(60)",
            "await asyncio.to_thread(requests.get, u)",
            "await asyncio.to_thread(lambda: requests.get(u))",
            "session.get(u)",
            "await client.get(u)",
            "subprocess.Popen(c)",
            "waits()",
            "waits_in_pieces()",
            "waits_elsewhere()",
        ] {
            let before = "async def waits(): time.sleep(60)\n\
                          def waits_in_pieces(): yield time.sleep(60)\n\
                          @in_thread\ndef waits_elsewhere(): time.sleep(60)\n";
            assert!(blocks(before, body).is_empty(), "{body}");
        }
    }

    #[test]
    fn what_a_handler_calls_or_awaits_in_its_module_runs_in_the_loop() {
        let before = "def fetch(): time.sleep(60)\nasync def rates(): fetch()\n";
        for body in ["fetch()", "await rates()"] {
            assert_eq!(blocks(before, body), [Length::Seconds(60.0)], "{body}");
        }
    }

    #[test]
    fn a_name_that_is_not_imported_is_another_thing() {
        for (first, expected) in [("import requests", 1), ("requests = {}", 0)] {
            let text = format!("{first}\n@app.get('/')\nasync def handler(): requests.get(1)\n");
            assert_eq!(lengths(text).len(), expected, "{first}");
        }
    }
}
