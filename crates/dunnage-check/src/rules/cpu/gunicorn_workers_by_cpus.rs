use crate::finding::{Confidence, Finding, Severity};
use crate::graph::Workload;
use crate::graph::workload::Origin;
use crate::parse::command::{Server, ServerKind, Step};
use crate::parse::is_name_letter;
use crate::parse::python::Call;
use crate::rules::about::runs_dunnage;
use crate::rules::python::{self, Code};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::{Location, Span};
use std::collections::BTreeSet;

rule! {
    /// ## What it finds
    /// `workers = multiprocessing.cpu_count() * 2 + 1` in gunicorn's configuration, `--workers $(nproc)` or
    /// `$((2 * $(nproc) + 1))` in a command or in an entrypoint script, and a Celery worker that is not told a concurrency: its default is the number of CPUs.
    ///
    /// ## Why
    /// The recipe is of the time when a server owned its machine. In a container both functions count the CPUs of the node
    /// (`nproc` of coreutils before 9.8 too): 129 workers on a node of 64 CPUs, whatever the limit. Each worker imports the
    /// application, so the container starts with 129 times its memory and with a startup that the CPU quota stretches
    /// beyond every probe. The same image gets another number of workers on each type of node.
    ///
    /// ## Example
    /// ```python
    /// workers = multiprocessing.cpu_count() * 2 + 1
    /// ```
    ///
    /// ## Instead
    /// A number that is chosen with the limits beside it, where a person can see both:
    /// ```python
    /// workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
    /// ```
    /// or `workers = dunnage.cpu_count() * 2 + 1`.
    ///
    /// ## Fix
    /// Unsafe: the number of workers changes, and `dunnage` must be installed where gunicorn runs.
    ///
    /// ## References
    /// - <https://docs.gunicorn.org/en/stable/design.html#how-many-workers>
    pub(super) static RULE = {
        id: "CPU005",
        name: "workers-by-node-cpus",
        title: "the number of server workers follows the node's CPUs",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Tells Python the limit, so that cpu_count() * 2 + 1 follows it; nproc of a shell still counts the node.",
        check: check,
    };
}

const COUNTERS: [&str; 4] = [
    "os.cpu_count",
    "multiprocessing.cpu_count",
    "psutil.cpu_count",
    "os.process_cpu_count",
];

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::code(context) {
        let name = context.repository.file(code.file).source.name();
        if name.contains("gunicorn") {
            in_configuration(context, code, found);
        }
    }
    for workload in &context.graph.workloads {
        in_shell(context, workload, found);
        by_default(context, workload, found);
    }
}

/// gunicorn's own file.
fn in_configuration<'a>(context: &Context<'a>, mut code: Code<'a>, found: &mut Vec<Finding>) {
    let name = context.repository.file(code.file).source.name();
    let uses = |workload: &&Workload| {
        workload.server().is_some_and(|server| {
            let config = server.config.as_ref().map(|config| config.value.as_str());
            server.kind == ServerKind::Gunicorn
                && config
                    .unwrap_or("gunicorn.conf.py")
                    .rsplit(['/', ':'])
                    .next()
                    == Some(name)
        })
    };
    let users = context.graph.workloads.iter().filter(uses);
    for workload in users {
        if !code
            .workloads
            .iter()
            .any(|known| known.name == workload.name)
        {
            code.workloads.push(workload);
        }
    }
    if code.is_supervised() {
        return;
    }
    for (_, value, at) in code
        .module
        .assignments
        .iter()
        .filter(|(name, ..)| name == "workers")
    {
        let names = value.names();
        let mut calls = code.module.calls.iter();
        let counter = calls.find(|call| {
            names.contains(&call.name)
                && COUNTERS.contains(&call.name.as_str())
                && python::holds(*at, call.at)
        });
        if let Some(counter) = counter {
            found.push(finding(context, &code, counter, *at));
        }
    }
}

