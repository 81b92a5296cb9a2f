//! PROBE004.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::cpu_in_words;
use crate::graph::workload::{Probe, Workload};
use crate::parse::yaml::Node;
use crate::rules::manifest::{Manifest, python_services};
use crate::rules::{Context, Family, Persona, rule};

/// Milliseconds of CPU for a Python that imports next to nothing, and for `celery inspect ping` of the smallest application.
const BARE: u64 = 40;
const LOADED: u64 = 300;
/// Modules that cost little beside the start itself.
const LIGHT: [&str; 9] = [
    "glob",
    "os",
    "pathlib",
    "signal",
    "socket",
    "sys",
    "time",
    "sqlite3",
    "subprocess",
];
/// A timeout, in seconds, that the start of an application meets under any limit that is usual.
const PATIENT: u32 = 5;
/// What lets `celery inspect` be: seconds from one to the next, seconds for its answer, and a CPU in thousandths.
const SELDOM: u32 = 60;
const UNHURRIED: u32 = 10;
const ONE: u64 = 1_000;
/// How many times the time that a bare start takes under the limit its timeout has to be.
const RESERVE: u64 = 10;

rule! {
    /// ## What it finds
    ///
    /// A probe that starts a Python of its own in the container: `python -c …`, `celery inspect ping`, `manage.py check`. An info
    /// where it costs little: the program's start takes less than 2 % of the CPU that the limit gives in a period, and the timeout
    /// is 5 s or more, or for a Python that imports little ten times what it takes. Counted are 40 ms for such a one, and for any
    /// other 300 ms, the least that it takes, so that it has to be less than 0.5 %. An info as well is `celery inspect` every 60 s or
    /// more seldom with a timeout of 10 s or more, under a limit of at least 1 CPU or none: it takes 1 to 2 % of it.
    ///
    /// It is an error where `celery inspect` can get no answer, whatever it costs: the kubelet starts an `exec` probe without a
    /// shell, so that `-d celery@$HOSTNAME` asks for a worker of just that name (only `$(NAME)` is replaced, and only where the
    /// container's `env` has it), or it asks for this pod's `celery@…` where the manifest names the worker otherwise
    /// (`-n high@%h`). `inspect` then ends with status 69 (tried with celery 5.7.0).
    ///
    /// ## Why
    ///
    /// The probe's process is in the container: its CPU comes out of the quota, its memory out of the limit, at every
    /// period, and most when the container is busy and the probe is slow. An empty `python -c pass` takes 40 ms of CPU and
    /// 13 MiB, `celery inspect ping` 300 ms and 41 MiB (CPython 3.11 and 3.13, 2026-11-29, caches warm, smallest
    /// application). Under a limit of 500m the latter cannot answer in less than 600 ms, so the default timeout of one
    /// second leaves it no reserve. What times out is killed by the kubelet, and with no init in the container a grandchild
    /// of it stays as a zombie.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// livenessProbe:
    ///   exec: {command: [celery, -A, shop, inspect, ping]}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// # the worker touches the file while it lives: no interpreter is started
    /// livenessProbe:
    ///   exec: {command: [sh, -c, 'find /dev/shm/alive -mmin -1 | grep -q .']}
    ///   timeoutSeconds: 5
    /// ```
    ///
    /// or an `httpGet` or `grpc` probe, which starts nothing.
    ///
    /// ## Fix
    ///
    /// None: another way to ask has to be there first, or a shell: `[sh, -c, 'celery -A shop inspect ping -d celery@$HOSTNAME']`.
    ///
    /// ## References
    ///
    /// - [Configure probes](https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/)
    /// - [celery: Kubernetes readiness and liveness probes (issue 4079)](https://github.com/celery/celery/issues/4079)
    pub(super) static RULE = {
        id: "PROBE004",
        name: "exec-starts-python",
        title: "a probe that starts a Python pays for it out of the container's limits",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "Answers `/livez` and `/readyz` over HTTP (`--listen`) from PID 1, without a Python.",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for (workload, manifest) in python_services(context) {
        let probes = &workload.probes;
        let named = [
            ("liveness", &probes.liveness),
            ("readiness", &probes.readiness),
        ];
        // a startup probe ends with the start
        let found = named.into_iter().find_map(|(name, probe)| {
            let probe = probe.as_ref()?;
            Some((name, probe, program(probe)?))
        });
        let Some((name, probe, program)) = found else {
            continue;
        };
        if let Some(why) = unanswered(context, workload, probe, &manifest) {
            let message = format!("the {name} probe gets no answer: {why}");
            let finding = Finding::new(&RULE, probe.at, message).severity(Severity::Error);
            findings.push(finding.within(workload));
            continue;
        }
        let limit = workload
            .limits
            .cpu
            .as_ref()
            .filter(|limit| limit.value < 2_000);
        let given = workload.limits.cpu.as_ref().map(|limit| limit.value);
        let is_light = program == "python";
        let severity = if is_cheap(program, probe, given) || (is_light && limit.is_none()) {
            Severity::Info
        } else {
            Severity::Warning
        };
        let mut message = format!(
            "the {name} probe starts `{program}` every {} s within the container's own limits",
            probe.period
        );
        if probe.timeout.0 <= 1 {
            message.push_str(", and gives it 1 s");
        }
        let mut finding = Finding::new(&RULE, probe.at, message)
            .severity(severity)
            .within(workload);
        if let Some(limit) = limit {
            finding = finding.because(
                limit.at,
                format!("the CPU limit is {}", cpu_in_words(limit.value)),
            );
        }
        findings.push(finding);
    }
}

/// Why no worker answers to the name that `celery inspect` asks for, where that is certain.
fn unanswered(
    context: &Context<'_>,
    workload: &Workload,
    probe: &Probe,
    manifest: &Manifest<'_>,
) -> Option<String> {
    let first = probe.exec.first()?;
    if first.rsplit('/').next() == Some("celery") {
        let asked = value_of(&probe.exec, &["-d", "--destination"])?;
        let is_lost =
            is_unexpanded(asked, manifest) && !is_named(context, workload, asked, manifest);
        return is_lost.then(|| format!("no shell expands `{asked}`, and no worker has that name"));
    }
    let is_shell = matches!(first.rsplit('/').next(), Some("sh" | "bash"));
    let [_, option, text] = probe.exec.as_slice() else {
        return None;
    };
    if !is_shell || option != "-c" {
        return None;
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let asked = value_of(&words, &["-d", "--destination"])?.trim_matches(['"', '\'']);
    let (name, host) = asked.split_once('@')?;
    let worker = worker_name(manifest)?;
    let is_own = matches!(host, "$HOSTNAME" | "${HOSTNAME}" | "$(hostname)");
    let is_plain = |name: &str| !name.contains(['$', '%', '`', ',']);
    let differs = name != worker && is_plain(name) && is_plain(&worker);
    (is_own && differs).then(|| format!("it asks `{asked}`, and the worker's name is `{worker}@…`"))
}

/// Is the worker started with just that name, which nothing expands there either?
fn is_named(
    context: &Context<'_>,
    workload: &Workload,
    asked: &str,
    manifest: &Manifest<'_>,
) -> bool {
    let is_built_so = workload.built.is_some_and(|built| {
        let text = &context.repository.file(built.file).source.text;
        text.contains(asked)
    });
    is_built_so || started(manifest).iter().any(|word| word.contains(asked))
}

/// The words by which the manifest itself starts the container.
fn started(manifest: &Manifest<'_>) -> Vec<String> {
    ["command", "args"]
        .iter()
        .filter_map(|key| manifest.container.get(key))
        .flat_map(Node::items)
        .filter_map(|word| word.text().map(str::to_owned))
        .collect()
}

/// Does the word name a variable in a way that the kubelet leaves as it is?
fn is_unexpanded(word: &str, manifest: &Manifest<'_>) -> bool {
    let Some((_, rest)) = word.split_once('$') else {
        return false;
    };
    let Some((name, _)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
        // `$$` is a dollar for the kubelet, and no worker is named with one either
        return rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{'));
    };
    let entries = manifest.container.get("env").map(Node::items);
    let mut named = entries
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| entry.get("name")?.text());
    !named.any(|declared| declared == name)
}

/// What stands before the `@` in the name of the worker that the manifest itself starts, without a shell.
fn worker_name(manifest: &Manifest<'_>) -> Option<String> {
    let words = started(manifest);
    let is_worker = words.first()?.rsplit('/').next() == Some("celery");
    if !is_worker || !words.iter().any(|word| word == "worker") {
        return None;
    }
    let name = value_of(&words, &["-n", "--hostname"]).unwrap_or("celery@%h");
    // a name without an `@` is that of the host
    Some(
        name.split_once('@')
            .map_or("celery", |(name, _)| name)
            .to_owned(),
    )
}

/// The value of an option, as `-d NAME` or `--destination=NAME`.
fn value_of<'a>(words: &'a [String], names: &[&str]) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(at, word)| {
        if names.contains(&word.as_str()) {
            return words.get(at + 1).map(String::as_str);
        }
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then_some(value)
    })
}

