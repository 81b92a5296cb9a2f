//! When the group was throttled, and its periods.
//!
//! The kernel adds the throttled time of a CPU when it lets the group go on there again: at a window's end, which is nearly
//! always the moment at which the period's timer refills the quota. That timer keeps its phase, so that the phase is known
//! well from many looks though each look is coarse. A window's start is its end less the time that was added, unless that is
//! the sum of several CPUs: then the runs and waits of the threads tell, and in no case did it begin before the first of the periods
//! that were counted as throttled.

use super::Looks;
use crate::Nanos;
use crate::recording::{Quota, QuotaLook, Recording};
use crate::timeline::{Period, ProcessTrack, QuotaTrack, What, Window};

/// A second.
const SECOND: Nanos = 1_000_000_000;
/// What a dashboard takes the average of.
const GRAPH: Nanos = 15 * SECOND;
/// No more points and periods than this: some hours of seconds, and a day of periods of 100 ms.
const MOST_POINTS: Nanos = 20_000;
const MOST_PERIODS: usize = 1_000_000;
/// How finely the threads' use is added up.
const FINEST: Nanos = 1_000_000;
const MOST_STEPS: Nanos = 100_000;
/// The kernel takes periods from 1 ms to 1 s.
const SHORTEST_PERIOD: Nanos = 1_000_000;
const LONGEST_PERIOD: Nanos = SECOND;

pub(super) fn track(
    quota: &Quota,
    looks: &Looks,
    windows: Vec<Window>,
    processes: &[ProcessTrack],
) -> QuotaTrack {
    let boundaries = Boundaries::find(quota, looks);
    let used = if sum(quota, |look| look.used) > 0 {
        Used::counted(quota, looks)
    } else {
        Used::by_threads(processes, looks.duration)
    };
    QuotaTrack {
        source: quota.source.clone(),
        limit: quota
            .limit
            .filter(|limit| limit.is_finite() && *limit > 0.0),
        period: boundaries.period,
        periods: find_periods(quota, looks, boundaries, &used),
        windows,
        graph: draw_graph(looks.duration, &used),
        counted_periods: sum(quota, |look| look.periods),
        counted_throttled: sum(quota, |look| look.throttled),
        throttled_time: sum(quota, |look| look.throttled_time),
    }
}

fn sum(quota: &Quota, field: impl Fn(&QuotaLook) -> u64) -> u64 {
    quota.looks.iter().map(field).fold(0, u64::saturating_add)
}

/// Where periods begin and end.
#[derive(Debug, Clone, Copy)]
struct Boundaries {
    period: Nanos,
    /// The time of the first in a recording; `None` if no period was seen to end.
    phase: Option<Nanos>,
}

impl Boundaries {
    fn find(quota: &Quota, looks: &Looks) -> Self {
        let period = quota.period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        let phase = find_phase(quota, period, looks);
        Self { period, phase }
    }

    /// The last one up to this moment.
    fn last_until(self, time: Nanos) -> Option<Nanos> {
        let phase = self.phase?;
        let since = time.checked_sub(phase)?;
        Some(phase + since / self.period * self.period)
    }

    /// The last one in this stretch.
    fn within(self, start: Nanos, end: Nanos) -> Option<Nanos> {
        self.last_until(end).filter(|boundary| *boundary > start)
    }
}

/// The phase that lies in most of the stretches in which a period ended.
fn find_phase(quota: &Quota, period: Nanos, looks: &Looks) -> Option<Nanos> {
    let mut edges: Vec<(Nanos, i32)> = Vec::new();
    let mut always = 0;
    for look in quota.looks.iter().filter(|look| look.periods > 0) {
        let (start, end) = (looks.before(look.look), looks.at(look.look));
        if end <= start || end - start >= period / 2 {
            continue;
        }
        let (from, to) = (start % period, end % period);
        edges.extend([(from, 1), (to, -1)]);
        always += i32::from(from > to);
    }
    edges.sort_unstable();
    let mut depth = always;
    let mut best: Option<(i32, Nanos, Nanos)> = None;
    for (at, edge) in edges.iter().enumerate() {
        depth += edge.1;
        let end = edges.get(at + 1).map_or(period, |next| next.0);
        if end > edge.0 && best.is_none_or(|best| depth > best.0) {
            best = Some((depth, edge.0, end));
        }
    }
    // a timer is never early: the stretch begins with a look that had not seen it yet
    best.map(|(_, start, end)| start.midpoint(end) % period)
}

