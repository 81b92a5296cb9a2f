//! One thread's time, before it is known who held the GIL and when the group was throttled.
//!
//! Between two looks at which something was new lies a block: it is known how long the thread ran and waited in it, and what
//! it did at both ends. Blocks are laid out from the last to the first, because the kernel books late: waiting when it is
//! over, running at its tick. What does not fit into its block therefore belongs to the end of the block before, if the
//! thread was runnable there, or to the time in which it seemed to sleep. What is left of a block is what the thread was seen to do at that
//! end of it.

use std::collections::VecDeque;

use super::gil::Holders;
use super::{Looks, TICK};
use crate::Nanos;
use crate::recording::{Seen, Thread, Tick};

/// A thread that wanted the GIL, woke and ran no longer than this has not had it: it woke to ask for it again.
const ASKING: Nanos = 300_000;

/// What a thread did, as far as its own counters tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Run,
    /// Had no CPU.
    Ready,
    /// Had no CPU to ask again for the GIL that it waits for.
    Woken,
    /// Slept until it gets the GIL.
    Gil,
    Sleep,
    Unknown,
}

/// A stretch from the end of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub end: Nanos,
    pub act: Act,
}

/// All of a thread's stretches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub start: Nanos,
    pub pieces: Vec<Piece>,
}

impl Lane {
    /// The piece that contains this moment, or begins there.
    pub fn index_at(&self, time: Nanos) -> usize {
        self.pieces.partition_point(|piece| piece.end <= time)
    }

    /// When the piece begins.
    pub fn start_of(&self, index: usize) -> Nanos {
        index
            .checked_sub(1)
            .and_then(|before| self.pieces.get(before))
            .map_or(self.start, |piece| piece.end)
    }
}

impl Lane {
    /// How much of a stretch it spent so.
    pub fn time_within(&self, acts: &[Act], start: Nanos, end: Nanos) -> Nanos {
        let first = self.index_at(start);
        let mut from = self.start_of(first).max(start);
        let mut sum = 0;
        for piece in self.pieces.iter().skip(first) {
            if from >= end {
                break;
            }
            let to = piece.end.min(end);
            if acts.contains(&piece.act) {
                sum += to - from;
            }
            from = to;
        }
        sum
    }
}

/// When a thread said something of itself: it was running then.
#[derive(Debug, Default)]
pub(super) struct Marks<'a> {
    /// When its spans began, rising.
    pub begins: &'a [Nanos],
    /// When they ended, and its moments, rising.
    pub ends: &'a [Nanos],
}

/// The last of `times` in this stretch.
fn last_within(times: &[Nanos], start: Nanos, end: Nanos) -> Option<Nanos> {
    let below = times.partition_point(|time| *time <= end);
    let last = times.get(below.checked_sub(1)?)?;
    (*last > start).then_some(*last)
}

/// Lays out a thread's time from when it was first seen until it, or `end`, was over.
pub(super) fn lay(
    thread: &Thread,
    number: u32,
    end: Nanos,
    looks: &Looks,
    holders: &Holders,
    marks: &Marks,
) -> Lane {
    let end = thread.ended.unwrap_or(end).min(end);
    let start = thread.first.min(end);
    let wanting = find_wanting(thread, number, holders);
    let mut laying = Laying::new(start, end, thread.ticks.len());
    for at in (0..thread.ticks.len()).rev() {
        let block = Block::of(&thread.ticks, at, start, looks);
        let stop = block.end.min(laying.cursor);
        laying.fill_to(stop, block.to, at + 1 == thread.ticks.len());
        if block.to != Seen::Runnable {
            // it was seen to do something else then
            laying.late.clear();
        }
        laying.lay_block(&block, wanting.get(at).copied().unwrap_or(false), marks);
    }
    laying.push(Act::Unknown, laying.cursor - start);
    laying.finish()
}

/// For each tick, whether the thread wanted the GIL when it began: it was seen to wait for it and has not had it since.
fn find_wanting(thread: &Thread, number: u32, holders: &Holders) -> Vec<bool> {
    let (mut wants, mut had) = (false, false);
    let mut ran: Nanos = 0;
    let mut holder = holders.cursor();
    thread
        .ticks
        .iter()
        .map(|tick| {
            let before = wants;
            ran = ran.saturating_add(tick.run);
            match tick.seen {
                Seen::WaitsForGil => {
                    wants = true;
                    ran = 0;
                }
                // one that loses the GIL without going to sleep was asked to give it up, and asks for it again
                Seen::Runnable if holder.at(tick.look) == Some(number) => {
                    (wants, had, ran) = (false, true, 0);
                }
                Seen::Runnable | Seen::Unknown => {
                    wants = (wants || had) && ran <= ASKING && holder.at(tick.look) != Some(number);
                    had = wants;
                }
                Seen::Sleeps | Seen::Blocked | Seen::Stopped => (wants, had) = (false, false),
            }
            before
        })
        .collect()
}

/// What is known of the time that ends with a tick.
struct Block {
    start: Nanos,
    end: Nanos,
    run: Nanos,
    wait: Nanos,
    from: Seen,
    to: Seen,
    /// Nobody looked for so long that what was when is a guess.
    gap: bool,
}

impl Block {
    fn of(ticks: &[Tick], at: usize, first: Nanos, looks: &Looks) -> Self {
        let tick = ticks[at];
        let before = at.checked_sub(1).and_then(|at| ticks.get(at));
        // nothing is booked of a thread that stays runnable, so that the time since its last tick is all one
        let start = match before {
            None => first,
            Some(old) if old.seen == Seen::Runnable => looks.at(old.look),
            Some(_) => looks.before(tick.look),
        };
        Self {
            start: start.max(first),
            end: looks.at(tick.look),
            run: tick.run,
            wait: tick.wait,
            from: before.map_or(Seen::Unknown, |old| old.seen),
            to: tick.seen,
            gap: looks.is_gap(tick.look),
        }
    }

