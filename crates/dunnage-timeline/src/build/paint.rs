//! A thread's lane, the throttled windows and the holds, joined into spans.

use super::gil::Claim;
use super::lane::{Act, Lane};
use crate::Nanos;
use crate::timeline::{Parts, Span, What, Window};

/// Gives each moment of a lane its kind.
pub(super) fn paint(
    lane: Lane,
    thread: u32,
    throttling: Throttling,
    claims: &[Claim],
    busy: &[Window],
) -> Vec<Span> {
    let mut painting = Painting {
        spans: Vec::with_capacity(lane.pieces.len()),
        throttling,
        busy: Throttling {
            windows: busy,
            blur: 0,
        },
    };
    let mut start = lane.start;
    let mut claim = 0;
    for piece in lane.pieces {
        let end = piece.end;
        match piece.act {
            Act::Run => painting.push(start, end, What::Running, None),
            Act::Ready => painting.ready(start, end),
            Act::Sleep => painting.push(start, end, What::Sleeping, None),
            Act::Unknown => painting.push(start, end, What::Unknown, None),
            Act::Gil | Act::Woken => {
                while claims
                    .get(claim)
                    .is_some_and(|claim| claim.hold.end <= start)
                {
                    claim += 1;
                }
                painting.wait(start, end, piece.act, thread, &claims[claim..]);
            }
        }
        start = end;
    }
    painting.spans.shrink_to_fit();
    painting.spans
}

struct Painting<'a> {
    spans: Vec<Span>,
    throttling: Throttling<'a>,
    /// When somebody had the GIL whom nobody saw.
    busy: Throttling<'a>,
}

impl Painting<'_> {
    fn push(&mut self, start: Nanos, end: Nanos, what: What, holder: Option<u32>) {
        if end <= start {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.what == what && last.holder == holder => last.end = end,
            _ => self.spans.push(Span {
                start,
                end,
                what,
                holder,
            }),
        }
    }

    fn ready(&mut self, start: Nanos, end: Nanos) {
        let throttling = self.throttling;
        throttling.split(start, end, |start, end, throttled| {
            let what = if throttled {
                What::Throttled
            } else {
                What::RunQueue
            };
            self.push(start, end, what, None);
        });
    }

    /// A wait for the GIL, by who held it at each moment.
    fn wait(&mut self, start: Nanos, end: Nanos, act: Act, thread: u32, claims: &[Claim]) {
        let mut now = start;
        for claim in claims.iter().take_while(|claim| claim.hold.start < end) {
            let hold = claim.hold;
            self.wait_for_nobody(now, hold.start, act);
            now = now.max(hold.start);
            let stop = hold.end.min(end);
            // who is awake while nobody has the GIL would take it, if it had a CPU
            let own = !claim.holds && act == Act::Woken;
            if hold.thread == thread || own {
                self.wait_for_nobody(now, stop, act);
            } else {
                let what = match hold.what {
                    What::Running => What::GilRunning,
                    What::Throttled => What::GilThrottled,
                    What::RunQueue => What::GilRunnable,
                    _ => What::GilUnknown,
                };
                self.push(now, stop, what, Some(hold.thread));
            }
            now = now.max(stop);
        }
        self.wait_for_nobody(now, end, act);
    }

    /// Nobody was seen to hold what it waited for.
    fn wait_for_nobody(&mut self, start: Nanos, end: Nanos, act: Act) {
        if act == Act::Woken {
            // so it lacks a CPU only
            return self.ready(start, end);
        }
        let (throttling, busy) = (self.throttling, self.busy);
        throttling.split(start, end, |start, end, throttled| {
            // in a group that is stopped, whoever is to take it is stopped
            if throttled {
                return self.push(start, end, What::GilThrottled, None);
            }
            busy.split(start, end, |start, end, busy| {
                let what = if busy {
                    What::GilRunning
                } else {
                    What::GilUnknown
                };
                self.push(start, end, what, None);
            });
        });
    }
}

/// When the group was throttled, and how exactly that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Throttling<'a> {
    /// Rising and apart.
    pub windows: &'a [Window],
    /// Their edges are known to about so much: the time between two looks.
    pub blur: Nanos,
}

impl Throttling<'_> {
    /// Splits a wait for a CPU into what was throttled and what was not. What sticks out of a window no further than its
    /// edge is uncertain belongs to it.
    pub fn split(self, start: Nanos, end: Nanos, mut add: impl FnMut(Nanos, Nanos, bool)) {
        if start >= end {
            return;
        }
        let mut now = start;
        let first = self.windows.partition_point(|window| window.end <= start);
        for window in self.windows.iter().skip(first) {
            if window.start >= end {
                break;
            }
            let mut from = window.start.max(now);
            if from - now <= self.blur {
                from = now;
            }
            if from > now {
                add(now, from, false);
            }
            let mut to = window.end.min(end);
            if end - to <= self.blur {
                to = end;
            }
            add(from, to, true);
            now = to;
        }
        if now < end {
            add(now, end, false);
        }
    }
}

/// The sum of spans by kind.
pub(super) fn sum(spans: &[Span]) -> Parts {
    let mut parts = Parts::default();
    for span in spans {
        parts[span.what] += span.end - span.start;
    }
    parts
}
