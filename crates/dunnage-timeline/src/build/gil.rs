//! Who held the GIL, and what the holder did meanwhile.
//!
//! The looks tell the holder of moments. Between two looks with the same holder, and no switch, nobody else had it. Where it
//! went to another thread, when it did is taken from what the two threads did: the new one began to run. Holds that began
//! and ended between two looks are not seen and not made up.

use super::lane::{Act, Lane};
use super::paint::Throttling;
use super::{Looks, TICK};
use crate::Nanos;
use crate::recording::{GilLook, Process};
use crate::timeline::{Hold, What, Window};

/// Who held the GIL at a look.
pub(super) struct Holders<'a>(&'a [GilLook]);

impl<'a> Holders<'a> {
    pub fn new(process: &'a Process) -> Self {
        Self(&process.gil)
    }

    /// To ask for rising looks.
    pub fn cursor(&self) -> Cursor<'a> {
        Cursor {
            left: self.0,
            now: None,
        }
    }
}

/// Goes through the looks once.
pub(super) struct Cursor<'a> {
    left: &'a [GilLook],
    now: Option<u32>,
}

impl Cursor<'_> {
    /// Who held it at this look.
    pub fn at(&mut self, look: u32) -> Option<u32> {
        while let Some((first, left)) = self.left.split_first()
            && first.look <= look
        {
            self.now = first.holder.filter(|_| first.locked);
            self.left = left;
        }
        self.now
    }
}

/// A stretch with one holder.
struct Held {
    start: Nanos,
    end: Nanos,
    thread: u32,
}

/// What those who wait for the GIL wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub hold: Hold,
    /// `false`: nobody has it, and this thread is the next that takes it.
    pub holds: bool,
}

/// All holds of a process, split by what the holder did, and between them the time in which the next holder was on its way:
/// it was told that the GIL is free and has no CPU yet, so that the others still wait for it.
pub(super) fn track(
    process: &Process,
    end: Nanos,
    looks: &Looks,
    lanes: &[Lane],
    throttling: Throttling,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut free_since = 0;
    for held in find_held(&process.gil, end, looks, lanes) {
        if let Some(lane) = lanes.get(held.thread as usize) {
            let thread = find_next(lanes, held.thread, free_since, held.start);
            if let Some(lane) = lanes.get(thread as usize) {
                let coming = Held {
                    start: free_since,
                    end: held.start,
                    thread,
                };
                split(&coming, lane, throttling, false, &mut claims);
            }
            split(&held, lane, throttling, true, &mut claims);
        }
        free_since = held.end;
    }
    claims.shrink_to_fit();
    claims
}

/// Who was on its way to the GIL while nobody had it: the one that is seen to have it next, or, if that one slept, whoever
/// had been woken for it. Its hold was too short to be seen.
fn find_next(lanes: &[Lane], next: u32, start: Nanos, end: Nanos) -> u32 {
    if end.saturating_sub(start) <= TICK {
        return next;
    }
    let waited = |thread: u32, acts: &[Act]| {
        lanes
            .get(thread as usize)
            .map_or(0, |lane| lane.time_within(acts, start, end))
    };
    if waited(next, &[Act::Ready, Act::Woken]) > 0 {
        return next;
    }
    let woken = |thread: &u32| waited(*thread, &[Act::Woken]);
    let longest = (0..lanes.len() as u32).max_by_key(woken);
    longest.filter(|thread| woken(thread) > 0).unwrap_or(next)
}

/// When it went from thread to thread between two looks, so that somebody held it and ran whom nobody saw.
pub(super) fn find_busy(process: &Process, looks: &Looks) -> Vec<Window> {
    let mut busy: Vec<Window> = Vec::new();
    for look in &process.gil {
        // one switch tells of the holder that is seen
        let unseen = look.switches > u64::from(look.locked);
        let (start, end) = (looks.before(look.look), looks.at(look.look));
        let known = busy.last().map_or(0, |last| last.end);
        if unseen && !looks.is_gap(look.look) && start < end && start >= known {
            busy.push(Window { start, end });
        }
    }
    busy
}

/// The claims that are holds.
pub(super) fn only_holds(claims: &[Claim]) -> Vec<Hold> {
    let held = claims.iter().filter(|claim| claim.holds);
    held.map(|claim| claim.hold).collect()
}

