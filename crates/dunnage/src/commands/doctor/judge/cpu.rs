//! The quota, and who computes against it.

use std::ffi::OsString;

use dunnage_cgroup::{Confidence, Throttling};
use dunnage_policy::plan::{PlanOptions, Pools, count_of_cpus, plan_pools};

use super::{Status, Verdict, counted, environment, percent, why_not};
use crate::commands::doctor::belief::{cpu_count, deciding_variable};
use crate::commands::doctor::facts::{Facts, Library};

/// Throttling matters from this share of the periods on (as `dunnage run` has it), and is worth a look from the second.
const MATTERS_PERCENT: u64 = 10;
const NOTABLE_PERCENT: u64 = 1;
/// Fewer periods are the start, a minute of it at 100 ms each: imports and caches use the quota up once in every container. Only
/// periods in which there was something to run are counted, so a calm service is older than its periods.
const LEAST_PERIODS: u64 = 600;

/// A quota as whole CPUs, rounded up; a hundredth is what systemd adds.
fn whole(cpus: f64) -> u32 {
    ((cpus - 0.01).ceil() as u32).max(1)
}

fn milliseconds(usec: f64) -> String {
    let text = format!("{:.1}", usec / 1000.0);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

pub(super) fn limit(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "cpu-limit";
    let cpu = &facts.limits.cpu;
    let Some(limit) = cpu.limit else {
        return Some(if cpu.effective.confidence == Confidence::Unknown {
            Verdict::unknown(
                NAME,
                "no CPU quota can be seen, and one may be hidden in the levels above",
            )
        } else {
            Verdict::ok(
                NAME,
                format!(
                    "no CPU quota: {} by affinity",
                    count_of_cpus(f64::from(cpu.affinity))
                ),
            )
        });
    };
    let source = cpu.effective.source.clone();
    let period = cpu
        .bandwidth
        .map_or(100_000, |bandwidth| bandwidth.period_usec) as f64;
    if limit < 1.0 {
        let runs = period * limit;
        let message = format!(
            "{}: one busy thread runs {} ms of each {} ms and stands still for {} ms, and with it all others",
            count_of_cpus(limit),
            milliseconds(runs),
            milliseconds(period),
            milliseconds(period - runs)
        );
        return Some(
            Verdict::by_rule(NAME, "CPU007", message)
                .seen(source, bandwidth_in_words(facts))
                .advise("a limit of 1 or more, or none (the request keeps its share)"),
        );
    }
    Some(Verdict::ok(NAME, count_of_cpus(limit)).seen(source, bandwidth_in_words(facts)))
}

fn bandwidth_in_words(facts: &Facts) -> String {
    let cpu = &facts.limits.cpu;
    match cpu.bandwidth {
        Some(bandwidth) => format!(
            "{} µs of each {} µs",
            bandwidth.quota_usec, bandwidth.period_usec
        ),
        None => cpu
            .limit
            .map_or_else(|| "no quota".to_owned(), count_of_cpus),
    }
}

/// The share of throttled periods since the cgroup was made, in per cent; `None` where too few tell.
fn throttled_percent(throttling: Throttling) -> Option<u64> {
    (throttling.periods >= LEAST_PERIODS).then(|| percent(throttling.throttled, throttling.periods))
}

fn latest(facts: &Facts) -> Option<Throttling> {
    facts.counted.throttling_later.or(facts.counted.throttling)
}

/// Whether throttling matters here, which makes of a pool that may be too large one that is.
fn is_throttled(facts: &Facts) -> bool {
    latest(facts)
        .and_then(throttled_percent)
        .is_some_and(|share| share >= MATTERS_PERCENT)
}

/// What the quota did stop is no forecast any more.
fn worse_if_throttled(facts: &Facts, verdict: Verdict) -> Verdict {
    if is_throttled(facts) {
        verdict.but(Status::Fail, "the quota did stop the container")
    } else {
        verdict
    }
}

pub(super) fn throttled(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "throttled";
    if facts.limits.cpu.limit.is_none() {
        return Some(Verdict::ok(NAME, "there is no quota to be stopped by"));
    }
    let Some(now) = latest(facts) else {
        return Some(Verdict::unknown(
            NAME,
            "the counters of the quota cannot be read",
        ));
    };
    let just_now = facts.counted.throttling.and_then(|before| {
        let periods = now.periods.saturating_sub(before.periods);
        let throttled = now.throttled.saturating_sub(before.throttled);
        (periods > 0).then(|| format!("; {throttled} of the last {periods} while we looked"))
    });
    let windows = || {
        format!(
            "{} of {}, {} ms each on average{}",
            now.throttled,
            counted(now.periods, "period"),
            milliseconds((now.throttled_usec / now.throttled.max(1)) as f64),
            just_now.unwrap_or_default()
        )
    };
    let (status, message) = match throttled_percent(now) {
        _ if now.throttled == 0 => {
            let message = format!("none of {}", counted(now.periods, "period"));
            (Status::Ok, message)
        }
        None => {
            let message = format!(
                "too early to tell: {}; a start uses the quota up once, and {LEAST_PERIODS} periods tell more",
                windows()
            );
            (Status::Unknown, message)
        }
        Some(share) => {
            let status = match share {
                share if share >= MATTERS_PERCENT => Status::Fail,
                share if share >= NOTABLE_PERCENT => Status::Warn,
                _ => Status::Ok,
            };
            (status, format!("{share} % since the start: {}", windows()))
        }
    };
    let mut verdict = Verdict::new(NAME, status, message);
    if let Some(source) = &facts.counted.cpu_source {
        let value = format!("nr_throttled {}, nr_periods {}", now.throttled, now.periods);
        verdict = verdict.seen(source, value);
    }
    if let Some(pressure) = facts.counted.cpu_pressure {
        verdict = verdict.seen("cpu.pressure", format!("some avg10={pressure:.2}"));
    }
    if matches!(status, Status::Ok | Status::Unknown) {
        return Some(verdict);
    }
    Some(verdict.advise("fewer threads that compute at once, or a higher limit; dunnage record shows who uses the quota up"))
}

pub(super) fn count(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "cpu-count";
    let Some(belief) = cpu_count(facts) else {
        return Some(Verdict::unknown(
            NAME,
            format!(
                "what os.cpu_count() says is not known: {}",
                why_not(facts, "interpreter")
            ),
        ));
    };
    let cpu = &facts.limits.cpu;
    let said = format!("os.cpu_count() is {} ({})", belief.value, belief.because);
    let Some(limit) = cpu.limit else {
        return Some(Verdict::ok(NAME, said));
    };
    // 2 is what it is told at least, so that `cpu_count() - 1` is a size
    let most = whole(limit).max(2);
    if belief.value <= most {
        return Some(Verdict::ok(NAME, said));
    }
    Some(
        Verdict::by_rule(
            NAME,
            "CPU002",
            format!(
                "{said} under a limit of {}: workers, process pools and n_jobs=-1 are sized for {}",
                count_of_cpus(limit),
                counted(belief.value, "CPU")
            ),
        )
        .seen(cpu.effective.source.clone(), bandwidth_in_words(facts))
        .advise(format!(
            "start it under `dunnage run --`, or say how many: Pool({0}), --workers {0}",
            whole(limit)
        )),
    )
}

/// What the plan would give the pools of this process.
pub fn planned(facts: &Facts) -> Pools {
    let lookup = |name: &str| environment(facts)?.get(name).map(OsString::from);
    plan_pools(&facts.limits, &lookup, &PlanOptions::default())
}

pub(super) fn pools(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "pools";
    let python = facts.python.as_ref();
    let Some(libraries) = python.and_then(|python| python.libraries.as_ref()) else {
        return Some(Verdict::unknown(
            NAME,
            format!(
                "which libraries are loaded is not known: {}",
                why_not(facts, "/maps")
            ),
        ));
    };
    let pools: Vec<&Library> = libraries
        .iter()
        .filter(|library| library.kind == "pool")
        .collect();
    if pools.is_empty() {
        return Some(Verdict::ok(
            NAME,
            "no library with a pool of its own is loaded",
        ));
    }
    let known = pools.iter().filter_map(|pool| Some((*pool, pool.threads?)));
    let Some((largest, threads)) = known.max_by_key(|(_, threads)| *threads) else {
        let names: Vec<_> = pools.iter().map(|pool| pool.name.as_str()).collect();
        return Some(Verdict::unknown(
            NAME,
            format!(
                "the pools of {} cannot be read: {}",
                names.join(", "),
                pools.first().map_or("", |pool| pool.how.as_str())
            ),
        ));
    };
    let Some(limit) = facts.limits.cpu.limit else {
        return Some(Verdict::ok(
            NAME,
            format!(
                "{} has {}, and there is no quota",
                largest.name,
                counted(threads, "thread")
            ),
        ));
    };
    let processes = facts.processes.workers.max(1);
    let all = threads.saturating_mul(processes);
    let wanted = planned(facts).threads.unwrap_or(1);
    let of_each = if processes > 1 {
        format!(" in each of {processes} processes")
    } else {
        String::new()
    };
    let said = format!(
        "{} has {}{of_each} under a limit of {}",
        largest.name,
        counted(threads, "thread"),
        count_of_cpus(limit)
    );
    let source = largest.path.rsplit('/').next().unwrap_or_default();
    let value = format!("{} = {threads}", largest.how);
    let seen = |verdict: Verdict| {
        let verdict = verdict.seen(format!("memory of {source}"), value.clone());
        match deciding_variable(facts, &largest.name) {
            Some(variable) => verdict.seen("environment", variable),
            None => verdict.seen("environment", "no variable sets it"),
        }
    };
    if threads <= wanted {
        return Some(seen(Verdict::ok(NAME, said)));
    }
    let message = format!(
        "{said}: {} that compute at once use up {} and then everything stands still",
        counted(all, "thread"),
        "a period's quota early"
    );
    let rule = if processes > 1 { "CPU011" } else { "CPU001" };
    let verdict = seen(Verdict::by_rule(NAME, rule, message)).advise(format!(
        "OMP_NUM_THREADS={wanted} before the start, or start it under `dunnage run --`"
    ));
    Some(worse_if_throttled(facts, verdict))
}

pub(super) fn workers(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "workers";
    let workers = facts.processes.workers;
    let all = facts.processes.pythons.len() as u64;
    if workers < 2 {
        return Some(Verdict::ok(NAME, counted(all, "Python process")));
    }
    let said = format!("{workers} worker processes");
    let Some(limit) = facts.limits.cpu.limit else {
        return Some(Verdict::ok(NAME, said));
    };
    let most = whole(limit) * 2;
    if workers <= most {
        return Some(Verdict::ok(
            NAME,
            format!("{said} for {}", count_of_cpus(limit)),
        ));
    }
    let message = format!("{said} share a CPU limit of {}", count_of_cpus(limit));
    let source = facts.limits.cpu.effective.source.clone();
    let verdict = Verdict::by_rule(NAME, "CPU006", message)
        .seen(source, bandwidth_in_words(facts))
        .advise(format!("at most {most}, and replicas for more"));
    Some(worse_if_throttled(facts, verdict))
}

pub(super) fn runnable(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "runnable";
    let looks = &facts.processes.runnable;
    let Some(limit) = facts.limits.cpu.limit else {
        return Some(Verdict::ok(
            NAME,
            format!(
                "threads that ran or wanted to, look by look: {}",
                listed(looks)
            ),
        ));
    };
    let most = whole(limit);
    let over = looks.iter().filter(|count| **count > most).count();
    let said = format!(
        "threads that ran or wanted to, look by look: {} (the quota lets {most} run on)",
        listed(looks)
    );
    let seen = |verdict: Verdict| verdict.seen("/proc/*/task/*/stat", "state R");
    // one thread that wakes up beside another is ordinary; at most looks it is the way it works
    if over * 2 > looks.len() {
        return Some(seen(Verdict::by_rule(NAME, "CPU006", said)).advise(
            "fewer threads or workers that compute at once; dunnage dump tells what they do",
        ));
    }
    Some(seen(Verdict::ok(NAME, said)))
}

fn listed(looks: &[u32]) -> String {
    let texts: Vec<_> = looks.iter().map(u32::to_string).collect();
    if texts.is_empty() {
        "none taken".to_owned()
    } else {
        texts.join(", ")
    }
}
