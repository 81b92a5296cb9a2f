//! What to do, and what that changes by the stall model.
//!
//! The model: work of `W` CPU time that cannot be shared among threads needs about `W / limit` on the clock, less what is left
//! of the period in which it begins (so between `W / limit − (1 − limit) × period` and `W / limit`), and never less than `W`.

use super::Kind;
use super::facts::{Burst, Facts, LongHold};
use super::words::{format_cpus, format_limit};
use super::{Fix, format_time};
use crate::Nanos;

/// A slice that other threads may wait for without anybody noticing.
const CHUNK: Nanos = 5_000_000;
/// Holds no longer than this are turns of threads that take turns, not calls that keep the lock.
const TURN: Nanos = 12_000_000;

/// How long work of this CPU time takes under a limit: from, to.
pub(super) fn stretch(work: Nanos, limit: f64, period: Nanos) -> (Nanos, Nanos) {
    if limit >= 1.0 || limit <= 0.0 {
        return (work, work);
    }
    let most = work as f64 / limit;
    let least = most - (1.0 - limit) * period as f64;
    (work.max(least as Nanos), work.max(most as Nanos))
}

fn range((from, to): (Nanos, Nanos)) -> String {
    if format_time(from) == format_time(to) {
        return format_time(to);
    }
    format!("{} to {}", format_time(from), format_time(to))
}

pub(super) fn propose(kind: Kind, facts: &Facts) -> Vec<Fix> {
    match kind {
        Kind::ThrottledGilHolder => free_holder(facts),
        Kind::Throttled => free_group(facts),
        Kind::Gil => free_gil(facts),
        Kind::HostContention => vec![ask_for_more(), fewer_threads()],
        Kind::Cpu => vec![Fix {
            text: "Find out what the requests compute: a profiler such as py-spy, or `dunnage dump` while one is slow."
                .to_owned(),
            expected: "The CPU limit is not in the way: raising it changes nothing.".to_owned(),
            setting: None,
        }],
        Kind::Outside => vec![Fix {
            text: "Find out what the threads wait for: `dunnage dump` while a request is slow shows where they stand."
                .to_owned(),
            expected: "More CPU changes nothing.".to_owned(),
            setting: None,
        }],
        Kind::Nothing => Vec::new(),
        Kind::NotEnough => vec![Fix {
            text: "Record for longer, while it is slow, and let the application mark its requests with `dunnage.span`."
                .to_owned(),
            expected: "Twenty slow requests are enough to name a cause.".to_owned(),
            setting: Some("--duration 60s".to_owned()),
        }],
    }
}

fn cpu_setting(cpus: f64) -> String {
    format!("resources.limits.cpu: \"{}\"", format_cpus(cpus))
}

/// The next of the usual limits from which on one thread at a time is not throttled, or twice as much as now.
fn next_limit(limit: f64) -> f64 {
    if limit < 1.0 {
        1.0
    } else {
        (limit * 2.0).ceil()
    }
}

fn free_holder(facts: &Facts) -> Vec<Fix> {
    let (Some(limit), Some(hold)) = (facts.limit, &facts.hold) else {
        return vec![remove_limit(
            "The GIL's holder is then never stopped by the quota.".to_owned(),
        )];
    };
    let now = range(stretch(hold.ran, limit, facts.period));
    let mut fixes = Vec::new();
    if limit < 1.0 {
        let half = f64::midpoint(limit, 1.0);
        fixes.push(Fix {
            text: "Raise the CPU limit to 1: what holds the GIL uses one CPU at most, so that alone it cannot use up such a quota."
                .to_owned(),
            expected: format!(
                "{} of CPU time with the GIL take {} instead of {now} (at a limit of {}: {}).",
                format_time(hold.ran),
                format_time(hold.ran),
                format_cpus(half),
                range(stretch(hold.ran, half, facts.period))
            ),
            setting: Some(cpu_setting(1.0)),
        });
    } else {
        fixes.push(raise(facts, limit));
    }
    fixes.push(remove_limit(format!(
        "The others wait for {} at most instead of {now}; the request still shares the CPUs fairly.",
        format_time(hold.ran)
    )));
    fixes.push(split_call(facts, hold, limit));
    fixes.push(other_container(hold));
    if facts.burners > 1 {
        fixes.push(cap_pools(facts));
    }
    fixes
}

fn remove_limit(expected: String) -> Fix {
    Fix {
        text: "Remove the CPU limit and keep the CPU request.".to_owned(),
        expected,
        setting: Some("resources.limits.cpu (remove)".to_owned()),
    }
}

fn split_call(facts: &Facts, hold: &LongHold, limit: f64) -> Fix {
    let idle = ((1.0 - limit).max(0.0) * facts.period as f64) as Nanos;
    Fix {
        text: format!(
            "Split the call of “{}” into pieces of {} with a pause between them (time.sleep), or release the GIL in it.",
            hold.thread,
            format_time(CHUNK)
        ),
        expected: format!(
            "The others wait for a piece, not for {}. The pieces still use up the quota unless the pauses spread them: then the group stands still for up to {} of each period, but nobody waits longer than that.",
            format_time(hold.wall),
            format_time(idle)
        ),
        setting: None,
    }
}