fn finding(context: &Context<'_>, code: &Code<'_>, counter: &Call, value: Location) -> Finding {
    let source = &context.repository.file(code.file).source;
    let written = source.slice(value.span);
    let limit = code
        .cpu_limit()
        .map_or_else(String::new, |(_, millicpu, _)| {
            format!(" under a limit of {millicpu}m")
        });
    let message = format!("gunicorn gets {written} workers of the node's CPUs{limit}");
    let finding = code.found_under_cpu_limit(Finding::new(&RULE, value, message));
    let title = "ask dunnage.cpu_count(), which knows the limit";
    finding
        .fix(python::ask_dunnage(
            context,
            code,
            counter,
            "dunnage.cpu_count()",
            title,
        ))
        .fix(python::told_by_run(
            "set workers from the environment (WEB_CONCURRENCY), beside the limits",
        ))
}

/// `celery worker` without `--concurrency`.
fn by_default(context: &Context<'_>, workload: &Workload, found: &mut Vec<Finding>) {
    let is_worker = |server: &&Server| {
        server.forks_for_tasks() && server.workers.is_none() && server.unknown.is_empty()
    };
    let Some(at) = workload
        .server()
        .filter(is_worker)
        .and_then(|server| server.at)
    else {
        return;
    };
    // `--autoscale` says it in another way.
    let text = &context.repository.file(at.file).source.text;
    if runs_dunnage(workload) || text.contains("autoscale") {
        return;
    }
    let finding = Finding::new(&RULE, at, String::new());
    let (limit, finding) = match (&workload.limits.cpu, &workload.origin) {
        (Some(cpu), _) => {
            let finding = finding.because(cpu.at, format!("the CPU limit is {}m", cpu.value));
            (format!(" under a limit of {}m", cpu.value), finding)
        }
        (None, Origin::Dockerfile) => (String::new(), finding.confidence(Confidence::Medium)),
        // The node's CPUs may be used, so their count is no lie.
        (None, _) => (String::new(), finding.severity(Severity::Info)),
    };
    let mut finding = finding.within(workload);
    finding.message = format!("celery starts a process for each CPU of the node{limit}");
    let finding = python::with_chain(finding, workload);
    found.push(finding.fix(python::told_by_run(
        "give it --concurrency, beside the limits",
    )));
}

/// `--workers $(nproc)` of a command or a script, `$((2 * $(nproc) + 1))` and other ways to ask.
fn in_shell(context: &Context<'_>, workload: &Workload, found: &mut Vec<Finding>) {
    let Some(server) = workload.server() else {
        return;
    };
    let is_asked = |option: &&String| WORKER_OPTIONS.contains(&option.as_str());
    let Some(option) = server.unknown.iter().find(is_asked) else {
        return;
    };
    let shells = workload.steps.iter().filter_map(|step| match step {
        Step::Shell { at, .. } => Some(*at),
        _ => None,
    });
    let scripts = workload.script.as_ref().map(|script| script.at);
    for place in shells.chain(scripts) {
        let text = context.repository.file(place.file).source.slice(place.span);
        let Some((counter, start)) = counter_of(text, option) else {
            continue;
        };
        let start = place.span.start as usize + start;
        let at = Location {
            file: place.file,
            span: Span::new(start..start + counter.len()),
        };
        let message = format!("{counter} counts the node's CPUs for the number of workers");
        let finding = Finding::new(&RULE, at, message).confidence(Confidence::Medium);
        found.push(python::with_chain(finding.within(workload), workload));
        return;
    }
}

/// Options that say how many workers there are.
const WORKER_OPTIONS: [&str; 6] = [
    "-w",
    "--workers",
    "-c",
    "--concurrency",
    "-p",
    "--processes",
];

/// How a shell asks for the CPUs of the node.
const SHELL_COUNTERS: [&str; 5] = [
    "nproc",
    "_NPROCESSORS_ONLN",
    "/proc/cpuinfo",
    "lscpu",
    "cpu_count()",
];

/// Variables are followed so many assignments back.
const MOST_STEPS: usize = 4;

