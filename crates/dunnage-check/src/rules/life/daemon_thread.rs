use crate::finding::{Confidence, Finding, Severity};
use crate::parse::python::Value;
use crate::rules::python;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `threading.Thread(daemon=True)` in a program that runs in a container.
    ///
    /// ## Why
    /// When the main thread ends, daemon threads are stopped where they stand, in the middle of a write too; their `finally`
    /// does not run. For a heartbeat that is wanted. For a thread that writes, sends or commits it is data lost at each
    /// deploy, which nobody sees in a test that never ends.
    ///
    /// ## Example
    /// ```python
    /// threading.Thread(target=flush_forever, daemon=True).start()
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// stopping = threading.Event()
    /// flusher = threading.Thread(target=flush_until, args=(stopping,))
    /// flusher.start()
    /// atexit.register(flusher.join)
    /// atexit.register(stopping.set)
    /// ```
    /// (The last one that is registered runs first. `dunnage.on_drain` tells when the shutdown begins.)
    ///
    /// ## Fix
    /// None: which threads hold work only the application knows.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/threading.html#thread-objects>
    pub(super) static RULE = {
        id: "LIFE010",
        name: "daemon-thread",
        title: "a daemon thread is stopped in the middle of its work",
        family: Family::Life,
        severity: Severity::Info,
        confidence: Confidence::Low,
        persona: Persona::Pedantic,
        by_run: "Tells Python when a shutdown begins (dunnage.on_drain), so that threads can finish.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::reached(context) {
        for call in code.module.calls_of("threading.Thread") {
            if call
                .keyword("daemon")
                .is_some_and(|daemon| daemon.value == Value::Bool(true))
            {
                let message = "this thread is stopped where it stands when the program ends";
                found.push(code.found(Finding::new(&RULE, call.at, message)));
            }
        }
    }
}