fn other_container(hold: &LongHold) -> Fix {
    Fix {
        text: format!(
            "Move the call of “{}” into another container (a worker behind a queue).",
            hold.thread
        ),
        expected: "The requests have the GIL and the quota to themselves. Another process in the same container has a GIL of its own, but still shares the quota."
            .to_owned(),
        setting: None,
    }
}

fn cap_pools(facts: &Facts) -> Fix {
    let limit = facts.limit.unwrap_or(1.0);
    let threads = limit.ceil().max(1.0);
    let quota = limit * facts.period as f64;
    // what is left of a period once so many threads have used the quota up
    let idle = |threads: f64| (facts.period as f64 - quota / threads).max(0.0) as Nanos;
    let now = idle((facts.burners as f64).min(f64::from(facts.cpus.max(1))));
    Fix {
        text: format!(
            "Let pools that compute have no more threads than the limit has CPUs: {} threads used up the quota together. `dunnage run` sets this.",
            facts.burners
        ),
        expected: format!(
            "The group stands still for up to {} of each period instead of {}.",
            format_time(idle(threads)),
            format_time(now)
        ),
        setting: Some(format!("OMP_NUM_THREADS={}", format_cpus(threads))),
    }
}

fn raise(facts: &Facts, limit: f64) -> Fix {
    let next = next_limit(limit);
    let expected = match facts.burst {
        _ if facts.is_near_limit() => format!(
            "The work is no longer cut off at {}; how much it needs shows only then.",
            format_limit(limit)
        ),
        Some(burst) => format!(
            "The largest burst takes about {} instead of {}.",
            range(burst_at(burst, facts, next)),
            format_time(burst.wall)
        ),
        None => "Fewer periods are throttled.".to_owned(),
    };
    Fix {
        text: format!("Raise the CPU limit to {}.", format_cpus(next)),
        expected,
        setting: Some(cpu_setting(next)),
    }
}

/// A burst of several threads is over the sooner the more of them run at once, but not below its share of a CPU each.
fn burst_at(burst: Burst, facts: &Facts, limit: f64) -> (Nanos, Nanos) {
    let threads = facts.burners.clamp(1, u64::from(facts.cpus.max(1)));
    let shared = burst.used / threads;
    if limit >= threads as f64 {
        return (shared, shared);
    }
    let most = burst.used as f64 / limit;
    let least = most - (1.0 - limit / threads as f64) * facts.period as f64;
    (
        shared.max(least.max(0.0) as Nanos),
        shared.max(most as Nanos),
    )
}

fn free_group(facts: &Facts) -> Vec<Fix> {
    let limit = facts.limit.unwrap_or(1.0);
    let mut fixes = Vec::new();
    if facts.burners > 1 && !facts.is_near_limit() {
        fixes.push(cap_pools(facts));
    }
    fixes.push(raise(facts, limit));
    fixes.push(remove_limit(
        "Never throttled; the request still shares the CPUs fairly.".to_owned(),
    ));
    fixes
}

fn free_gil(facts: &Facts) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if let Some(hold) = &facts.hold
        && hold.wall > TURN
    {
        fixes.push(Fix {
            text: format!(
                "Move the call of “{}” into another process (concurrent.futures.ProcessPoolExecutor), or release the GIL in it.",
                hold.thread
            ),
            expected: format!(
                "The others no longer wait for up to {}. The CPU limit is not in the way: raising it changes nothing.",
                format_time(hold.wall)
            ),
            setting: None,
        });
        fixes.push(Fix {
            text: format!("Split the call into pieces of {}.", format_time(CHUNK)),
            expected: format!(
                "The others wait for {} at a time instead of {}.",
                format_time(CHUNK),
                format_time(hold.wall)
            ),
            setting: None,
        });
    } else {
        fixes.push(Fix {
            text: "Let fewer threads compute in one process: use processes for what computes.".to_owned(),
            expected: "Threads that want the GIL take turns: with fewer of them the turn comes sooner. The CPU limit is not in the way."
                .to_owned(),
            setting: None,
        });
        fixes.push(Fix {
            text: "Let threads that want the GIL ask for it sooner.".to_owned(),
            expected: "A turn lasts 1 ms instead of 5 ms, at the cost of more switches.".to_owned(),
            setting: Some("sys.setswitchinterval(0.001)".to_owned()),
        });
    }
    fixes
}

fn ask_for_more() -> Fix {
    Fix {
        text: "Request more CPU, or move to a machine with less on it: the request is this container's weight against its neighbours."
            .to_owned(),
        expected: "Raising the limit changes nothing.".to_owned(),
        setting: Some("resources.requests.cpu".to_owned()),
    }
}

fn fewer_threads() -> Fix {
    Fix {
        text: "If it was this container's own threads: let pools that compute have no more threads than there are CPUs. `dunnage run` sets this."
            .to_owned(),
        expected: "Threads of one process no longer stand in each other's way.".to_owned(),
        setting: Some("OMP_NUM_THREADS".to_owned()),
    }
}
