use crate::finding::{Confidence, Finding, Severity};
use crate::parse::python::{Call, Function, Module, Value};
use crate::rules::python;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// `functools.cache` and `lru_cache(maxsize=None)` on functions that take arguments. A function without arguments has
    /// one result, which is what such a cache is for.
    ///
    /// ## Why
    /// Each new combination of arguments stays in memory until the process ends, with its result. In a service whose
    /// arguments come from requests that is a leak with the slope of the traffic, and under a memory limit it ends in an
    /// OOM kill that no traceback explains. On a method the cache also keeps every `self` alive.
    ///
    /// ## Example
    /// ```python
    /// @functools.cache
    /// def price_of(article: str) -> Decimal:
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// @functools.lru_cache(maxsize=4096)
    /// def price_of(article: str) -> Decimal:
    /// ```
    /// A cache can also be emptied when memory gets tight: `dunnage.on_memory_pressure(lambda _: price_of.cache_clear())`.
    ///
    /// ## Fix
    /// None: how many entries are right only the application knows.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/functools.html#functools.lru_cache>
    pub(super) static RULE = {
        id: "MEM008",
        name: "unbounded-cache",
        title: "a cache without a bound grows with the traffic",
        family: Family::Mem,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        persona: Persona::Pedantic,
        by_run: "Tells Python when memory gets tight (on_memory_pressure), so that a cache can be emptied before the kill.",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::reached(context) {
        for function in &code.module.functions {
            let arguments = function
                .parameters
                .iter()
                .filter(|name| !matches!(name.as_str(), "self" | "cls"));
            if arguments.count() == 0 {
                continue;
            }
            if let Some(at) = unbounded(code.module, function) {
                let name = function.name.rsplit('.').next().unwrap_or_default();
                let message =
                    format!("every new argument of {name} stays in memory: its cache has no bound");
                let mut finding = code.found(Finding::new(&RULE, at, message));
                if let Some((_, bytes, limit)) = code.memory_limit() {
                    finding =
                        finding.because(limit, format!("the memory limit is {} MiB", bytes >> 20));
                }
                found.push(finding);
            }
        }
    }
}

/// The decorator that keeps everything.
fn unbounded(module: &Module, function: &Function) -> Option<Location> {
    function.decorators.iter().find_map(|(name, at)| {
        let is_unbounded = match name.as_str() {
            "functools.cache" => true,
            "functools.lru_cache" => {
                let mut calls = module.calls_of("functools.lru_cache");
                calls.any(|call| call.at == *at && has_no_bound(call))
            }
            _ => false,
        };
        is_unbounded.then_some(*at)
    })
}

fn has_no_bound(call: &Call) -> bool {
    call.argument(0, "maxsize")
        .is_some_and(|size| size.value == Value::None)
}
