//! The loop: look, note, sleep until the next moment.

use std::sync::atomic::{AtomicBool, Ordering};

use dunnage_sys::{monotonic_nanos, set_timer_slack, sleep_until, thread_cpu_nanos};
use dunnage_timeline::Nanos;

use crate::pace::Pace;
use crate::sampler::Sampler;
use crate::stream::{Sink, Wanted};

/// How late a sleep may end: without this 50 µs, a twentieth of the time between two looks at 1 kHz.
const TIMER_SLACK: u64 = 1000;

/// New processes are looked for this often, or more seldom where looking takes long.
const FIND_EVERY: Nanos = 250_000_000;

/// Looking for processes may take at most one part in so many of the time.
const FIND_SHARE: Nanos = 1000;

/// The part of the quota that looking may use where it uses up the quota that it looks at.
const OWN_SHARE: f64 = 0.1;

/// How to record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The time between two looks.
    pub interval: Nanos,
    /// For how long; `None` until the processes end or somebody says stop.
    pub duration: Option<Nanos>,
    /// The share of one CPU that looking may take; above it there are fewer looks.
    pub share: f64,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// `CLOCK_MONOTONIC` of the beginning.
    pub begin: Nanos,
    /// How long it took.
    pub duration: Nanos,
    /// CPU time of the thread that looked.
    pub own_cpu: Nanos,
}

/// Looks until `stop` says so, the time is over, the sink has enough, or all processes have ended. It runs in the calling
/// thread, and only that one's timer slack is changed.
///
/// `find` gives the processes to look at, and is asked again from time to time.
pub fn record(
    settings: &Settings,
    begin: Nanos,
    find: &mut dyn FnMut() -> Vec<i32>,
    stop: &AtomicBool,
    sink: &mut dyn Sink,
) -> Spent {
    // without it looks come a little later
    let _ = set_timer_slack(TIMER_SLACK);
    let cpu_before = thread_cpu_nanos();
    let now = || monotonic_nanos().saturating_sub(begin);
    let mut sampler = Sampler::new(begin, settings.interval);
    let mut pace = Pace::new(settings.interval, settings.share, now(), cpu_before);
    let (mut planned, mut find_at) = (now(), 0);
    loop {
        let at = now();
        let is_last = stop.load(Ordering::Relaxed)
            || settings.duration.is_some_and(|duration| at >= duration);
        if at >= find_at && !is_last {
            sampler.add(&find(), at, sink);
            sampler.check_cgroups();
            if let Some(cpus) = sampler.own_quota() {
                pace.limit_share(cpus * OWN_SHARE);
            }
            let took = now().saturating_sub(at);
            find_at = at + (took * FIND_SHARE).max(FIND_EVERY);
        }
        sampler.keep_up(at, sink);
        // what took long before it is not a part of the look
        let wanted = sampler.look(now(), is_last, sink);
        if is_last || wanted == Wanted::Enough || sampler.is_idle() {
            break;
        }
        pace.looked(at, thread_cpu_nanos);
        planned = pace.next(planned, now());
        sleep_until(begin + planned);
    }
    sampler.note_losses(sink);
    if pace.slowest() > settings.interval {
        sampler.note(describe_pace(settings, &pace), sink);
    }
    Spent {
        begin,
        duration: now(),
        own_cpu: thread_cpu_nanos().saturating_sub(cpu_before),
    }
}

fn describe_pace(settings: &Settings, pace: &Pace) -> String {
    format!(
        "looked down to each {:.1} ms instead of each {:.1} ms, so that looking takes at most {:.1} % of a CPU",
        pace.slowest() as f64 / 1e6,
        settings.interval as f64 / 1e6,
        pace.share() * 100.0
    )
}