/// When the group was throttled, as its counters say.
pub(super) fn find_windows(recording: &Recording, looks: &Looks) -> Vec<Window> {
    let Some(quota) = &recording.quota else {
        return Vec::new();
    };
    let boundaries = Boundaries::find(quota, looks);
    let witness = Witness::new(recording);
    let mut windows: Vec<Window> = Vec::new();
    let mut throttled_periods = 0_u64;
    for look in &quota.looks {
        throttled_periods = throttled_periods.saturating_add(look.throttled);
        if look.throttled_time == 0 {
            continue;
        }
        let (before, now) = (looks.before(look.look), looks.at(look.look));
        let end = boundaries
            .within(before, now)
            .unwrap_or_else(|| before.midpoint(now));
        // a group that overdrew its quota stays throttled over several periods
        let longest = boundaries.period.saturating_mul(throttled_periods.max(1));
        let cpus = u64::from(recording.about.cpus.max(1));
        let length = witness.length(look, end, looks, cpus).min(longest);
        throttled_periods = 0;
        windows.push(Window {
            start: end.saturating_sub(length),
            end,
        });
    }
    merge(windows)
}

fn merge(mut windows: Vec<Window>) -> Vec<Window> {
    windows.retain(|window| window.start < window.end);
    windows.sort_unstable_by_key(|window| window.start);
    let mut merged: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match merged.last_mut() {
            Some(last) if last.end >= window.start => last.end = last.end.max(window.end),
            _ => merged.push(window),
        }
    }
    merged
}

/// What threads had when they got or left a CPU, by look: it tells when a group was stopped on several CPUs.
struct Witness {
    /// The longest wait that was over.
    waits: Vec<Nanos>,
    /// The last look until then at which any of them had run.
    ran: Vec<Option<u32>>,
}

/// Threads get their CPU so soon after the group is let go, mostly.
const SOON: Nanos = 10_000_000;
/// That is no more looks than these.
const MOST_SOON: usize = 100;

impl Witness {
    fn new(recording: &Recording) -> Self {
        let mut waits = vec![0; recording.looks.len()];
        let mut ran = vec![None; recording.looks.len()];
        let processes = recording.processes.iter();
        let threads = processes.flat_map(|process| &process.threads);
        for tick in threads.flat_map(|thread| &thread.ticks) {
            let at = tick.look as usize;
            if let (Some(wait), Some(ran)) = (waits.get_mut(at), ran.get_mut(at)) {
                *wait = tick.wait.max(*wait);
                *ran = ran.or(Some(tick.look).filter(|_| tick.run > 0));
            }
        }
        let mut last = None;
        for ran in &mut ran {
            last = ran.or(last);
            *ran = last;
        }
        Self { waits, ran }
    }

    /// The longest of the waits that were over at this look and soon after.
    fn longest_wait(&self, look: u32, looks: &Looks) -> Nanos {
        let first = look as usize;
        let last = looks.first_after(looks.at(look).saturating_add(SOON));
        let last = last.min(first.saturating_add(MOST_SOON));
        let waits = self.waits.get(first..last).unwrap_or_default();
        waits.iter().copied().max().unwrap_or(0)
    }

    /// When a thread was last seen to have run before this look, but after `from`.
    fn last_run(&self, look: u32, from: Nanos, looks: &Looks) -> Option<Nanos> {
        let before = look.checked_sub(1)? as usize;
        let last = self.ran.get(before).copied().flatten()?;
        let ran = looks.before(last).midpoint(looks.at(last));
        (ran > from).then_some(ran)
    }

    /// How long the group was stopped, as the counter of all its CPUs gained `added` when it was let go.
    fn length(&self, look: &QuotaLook, end: Nanos, looks: &Looks, cpus: u64) -> Nanos {
        let added = look.throttled_time;
        let longest = self.longest_wait(look.look, looks);
        let least = added / cpus;
        // nobody that was seen waited for that: it was another process
        if longest < least / 2 || added <= longest {
            return added;
        }
        // two CPUs: the second one was stopped when the last thread had run
        let second = self
            .last_run(look.look, end.saturating_sub(added), looks)
            .map_or(0, |last| end.saturating_sub(last));
        let first = added.saturating_sub(second);
        if second > 0 && first >= second {
            return first.min(longest).max(least);
        }
        longest.max(least)
    }
}

