//! What the scheduler did with each thread, and when each had the GIL: what events say, put in rows.
//!
//! One thing is no event: when a throttled thread is let go. It comes from the timers of the quota: all threads that wait on one
//! CPU are let go together, so it is the last expiry before the first of them runs again.

use super::trace::{Event, Kind, Time};
use std::collections::{BTreeMap, HashMap};

/// What the scheduler did with a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sched {
    Running,
    /// Ready, without a CPU.
    Ready,
    /// Taken off the CPU by the quota.
    Throttled,
    Asleep,
}

/// A row of changes: each value holds until the next one. Before the first nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row<T>(Vec<(Time, T)>);

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Row<T> {
    /// `before`: what it was until its first change.
    fn begin(&mut self, before: T) {
        if self.0.is_empty() {
            self.0.push((0, before));
        }
    }

    pub(super) fn push(&mut self, time: Time, value: T) {
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((time, value));
        }
    }

    pub(super) fn at(&self, time: Time) -> Option<T> {
        let after = self.0.partition_point(|(start, _)| *start <= time);
        Some(self.0[after.checked_sub(1)?].1)
    }

    /// The next value that `is` accepts, from `time` on.
    pub(super) fn next(&self, time: Time, is: impl Fn(T) -> bool) -> Option<T> {
        let after = self.0.partition_point(|(start, _)| *start <= time);
        self.0[after..]
            .iter()
            .map(|(_, value)| *value)
            .find(|value| is(*value))
    }

    /// The moments within (from, to) at which it changes.
    pub(super) fn changes(&self, from: Time, to: Time) -> impl Iterator<Item = Time> + '_ {
        let first = self.0.partition_point(|(start, _)| *start <= from);
        self.0[first..]
            .iter()
            .map(|(start, _)| *start)
            .take_while(move |start| *start < to)
    }
}

/// What a thread has to do with its GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gil {
    /// Nothing.
    Without,
    /// Asks for it.
    Wants,
    Holds,
    /// Gives it up and, if it was asked to, waits to see it taken.
    Leaves,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) sched: Row<Sched>,
    pub(super) gil: Row<Gil>,
}

/// A stretch in which the threads of one CPU were throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Time,
    pub(super) end: Time,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    pub(super) threads: BTreeMap<i32, Lane>,
    /// Who holds the GIL of each process.
    pub(super) holders: BTreeMap<i32, Row<Option<i32>>>,
    /// For each CPU; the kernel's counter adds them up.
    pub(super) windows: Vec<Window>,
}

/// A throttled thread: from when it left its CPU until it had one again.
#[derive(Debug, Clone, Copy)]
struct Limbo {
    tid: i32,
    cpu: u32,
    left: Time,
    back: Time,
}

impl Lanes {
    /// From the events and the process of each thread that matters.
    pub(super) fn build(events: &[Event], processes: &HashMap<i32, i32>) -> Self {
        let mut lanes = Self::default();
        for tid in processes.keys() {
            lanes.threads.insert(*tid, Lane::default());
        }
        let limbo = find_limbo(events, processes);
        let (released, windows) = release(&limbo, &quota_expiries(events, &limbo));
        lanes.windows = windows;
        for event in events {
            lanes.add(event, processes, &released);
        }
        lanes
    }

    fn add(
        &mut self,
        event: &Event,
        processes: &HashMap<i32, i32>,
        released: &HashMap<(i32, Time), Time>,
    ) {
        let time = event.time;
        match event.kind {
            Kind::Switch {
                prev, ready, next, ..
            } => {
                if let Some(lane) = self.threads.get_mut(&prev) {
                    lane.sched.begin(Sched::Running);
                    match released.get(&(prev, time)) {
                        Some(end) => {
                            lane.sched.push(time, Sched::Throttled);
                            lane.sched.push(*end, Sched::Ready);
                        }
                        None if ready => lane.sched.push(time, Sched::Ready),
                        None => lane.sched.push(time, Sched::Asleep),
                    }
                }
                if let Some(lane) = self.threads.get_mut(&next) {
                    lane.sched.begin(Sched::Asleep);
                    lane.sched.push(time, Sched::Running);
                }
            }
            Kind::Waking(tid) => {
                if let Some(lane) = self.threads.get_mut(&tid) {
                    lane.sched.begin(Sched::Asleep);
                    if matches!(lane.sched.0.last(), Some((_, Sched::Asleep))) {
                        lane.sched.push(time, Sched::Ready);
                    }
                }
            }
            Kind::Take | Kind::Taken | Kind::Drop | Kind::Dropped => {
                self.add_gil(event, processes);
            }
            Kind::Quota { .. } => {}
        }
    }

