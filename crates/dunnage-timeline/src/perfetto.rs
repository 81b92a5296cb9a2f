//! A timeline as a Perfetto trace, to be opened in ui.perfetto.dev beside traces of other tools.
//!
//! Perfetto's protobuf has hundreds of messages, of which a timeline needs `TrackDescriptor`, `TrackEvent` and interned
//! names (`protos/perfetto/trace/` of the Perfetto project), so they are written by hand. Each process and thread has its
//! track, with what the thread did as slices; time that it slept is left blank. Requests, and the longest stalls, have
//! tracks below, with their parts as arguments; the GIL's holder and the quota have tracks of their own. Slices of a track
//! must nest, so what overlaps is spread over tracks of one name, which the viewer shows as one. Times are those of
//! `CLOCK_MONOTONIC`.

mod trace;
mod wire;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::Nanos;
use crate::timeline::{
    Hold, Moment, ProcessTrack, QuotaTrack, Request, Span, ThreadTrack, Timeline, What,
};
use trace::{Argument, INSTANT, Slice, Trace, track};
use wire::Wire;

/// Encodes a trace. Some 50 bytes a stretch of a thread's time.
pub fn encode_perfetto(timeline: &Timeline) -> Vec<u8> {
    let mut trace = Trace::new(timeline.about.monotonic);
    if let Some(quota) = &timeline.quota {
        trace.quota(quota);
    }
    let mut below = Vec::new();
    for process in &timeline.processes {
        below.push(trace.process(process));
    }
    trace.requests(&below, &timeline.requests, "request");
    trace.requests(&below, &timeline.stalls, "stall");
    trace.moments(timeline, &below);
    trace.finish()
}

/// Where the tracks of a process are.
struct Tracks {
    process: u64,
    threads: Vec<u64>,
}

impl Trace {
    fn process(&mut self, process: &ProcessTrack) -> Tracks {
        let own = self.track(None, |wire| {
            wire.message(track::PROCESS, |wire| {
                wire.signed(track::PROCESS_PID, process.pid);
                wire.text(track::PROCESS_COMMAND, &process.command);
                wire.text(track::PROCESS_NAME, &process.command);
            });
        });
        if process.has_gil {
            let gil = self.named_track(Some(own), "GIL");
            for hold in &process.gil {
                self.hold(gil, process, *hold);
            }
        }
        let threads = process
            .threads
            .iter()
            .map(|thread| self.thread(process, thread))
            .collect();
        Tracks {
            process: own,
            threads,
        }
    }

    fn hold(&mut self, on: u64, process: &ProcessTrack, hold: Hold) {
        let holder = thread_name(process, hold.thread);
        let name = match hold.what {
            What::Running => holder.to_owned(),
            what => format!("{holder}, {}", what.label()),
        };
        self.slice(
            on,
            &Slice {
                start: hold.start,
                end: hold.end,
                category: "gil",
                name: &name,
                arguments: vec![
                    Argument::Text("holder", holder),
                    Argument::Text("meanwhile", hold.what.label()),
                ],
            },
        );
    }

    fn thread(&mut self, process: &ProcessTrack, thread: &ThreadTrack) -> u64 {
        let own = self.track(None, |wire| {
            wire.message(track::THREAD, |wire| {
                wire.signed(track::THREAD_PID, process.pid);
                wire.signed(track::THREAD_TID, thread.tid);
                wire.text(track::THREAD_NAME, &thread.name);
            });
        });
        for span in &thread.spans {
            // who sleeps has nothing to show
            if span.what != What::Sleeping {
                self.span(own, process, *span);
            }
        }
        own
    }

    fn span(&mut self, on: u64, process: &ProcessTrack, span: Span) {
        let holder = span.holder.map(|holder| thread_name(process, holder));
        self.slice(
            on,
            &Slice {
                start: span.start,
                end: span.end,
                category: "thread",
                name: span.what.label(),
                arguments: holder
                    .map(|name| Argument::Text("holder", name))
                    .into_iter()
                    .collect(),
            },
        );
    }

