//! The sentences.

use super::decide::Shares;
use super::facts::{Facts, GRAPH};
use super::{Kind, Subject};
use crate::Nanos;
use crate::timeline::What;

/// The graph stands so high below the limit that the quota is simply too small for the work.
const NEAR_LIMIT: f64 = 0.8;

/// A time as a person says it: `2.4 ms`, `341 ms`, `1.34 s`.
pub(crate) fn format_time(time: Nanos) -> String {
    let ms = time as f64 / 1e6;
    match time {
        0..10_000_000 => format!("{} ms", format!("{ms:.1}").trim_end_matches(".0")),
        10_000_000..999_500_000 => format!("{ms:.0} ms"),
        999_500_000..10_000_000_000 => format!("{:.2} s", ms / 1e3),
        _ => format!("{:.0} s", ms / 1e3),
    }
}

/// A share: `7 %`, `0.4 %`.
pub(super) fn format_percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A limit with its unit: `0.2 CPUs`, `1 CPU`.
pub(super) fn format_limit(cpus: f64) -> String {
    match format_cpus(cpus).as_str() {
        "1" => "1 CPU".to_owned(),
        number => format!("{number} CPUs"),
    }
}

/// CPUs without zeros at the end: `0.2`, `1`, `1.25`.
pub(super) fn format_cpus(cpus: f64) -> String {
    let text = format!("{cpus:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

impl Facts {
    /// What the verdict speaks of, in the plural.
    pub fn subjects(&self) -> &'static str {
        match self.subject {
            Subject::Requests => "slow requests",
            Subject::Stalls => "longest stalls",
        }
    }

    pub fn is_near_limit(&self) -> bool {
        self.graph_share().is_some_and(|share| share >= NEAR_LIMIT)
    }
}

/// Where the counters say that there was none, it is said plainly.
fn deny_throttling(facts: &Facts) -> String {
    if !facts.counted {
        return "No CPU quota was found, or its counters could not be read: throttling can be neither shown nor ruled out.".to_owned();
    }
    if facts.counted_throttled == 0 {
        return match facts.limit {
            None => "It is not throttling: there is no CPU limit.".to_owned(),
            Some(limit) => format!(
                "It is not throttling: the group was never throttled at its limit of {}.",
                format_limit(limit)
            ),
        };
    }
    let shares = Shares::of(facts);
    format!(
        "It is not throttling in the main: the group was throttled in {} of {} periods, which is {} of the {}' time.",
        facts.counted_throttled,
        facts.counted_periods,
        format_percent(shares.throttled),
        facts.subjects(),
    )
}

pub(super) fn headline(kind: Kind, facts: &Facts) -> String {
    let shares = Shares::of(facts);
    let of = |share: f64| {
        format!(
            "{} of the {}' time",
            format_percent(share),
            facts.subjects()
        )
    };
    match kind {
        Kind::ThrottledGilHolder => format!(
            "CPU throttling of the thread that holds the GIL: {}.",
            of(shares.throttled)
        ),
        Kind::Throttled => format!("CPU throttling: {}.", of(shares.throttled)),
        Kind::Gil => format!(
            "Not throttling: waiting for the GIL while its holder runs, {}.",
            of(shares.gil)
        ),
        Kind::HostContention if !facts.counted => {
            format!("Threads were ready and had no CPU: {}.", of(shares.host))
        }
        Kind::HostContention => {
            format!("Not throttling: others had the CPUs, {}.", of(shares.host))
        }
        Kind::Cpu => format!(
            "Not throttling: the requests' own CPU time, {}.",
            of(shares.cpu)
        ),
        Kind::Outside => format!(
            "Not the CPU: the {} slept {} of their time.",
            facts.subjects(),
            format_percent(shares.outside)
        ),
        Kind::Nothing => "Nothing was slow.".to_owned(),
        Kind::NotEnough => "Too little was seen to tell.".to_owned(),
    }
}

pub(super) fn graph(facts: &Facts) -> String {
    // what is shorter than the graph's window is one point of it
    let window = if facts.duration < GRAPH {
        format!("An average of these {}", format_time(facts.duration))
    } else {
        "A CPU graph of 15 s averages".to_owned()
    };
    let shown = format!(
        "{window} shows at most {} of a core",
        format_percent(facts.graph)
    );
    match (facts.limit, facts.graph_share()) {
        (Some(limit), Some(share)) => format!(
            "{shown}: {} of the limit of {}.",
            format_percent(share),
            format_limit(limit)
        ),
        _ if !facts.counted => format!("{shown}, by what the threads used."),
        _ => format!("{shown}, and there is no limit."),
    }
}

pub(super) fn happened(facts: &Facts) -> String {
    let mut text = match facts.subject {
        Subject::Requests if facts.latency.count == 0 => {
            "No request was marked, and no thread waited for long.".to_owned()
        }
        Subject::Requests => describe_latency(facts),
        Subject::Stalls if facts.latency.count == 0 => "No thread waited for long.".to_owned(),
        Subject::Stalls => format!(
            "No requests were marked. The longest time in which a thread wanted a CPU or the GIL and had none: {}.",
            format_time(facts.latency.max)
        ),
    };
    if facts.slow_count > 0 {
        text += &describe_slow(facts);
    }
    if facts.counted_throttled > 0 {
        text += &format!(
            " The group was throttled in {} of {} periods, for {} in all.",
            facts.counted_throttled,
            facts.counted_periods,
            format_time(facts.throttled_time)
        );
    }
    text
}

fn describe_latency(facts: &Facts) -> String {
    let latency = &facts.latency;
    let spans = match facts.name.as_str() {
        "request" => count(latency.count, "request", "requests"),
        name => format!("{} of “{name}”", count(latency.count, "span", "spans")),
    };
    let p99 = match latency.count {
        // of fewer, the hundredth is the longest
        0..100 => format!("p90 {}", format_time(latency.p90)),
        _ => format!("p99 {}", format_time(latency.p99)),
    };
    format!(
        "{spans}: p50 {}, {p99}, the longest {}.",
        format_time(latency.p50),
        format_time(latency.max)
    )
}

/// The three largest parts, those under a twentieth left out.
fn describe_slow(facts: &Facts) -> String {
    let total = facts.slow.total().max(1) as f64;
    let mut parts: Vec<(f64, What)> = What::ALL
        .iter()
        .map(|what| (facts.slow[*what] as f64 / total, *what))
        .filter(|part| part.0 >= 0.05)
        .collect();
    parts.sort_by(|one, other| other.0.total_cmp(&one.0));
    let parts: Vec<String> = parts
        .iter()
        .take(3)
        .map(|(share, what)| format!("{} {}", format_percent(*share), what.label()))
        .collect();
    let which = match facts.subject {
        Subject::Requests => format!(
            "the {} of {} and more",
            facts.slow_count,
            format_time(facts.slow_over)
        ),
        Subject::Stalls => format!("the {} longest", facts.slow_count),
    };
    format!(" Of the time of {which}: {}.", parts.join(", "))
}

pub(super) fn cause(kind: Kind, facts: &Facts) -> String {
    match kind {
        Kind::ThrottledGilHolder => blame_holder(facts),
        Kind::Throttled => blame_quota(facts),
        Kind::Gil => blame_gil(facts),
        Kind::HostContention => format!(
            "Threads were ready to run and other work had the CPUs: neighbours on the machine, or this group's own threads on {}. {}",
            count(u64::from(facts.cpus), "CPU", "CPUs"),
            deny_throttling(facts)
        ),
        Kind::Cpu => format!(
            "The requests were busy themselves{}. {}",
            facts
                .busiest
                .as_ref()
                .map_or_else(String::new, |(name, ran)| format!(
                    "; the busiest thread, “{name}”, ran for {} of {}",
                    format_time(*ran),
                    format_time(facts.duration)
                )),
            deny_throttling(facts)
        ),
        Kind::Outside => format!(
            "The threads waited for something that is neither a CPU nor the GIL: a socket, a timer, a lock of the application, or a disk. {}",
            deny_throttling(facts)
        ),
        Kind::Nothing => deny_throttling_of_nothing(facts),
        Kind::NotEnough => explain_lack(facts),
    }
}

fn deny_throttling_of_nothing(facts: &Facts) -> String {
    match facts.counted_throttled {
        0 => "There is nothing to explain.".to_owned(),
        throttled => format!(
            "The group was throttled in {throttled} of {} periods, but nothing that was seen had to wait for it.",
            facts.counted_periods
        ),
    }
}

fn blame_holder(facts: &Facts) -> String {
    let limit = facts
        .limit
        .map_or_else(String::new, |limit| format!(" of {}", format_limit(limit)));
    let Some(hold) = &facts.hold else {
        return format!(
            "The quota{limit} was used up while a thread held the GIL: every other thread waited for a lock that stood still."
        );
    };
    format!(
        "The thread “{}” held the GIL for {} of CPU time, which took {} at a limit{limit}: each time the quota was used up it stood still with the lock, {} in all, and every other thread with it.{}",
        hold.thread,
        format_time(hold.ran),
        format_time(hold.wall),
        format_time(hold.throttled),
        repeat(hold.alike)
    )
}

fn repeat(alike: u64) -> String {
    match alike {
        0 | 1 => String::new(),
        _ => format!(" It happened {alike} times."),
    }
}

fn blame_quota(facts: &Facts) -> String {
    let limit = facts.limit.map_or(0.0, |limit| limit);
    if facts.is_near_limit() {
        return format!(
            "The work needs about all of the limit of {}, on the average already: the quota is too small for it.",
            format_limit(limit)
        );
    }
    let Some(burst) = facts.burst else {
        return "The quota was used up in bursts that an average does not show.".to_owned();
    };
    let together = match facts.burners {
        0 | 1 => String::new(),
        many => format!(" by {many} threads at the same time"),
    };
    format!(
        "The quota of {} in each period of {} was used up{together}: the largest burst, {} of CPU time, was stretched over {}. An average does not show that.",
        format_time((limit * facts.period as f64) as Nanos),
        format_time(facts.period),
        format_time(burst.used),
        format_time(burst.wall)
    )
}

fn blame_gil(facts: &Facts) -> String {
    let held = facts.hold.as_ref().map_or_else(
        || "Other threads held the GIL and ran.".to_owned(),
        |hold| {
            format!(
                "The thread “{}” held the GIL for {} at a time and ran for {} of that.{}",
                hold.thread,
                format_time(hold.wall),
                format_time(hold.ran),
                repeat(hold.alike)
            )
        },
    );
    format!("{held} {}", deny_throttling(facts))
}

fn explain_lack(facts: &Facts) -> String {
    let shares = Shares::of(facts);
    if facts.threads == 0 {
        "No thread of the process was seen.".to_owned()
    } else if facts.slow_count > 0 && shares.unknown > 0.5 {
        format!(
            "{} of the {}' time was not seen.",
            format_percent(shares.unknown),
            facts.subjects()
        )
    } else {
        format!(
            "{} in {}: a cause that is named from so few would be a guess.",
            match facts.subject {
                Subject::Requests => count(facts.latency.count, "marked span", "marked spans"),
                Subject::Stalls => count(facts.latency.count, "stall", "stalls"),
            },
            format_time(facts.duration)
        )
    }
}
