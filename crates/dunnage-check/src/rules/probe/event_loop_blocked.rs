//! PROBE009.

use super::blocking::{self, Blocking, Length, last};
use super::liveness_timeout_under_quota::asks_the_program;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::graph::listens::listens;
use crate::graph::workload::{Origin, Probe, Workload};
use crate::parse::command::{Server, ServerKind};
use crate::parse::python::{Function, is_program};
use crate::rules::about::{about, modules, pythons};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span};

rule! {
    /// ## What it finds
    /// In a pod whose liveness probe asks, over HTTP or by a command that does, an event loop (uvicorn, hypercorn, granian, daphne,
    /// `fastapi run`, gunicorn with a worker of uvicorn): a call that blocks the loop, in an `async def` that is a route, a dependency
    /// or a middleware, or in a function of the same module that one of these calls or awaits. One finding for a container, at the worst.
    ///
    /// - A warning: `requests` and `urlopen` without a timeout; `time.sleep` and timeouts of at least what the probe bears: its period
    ///   times (failures - 1) and its own timeout, 21 s by default.
    /// - An info: what is shorter, but longer than the probe's timeout (httpx has 5 s by default), since requests that come together
    ///   wait one after the other; `subprocess` and `os.system`, whose programs take what they take; and all of it where several
    ///   processes serve, where gunicorn's `--timeout` (30 s by default) may end the worker before, or where only a readiness probe asks.
    ///
    /// Nothing of what is handed to a thread, of a plain `def`, which FastAPI and Starlette run in a thread, of a `tcpSocket`, to which the
    /// kernel answers, of another port, and of a probe that is more patient than gunicorn.
    ///
    /// ruff tells the call alone (0.17.6 tried: ASYNC210, ASYNC221, ASYNC251), also where no probe asks the loop; it tells neither a call of a
    /// session nor one of a plain function that a handler calls. What this rule adds is who kills the pod for it, and when.
    ///
    /// ## Why
    /// One thread answers all. While a handler blocks it nobody else is served, the probe neither: the kubelet kills a pod whose only
    /// fault is that another service is slow, and the next pod takes its requests, and waits for the same service.
    ///
    /// Tried (2026-11-30, 2 busy CPUs, CPython 3.11.7, FastAPI 0.165.0, Starlette 1.10.0, requests 2.34.2, uvicorn 0.54.0 where no other server is
    /// named; once each) with a probe as the kubelet's: a new connection every 2 s,
    /// 1 s to answer; at the third failure in a row it would kill.
    ///
    /// | In the handler | Killed after |
    /// |---|---|
    /// | 8 s of `time.sleep`, `requests.get`, `subprocess.run`; the same awaited, in a dependency, in a middleware | 5.3 to 5.4 s; 7.3 s where it began just after a probe |
    /// | `time.sleep(8)` under hypercorn 0.18.0, daphne 4.2.3, granian 2.8.9, fastapi-cli 0.0.34, gunicorn 27.0.1 with uvicorn-worker 0.4.0 | 5.3 s |
    /// | `time.sleep(4)` | not: 2 of 10 probes failed |
    /// | `requests.get(…, timeout=2)`, no answer: once; 5 at once | not: 1 of 10 failed; 5.3 s |
    /// | `httpx.get` (0.28.1), no answer | not: 2 of 10 failed |
    /// | 8 s in a `def`, in `asyncio.to_thread`, of `asyncio.sleep` | not: 0 of 5 failed |
    /// | 50 at once of 8 s in a `def`: the probe's handler an `async def`; a `def`, too, behind 40 threads | not: 0 of 6 failed; 5.3 s |
    /// | 2 and 4 workers, `time.sleep(8)`: one request | not: 0 of 10 failed; granian 2 and 1 of 10 |
    /// | the same, as many requests as workers | not: 0 or 1 of 10 failed, since some went to one worker; granian 5.8 s, and not: 3 of 10 |
    /// | the same, twice as many | 5.3 to 6.1 s; not hypercorn with 2 |
    /// | every 10 s, as by default: `time.sleep(40)`, no answer for `requests.get` | 21.3 to 21.5 s |
    /// | the same, `time.sleep(25)`: begun just before a probe; just after one | 21.6 s; not |
    /// | the same, `requests.get(…, timeout=10)`, no answer: once; 3 at once | not: 1 of 5 failed; 21.5 s |
    /// | the same under gunicorn, `time.sleep(60)`: 3 failures; 6 | 21.3 s; not: gunicorn ended the worker |
    ///
    /// gunicorn, with its timeout of 30 s, ended a worker of uvicorn 16.7 to 28.6 s after the call began (4 times).
    ///
    /// ## Example
    /// ```python
    /// @app.get("/price/{item}")
    /// async def price(item: str):
    ///     return requests.get(f"http://prices/{item}").json()
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// @app.get("/price/{item}")
    /// def price(item: str):
    ///     return requests.get(f"http://prices/{item}", timeout=5).json()
    /// ```
    /// or `await asyncio.to_thread(…)`, or an asynchronous client; and a probe whose handler is an `async def`, which waits for no thread.
    ///
    /// ## Fix
    /// None is applied: whether a function may run in a thread stands in no file.
    ///
    /// ## References
    /// - <https://fastapi.tiangolo.com/async/>
    /// - <https://docs.astral.sh/ruff/rules/#flake8-async-async>
    pub(super) static RULE = {
        id: "PROBE009",
        name: "event-loop-blocked",
        title: "a call that blocks the event loop keeps the liveness probe waiting with all requests",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Answers `/livez` (`--listen`) from PID 1, which does not wait for the loop; the requests do.",
        check: check,
    };
}

