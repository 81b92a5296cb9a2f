//! The variables of the plan: which are set and which are kept.

use super::allocator::Choice;
use super::count::{EPSILON, Sizing};
use super::knobs::{KNOBS, Knob};
use super::{Action, Environment, PlanOptions, Policy, PythonCpuCount, Setting, user_value};
use crate::agent::{Agent, CPU_COUNT};

/// Every variable that the plan has something to say about, those that are set first.
pub(super) fn settings(
    sizing: &Sizing,
    env: Environment<'_>,
    options: &PlanOptions,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    if sizing.caps_pools() {
        settings.extend(pools(sizing, env));
    }
    let is_told = options.python_cpu_count == PythonCpuCount::Auto
        && matches!(options.agent, Agent::On(_))
        && sizing.quota.is_some();
    if is_told {
        settings.push(python_cpu_count(sizing, env));
    }
    for allocator in &options.allocator {
        let Choice {
            variable,
            value,
            outranks,
            gain,
            cost,
            evidence,
        } = allocator.choice();
        settings.push(decide(
            env,
            variable,
            value,
            outranks.iter().copied(),
            || {
                format!(
                    "--allocator {}: {gain}; costs: {cost}; seen: {evidence}",
                    allocator.name()
                )
            },
        ));
    }
    let mut seen = std::collections::HashSet::new();
    settings.retain(|setting| seen.insert(setting.name.clone()));
    settings.sort_by_key(|setting| setting.action == Action::Kept);
    settings
}

/// The caps of compute pools, and the user's own variables beside them.
fn pools<'a>(sizing: &'a Sizing, env: Environment<'a>) -> impl Iterator<Item = Setting> + use<'a> {
    let governed = KNOBS.iter().map(move |knob| {
        let lines = || KNOBS.iter().filter(|line| line.variable == knob.variable);
        let value = sizing.threads.to_string();
        let outranked = lines().flat_map(Knob::outranked);
        decide(env, knob.variable, &value, outranked, || {
            let libraries: Vec<_> = lines().map(|line| line.library).collect();
            format!("{}: {}", size_in_words(sizing), libraries.join(", "))
        })
    });
    let capped = KNOBS.iter().filter_map(move |knob| {
        let (variable, most) = knob.most.filter(|(_, most)| sizing.threads > *most)?;
        let others = knob
            .ranking
            .iter()
            .copied()
            .filter(move |name| *name != variable);
        let reason = || format!("{} takes at most {most} threads by itself", knob.library);
        Some(decide(env, variable, &most.to_string(), others, reason))
    });
    let own = KNOBS.iter().flat_map(move |knob| {
        knob.ranking
            .iter()
            .filter(|name| **name != knob.variable)
            .filter_map(move |name| {
                let value = user_value(env, name)?;
                Some(Setting {
                    name: (*name).to_owned(),
                    value: Some(value),
                    action: Action::Kept,
                    reason: format!("your own value, which {} obeys", knob.library),
                })
            })
    });
    governed.chain(capped).chain(own)
}

/// Sets a variable, unless the user set it or one that it would outrank.
fn decide(
    env: Environment<'_>,
    name: &str,
    value: &str,
    mut outranked: impl Iterator<Item = &'static str>,
    reason: impl FnOnce() -> String,
) -> Setting {
    let (value, action, reason) = if let Some(own) = user_value(env, name) {
        (Some(own), Action::Kept, "your own value".to_owned())
    } else if let Some(by) = outranked.find(|other| user_value(env, other).is_some()) {
        let reason = format!("kept (by {by}): it would outrank your value");
        (None, Action::Kept, reason)
    } else {
        (Some(value.to_owned()), Action::Set, reason())
    };
    Setting {
        name: name.to_owned(),
        value,
        action,
        reason,
    }
}

fn size_in_words(sizing: &Sizing) -> String {
    let Sizing {
        threads,
        cpus,
        workers,
        source,
        ..
    } = sizing;
    let plural = if *threads == 1 { "" } else { "s" };
    let per_worker = if workers.count == 1 {
        String::new()
    } else {
        format!(" over {} workers ({})", workers.count, workers.source)
    };
    let exact = cpus / f64::from(workers.count);
    let rounded = if (f64::from(*threads) - exact).abs() < EPSILON {
        ""
    } else if exact < 1.0 {
        ", at least 1"
    } else {
        match sizing.policy {
            Policy::Latency => ", rounded down",
            Policy::Throughput => ", rounded up",
        }
    };
    format!(
        "{threads} thread{plural} a pool, from {} ({source}){per_worker}{rounded}",
        count_of_cpus(*cpus),
    )
}

fn python_cpu_count(sizing: &Sizing, env: Environment<'_>) -> Setting {
    let told = sizing.told_count().to_string();
    decide(
        env,
        CPU_COUNT,
        &told,
        ["PYTHON_CPU_COUNT"].into_iter(),
        || {
            format!(
                "what the agent tells Python (os.cpu_count): {} ({}) rounded up, at most the affinity, at least 2; pools of threads keep their size",
                count_of_cpus(sizing.cpus),
                sizing.source,
            )
        },
    )
}

/// A number of CPUs without needless digits.
pub(super) fn cpus_in_words(cpus: f64) -> String {
    let text = format!("{cpus:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 CPU`, `1.9 CPUs`.
pub fn count_of_cpus(cpus: f64) -> String {
    let number = cpus_in_words(cpus);
    let unit = if number == "1" { "CPU" } else { "CPUs" };
    format!("{number} {unit}")
}
