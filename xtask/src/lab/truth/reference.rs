//! What each thread did at each moment, by the trace: the same words as the recording's, from other sources.
//!
//! A thread that is on a CPU runs, whatever it wants. Else, if it asks for the GIL and another one has it, it waits for that one,
//! whatever the scheduler says of itself: it could not go on with a CPU either. While the GIL lies free, a thread that is ready lacks
//! a CPU only; one that sleeps until it is given the GIL, or until another one has taken what it gave up, waits for the one that
//! takes it next, which stops the others as a holder does if it is throttled before it can pick it up.

use super::lanes::{Gil, Lanes, Sched};
use super::trace::Time;

/// The recorder's words (`dunnage_timeline::What`), as its JSON spells them, in its order.
pub(super) const WORDS: [&str; 9] = [
    "running",
    "gil_running",
    "gil_throttled",
    "gil_runnable",
    "gil_unknown",
    "throttled",
    "run_queue",
    "sleeping",
    "unknown",
];
const RUNNING: usize = 0;
const GIL_RUNNING: usize = 1;
const GIL_THROTTLED: usize = 2;
const GIL_RUNNABLE: usize = 3;
const GIL_UNKNOWN: usize = 4;
const THROTTLED: usize = 5;
const RUN_QUEUE: usize = 6;
const SLEEPING: usize = 7;
const UNKNOWN: usize = 8;
/// Those in which a thread wants to go on and cannot.
pub(super) const STALLED: [usize; 6] = [
    GIL_RUNNING,
    GIL_THROTTLED,
    GIL_RUNNABLE,
    GIL_UNKNOWN,
    THROTTLED,
    RUN_QUEUE,
];

/// Nanoseconds by word.
pub(super) type Parts = [u64; 9];

/// A stretch of one thread: an index into [`WORDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) what: usize,
}

