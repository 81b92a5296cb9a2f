use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{self, Edit, Fix, Target};
use crate::parse::python::{Call, Value};
use crate::rules::python::{self, Code};
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// `multiprocessing.Pool()` and `ProcessPoolExecutor()` without a number of processes. Pools of threads are not meant:
    /// theirs is a size for waiting.
    ///
    /// ## Why
    /// The default is `os.cpu_count()`, since 3.13 `os.process_cpu_count()`: the CPUs of the node or of the CPU set, never
    /// the CPU limit. On a node of 64 CPUs 64 processes share the limit. With `fork` each of them copies what it touches of
    /// the parent's memory; with `spawn` and `forkserver` (the default on Linux since 3.14) each imports the program anew,
    /// so that starting the pool alone can use the quota for many seconds and fill the memory limit.
    ///
    /// ## Example
    /// ```python
    /// with ProcessPoolExecutor() as pool:
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// with ProcessPoolExecutor(max_workers=dunnage.cpu_count()) as pool:
    /// ```
    /// or a number from the deployment.
    ///
    /// ## Fix
    /// Unsafe: the size changes, and `dunnage` must be installed.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/concurrent.futures.html#processpoolexecutor>
    pub(super) static RULE = {
        id: "CPU003",
        name: "pool-without-size",
        title: "a pool of processes without a size has one for each CPU of the node",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Tells Python the limit, rounded up and at least 2: the default size of a pool of processes follows.",
        check: check,
    };
}

/// The pools, and the name of the argument that is their size.
const POOLS: [(&str, &str); 6] = [
    ("multiprocessing.Pool", "processes"),
    ("multiprocessing.pool.Pool", "processes"),
    ("torch.multiprocessing.Pool", "processes"),
    ("multiprocess.Pool", "processes"),
    ("concurrent.futures.ProcessPoolExecutor", "max_workers"),
    (
        "concurrent.futures.process.ProcessPoolExecutor",
        "max_workers",
    ),
];

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::code(context) {
        if code.is_supervised() {
            continue;
        }
        for call in &code.module.calls {
            let Some((_, keyword)) = POOLS.iter().find(|(name, _)| *name == call.name) else {
                continue;
            };
            let size = call.argument(0, keyword);
            let is_default = size.is_none_or(|size| size.value == Value::None);
            if is_default && !call.has_unpacking() {
                found.push(finding(context, &code, call, keyword));
            }
        }
    }
}

fn finding(context: &Context<'_>, code: &Code<'_>, call: &Call, keyword: &str) -> Finding {
    let callee = call.name.rsplit('.').next().unwrap_or_default();
    let limit = code
        .cpu_limit()
        .map_or_else(String::new, |(_, millicpu, _)| {
            format!(" under a limit of {millicpu}m")
        });
    let message = format!("{callee} starts one process for each CPU of the node{limit}");
    let finding = code.found_under_cpu_limit(Finding::new(&RULE, call.at, message));
    let by_run =
        python::told_by_run("start the program with `dunnage run`, which tells Python the limit");
    match edits(context, code, call, keyword) {
        Some(edits) => finding
            .fix(Fix::changing(
                "size it by dunnage.cpu_count(), which knows the limit",
                edits,
            ))
            .fix(by_run),
        None => finding.fix(by_run),
    }
}

fn edits(context: &Context<'_>, code: &Code<'_>, call: &Call, keyword: &str) -> Option<Vec<Edit>> {
    const SIZE: &str = "dunnage.cpu_count()";
    let target = Target::of(context.repository, code.file);
    // `Pool(None)`: what is there already goes, by whatever name.
    let edit = match call.argument(0, keyword) {
        Some(old) => target.replace(old.at.span, SIZE),
        None => fix::python::set_argument(target, call, keyword, SIZE)?,
    };
    let import = fix::python::ensure_import(target, code.module, "dunnage");
    Some(import.into_iter().chain([edit]).collect())
}