/// CPU time used until a moment.
struct Used {
    /// Times and sums.
    points: Vec<(Nanos, Nanos)>,
}

impl Used {
    fn counted(quota: &Quota, looks: &Looks) -> Self {
        let mut points = vec![(0, 0)];
        let mut sum: Nanos = 0;
        let mut last = 0;
        for look in quota.looks.iter().filter(|look| look.used > 0) {
            let (before, now) = (looks.before(look.look), looks.at(look.look));
            if now <= last {
                sum = sum.saturating_add(look.used);
                continue;
            }
            if before > last {
                points.push((before, sum));
            }
            sum = sum.saturating_add(look.used);
            points.push((now, sum));
            last = now;
        }
        Self { points }
    }

    /// What the threads that were seen used, where the group's use is not counted.
    fn by_threads(processes: &[ProcessTrack], duration: Nanos) -> Self {
        let step = FINEST.max(duration / MOST_STEPS);
        let count = (duration / step) as usize + 2;
        // what was used in each step that was not run throughout, and by how many more or fewer each was run throughout
        let (mut parts, mut changes) = (vec![0_u64; count], vec![0_i64; count]);
        let threads = processes.iter().flat_map(|process| &process.threads);
        let spans = threads.flat_map(|thread| &thread.spans);
        for span in spans.filter(|span| span.what == What::Running) {
            let (first, last) = ((span.start / step) as usize, (span.end / step) as usize);
            if first == last {
                parts[first] += span.end - span.start;
                continue;
            }
            parts[first] += step - span.start % step;
            parts[last] += span.end % step;
            changes[first + 1] += 1;
            changes[last] -= 1;
        }
        let (mut sum, mut throughout): (Nanos, i64) = (0, 0);
        let ends = (1..)
            .zip(parts.iter().zip(changes))
            .map(|(at, (part, change))| {
                throughout += change;
                let used = step.saturating_mul(throughout.unsigned_abs());
                sum = sum.saturating_add(*part).saturating_add(used);
                (step.saturating_mul(at), sum)
            });
        let mut points: Vec<(Nanos, Nanos)> = std::iter::once((0, 0)).chain(ends).collect();
        points.dedup_by_key(|point| point.0);
        Self { points }
    }

    fn until(&self, time: Nanos) -> Nanos {
        let after = self.points.partition_point(|point| point.0 <= time);
        let Some(from) = after.checked_sub(1).and_then(|at| self.points.get(at)) else {
            return 0;
        };
        let Some(to) = self.points.get(after) else {
            return from.1;
        };
        let part = u128::from(to.1 - from.1) * u128::from(time - from.0);
        from.1 + (part / u128::from(to.0 - from.0)) as Nanos
    }

    fn within(&self, start: Nanos, end: Nanos) -> Nanos {
        self.until(end) - self.until(start)
    }
}

/// A period is known by its end, which was counted. In periods without one the group was idle.
fn find_periods(quota: &Quota, looks: &Looks, boundaries: Boundaries, used: &Used) -> Vec<Period> {
    let mut periods: Vec<Period> = Vec::new();
    let length = boundaries.period;
    for look in quota.looks.iter().filter(|look| look.periods > 0) {
        let Some(last) = boundaries.last_until(looks.at(look.look)) else {
            continue;
        };
        let known = periods.last().map_or(0, |period| period.end);
        let room = (last.saturating_sub(known).div_ceil(length))
            .min((MOST_PERIODS - periods.len()) as u64);
        for back in (0..look.periods.min(room)).rev() {
            let end = last - back * length;
            let start = end.saturating_sub(length).max(known);
            periods.push(Period {
                start,
                end,
                used: used.within(start, end),
                throttled: back < look.throttled,
            });
        }
    }
    periods
}

fn draw_graph(duration: Nanos, used: &Used) -> Vec<(Nanos, f64)> {
    let step = SECOND.max(duration / MOST_POINTS);
    let average = |time: Nanos| {
        let start = time.saturating_sub(GRAPH);
        used.within(start, time) as f64 / (time - start) as f64
    };
    let mut times: Vec<Nanos> = (1..=duration / step).map(|point| point * step).collect();
    if times.last() != Some(&duration) && duration > 0 {
        times.push(duration);
    }
    times
        .into_iter()
        .map(|time| (time, average(time)))
        .collect()
}
