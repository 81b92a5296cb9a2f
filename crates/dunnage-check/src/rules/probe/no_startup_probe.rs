//! PROBE005.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Target, yaml};
use crate::graph::render::cpu_in_words;
use crate::graph::workload::{Origin, Probe, Workload};
use crate::parse::yaml::{Node, Value};
use crate::repository::Repository;
use crate::rules::about::{about, node, pythons};
use crate::rules::mem::import_cpu_ms;
use crate::rules::{Context, Family, Persona, rule};

rule! {
    /// ## What it finds
    /// A liveness probe that may give up while the program is still importing: no `startupProbe`, and the CPU time of the
    /// imports alone, under the CPU limit, is more than half of what the probe waits (`initialDelaySeconds` +
    /// `periodSeconds` × `failureThreshold`).
    ///
    /// ## Why
    /// Importing is computing. Under a limit of 100m a second of it takes ten, since the container gets 10 ms in each period
    /// of 100 ms. The CPU time of importing common packages was measured (CPython 3.11.7 on one core of an AMD EPYC, compiled
    /// files present, 2026-11-29, medians of 7: scikit-learn 1.16 s, matplotlib 0.49, pandas 0.30). Only the dearest one is
    /// counted, so the true start is later. A container that is killed before it has started starts again as slowly.
    ///
    /// ## Example
    /// ```yaml
    /// resources: {limits: {cpu: 100m}}        # and pandas, scikit-learn
    /// livenessProbe: {httpGet: {path: /healthz, port: 8000}, periodSeconds: 5}
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// startupProbe: {httpGet: {path: /healthz, port: 8000}, periodSeconds: 5, failureThreshold: 24}
    /// ```
    /// The liveness probe begins when it has succeeded once.
    ///
    /// ## Fix
    /// Unsafe: a `startupProbe` that asks what the liveness probe asks, for four times as long as the imports take.
    ///
    /// ## References
    /// - <https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#define-startup-probes>
    pub(in crate::rules) static RULE = {
        id: "PROBE005",
        name: "liveness-before-imports-end",
        title: "the liveness probe gives up while the program may still be importing",
        family: Family::Probe,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| {
        matches!(workload.origin, Origin::Kubernetes { .. }) && workload.is_service()
    }) {
        let (Some(probe), None) = (&workload.probes.liveness, &workload.probes.startup) else {
            continue;
        };
        let (Some(limit), Some((cpu_ms, package))) = (
            &workload.limits.cpu,
            import_cpu_ms(context.repository, workload),
        ) else {
            continue;
        };
        // an import runs in one thread: more than one CPU does not speed it up
        let seconds = cpu_ms.div_ceil(limit.value.clamp(1, 1000));
        let patience = patience(probe);
        if seconds * 2 <= patience {
            continue;
        }
        let severity = if seconds >= patience {
            Severity::Error
        } else {
            Severity::Warning
        };
        let message = format!(
            "importing {package} alone takes {seconds} s or more under {}, and the liveness probe gives up after {patience} s",
            cpu_in_words(limit.value)
        );
        let mut finding = Finding::new(&RULE, probe.at, message)
            .severity(severity)
            .because(
                limit.at,
                format!("the limit is {}", cpu_in_words(limit.value)),
            );
        if let Some(at) = workload.packages.get(package) {
            finding = finding.because(*at, format!("{package} is a dependency"));
        }
        finding = finding.fix(add_startup(context.repository, workload, probe, seconds));
        findings.push(about(finding, workload));
    }
}

/// Seconds from the start until the container is killed.
fn patience(probe: &Probe) -> u64 {
    u64::from(probe.delay) + u64::from(probe.period) * u64::from(probe.failures)
}

/// A startup probe that asks what the liveness probe asks.
fn add_startup(
    repository: &Repository,
    workload: &Workload,
    probe: &Probe,
    seconds: u64,
) -> Option<Fix> {
    let (file, node) = node(repository, workload)?;
    let (kind, action) = node
        .get("livenessProbe")?
        .entries()
        .iter()
        .find_map(|(key, value)| Some((key.text().filter(|key| is_action(key))?, value)))?;
    let failures = (seconds * 4)
        .div_ceil(u64::from(probe.period.max(1)))
        .max(3);
    let startup = yaml::New::map([
        (kind, copy(action)?),
        ("periodSeconds", yaml::New::plain(probe.period)),
        ("failureThreshold", yaml::New::plain(failures)),
    ]);
    let edit = yaml::set(
        Target::of(repository, file),
        node,
        &["startupProbe"],
        &startup,
    )?;
    let title = format!(
        "give the start {} s by a startupProbe",
        failures * u64::from(probe.period)
    );
    Some(Fix::changing(title, vec![edit]))
}

fn is_action(key: &str) -> bool {
    matches!(key, "httpGet" | "tcpSocket" | "exec" | "grpc")
}

/// The same value again; mappings of up to three entries, which is what a probe's action is.
fn copy(node: &Node) -> Option<yaml::New> {
    Some(match &node.value {
        Value::Plain(text) => yaml::New::plain(text),
        Value::Quoted(text) => yaml::New::text(&**text),
        Value::Sequence(items) => yaml::New::List(items.iter().map(copy).collect::<Option<_>>()?),
        Value::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Some((key.text()?.to_owned(), copy(value)?)));
            yaml::New::Map(entries.collect::<Option<_>>()?)
        }
        Value::Null => return None,
    })
}