/// What the thread did from `from` to `to`.
pub(super) fn spans(lanes: &Lanes, process: i32, tid: i32, from: Time, to: Time) -> Vec<Span> {
    let mut cuts = vec![from];
    if let Some(lane) = lanes.threads.get(&tid) {
        cuts.extend(lane.sched.changes(from, to));
        cuts.extend(lane.gil.changes(from, to));
    }
    if let Some(holders) = lanes.holders.get(&process) {
        cuts.extend(holders.changes(from, to));
        for lane in lanes.threads.values() {
            cuts.extend(lane.sched.changes(from, to));
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut spans: Vec<Span> = Vec::new();
    for (index, start) in cuts.iter().enumerate() {
        let end = cuts.get(index + 1).copied().unwrap_or(to);
        let what = classify(lanes, process, tid, *start);
        match spans.last_mut() {
            Some(last) if last.what == what => last.end = end,
            _ => spans.push(Span {
                start: *start,
                end,
                what,
            }),
        }
    }
    spans
}

fn classify(lanes: &Lanes, process: i32, tid: i32, time: Time) -> usize {
    let Some(lane) = lanes.threads.get(&tid) else {
        return UNKNOWN;
    };
    let Some(sched) = lane.sched.at(time) else {
        return UNKNOWN;
    };
    if sched == Sched::Running {
        return RUNNING;
    }
    let gil = lane.gil.at(time);
    if matches!(gil, Some(Gil::Wants | Gil::Leaves))
        && let Some(what) = waits_for(lanes, process, tid, time, sched == Sched::Asleep)
    {
        return what;
    }
    match sched {
        Sched::Running => RUNNING,
        Sched::Ready => RUN_QUEUE,
        Sched::Throttled => THROTTLED,
        // asks for a GIL that is free, or is its own a moment later
        Sched::Asleep if gil == Some(Gil::Wants) => GIL_UNKNOWN,
        Sched::Asleep => SLEEPING,
    }
}

/// What the one does that has the GIL or, for one who sleeps, takes it next. `None`: nobody else.
fn waits_for(lanes: &Lanes, process: i32, tid: i32, time: Time, sleeps: bool) -> Option<usize> {
    let holders = lanes.holders.get(&process)?;
    let holder = match holders.at(time).flatten() {
        Some(holder) => holder,
        None if sleeps => holders.next(time, |holder| holder.is_some())??,
        None => return None,
    };
    if holder == tid {
        return None;
    }
    Some(match lanes.threads.get(&holder)?.sched.at(time) {
        Some(Sched::Running) => GIL_RUNNING,
        Some(Sched::Ready) => GIL_RUNNABLE,
        Some(Sched::Throttled) => GIL_THROTTLED,
        Some(Sched::Asleep) | None => GIL_UNKNOWN,
    })
}

/// How much of [from, to) is what.
pub(super) fn sum(spans: &[Span], from: Time, to: Time) -> Parts {
    let mut parts = [0; 9];
    for span in spans {
        let (start, end) = (span.start.max(from), span.end.min(to));
        parts[span.what] += end.saturating_sub(start);
    }
    // what no span tells is not known
    parts[UNKNOWN] += (to - from).saturating_sub(parts.iter().sum());
    parts
}

#[cfg(test)]
mod tests {
    use super::super::trace::{Event, Kind};
    use super::*;
    use std::collections::HashMap;

    const MS: u64 = 1_000_000;

    fn event(ms: u64, cpu: u32, tid: i32, kind: Kind) -> Event {
        Event {
            time: ms * MS,
            cpu,
            tid,
            kind,
        }
    }

    fn switch(ms: u64, cpu: u32, prev: i32, ready: bool, next: i32) -> Event {
        let kind = Kind::Switch {
            prev,
            ready,
            next,
            throttled: false,
        };
        event(ms, cpu, prev, kind)
    }

    fn throttle(ms: u64, cpu: u32, prev: i32) -> Event {
        let kind = Kind::Switch {
            prev,
            ready: true,
            next: 0,
            throttled: true,
        };
        event(ms, cpu, prev, kind)
    }

    fn expiry(ms: u64) -> Event {
        let kind = Kind::Quota {
            timer: 0x1000,
            period: true,
        };
        event(ms, 0, 0, kind)
    }

    /// Thread 1 keeps the GIL and is throttled at 20 ms until the period begins at 100 ms; thread 2 asks for it at 10 ms.
    fn headline() -> Vec<Event> {
        vec![
            expiry(0),
            switch(1, 0, 0, true, 1),
            event(2, 0, 1, Kind::Take),
            event(2, 0, 1, Kind::Taken),
            event(9, 1, 0, Kind::Waking(2)),
            switch(9, 1, 0, true, 2),
            event(10, 1, 2, Kind::Take),
            switch(11, 1, 2, false, 0),
            // the 5 ms of its timed wait are over: woken, it is throttled too
            event(15, 1, 0, Kind::Waking(2)),
            switch(16, 1, 0, true, 2),
            throttle(17, 1, 2),
            throttle(20, 0, 1),
            expiry(100),
            switch(101, 0, 0, true, 1),
            switch(103, 1, 0, true, 2),
            switch(104, 1, 2, false, 0),
            event(110, 0, 1, Kind::Drop),
            event(110, 0, 0, Kind::Waking(2)),
            switch(112, 1, 0, true, 2),
            event(112, 1, 2, Kind::Taken),
            switch(115, 1, 2, false, 0),
        ]
    }

    fn lanes() -> Lanes {
        Lanes::build(&headline(), &HashMap::from([(1, 7), (2, 7)]))
    }

    #[test]
    fn a_wait_for_the_gil_is_split_by_what_its_holder_does_and_kept_over_timed_wake_ups() {
        let spans = spans(&lanes(), 7, 2, 5 * MS, 115 * MS);
        let short: Vec<_> = spans
            .iter()
            .map(|span| (span.start / MS, WORDS[span.what]))
            .collect();
        assert_eq!(
            short,
            [
                (5, "sleeping"),
                (9, "running"),
                (11, "gil_running"),
                (16, "running"),
                (17, "gil_running"),
                (20, "gil_throttled"),
                (100, "gil_runnable"),
                (101, "gil_running"),
                (103, "running"),
                (104, "gil_running"),
                (110, "run_queue"),
                (112, "running"),
            ]
        );
        assert_eq!(sum(&spans, 5 * MS, 115 * MS)[GIL_THROTTLED], 80 * MS);
    }

    #[test]
    fn a_thread_is_throttled_until_the_quota_is_filled_up_and_then_waits_for_a_cpu() {
        let lanes = lanes();
        let parts = sum(&spans(&lanes, 7, 1, 0, 115 * MS), 0, 115 * MS);
        assert_eq!((parts[THROTTLED], parts[RUN_QUEUE]), (80 * MS, MS));
        let both: Vec<_> = lanes
            .windows
            .iter()
            .map(|window| (window.start / MS, window.end / MS))
            .collect();
        assert_eq!(both, [(17, 100), (20, 100)]);
    }

    #[test]
    fn what_no_span_tells_is_unknown() {
        let span = Span {
            start: 2,
            end: 4,
            what: RUNNING,
        };
        let parts = sum(&[span], 0, 10);
        assert_eq!((parts[RUNNING], parts[UNKNOWN]), (2, 8));
    }
}
