use crate::finding::{Confidence, Finding, Severity};
use crate::parse::python::{Call, Module, Value};
use crate::rules::python::{self, Code};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;

rule! {
    /// ## What it finds
    /// `os.cpu_count()`, `multiprocessing.cpu_count()`, `psutil.cpu_count()` or the affinity mask as the size of a pool of
    /// processes or of compute threads: as an argument, through a variable, or as the default of an option. A count that is
    /// only printed, or bounded by `min(…)`, is not found, and neither is the size of a pool of threads that wait for IO.
    ///
    /// ## Why
    /// These functions count the CPUs of the node. A CPU limit is a quota of the kernel's scheduler (`cpu.max`): the CPUs
    /// stay visible, and no version of CPython up to 3.14 reads it. `os.process_cpu_count()` and
    /// `os.sched_getaffinity()` know the CPU set, not the quota. On a node of 64 CPUs a container with a limit of one CPU
    /// gets 64 processes: 64 times the memory of one, and when they all compute, the quota of a 100 ms period is used up in
    /// 1.6 ms and everything stands still for the other 98 ms. A matrix product with two threads under a quota of one CPU
    /// was 13 % slower than with one, and the 99th percentile of a 1 ms sleep beside it was 47 ms instead of 1.8
    /// (2 CPUs, cgroup v1, Linux 6.18).
    ///
    /// ## Example
    /// ```python
    /// with multiprocessing.Pool(os.cpu_count()) as pool:
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// with multiprocessing.Pool(dunnage.cpu_count()) as pool:
    /// ```
    /// or a number from the deployment, such as `int(os.environ.get("WORKERS", "2"))`. `dunnage.cpu_count()` is the limit
    /// rounded down and at least 1; `dunnage.cpu_count("throughput")` rounds up.
    ///
    /// ## Fix
    /// Unsafe: the size changes, and `dunnage` must be installed. Where one is taken off (`cpu_count() - 1`) nothing is
    /// edited: under a limit of one CPU the pool would have no process.
    ///
    /// ## References
    /// - <https://docs.python.org/3/library/os.html#os.cpu_count>
    /// - <https://github.com/python/cpython/issues/80235> (cgroup limits in `cpu_count`: closed without a change)
    pub(super) static RULE = {
        id: "CPU002",
        name: "cpu-count-for-size",
        title: "a pool is sized by the node's CPUs",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Tells Python the limit, rounded up and at least 2: os.cpu_count() and what is sized by it follow.",
        check: check,
    };
}

/// Functions that count the node's CPUs, or those of the CPU set.
const COUNTERS: [&str; 7] = [
    "os.cpu_count",
    "multiprocessing.cpu_count",
    "psutil.cpu_count",
    "os.process_cpu_count",
    "os.sched_getaffinity",
    "torch.multiprocessing.cpu_count",
    "multiprocess.cpu_count",
];

/// Arguments that are a number of processes or of threads that compute.
const SIZES: [&str; 18] = [
    "processes",
    "max_workers",
    "n_jobs",
    "num_workers",
    "workers",
    "n_workers",
    "nworkers",
    "num_proc",
    "nprocs",
    "num_processes",
    "nthread",
    "nthreads",
    "n_threads",
    "num_threads",
    "thread_count",
    "concurrency",
    "max_processes",
    "intra_op_num_threads",
];

/// Functions whose first argument is one.
const SIZED: [&str; 14] = [
    "multiprocessing.Pool",
    "multiprocessing.pool.Pool",
    "torch.multiprocessing.Pool",
    "multiprocess.Pool",
    "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor",
    "joblib.Parallel",
    "torch.set_num_threads",
    "cv2.setNumThreads",
    "numexpr.set_num_threads",
    "numba.set_num_threads",
    "pyarrow.set_cpu_count",
    "faiss.omp_set_num_threads",
    "tensorflow.config.threading.set_intra_op_parallelism_threads",
];

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::code(context) {
        let name = context.repository.file(code.file).source.name();
        // gunicorn's own file is CPU005's.
        if code.is_supervised() || name.contains("gunicorn") {
            continue;
        }
        for sink in &code.module.calls {
            for size in sizes(sink) {
                if let Some((counter, place)) =
                    counted(code.module, &size.value, size.at, &sink.function, 3)
                {
                    found.push(finding(context, &code, counter, place, sink));
                }
            }
        }
    }
}