/// Seconds after which gunicorn ends a silent worker where nobody says another number.
const USUAL_TIMEOUT: u32 = 30;
/// More calls than these are not named.
const MOST_OTHERS: usize = 3;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let pods = pythons(context).filter(|workload| {
        matches!(workload.origin, Origin::Kubernetes { .. }) && workload.is_service()
    });
    findings.extend(pods.filter_map(|workload| find(context, workload)));
}

/// One finding for a loop, at however many places it is blocked.
fn find(context: &Context<'_>, workload: &Workload) -> Option<Finding> {
    let server = workload.server().filter(|server| has_loop(server))?;
    let asked = asked(context, workload)?;
    let (least, _) = asked.silence();
    let is_ended_before = ended_after(server).is_some_and(|seconds| seconds <= least);
    if is_ended_before || workload.missed.is_some() {
        return None;
    }
    let felt = felt(context, workload, &asked);
    // the first of the worst
    let (severity, worst) = felt.iter().rev().max_by_key(|(severity, _)| *severity)?;
    let severity = (*severity).min(most(workload, server, &asked));
    let mut finding = describe(&asked, server, worst).severity(severity);
    let others = felt.iter().map(|(_, other)| other.call);
    let others = others.filter(|other| other.at != worst.call.at);
    for other in others.take(MOST_OTHERS) {
        finding = finding.because(other.callee, format!("`{}` blocks it, too", other.name));
    }
    if workload.unknown_environment.is_some() && server.workers.is_none() {
        // WEB_CONCURRENCY may come from there
        finding = finding.at_most(Confidence::Medium);
    }
    Some(about(finding, workload))
}

/// The calls that the probe may feel.
fn felt<'a>(
    context: &Context<'a>,
    workload: &'a Workload,
    asked: &Asked<'_>,
) -> Vec<(Severity, Blocking<'a>)> {
    let calls = modules(context.repository, workload).flat_map(|(file, module)| {
        let source = &context.repository.file(file).source;
        let calls = is_program(source).then(|| blocking::find(source, module));
        calls.unwrap_or_default()
    });
    let felt = calls.filter_map(|call| Some((asked.severity(call.length)?, call)));
    felt.collect()
}

/// What the kubelet asks the loop, and how bad it is where no answer comes.
struct Asked<'a> {
    probe: &'a Probe,
    is_liveness: bool,
}

/// The probe that asks the loop: the one that kills before the one that takes the requests away.
fn asked<'a>(context: &Context<'_>, workload: &'a Workload) -> Option<Asked<'a>> {
    let ports = listens(context.repository, workload).and_then(|listening| listening.ports());
    let is_there = |probe: &&Probe| {
        let mut words = probe
            .action
            .split(|letter: char| !letter.is_ascii_alphanumeric());
        let is_loops = ports.as_ref().is_none_or(|ports| {
            words.any(|word| word.parse().is_ok_and(|port| ports.contains(&port)))
        });
        // no ASGI server answers gRPC
        asks_the_program(probe) && !probe.action.starts_with("grpc") && is_loops
    };
    let probes = &workload.probes;
    let of = |probe: &'a Option<Box<Probe>>, is_liveness| {
        let probe = probe.as_deref().filter(is_there)?;
        Some(Asked { probe, is_liveness })
    };
    of(&probes.liveness, true).or_else(|| of(&probes.readiness, false))
}