    fn quota(&mut self, quota: &QuotaTrack) {
        let own = self.named_track(None, "CPU quota");
        let throttled = self.named_track(Some(own), "throttled");
        for window in &quota.windows {
            self.slice(
                throttled,
                &Slice {
                    start: window.start,
                    end: window.end,
                    category: "quota",
                    name: "throttled",
                    arguments: Vec::new(),
                },
            );
        }
        let cpus = |wire: &mut Wire, name: &str| {
            wire.text(track::NAME, name);
            wire.message(track::COUNTER, |wire| {
                wire.text(track::COUNTER_UNIT, "CPUs");
            });
        };
        let used = self.track(Some(own), |wire| cpus(wire, "used in each period"));
        let mut idle_from = None;
        for period in &quota.periods {
            if let Some(end) = idle_from.filter(|end| *end < period.start) {
                self.counter(used, end, 0.0);
            }
            let length = period.end.saturating_sub(period.start).max(1);
            self.counter(used, period.start, period.used as f64 / length as f64);
            idle_from = Some(period.end);
        }
        if let Some(end) = idle_from {
            self.counter(used, end, 0.0);
        }
        if let Some(limit) = quota.limit {
            let on = self.track(Some(own), |wire| cpus(wire, "limit"));
            self.counter(on, 0, limit);
        }
        let graph = self.track(Some(own), |wire| cpus(wire, "average of 15 s before"));
        for (at, value) in &quota.graph {
            self.counter(graph, *at, *value);
        }
    }

    /// Requests below their threads, those that overlap beside each other.
    fn requests(&mut self, below: &[Tracks], requests: &[Request], category: &str) {
        let mut by_thread: BTreeMap<u64, Vec<&Request>> = BTreeMap::new();
        for request in requests {
            let Some(tracks) = below.get(request.process as usize) else {
                continue;
            };
            let parent = request
                .thread
                .and_then(|thread| tracks.threads.get(thread as usize))
                .unwrap_or(&tracks.process);
            by_thread.entry(*parent).or_default().push(request);
        }
        for (parent, mut requests) in by_thread {
            requests.sort_by_key(|request| (request.begin, request.end));
            let mut lanes = Lanes::default();
            let mut tracks: Vec<u64> = Vec::new();
            for request in requests {
                let lane = lanes.take(request.begin, request.end.max(request.begin));
                if lane == tracks.len() {
                    tracks.push(self.named_track(Some(parent), &format!("{category}s")));
                }
                self.request(tracks[lane], request, category);
            }
        }
    }

    fn request(&mut self, on: u64, request: &Request, category: &str) {
        let id = Some(Argument::Number("id", request.id)).filter(|_| category == "request");
        let parts = What::ALL
            .into_iter()
            .filter(|what| request.parts[*what] > 0);
        let parts = parts.map(|what| Argument::Milliseconds(what.label(), request.parts[what]));
        self.slice(
            on,
            &Slice {
                start: request.begin,
                end: request.end,
                category,
                name: shown(&request.name, category),
                arguments: id.into_iter().chain(parts).collect(),
            },
        );
    }

    fn moments(&mut self, timeline: &Timeline, below: &[Tracks]) {
        let mut tracks: BTreeMap<u64, u64> = BTreeMap::new();
        for moment in &timeline.moments {
            let Some(parent) = parent_of(moment, timeline, below) else {
                continue;
            };
            let on = match tracks.get(&parent) {
                Some(on) => *on,
                None => self.named_track(Some(parent), "marks"),
            };
            tracks.insert(parent, on);
            self.event(on, moment.at, INSTANT, |wire, named| {
                named.category(wire, "mark");
                named.name(wire, shown(&moment.name, "mark"));
                named.argument(wire, &Argument::Number("id", moment.id));
            });
        }
    }
}

/// A name that the application left empty is that of its kind.
fn shown<'a>(name: &'a str, kind: &'a str) -> &'a str {
    if name.is_empty() { kind } else { name }
}

fn parent_of(moment: &Moment, timeline: &Timeline, below: &[Tracks]) -> Option<u64> {
    let process = timeline.processes.get(moment.process as usize)?;
    let tracks = below.get(moment.process as usize)?;
    let thread = process
        .threads
        .iter()
        .position(|thread| thread.tid == moment.tid)
        .and_then(|thread| tracks.threads.get(thread));
    Some(*thread.unwrap_or(&tracks.process))
}

fn thread_name(process: &ProcessTrack, thread: u32) -> &str {
    let thread = process.threads.get(thread as usize);
    thread.map_or("a thread that was not seen", |thread| &thread.name)
}

/// Rows for stretches that must not overlap within a row: each goes into the first that is free.
#[derive(Debug, Default)]
struct Lanes {
    count: usize,
    free: BTreeSet<usize>,
    busy: BinaryHeap<Reverse<(Nanos, usize)>>,
}

impl Lanes {
    /// The row of a stretch; they must be given by begin.
    fn take(&mut self, begin: Nanos, end: Nanos) -> usize {
        while let Some(Reverse((until, lane))) = self.busy.peek().copied() {
            if until > begin {
                break;
            }
            self.busy.pop();
            self.free.insert(lane);
        }
        let lane = self.free.pop_first().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        self.busy.push(Reverse((end, lane)));
        lane
    }
}

#[cfg(test)]
mod tests;
