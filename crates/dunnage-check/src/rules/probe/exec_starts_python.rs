//! PROBE004.

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::render::cpu_in_words;
use crate::graph::workload::Probe;
use crate::rules::manifest::python_services;
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
/// How many times the time that a bare start takes under the limit its timeout has to be.
const RESERVE: u64 = 10;

rule! {
    /// ## What it finds
    ///
    /// A probe that starts a Python of its own in the container: `python -c …`, `celery inspect ping`, `manage.py check`. An info
    /// where it costs little: the program's start takes less than 2 % of the CPU that the limit gives in a period, and the timeout
    /// is 5 s or more, or for a Python that imports little ten times what it takes. Counted are 40 ms for such a one, and for any
    /// other 300 ms, the least that it takes, so that it has to be less than 0.5 %.
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
    /// None: another way to ask has to be there first.
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
    for (workload, _) in python_services(context) {
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

/// Does it take a small share of the CPU that a period gives, and has it the time for it?
fn is_cheap(program: &str, probe: &Probe, limit: Option<u64>) -> bool {
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
