//! What a person should know about the plan: what a choice costs, and what no plan can give.

use super::count::Sizing;
use super::settings::{count_of_cpus, cpus_in_words};
use super::{Action, PLANNED, Policy, Setting};

/// A pool is said to leave CPUs unused from this share of them on.
const NOTABLE_SHARE: f64 = 0.1;

/// For an environment to which a plan has been applied already.
pub(super) fn nested() -> String {
    format!(
        "{PLANNED} is set: an outer dunnage has applied its plan already, so nothing is set here"
    )
}

/// The notes, the most important first.
pub(super) fn notes(sizing: &Sizing, settings: &[Setting]) -> Vec<String> {
    let set = |name: &str| {
        settings
            .iter()
            .any(|setting| setting.name == name && setting.action == Action::Set)
    };
    let mut notes = Vec::new();
    notes.extend(
        sizing
            .bad_web_concurrency
            .as_deref()
            .map(bad_web_concurrency),
    );
    if sizing.quota.is_none() {
        notes.push(no_quota(sizing));
    } else {
        notes.push(
            below_one_cpu(sizing)
                .or_else(|| rounding(sizing))
                .unwrap_or_default(),
        );
        notes.retain(|note| !note.is_empty());
    }
    if settings.iter().any(|setting| setting.action == Action::Set) {
        notes.push("variables are fixed at start: after a live resize the application keeps them until it is restarted".to_owned());
    }
    if set("OMP_NUM_THREADS") && sizing.threads > 1 {
        notes.push(format!("each pool gets {0} threads and pools add up; processes that the application starts itself (joblib, multiprocessing, torchrun) inherit OMP_NUM_THREADS={0} each: give their number with --workers", sizing.threads));
    }
    notes
}

fn bad_web_concurrency(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("WEB_CONCURRENCY={shown:?} is not a positive number of workers: planned for 1 worker")
}

fn no_quota(sizing: &Sizing) -> String {
    let affinity = sizing.affinity;
    let known = if sizing.may_be_hidden {
        "no CPU quota can be seen, and one may be hidden in the levels above: give it with --cpu-limit"
    } else {
        "no CPU quota is set"
    };
    if sizing.caps_pools() {
        format!("{known}; --workers divides the {affinity} CPUs of the affinity mask")
    } else {
        format!(
            "{known}; no pool is capped, and each takes what it finds ({affinity} CPUs in the affinity mask)"
        )
    }
}

fn below_one_cpu(sizing: &Sizing) -> Option<String> {
    let quota = sizing.quota.filter(|quota| *quota < 1.0)?;
    let one = sizing.stall_ms(1)?;
    let two = sizing
        .stall_ms(2)
        .filter(|two| *two > one)
        .map(|two| format!(", {} ms with 2", milliseconds(two)))
        .unwrap_or_default();
    Some(format!(
        "a quota of {} CPU cannot be kept free of throttling, whatever the number of threads: one that computes runs for {} ms of every {} ms{} and then stalls for {} ms{two}; only a higher limit helps",
        cpus_in_words(quota),
        milliseconds(sizing.period_usec as f64 / 1000.0 - one),
        milliseconds(sizing.period_usec as f64 / 1000.0),
        assumed(sizing),
        milliseconds(one),
    ))
}

/// What the policy's rounding, or its floor of one thread a worker, costs.
fn rounding(sizing: &Sizing) -> Option<String> {
    let quota = sizing.quota?;
    let workers = sizing.workers.count;
    let running = sizing.threads.saturating_mul(workers);
    let cpus = count_of_cpus(quota);
    if let Some(stall) = sizing.stall_ms(running) {
        let at_once = running.min(sizing.affinity);
        return Some(format!(
            "{at_once} threads that compute at once on {cpus}{} stall for {} ms of every {} ms{}{}",
            if workers == 1 {
                String::new()
            } else {
                format!(" (from {workers} workers)")
            },
            milliseconds(stall),
            milliseconds(sizing.period_usec as f64 / 1000.0),
            assumed(sizing),
            if sizing.policy == Policy::Throughput {
                "; --policy latency avoids what rounding down can"
            } else {
                "; fewer workers or a higher limit help"
            },
        ));
    }
    let unused = sizing.cpus - f64::from(running);
    (unused / sizing.cpus >= NOTABLE_SHARE && sizing.policy == Policy::Latency).then(|| {
        let each = if workers == 1 { "one pool alone leaves".to_owned() } else { format!("one pool in each of {workers} workers leaves") };
        format!(
            "{cpus} rounded down: {each} {} CPU ({:.0} %) unused, in return for no throttling; --policy throughput rounds up",
            cpus_in_words(unused),
            unused / sizing.cpus * 100.0
        )
    })
}

fn assumed(sizing: &Sizing) -> &'static str {
    if sizing.period_is_assumed {
        " (the kernel's default period)"
    } else {
        ""
    }
}

fn milliseconds(ms: f64) -> String {
    let text = format!("{ms:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