/// Does it take a small share of the CPU that a period gives, and has it the time for it?
fn is_cheap(program: &str, probe: &Probe, limit: Option<u64>) -> bool {
    let is_seldom = probe.period >= SELDOM && probe.timeout.0 >= UNHURRIED;
    if program == "celery inspect" && is_seldom && limit.unwrap_or(ONE) >= ONE {
        return true;
    }
    let given = u64::from(probe.period) * limit.unwrap_or(1_000);
    let cost = cost(program, probe);
    // what loads an application takes more than the smallest one, so less is borne
    let share = if cost == BARE { 50 } else { 200 };
    let has_time = probe.timeout.0 >= PATIENT || cost == BARE && is_met(probe, limit);
    has_time && cost * share < given
}

/// Does a bare start meet the timeout with a reserve, stopped by the quota as it is?
fn is_met(probe: &Probe, limit: Option<u64>) -> bool {
    let milliseconds = BARE * 1_000 / limit.unwrap_or(1_000).clamp(1, 1_000);
    u64::from(probe.timeout.0) * 1_000 >= milliseconds * RESERVE
}

/// Milliseconds of CPU that it takes to start.
fn cost(program: &str, probe: &Probe) -> u64 {
    if program != "python" {
        return LOADED;
    }
    let Some(at) = probe.exec.iter().position(|word| word == "-c") else {
        return LOADED;
    };
    let text = probe.exec[at + 1..].join(" ");
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    while let Some(word) = words.next() {
        let names = matches!(word, "import" | "from");
        if names && words.next().is_some_and(|name| !LIGHT.contains(&name)) {
            return LOADED;
        }
    }
    BARE
}

/// The Python program that a probe starts, as a person calls it; also behind `sh -c`, `exec`, `timeout`.
fn program(probe: &Probe) -> Option<&'static str> {
    let text = probe.exec.join(" ");
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '"' | '\''))
        .filter(|word| !word.is_empty())
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    let has = |name: &str| words.contains(&name);
    if has("celery") && (has("inspect") || has("status")) {
        Some("celery inspect")
    } else if words
        .iter()
        .any(|word| *word == "manage.py" || *word == "django-admin")
    {
        Some("manage.py")
    } else if has("airflow") {
        Some("airflow")
    } else if words.iter().take(4).any(|word| is_python(word)) {
        Some("python")
    } else {
        None
    }
}

fn is_python(word: &str) -> bool {
    let version = word
        .strip_prefix("python")
        .or_else(|| word.strip_prefix("pypy"));
    version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}
