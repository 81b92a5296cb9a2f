use crate::finding::{Confidence, Finding, Severity};
use crate::parse::python::Module;
use crate::rules::python;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `gc.collect()` as a statement in a function, in a program that does not otherwise steer the collector
    /// (`gc.disable`, `gc.freeze`, `gc.set_threshold`).
    ///
    /// ## Why
    /// It finds cycles; what it frees goes back to CPython's and the C library's heaps, not to the kernel. In every workload
    /// that was measured (dicts, strings, JSON, CSV, numpy, pyarrow, polars; none with cycles) the resident memory after `del` and after
    /// `del` plus `gc.collect()` differed by at most one point in a hundred. What gives memory back is `malloc_trim`
    /// (0–1 % became 93–100 % for objects over 512 bytes) and each library's own pool. The call itself takes 74–146 ms with
    /// two million live dicts, and the GIL is held all the time (CPython 3.11, one machine of 2 CPUs).
    ///
    /// ## Example
    /// ```python
    /// del frame
    /// gc.collect()
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// del frame
    /// dunnage.release_memory()
    /// ```
    /// and not in each request: it takes 0.1 to 0.6 s where there is much to give back.
    ///
    /// ## Fix
    /// Unsafe: another function is called, and `dunnage` must be installed.
    ///
    /// ## References
    /// - <https://man7.org/linux/man-pages/man3/malloc_trim.3.html>
    pub(super) static RULE = {
        id: "MEM009",
        name: "gc-collect",
        title: "gc.collect() gives no memory back to the kernel",
        family: Family::Mem,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "Asks Python to give memory back when the limit comes near, at most once in 30 s.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::reached(context) {
        if steers(code.module) {
            continue;
        }
        let calls = code.module.calls_of("gc.collect");
        for call in calls.filter(|call| call.is_dropped && !call.function.is_empty()) {
            let message = "gc.collect() frees cycles; the memory stays in the process";
            let title = "give memory back with dunnage.release_memory()";
            let fix = python::ask_dunnage(context, &code, call, "dunnage.release_memory()", title);
            found.push(code.found(Finding::new(&RULE, call.at, message)).fix(fix));
        }
    }
}

/// Who turns the collector off or tunes it calls it on purpose.
fn steers(module: &Module) -> bool {
    let is_steering = |name: &str| {
        matches!(
            name,
            "gc.disable" | "gc.freeze" | "gc.set_threshold" | "gc.get_objects" | "gc.get_referrers"
        )
    };
    module.calls.iter().any(|call| is_steering(&call.name))
}
