//! The numbers that a verdict rests on.

use std::collections::BTreeMap;

use super::{Latency, Subject};
use crate::Nanos;
use crate::timeline::{Hold, Parts, Period, ProcessTrack, QuotaTrack, Request, Timeline, What};

/// With fewer marked spans than this, and stalls to speak of, the stalls are the subject.
const FEWEST_REQUESTS: usize = 5;
/// A request is slow if it took three times as long as half of them, but not below this.
const SLOW: Nanos = 10_000_000;
/// A stall counts from here on: stalls are the longest that there are, so that their median tells nothing.
const LONG_STALL: Nanos = 20_000_000;
/// What a dashboard takes the average of; before that the graph jumps.
pub(super) const GRAPH: Nanos = 15_000_000_000;

/// From so many CPUs at a time on, threads use up the quota together.
const PARALLEL: f64 = 1.3;

/// The longest hold of the GIL that slow requests waited for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LongHold {
    pub thread: String,
    /// From taking to giving it.
    pub wall: Nanos,
    /// CPU time meanwhile.
    pub ran: Nanos,
    pub throttled: Nanos,
    /// How many holds of the same thread took at least half as long.
    pub alike: u64,
}

/// The periods that were throttled one after another with the most CPU time in them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Burst {
    pub used: Nanos,
    pub wall: Nanos,
    pub periods: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub duration: Nanos,
    pub threads: usize,
    pub cpus: u32,
    pub limit: Option<f64>,
    pub period: Nanos,
    /// Whether the cgroup's counters were read.
    pub counted: bool,
    /// The graph's highest point, in CPUs.
    pub graph: f64,
    pub counted_periods: u64,
    pub counted_throttled: u64,
    pub throttled_time: Nanos,
    pub longest_window: Nanos,
    pub subject: Subject,
    pub name: String,
    pub latency: Latency,
    pub slow: Parts,
    pub slow_count: u64,
    pub slow_over: Nanos,
    pub hold: Option<LongHold>,
    pub burst: Option<Burst>,
    /// Threads that used up the quota together: those with a tenth or more of the CPU time of throttled periods; 1 where they
    /// ran one after another.
    pub burners: u64,
    /// The name of the thread that ran most, and how long.
    pub busiest: Option<(String, Nanos)>,
}

impl Facts {
    pub fn measure(timeline: &Timeline) -> Self {
        let (subject, name, chosen) = choose_subject(timeline);
        let latency = measure_latency(&chosen);
        let slow_over = slow_over(
            &chosen,
            match subject {
                Subject::Requests => latency.p50.saturating_mul(3).max(SLOW),
                Subject::Stalls => LONG_STALL,
            },
        );
        let slow: Vec<&Request> = chosen
            .into_iter()
            .filter(|request| request.end - request.begin >= slow_over)
            .collect();
        let quota = timeline.quota.as_ref();
        let periods = quota.map_or(&[][..], |quota| &quota.periods);
        Self {
            duration: timeline.about.duration,
            threads: timeline
                .processes
                .iter()
                .map(|process| process.threads.len())
                .sum(),
            cpus: timeline.about.cpus,
            limit: quota.and_then(|quota| quota.limit),
            period: quota.map_or(0, |quota| quota.period),
            counted: quota.is_some(),
            graph: highest_point(timeline),
            counted_periods: quota.map_or(0, |quota| quota.counted_periods),
            counted_throttled: quota.map_or(0, |quota| quota.counted_throttled),
            throttled_time: quota.map_or(0, |quota| quota.throttled_time),
            longest_window: quota.map_or(0, |quota| {
                let windows = quota.windows.iter();
                windows
                    .map(|window| window.end - window.start)
                    .max()
                    .unwrap_or(0)
            }),
            subject,
            name,
            latency,
            slow: sum_parts(&slow),
            slow_count: slow.len() as u64,
            slow_over,
            hold: find_long_hold(timeline, &slow),
            burst: find_burst(periods),
            burners: count_burners(timeline),
            busiest: find_busiest(timeline),
        }
    }

    /// The graph's highest point as a share of the limit.
    pub fn graph_share(&self) -> Option<f64> {
        self.limit.map(|limit| self.graph / limit)
    }
}

