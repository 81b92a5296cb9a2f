use super::only_keyboard_interrupt::handler_edits;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::rules::about::modules;
use crate::rules::python::{self, Code};
use crate::rules::term::{self, Hears};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `atexit.register` in a program that is started by itself and sets up nothing for SIGTERM in any of its modules.
    ///
    /// ## Why
    /// `atexit` runs when the interpreter ends: after the last line, after `sys.exit`, after an exception. SIGTERM is none of
    /// these. As PID 1 the program ignores it until SIGKILL comes with the end of the grace period; below an init its default
    /// action ends the process at once. Neither runs a single `atexit` function, so what is flushed, deregistered or
    /// committed there is lost at every deploy.
    ///
    /// ## Example
    /// ```python
    /// atexit.register(producer.flush)
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// atexit.register(producer.flush)
    /// signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    /// ```
    /// `sys.exit` in a handler raises SystemExit in the main thread: a bare `except:` around the main loop swallows it, and a
    /// pool of threads is waited for.
    ///
    /// ## Fix
    /// Unsafe: the program begins to end in another way than before.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/atexit.html> ("not called when the program is killed by a signal not handled by
    ///   Python")
    pub(super) static RULE = {
        id: "LIFE003",
        name: "atexit-without-sigterm",
        title: "atexit does not run at SIGTERM",
        family: Family::Life,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "With --term exit, SIGTERM raises SystemExit in a Python without a handler, so that atexit and finally run.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for workload in &context.graph.workloads {
        let hears = term::hears(context.repository, workload);
        if python::plain_python(workload).is_none() || matches!(hears, Hears::By(_)) {
            continue;
        }
        let Some((file, module)) = python::entry(context.repository, workload) else {
            continue;
        };
        let entry = Code {
            file,
            module,
            workloads: vec![workload],
        };
        let modules = modules(context.repository, workload);
        let calls = modules.flat_map(|(id, module)| {
            module
                .calls_of("atexit.register")
                .map(move |call| (id, call))
        });
        for (id, call) in calls {
            let message = "atexit does not run at SIGTERM, which stops a container and which nothing here handles";
            let handler = "lambda *_: sys.exit(0)";
            let edits = handler_edits(context, &entry, handler, &["signal", "sys"]);
            // what a library that it imports does at its end may be no more than telemetry
            let confidence = if id == file && hears == Hears::No {
                Confidence::High
            } else {
                Confidence::Low
            };
            let finding = Finding::new(&RULE, call.at, message).confidence(confidence);
            found.push(
                entry
                    .found(finding)
                    .fix(Fix::changing("end by sys.exit at SIGTERM", edits)),
            );
        }
    }
}