    fn add_gil(&mut self, event: &Event, processes: &HashMap<i32, i32>) {
        let Some(process) = processes.get(&event.tid) else {
            return;
        };
        let lane = self.threads.entry(event.tid).or_default();
        let holder = self.holders.entry(*process).or_default();
        lane.gil.begin(match event.kind {
            Kind::Take => Gil::Without,
            Kind::Drop => Gil::Holds,
            Kind::Dropped => Gil::Leaves,
            _ => Gil::Wants,
        });
        match event.kind {
            Kind::Taken => {
                lane.gil.push(event.time, Gil::Holds);
                holder.push(event.time, Some(event.tid));
            }
            Kind::Drop => {
                lane.gil.push(event.time, Gil::Leaves);
                // another one can have it before this one's probe is through
                if holder
                    .0
                    .last()
                    .is_none_or(|(_, last)| *last == Some(event.tid))
                {
                    holder.push(event.time, None);
                }
            }
            Kind::Dropped => lane.gil.push(event.time, Gil::Without),
            _ => lane.gil.push(event.time, Gil::Wants),
        }
    }
}

/// The stretches in which threads were throttled or, let go, had no CPU yet.
fn find_limbo(events: &[Event], processes: &HashMap<i32, i32>) -> Vec<Limbo> {
    let mut open: HashMap<i32, usize> = HashMap::new();
    let mut found: Vec<Limbo> = Vec::new();
    let end = events.last().map_or(0, |event| event.time);
    for event in events {
        let Kind::Switch {
            prev,
            next,
            throttled,
            ..
        } = event.kind
        else {
            continue;
        };
        if let Some(index) = open.remove(&next) {
            found[index].back = event.time;
        }
        if throttled && processes.contains_key(&prev) {
            open.insert(prev, found.len());
            found.push(Limbo {
                tid: prev,
                cpu: event.cpu,
                left: event.time,
                back: end,
            });
        }
    }
    found
}

/// When the quota of these threads was filled up: the expiries of the period timer after which they most often ran at once, and of
/// the other timer that lies in the same structure.
fn quota_expiries(events: &[Event], limbo: &[Limbo]) -> Vec<Time> {
    const AT_ONCE: Time = 2_000_000;
    const SAME_STRUCTURE: u64 = 256;
    let mut periods: HashMap<u64, Vec<Time>> = HashMap::new();
    for event in events {
        if let Kind::Quota {
            timer,
            period: true,
        } = event.kind
        {
            periods.entry(timer).or_default().push(event.time);
        }
    }
    let explains = |times: &[Time]| {
        let is_near = |one: &&Limbo| {
            let after = times.partition_point(|time| *time <= one.back);
            after > 0 && one.back - times[after - 1] < AT_ONCE
        };
        limbo.iter().filter(is_near).count()
    };
    let ours = periods
        .iter()
        .max_by_key(|(timer, times)| (explains(times), **timer))
        .map(|(timer, _)| *timer);
    events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Quota { timer, .. } if timer.abs_diff(ours?) < SAME_STRUCTURE => Some(event.time),
            _ => None,
        })
        .collect()
}

/// When each was let go, by thread and the moment it left; and the windows of each CPU.
fn release(limbo: &[Limbo], expiries: &[Time]) -> (HashMap<(i32, Time), Time>, Vec<Window>) {
    let mut released = HashMap::new();
    let mut windows = Vec::new();
    let mut waiting: BTreeMap<u32, Vec<Limbo>> = BTreeMap::new();
    for one in limbo {
        waiting.entry(one.cpu).or_default().push(*one);
    }
    for mut of_cpu in waiting.into_values() {
        of_cpu.sort_by_key(|one| one.left);
        let mut of_cpu = of_cpu.as_slice();
        while let Some(first) = of_cpu.first() {
            // those that were thrown off before the first of them came back
            let mut back = first.back;
            let mut count = 1;
            while let Some(next) = of_cpu.get(count).filter(|next| next.left < back) {
                back = back.min(next.back);
                count += 1;
            }
            let (together, rest) = of_cpu.split_at(count);
            let last_left = together.last().map_or(first.left, |one| one.left);
            let before = expiries.partition_point(|time| *time <= back);
            let end = before
                .checked_sub(1)
                .map(|index| expiries[index])
                .filter(|time| *time > last_left)
                .unwrap_or(back);
            for one in together {
                released.insert((one.tid, one.left), end);
            }
            windows.push(Window {
                start: first.left,
                end,
            });
            of_cpu = rest;
        }
    }
    windows.sort_by_key(|window| window.start);
    (released, windows)
}