/// The requests of the name that most bear, or stalls.
fn choose_subject(timeline: &Timeline) -> (Subject, String, Vec<&Request>) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &timeline.requests {
        *names.entry(&request.name).or_default() += 1;
    }
    let most = names.into_iter().rev().max_by_key(|(_, count)| *count);
    match most {
        Some((name, count)) if count >= FEWEST_REQUESTS || timeline.stalls.is_empty() => {
            let requests = timeline
                .requests
                .iter()
                .filter(|request| request.name == name);
            (Subject::Requests, name.to_owned(), requests.collect())
        }
        _ => (
            Subject::Stalls,
            String::new(),
            timeline.stalls.iter().collect(),
        ),
    }
}

fn measure_latency(requests: &[&Request]) -> Latency {
    let mut times: Vec<Nanos> = requests
        .iter()
        .map(|request| request.end - request.begin)
        .collect();
    times.sort_unstable();
    let at = |of_thousand: usize| {
        let rank = (times.len() * of_thousand).div_ceil(1000).max(1) - 1;
        times.get(rank).copied().unwrap_or(0)
    };
    Latency {
        count: times.len() as u64,
        p50: at(500),
        p90: at(900),
        p99: at(990),
        max: at(1000),
    }
}

/// As wanted; where hardly any took that long, the slowest twentieth.
fn slow_over(requests: &[&Request], wanted: Nanos) -> Nanos {
    let slower = |than: Nanos| {
        requests
            .iter()
            .filter(|request| request.end - request.begin >= than)
            .count()
    };
    if slower(wanted) >= (requests.len() / 200).max(3) {
        return wanted;
    }
    let mut times: Vec<Nanos> = requests
        .iter()
        .map(|request| request.end - request.begin)
        .collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    let rank = (times.len() / 20).max(3).min(times.len());
    let last = rank.checked_sub(1).and_then(|rank| times.get(rank));
    last.copied().unwrap_or(0)
}

fn sum_parts(requests: &[&Request]) -> Parts {
    let mut sum = Parts::default();
    for request in requests {
        for what in What::ALL {
            sum[what] = sum[what].saturating_add(request.parts[what]);
        }
    }
    sum
}

/// What the graph shows at most: points that are averages of less than 15 s only where there are no others.
fn highest_point(timeline: &Timeline) -> f64 {
    if let Some(quota) = &timeline.quota
        && let Some(last) = quota.graph.last()
    {
        let whole = quota
            .graph
            .iter()
            .filter(|point| point.0 >= GRAPH.min(last.0));
        return whole.map(|point| point.1).fold(0.0, f64::max);
    }
    let threads = timeline
        .processes
        .iter()
        .flat_map(|process| &process.threads);
    let ran = threads
        .map(|thread| thread.parts[What::Running])
        .fold(0, Nanos::saturating_add);
    ran as f64 / timeline.about.duration.max(1) as f64
}

/// Joins the pieces of holds of one thread.
fn join_holds(holds: &[Hold]) -> Vec<(u32, Nanos, Nanos, Parts)> {
    let mut joined: Vec<(u32, Nanos, Nanos, Parts)> = Vec::new();
    for hold in holds {
        let length = hold.end - hold.start;
        match joined.last_mut() {
            Some(last) if last.0 == hold.thread && last.2 == hold.start => {
                last.2 = hold.end;
                last.3[hold.what] += length;
            }
            _ => {
                let mut parts = Parts::default();
                parts[hold.what] = length;
                joined.push((hold.thread, hold.start, hold.end, parts));
            }
        }
    }
    joined
}

/// So many of the longest holds are held against the slow requests.
const LONGEST_HOLDS: usize = 1000;

fn find_long_hold(timeline: &Timeline, slow: &[&Request]) -> Option<LongHold> {
    let in_process = |number: u32, process: &ProcessTrack| {
        let mut holds = join_holds(&process.gil);
        holds.sort_unstable_by_key(|hold| hold.1 as i64 - hold.2 as i64);
        let longest = holds.iter().take(LONGEST_HOLDS).find(|hold| {
            slow.iter().any(|request| {
                request.process == number
                    && request.thread != Some(hold.0)
                    && request.begin < hold.2
                    && hold.1 < request.end
            })
        })?;
        let wall = longest.2 - longest.1;
        let alike = |hold: &&(u32, Nanos, Nanos, Parts)| {
            hold.0 == longest.0 && (hold.2 - hold.1).saturating_mul(2) >= wall
        };
        Some(LongHold {
            thread: name_thread(process, longest.0)?,
            wall,
            ran: longest.3[What::Running],
            throttled: longest.3[What::Throttled],
            alike: holds.iter().filter(alike).count() as u64,
        })
    };
    let processes = (0..).zip(&timeline.processes);
    processes
        .filter_map(|(number, process)| in_process(number, process))
        .max_by_key(|hold| hold.wall)
}

