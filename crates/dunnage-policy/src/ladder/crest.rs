//! What was held in the last five minutes, and whether memory has gone beyond it.
//!
//! What counts as growth is what goes beyond all that was held: a load that is steady, or that swings to the same height
//! again and again, gains no ground, however steep its slopes are.

use std::time::Duration;

/// How finely it is remembered what was held, and for how many slots: five minutes. A batch that comes again within that
/// time is known.
const SLOT: Duration = Duration::from_millis(500);
const SLOTS: usize = 600;

/// A span of the past in which ground may have been gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// The last second (and up to half a second more).
    Second,
    /// The last ten seconds (and up to half a second more).
    TenSeconds,
}

impl Span {
    const ALL: [Self; 2] = [Self::Second, Self::TenSeconds];

    fn slots(self) -> u64 {
        match self {
            Self::Second => 2,
            Self::TenSeconds => 20,
        }
    }
}

/// What was held in the last five minutes.
#[derive(Debug, Clone)]
pub(super) struct Crest {
    peaks: Peaks,
    /// The highest before each span, and in the slots of it that are over: they change with the slot only, and a look
    /// costs no walk through all of them.
    before: [f64; 2],
    closed: [f64; 2],
    /// The highest of the present slot.
    present: f64,
    is_empty: bool,
}

impl Crest {
    pub fn new() -> Self {
        Self {
            peaks: Peaks::new(SLOT, SLOTS),
            before: [0.0; 2],
            closed: [0.0; 2],
            present: 0.0,
            is_empty: true,
        }
    }

    pub fn push(&mut self, level: f64, now: Duration) {
        let is_new = self.peaks.push(level, now);
        if std::mem::replace(&mut self.is_empty, false) {
            // what stands here at the first look has not grown to it
            self.present = level;
        }
        if !is_new {
            self.present = self.present.max(level);
            return;
        }
        // nothing is remembered after a long pause but what was last seen
        let last = self.present;
        self.present = level;
        let newest = self.peaks.newest;
        for span in Span::ALL {
            let start = newest.saturating_sub(span.slots());
            let before = start
                .checked_sub(1)
                .and_then(|end| self.peaks.highest_in(0..=end));
            let closed = newest
                .checked_sub(1)
                .and_then(|end| self.peaks.highest_in(start..=end));
            let place = span as usize;
            self.before[place] = before.unwrap_or(if closed.is_some() {
                self.before[place]
            } else {
                last
            });
            self.closed[place] = closed.unwrap_or(0.0);
        }
    }

    /// How far the highest of a span is above all that was held before it; 0 where it is not.
    pub fn gained(&self, span: Span) -> f64 {
        let highest = self.present.max(self.closed[span as usize]);
        (highest - self.before[span as usize]).max(0.0)
    }
}

/// The highest value in each of the last slots of time.
#[derive(Debug, Clone)]
pub(super) struct Peaks {
    slot: Duration,
    values: Vec<Option<f64>>,
    /// The number of the newest slot, counted from the beginning of time.
    newest: u64,
}

impl Peaks {
    /// Remembers so many slots besides the newest.
    pub fn new(slot: Duration, slots: usize) -> Self {
        Self {
            slot,
            values: vec![None; slots + 1],
            newest: 0,
        }
    }

    fn place(&self, number: u64) -> usize {
        (number % self.values.len() as u64) as usize
    }

    /// Says whether it began a slot.
    pub fn push(&mut self, value: f64, now: Duration) -> bool {
        let number = (now.as_micros() / self.slot.as_micros()) as u64;
        let passed = number.saturating_sub(self.newest);
        for back in 0..passed.min(self.values.len() as u64) {
            let place = self.place(number - back);
            self.values[place] = None;
        }
        self.newest = self.newest.max(number);
        let place = self.place(self.newest);
        let highest = &mut self.values[place];
        let is_new = highest.is_none();
        *highest = Some(highest.map_or(value, |highest| highest.max(value)));
        is_new
    }

    /// The highest of all that is remembered.
    pub fn highest(&self) -> Option<f64> {
        self.values.iter().flatten().copied().reduce(f64::max)
    }

    fn highest_in(&self, numbers: std::ops::RangeInclusive<u64>) -> Option<f64> {
        let oldest = self.newest.saturating_sub(self.values.len() as u64 - 1);
        let start = oldest.max(*numbers.start());
        let end = self.newest.min(*numbers.end());
        (start..=end)
            .filter_map(|number| self.values[self.place(number)])
            .reduce(f64::max)
    }
}