    fn is_awake_at_start(&self) -> bool {
        self.from == Seen::Runnable
    }
}

/// What a thread did in time that was neither run nor waited.
fn rest(seen: Seen) -> Act {
    match seen {
        Seen::WaitsForGil => Act::Gil,
        Seen::Sleeps | Seen::Blocked | Seen::Stopped => Act::Sleep,
        Seen::Runnable | Seen::Unknown => Act::Unknown,
    }
}

/// A lane that grows from its end to its start.
struct Laying {
    start: Nanos,
    cursor: Nanos,
    /// From the last to the first.
    pieces: Vec<Piece>,
    /// What was booked and is not yet laid out: it lies right before the cursor. In order.
    late: VecDeque<(Act, Nanos)>,
    /// Time laid out as running less time booked: never more than a tick.
    unbooked: Nanos,
}

impl Laying {
    fn new(start: Nanos, end: Nanos, ticks: usize) -> Self {
        Self {
            start,
            cursor: end,
            pieces: Vec::with_capacity(ticks.saturating_add(ticks / 2)),
            late: VecDeque::new(),
            unbooked: 0,
        }
    }

    fn push(&mut self, act: Act, length: Nanos) {
        let length = length.min(self.cursor - self.start);
        if length == 0 {
            return;
        }
        if self.pieces.last().is_none_or(|last| last.act != act) {
            self.pieces.push(Piece {
                end: self.cursor,
                act,
            });
        }
        self.cursor -= length;
    }

    /// Runs for so long without that being booked, if it was no more than a tick.
    fn run_unbooked(&mut self, length: Nanos, otherwise: Act) {
        if length <= TICK.saturating_sub(self.unbooked) {
            self.unbooked += length;
            self.push(Act::Run, length);
        } else {
            self.push(otherwise, length);
        }
    }

    /// Time in which nothing was new. A thread that woke and had no CPU is booked nothing until it has one, so that it
    /// seemed to sleep on: what was booked later and is longer than its block began here.
    fn fill_to(&mut self, stop: Nanos, seen: Seen, last: bool) {
        self.lay_late(self.cursor.saturating_sub(stop));
        let length = self.cursor.saturating_sub(stop);
        match seen {
            // what it did then was never booked
            Seen::Runnable if last => self.run_unbooked(length, Act::Unknown),
            _ => self.push(rest(seen), length),
        }
    }

    fn lay_block(&mut self, block: &Block, wants: bool, marks: &Marks) {
        let start = block.start.min(self.cursor);
        self.take_late(block, wants);
        let length = self.cursor - start;
        let (booked, room) = self.room(length);
        let (before, after) = split_rest(block, start, booked, room, marks);
        let dozed = |seen| match rest(seen) {
            Act::Sleep if block.gap && booked > 0 => Act::Unknown,
            act => act,
        };
        self.push(dozed(block.to), after);
        self.lay_late(length - room);
        if block.is_awake_at_start() && block.to == Seen::Runnable {
            self.run_unbooked(before, if block.gap { Act::Unknown } else { Act::Sleep });
        } else {
            self.push(dozed(block.from), before);
        }
    }

    /// A thread waits, then runs: what this block has booked lies before what did not fit into later ones.
    fn take_late(&mut self, block: &Block, wants: bool) {
        let waits = if wants { Act::Woken } else { Act::Ready };
        for (act, length) in [(Act::Run, block.run), (waits, block.wait)] {
            match self.late.front_mut() {
                Some(first) if first.0 == act => first.1 = first.1.saturating_add(length),
                _ if length > 0 => self.late.push_front((act, length)),
                _ => {}
            }
        }
    }

    /// How much of `length` is booked, and how much is left.
    fn room(&self, length: Nanos) -> (Nanos, Nanos) {
        let mut left = length;
        for (_, late) in self.late.iter().rev() {
            left = left.saturating_sub(*late);
            if left == 0 {
                break;
            }
        }
        (length - left, left)
    }

    /// Lays out what was booked late, as far as it fits into `length`.
    fn lay_late(&mut self, length: Nanos) {
        let mut left = length;
        while left > 0 {
            let Some((act, late)) = self.late.pop_back() else {
                return;
            };
            self.push(act, late.min(left));
            if late > left {
                self.late.push_back((act, late - left));
            }
            left = left.saturating_sub(late);
        }
    }
}

/// How much of what is left of a block lies before what was booked in it, and how much after.
fn split_rest(
    block: &Block,
    start: Nanos,
    booked: Nanos,
    room: Nanos,
    marks: &Marks,
) -> (Nanos, Nanos) {
    if block.to == Seen::Runnable {
        return (room, 0);
    }
    if block.is_awake_at_start() {
        return (0, room);
    }
    let before = if rest(block.from) == Act::Unknown {
        room
    } else if block.run > 0
        && let Some(end) = last_within(marks.ends, start, block.end)
    {
        // who says that it is done, runs
        end.saturating_sub(start).saturating_sub(booked)
    } else if rest(block.from) == Act::Sleep
        && let Some(begin) = last_within(marks.begins, start, block.end)
    {
        // what it slept for came then
        begin - start
    } else {
        room / 2
    };
    let before = before.min(room);
    (before, room - before)
}

impl Laying {
    fn finish(mut self) -> Lane {
        self.pieces.reverse();
        self.pieces.shrink_to_fit();
        Lane {
            start: self.start,
            pieces: self.pieces,
        }
    }
}
