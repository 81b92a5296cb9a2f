//! What requests were made of, and the longest stalls.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::lane::Marks;
use crate::Nanos;
use crate::recording::{Mark, Recording, Thread};
use crate::timeline::{Moment, Parts, ProcessTrack, Request, Span, ThreadTrack, What};

/// The most stalls that are kept.
const MOST_STALLS: usize = 100;
/// A thread that runs no longer than this between two waits is still in the same stall: it woke to ask for the GIL again, or
/// got a slice of a CPU.
const BREATH: Nanos = 500_000;
/// A stall is no shorter.
const SHORTEST_STALL: Nanos = 5_000_000;

/// What threads said of themselves, by process and thread.
pub(super) struct Anchors {
    by_thread: BTreeMap<(u32, i32), (Vec<Nanos>, Vec<Nanos>)>,
}

impl Anchors {
    pub fn new(recording: &Recording) -> Self {
        let mut by_thread: BTreeMap<_, (Vec<Nanos>, Vec<Nanos>)> = BTreeMap::new();
        for mark in &recording.marks {
            let (begins, ends) = by_thread.entry((mark.process, mark.tid)).or_default();
            if mark.end.is_some() {
                begins.push(mark.begin);
            }
            ends.push(mark.end.unwrap_or(mark.begin));
        }
        for (begins, ends) in by_thread.values_mut() {
            begins.sort_unstable();
            ends.sort_unstable();
        }
        Self { by_thread }
    }

    pub fn of(&self, process: u32, thread: &Thread) -> Marks<'_> {
        let marks = self.by_thread.get(&(process, thread.tid));
        marks.map_or_else(Marks::default, |(begins, ends)| Marks { begins, ends })
    }
}

/// Requests with their parts, and moments.
pub(super) fn cut(
    recording: &Recording,
    processes: &[ProcessTrack],
) -> (Vec<Request>, Vec<Moment>) {
    let threads: Vec<Members> = recording.processes.iter().map(Members::new).collect();
    let (mut requests, mut moments) = (Vec::new(), Vec::new());
    let duration = recording.about.duration.min(super::LONGEST);
    let mut sums = BTreeMap::new();
    for mark in &recording.marks {
        let name = recording.names.get(mark.name as usize);
        let name = name.cloned().unwrap_or_default();
        match mark.end {
            None => moments.push(Moment {
                process: mark.process,
                tid: mark.tid,
                name,
                id: mark.id,
                at: mark.begin.min(duration),
            }),
            Some(end) => {
                let members = threads.get(mark.process as usize);
                let thread = members.and_then(|members| members.find(mark));
                let track = thread.and_then(|thread| {
                    let process = processes.get(mark.process as usize)?;
                    process.threads.get(thread as usize)
                });
                let end = end.min(duration);
                let begin = mark.begin.min(end);
                let parts = track.map(|track| {
                    let sums = sums
                        .entry((mark.process, thread))
                        .or_insert_with(|| Sums::new(&track.spans));
                    sums.within(track, begin, end)
                });
                requests.push(Request {
                    process: mark.process,
                    thread,
                    name,
                    id: mark.id,
                    begin,
                    end,
                    parts: complete(parts.unwrap_or_default(), end - begin),
                });
            }
        }
    }
    requests.sort_by_key(|request| request.begin);
    moments.sort_by_key(|moment| moment.at);
    (requests, moments)
}

/// What is not seen of a time is unknown.
fn complete(mut parts: Parts, length: Nanos) -> Parts {
    parts[What::Unknown] += length.saturating_sub(parts.total());
    parts
}

/// The threads of a process by kernel id. An id may be used again.
struct Members(BTreeMap<i32, Vec<(Nanos, u32)>>);

impl Members {
    fn new(process: &crate::recording::Process) -> Self {
        let mut members: BTreeMap<i32, Vec<(Nanos, u32)>> = BTreeMap::new();
        for (at, thread) in (0..).zip(&process.threads) {
            members
                .entry(thread.tid)
                .or_default()
                .push((thread.first, at));
        }
        for same in members.values_mut() {
            same.sort_unstable();
        }
        Self(members)
    }