/// A thread's name, with its id where others have the same.
fn name_thread(process: &ProcessTrack, thread: u32) -> Option<String> {
    let track = process.threads.get(thread as usize)?;
    let same = process
        .threads
        .iter()
        .filter(|other| other.name == track.name);
    Some(match same.count() {
        1 => track.name.clone(),
        _ => format!("{} {}", track.name, track.tid),
    })
}

fn find_burst(periods: &[Period]) -> Option<Burst> {
    let mut best: Option<Burst> = None;
    let mut now: Option<(Burst, Nanos)> = None;
    for period in periods {
        let fresh = Burst {
            used: period.used,
            wall: period.end - period.start,
            periods: 1,
        };
        now = match now {
            Some((burst, end)) if end == period.start => Some((
                Burst {
                    used: burst.used + fresh.used,
                    wall: burst.wall + fresh.wall,
                    periods: burst.periods + 1,
                },
                period.end,
            )),
            _ => Some((fresh, period.end)),
        };
        if let Some((burst, _)) = now
            && period.throttled
            && best.is_none_or(|best| burst.used > best.used)
        {
            best = Some(burst);
        }
        if !period.throttled {
            now = None;
        }
    }
    best
}

/// CPUs that were used at a time in throttled periods, until the group was stopped. Where there are periods that followed
/// upon another throttled one these are taken: the others may have begun idle.
fn measure_parallel(quota: &QuotaTrack) -> f64 {
    let (mut all, mut followed) = ((0, 0), (0, 0));
    let mut last_throttled = None;
    for period in quota.periods.iter().filter(|period| period.throttled) {
        let first = quota
            .windows
            .partition_point(|window| window.end <= period.start);
        if let Some(window) = quota.windows.get(first)
            && (period.start..period.end).contains(&window.start)
        {
            let awake = window.start - period.start;
            all = (all.0 + period.used, all.1 + awake);
            if last_throttled == Some(period.start) {
                followed = (followed.0 + period.used, followed.1 + awake);
            }
        }
        last_throttled = Some(period.end);
    }
    let (used, awake) = if followed.1 > 0 { followed } else { all };
    used as f64 / awake.max(1) as f64
}

fn count_burners(timeline: &Timeline) -> u64 {
    let Some(quota) = timeline.quota.as_ref() else {
        return 1;
    };
    if measure_parallel(quota) < PARALLEL {
        return 1;
    }
    let throttled: Vec<&Period> = quota
        .periods
        .iter()
        .filter(|period| period.throttled)
        .collect();
    let threads = timeline
        .processes
        .iter()
        .flat_map(|process| &process.threads);
    let used: Vec<Nanos> = threads
        .map(|thread| {
            let mut at = 0;
            let mut used = 0;
            for period in &throttled {
                let spans = &thread.spans[at..];
                let first = spans.partition_point(|span| span.end <= period.start);
                for span in spans
                    .iter()
                    .skip(first)
                    .take_while(|span| span.start < period.end)
                {
                    if span.what == What::Running {
                        used += span.end.min(period.end) - span.start.max(period.start);
                    }
                }
                at += first;
            }
            used
        })
        .collect();
    let all = used.iter().copied().fold(0, Nanos::saturating_add);
    let burners = used
        .iter()
        .filter(|used| **used > 0 && **used * 10 >= all)
        .count();
    (burners as u64).max(1)
}

fn find_busiest(timeline: &Timeline) -> Option<(String, Nanos)> {
    let threads = timeline
        .processes
        .iter()
        .flat_map(|process| &process.threads);
    threads
        .max_by_key(|thread| thread.parts[What::Running])
        .map(|thread| (thread.name.clone(), thread.parts[What::Running]))
}