impl Asked<'_> {
    fn name(&self) -> &'static str {
        if self.is_liveness {
            "liveness"
        } else {
            "readiness"
        }
    }

    /// Seconds of silence after which it is the end: where it began just before a probe, and just after one.
    fn silence(&self) -> (u64, u64) {
        let period = u64::from(self.probe.period);
        let last = period * u64::from(self.probe.failures) + u64::from(self.probe.timeout.0);
        (last.saturating_sub(period), last)
    }

    /// May one call of this length be the end?
    fn is_over(&self, length: Length) -> bool {
        match length {
            Length::Endless => true,
            Length::Seconds(seconds) => seconds >= self.silence().0 as f64,
            Length::Program => false,
        }
    }

    /// How bad a call of this length is.
    fn severity(&self, length: Length) -> Option<Severity> {
        let timeout = f64::from(self.probe.timeout.0);
        match (self.is_liveness, self.is_over(length), length) {
            (true, true, _) => Some(Severity::Warning),
            (false, true, _) | (true, false, Length::Program) => Some(Severity::Info),
            // several requests at once stand in a line
            (true, false, Length::Seconds(seconds)) if seconds > timeout => Some(Severity::Info),
            _ => None,
        }
    }
}

/// Does it serve by an event loop?
fn has_loop(server: &Server) -> bool {
    match server.kind {
        ServerKind::Uvicorn
        | ServerKind::Hypercorn
        | ServerKind::Granian
        | ServerKind::Daphne
        | ServerKind::FastApi => true,
        ServerKind::Gunicorn => {
            let class = server.worker_class.as_ref();
            class.is_some_and(|class| class.value.to_ascii_lowercase().contains("uvicorn"))
        }
        _ => false,
    }
}

/// Seconds after which gunicorn ends a worker that hangs; 0 is for ever.
fn ended_after(server: &Server) -> Option<u64> {
    let said = server.timeout.as_ref();
    let seconds = said.map_or(USUAL_TIMEOUT, |timeout| timeout.value);
    (server.kind == ServerKind::Gunicorn && seconds > 0).then_some(u64::from(seconds))
}

/// How bad it can be: no other process may answer instead, gunicorn not end it by chance before the probe does, and no link
/// may be a guess.
fn most(workload: &Workload, server: &Server, asked: &Asked<'_>) -> Severity {
    let workers = server.workers.as_ref();
    let is_one = workers.is_none_or(|workers| workers.value == 1);
    let mut unknown = server.unknown.iter();
    let is_said = server.config.is_none()
        && !unknown.any(|option| matches!(option.as_str(), "-w" | "--workers"));
    let (_, most) = asked.silence();
    let is_probes = ended_after(server).is_none_or(|seconds| seconds > most);
    if is_one && is_said && is_probes && workload.confidence > Confidence::Low {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// With the chain from the handler over the loop to the probe.
fn describe(asked: &Asked<'_>, server: &Server, found: &Blocking<'_>) -> Finding {
    let (call, handler, probe) = (found.call, found.handler, asked.probe);
    let what = if call.function == handler.name {
        "its handler"
    } else {
        "a handler that calls it"
    };
    let own = last(&handler.name);
    let note = format!("{what} runs in the loop: `async def {own}`");
    let mut finding =
        Finding::new(&RULE, call.callee, message(asked, found)).because(head(handler), note);
    if let Some(workers) = server.workers.as_ref().filter(|workers| workers.value > 1) {
        let count = workers.value;
        let note = format!("{count} processes have a loop each: the probe fails while all wait");
        finding = finding.because(workers.at, note);
    }
    let note = format!(
        "the {} probe fails {} times, {} s apart, each after {} s",
        asked.name(),
        probe.failures,
        probe.period,
        probe.timeout.0
    );
    let instead = if call.name == "time.sleep" {
        "wait with `await asyncio.sleep(…)`".to_owned()
    } else {
        let name = &call.name;
        format!(
            "hand it to a thread (`await asyncio.to_thread({name}, …)`), or make the handler a plain `def` where the framework runs these in threads"
        )
    };
    finding.because(probe.at, note).fix(Fix::by_hand(instead))
}

fn message(asked: &Asked<'_>, found: &Blocking<'_>) -> String {
    let (least, most) = asked.silence();
    let name = &found.call.name;
    let length = match found.length {
        Length::Endless => "waits without a timeout".to_owned(),
        Length::Seconds(seconds) if name == "time.sleep" => format!("takes {seconds} s"),
        Length::Seconds(seconds) => format!("may take {seconds} s"),
        Length::Program => "waits for a program".to_owned(),
    };
    let is_enough = asked.is_over(found.length) || found.length == Length::Program;
    let after = if is_enough {
        format!("after {least} to {most} s of silence")
    } else {
        format!("a few in a row make the {least} to {most} s of silence after which")
    };
    let end = if asked.is_liveness {
        "the pod is killed"
    } else {
        "the pod gets no requests"
    };
    let probe = asked.name();
    format!("`{name}` {length} in the event loop that answers the {probe} probe: {after} {end}")
}

/// A line to point at: what makes it a handler, or `async def`.
fn head(handler: &Function) -> Location {
    let start = handler.at.span.start;
    let word = Location {
        file: handler.at.file,
        span: Span {
            start,
            end: start + "async def".len() as u32,
        },
    };
    handler.decorators.first().map_or(word, |(_, at)| *at)
}