fn find_held(gil: &[GilLook], end: Nanos, looks: &Looks, lanes: &[Lane]) -> Vec<Held> {
    let mut all: Vec<Held> = Vec::new();
    let mut open: Option<Held> = None;
    for look in gil {
        let (before, now) = (
            looks.before(look.look).min(end),
            looks.at(look.look).min(end),
        );
        let holder = look.holder.filter(|_| look.locked);
        if let Some(held) = &open
            && Some(held.thread) == holder
            && look.switches == 0
        {
            continue;
        }
        let begun = holder.map(|thread| start_of_work(lanes, thread, before, now));
        if let Some(mut held) = open.take() {
            held.end = match begun {
                // it went from hand to hand
                Some(begun) if look.switches <= 1 => begun,
                _ => end_of_work(lanes, held.thread, before, now).min(begun.unwrap_or(now)),
            };
            all.push(held);
        }
        open = holder
            .zip(begun)
            .map(|(thread, start)| Held { start, end, thread });
    }
    all.extend(open);
    all.retain(|held| held.start < held.end);
    // what is not in order was not written by a recorder
    let mut last = 0;
    all.retain(|held| {
        let fits = held.start >= last;
        last = if fits { held.end } else { last };
        fits
    });
    all
}

fn is_at_work(act: Act) -> bool {
    matches!(act, Act::Run | Act::Ready)
}

/// When the thread that holds it at `now` began what it does, but not before `before`.
fn start_of_work(lanes: &[Lane], thread: u32, before: Nanos, now: Nanos) -> Nanos {
    let Some(lane) = lanes.get(thread as usize) else {
        return now;
    };
    let mut at = lane.index_at(now.saturating_sub(1));
    let mut start = now;
    while let Some(piece) = lane.pieces.get(at) {
        if !is_at_work(piece.act) || start <= before {
            break;
        }
        start = lane.start_of(at);
        match at.checked_sub(1) {
            Some(earlier) => at = earlier,
            None => break,
        }
    }
    if start == now {
        // it is not seen to work: what it did is not booked yet
        start = before.midpoint(now);
    }
    start.max(before)
}

/// When the thread that held it at `before` ended what it did, but not after `now`.
fn end_of_work(lanes: &[Lane], thread: u32, before: Nanos, now: Nanos) -> Nanos {
    let Some(lane) = lanes.get(thread as usize) else {
        return before;
    };
    let at = lane.index_at(before);
    let mut end = before;
    for piece in lane.pieces.iter().skip(at) {
        if !is_at_work(piece.act) || end >= now {
            break;
        }
        end = piece.end;
    }
    if end == before {
        end = before.midpoint(now);
    }
    end.min(now)
}

fn split(held: &Held, lane: &Lane, throttling: Throttling, holds: bool, claims: &mut Vec<Claim>) {
    let mut at = lane.index_at(held.start);
    let mut start = held.start;
    while start < held.end {
        let (act, end) = match lane.pieces.get(at) {
            Some(piece) => (piece.act, piece.end.min(held.end)),
            None => (Act::Unknown, held.end),
        };
        at += 1;
        if end <= start {
            continue;
        }
        let mut add = |start, end, what| {
            let hold = Hold {
                start,
                end,
                thread: held.thread,
                what,
            };
            push(claims, Claim { hold, holds });
        };
        match act {
            Act::Ready | Act::Woken => {
                throttling.split(start, end, |start, end, throttled| {
                    let what = if throttled {
                        What::Throttled
                    } else {
                        What::RunQueue
                    };
                    add(start, end, what);
                });
            }
            _ if !holds => {}
            Act::Run => add(start, end, What::Running),
            // a holder that seems to sleep runs, mostly: its time is not booked yet
            Act::Sleep | Act::Gil if end - start <= TICK => add(start, end, What::Running),
            Act::Sleep | Act::Gil | Act::Unknown => add(start, end, What::Unknown),
        }
        start = end;
    }
}

fn push(claims: &mut Vec<Claim>, claim: Claim) {
    match claims.last_mut() {
        Some(last)
            if last.hold.end == claim.hold.start
                && last.hold.thread == claim.hold.thread
                && last.hold.what == claim.hold.what
                && last.holds == claim.holds =>
        {
            last.hold.end = claim.hold.end;
        }
        _ => claims.push(claim),
    }
}