    fn find(&self, mark: &Mark) -> Option<u32> {
        let same = self.0.get(&mark.tid)?;
        let until = mark.end.unwrap_or(mark.begin);
        let later = same.partition_point(|(first, _)| *first <= until);
        same.get(later.saturating_sub(1)).map(|(_, at)| *at)
    }
}

/// Sums of spans up to each so many of them: what a request was made of is then told without adding up all of its spans.
struct Sums(Vec<Parts>);

impl Sums {
    const STRIDE: usize = 64;

    fn new(spans: &[Span]) -> Self {
        let mut sum = Parts::default();
        let mut sums = Vec::with_capacity(spans.len() / Self::STRIDE + 1);
        for (at, span) in spans.iter().enumerate() {
            if at.is_multiple_of(Self::STRIDE) {
                sums.push(sum);
            }
            sum[span.what] += span.end - span.start;
        }
        Self(sums)
    }

    /// All of the track up to this moment.
    fn until(&self, track: &ThreadTrack, time: Nanos) -> Parts {
        let at = track.spans.partition_point(|span| span.end <= time);
        let base = at / Self::STRIDE;
        let Some(mut sum) = self.0.get(base).copied() else {
            return track.parts;
        };
        for span in track.spans.get(base * Self::STRIDE..at).unwrap_or_default() {
            sum[span.what] += span.end - span.start;
        }
        if let Some(span) = track.spans.get(at) {
            sum[span.what] += time.saturating_sub(span.start);
        }
        sum
    }

    fn within(&self, track: &ThreadTrack, start: Nanos, end: Nanos) -> Parts {
        let mut parts = self.until(track, end);
        let before = self.until(track, start);
        for what in What::ALL {
            parts[what] -= before[what];
        }
        parts
    }
}

fn is_stalled(what: What) -> bool {
    matches!(
        what,
        What::GilRunning
            | What::GilThrottled
            | What::GilRunnable
            | What::GilUnknown
            | What::Throttled
            | What::RunQueue
    )
}

/// The longest stretches in which a thread wanted a CPU or the GIL and had none.
pub(super) fn find_stalls(processes: &[ProcessTrack]) -> Vec<Request> {
    let mut longest = BinaryHeap::new();
    for (process, track) in (0..).zip(processes) {
        for (thread, lane) in (0..).zip(&track.threads) {
            for_each_stall(&lane.spans, |start, end| {
                longest.push(Reverse((end - start, Reverse((process, thread, start)))));
                if longest.len() > MOST_STALLS {
                    longest.pop();
                }
            });
        }
    }
    let longest = longest.into_sorted_vec();
    let stalls = longest.into_iter().filter_map(|Reverse((length, at))| {
        let Reverse((process, thread, begin)) = at;
        let track = processes.get(process as usize)?;
        let spans = &track.threads.get(thread as usize)?.spans;
        Some(Request {
            process,
            thread: Some(thread),
            name: "stall".to_owned(),
            id: 0,
            begin,
            end: begin + length,
            parts: parts_between(spans, begin, begin + length),
        })
    });
    stalls.collect()
}

fn parts_between(spans: &[Span], start: Nanos, end: Nanos) -> Parts {
    let first = spans.partition_point(|span| span.end <= start);
    let mut parts = Parts::default();
    for span in spans.iter().skip(first).take_while(|span| span.start < end) {
        parts[span.what] += span.end.min(end) - span.start.max(start);
    }
    parts
}

fn for_each_stall(spans: &[Span], mut found: impl FnMut(Nanos, Nanos)) {
    // from, to, and how much of that was waited
    let mut open: Option<(Nanos, Nanos, Nanos)> = None;
    let mut close = |stall: Option<(Nanos, Nanos, Nanos)>| {
        // who mostly runs is not stalled
        if let Some((start, end, waited)) = stall
            && end - start >= SHORTEST_STALL
            && waited >= (end - start) / 2
        {
            found(start, end);
        }
    };
    for span in spans {
        if is_stalled(span.what) {
            let (start, waited) = open.map_or((span.start, 0), |stall| (stall.0, stall.2));
            open = Some((start, span.end, waited + (span.end - span.start)));
        } else if span.what != What::Running || span.end - span.start > BREATH {
            close(open.take());
        }
    }
    close(open);
}