/// The arguments of a call that are sizes.
fn sizes(call: &Call) -> Vec<&crate::parse::python::Argument> {
    let last = call.name.rsplit('.').next().unwrap_or_default();
    if last.contains("Thread") {
        // Threads that wait: their number has nothing to do with CPUs.
        return Vec::new();
    }
    let is_option = matches!(last, "add_argument" | "option" | "Option");
    let named = call.arguments.iter().filter(|argument| {
        let keyword = argument.keyword.as_deref().unwrap_or_default();
        SIZES.contains(&keyword) || (is_option && keyword == "default" && is_named_as_size(call))
    });
    let first = call
        .arguments
        .first()
        .filter(|argument| argument.keyword.is_none() && is_sized(&call.name));
    first.into_iter().chain(named).collect()
}

/// Pools of contexts too: `multiprocessing.get_context("spawn").Pool`.
fn is_sized(name: &str) -> bool {
    SIZED.contains(&name)
        || (name.starts_with("multiprocessing.get_context") && name.ends_with(".Pool"))
}

/// `add_argument("--workers", …)`.
fn is_named_as_size(call: &Call) -> bool {
    call.arguments.iter().any(|argument| match &argument.value {
        Value::Text(text) => {
            let option = text.trim_start_matches('-').replace('-', "_");
            SIZES.contains(&option.as_str()) || option == "jobs"
        }
        _ => false,
    })
}

/// The call that counts CPUs where a value comes from one, directly or by way of names; and the expression it stands in.
fn counted<'a>(
    module: &'a Module,
    value: &Value,
    at: Location,
    function: &str,
    steps: u32,
) -> Option<(&'a Call, Location)> {
    if value
        .names()
        .iter()
        .any(|name| COUNTERS.contains(&name.as_str()))
    {
        let mut calls = module.calls.iter();
        let call = calls
            .find(|call| COUNTERS.contains(&call.name.as_str()) && python::holds(at, call.at))?;
        return Some((call, at));
    }
    if steps == 0 {
        return None;
    }
    value.names().iter().find_map(|name| {
        let locals = module
            .locals
            .iter()
            .filter(|local| *local.function == *function && local.name == *name);
        let globals = module
            .assignments
            .iter()
            .filter(|(global, ..)| global == name);
        let bound: Vec<_> = locals
            .map(|local| (&local.value, local.at))
            .chain(globals.map(|(_, value, at)| (value, *at)))
            .collect();
        // A name that is bound twice may have been bounded in between.
        match bound[..] {
            [(value, at)] => counted(module, value, at, function, steps - 1),
            _ => None,
        }
    })
}

fn finding(
    context: &Context<'_>,
    code: &Code<'_>,
    counter: &Call,
    place: Location,
    sink: &Call,
) -> Finding {
    let callee = what_is_sized(sink);
    let source = &context.repository.file(code.file).source;
    let limit = code.cpu_limit().map_or_else(
        || "whatever the container's limit is".to_owned(),
        |(_, millicpu, _)| format!("not by the limit of {millicpu}m"),
    );
    let written = source.slice(counter.callee.span);
    let message =
        if counter.name.ends_with("affinity") || counter.name.ends_with("process_cpu_count") {
            format!("{written}() sizes {callee} by the CPU set, which does not know the CPU quota")
        } else {
            format!("{written}() sizes {callee} by the node's CPUs, {limit}")
        };
    let finding = Finding::new(&RULE, counter.at, message);
    let finding = code.found_under_cpu_limit(finding);
    let finding = if python::holds(sink.at, counter.at) {
        finding
    } else {
        finding.because(sink.callee, format!("it sizes this {callee}"))
    };
    let by_run =
        python::told_by_run("start the program with `dunnage run`, which tells Python the limit");
    if source.slice(place.span).contains('-') {
        return finding.fix(by_run);
    }
    let title = "ask dunnage.cpu_count(), which knows the limit";
    let fix = python::ask_dunnage(
        context,
        code,
        whole(code.module, counter),
        "dunnage.cpu_count()",
        title,
    );
    finding.fix(fix).fix(by_run)
}

/// `Pool`, or the option that a parser is given.
fn what_is_sized(sink: &Call) -> &str {
    let last = sink.name.rsplit('.').next().unwrap_or_default();
    let option = sink
        .arguments
        .iter()
        .find_map(|argument| match &argument.value {
            Value::Text(text) if text.starts_with('-') => Some(text.as_str()),
            _ => None,
        });
    option.unwrap_or(last)
}

/// The call, or the `len(…)` around an affinity mask.
fn whole<'a>(module: &'a Module, counter: &'a Call) -> &'a Call {
    let mut calls = module.calls_of("len");
    let around = calls.find(|len| {
        len.arguments
            .first()
            .is_some_and(|argument| argument.at == counter.at)
    });
    around.unwrap_or(counter)
}