/// What counts CPUs in a text, for this option: on the option's own line, or for a variable that stands behind it. A
/// `make -j$(nproc)` beside it is none of it.
fn counter_of(text: &str, option: &str) -> Option<(&'static str, usize)> {
    let names = asked(text, option);
    logical_lines(text)
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .find_map(|(start, line)| {
            let (counter, at) = SHELL_COUNTERS
                .iter()
                .find_map(|counter| Some((*counter, line.find(counter)?)))?;
            let is_for_it = is_of_option(line, option)
                || assigned(&line[..at]).is_some_and(|name| names.contains(name));
            is_for_it.then_some((counter, start + at))
        })
}

fn is_of_option(line: &str, option: &str) -> bool {
    line.split(|letter: char| letter.is_whitespace() || letter == '=')
        .any(|word| word == option || (option.len() == 2 && word.starts_with(option)))
}

/// The variable that a text is about to assign: `WORKERS` of `WORKERS=$((2 * `.
fn assigned(before: &str) -> Option<&str> {
    let (before, _) = before.split_once('=')?;
    let start = before.rfind(|letter| !is_name_letter(letter));
    let name = &before[start.map_or(0, |start| start + 1)..];
    (!name.is_empty()).then_some(name)
}

/// The names that an option is made of: those of its lines, and of what assigns them, some steps back.
fn asked<'a>(text: &'a str, option: &str) -> BTreeSet<&'a str> {
    let words = |line: &'a str| line.split(move |letter| !is_name_letter(letter));
    let mut names: BTreeSet<&str> = logical_lines(text)
        .filter(|(_, line)| is_of_option(line, option))
        .flat_map(|(_, line)| words(line))
        .collect();
    for _ in 0..MOST_STEPS {
        for (_, line) in logical_lines(text) {
            if assigned(line).is_some_and(|name| names.contains(name)) {
                names.extend(words(line));
            }
        }
    }
    names
}

/// Lines with those that go on behind a backslash, and where each begins.
fn logical_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let ends = |(at, _): &(usize, &str)| !rest[..*at].trim_end_matches('\r').ends_with('\\');
        let end = rest
            .match_indices('\n')
            .find(ends)
            .map_or(rest.len(), |(at, _)| at + 1);
        let begin = start;
        start += end;
        Some((begin, &rest[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::counter_of;

    #[test]
    fn a_count_of_cpus_is_found_where_it_sizes_the_workers() {
        let of = |text: &str, option| counter_of(text, option).map(|(counter, _)| counter);
        let nproc = Some("nproc");
        assert_eq!(
            of("gunicorn --workers $((2 * $(nproc) + 1)) a:b", "--workers"),
            nproc
        );
        assert_eq!(of("gunicorn -w$(nproc) a:b", "-w"), nproc);
        assert_eq!(
            of("exec gunicorn a:b \\\n  --workers=$(nproc)\n", "--workers"),
            nproc
        );
        let text = "N=$(nproc)\nexec gunicorn -w \"${N:-2}\" a:b\n";
        assert_eq!(of(text, "-w"), nproc);
        let text = "W=$(( $(getconf _NPROCESSORS_ONLN) * 2 ))\ngunicorn -w $W a:b\n";
        assert_eq!(of(text, "-w"), Some("_NPROCESSORS_ONLN"));
    }

    #[test]
    fn names_that_assign_each_other_are_followed_some_steps_only() {
        let text = "A=$B\nB=$A\n".repeat(2000) + "C=$(nproc)\ngunicorn -w $A a:b\n";
        assert_eq!(counter_of(&text, "-w"), None);
    }

    #[test]
    fn a_count_for_something_else_is_not_told() {
        let of = |text: &str| counter_of(text, "-w").map(|(counter, _)| counter);
        assert_eq!(of("make -j$(nproc)\ngunicorn -w $WORKERS a:b\n"), None);
        assert_eq!(
            of("J=$(nproc)\nmake -j $J\ngunicorn -w $WORKERS a:b\n"),
            None
        );
        assert_eq!(of("# -w $(nproc)\ngunicorn -w $WORKERS a:b\n"), None);
    }
}
