//! When the black box is written.
//!
//! In one rising there is a first record, whatever asked for it, and at most one last record at the brink, if the first
//! is old by then. A record is harmless, but each is work in the last moments and a page in a file of a fixed size.

use std::time::Duration;

use serde::Serialize;

use super::Look;
use super::rules::{FRESH, Rules};

/// How often the pause between two first records doubles at most: 16 minutes.
const MOST_DOUBLINGS: u32 = 5;

/// How long a record may take before another is asked for: the helper is dead or hangs, and whoever executes finds out.
const MOST_TAKES: Duration = Duration::from_secs(2);

/// Why a record is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// So much of the capacity is in use.
    Level,
    /// At the present rate the limit is reached within a moment.
    Growth,
    /// The kernel found the limit reached, with little page cache left that it could take.
    LimitHit,
    /// The first record is old, and now it ends.
    Brink,
}

impl Why {
    /// Its name in records and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Growth => "growth",
            Self::LimitHit => "limit_hit",
            Self::Brink => "brink",
        }
    }
}

/// What asks for a first record may do so again only after memory fell (or gained new ground) and a pause.
#[derive(Debug, Clone, Copy)]
struct Armed {
    level: bool,
    growth: bool,
    limit_hit: bool,
    brink: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Records {
    armed: Armed,
    /// When the last was asked for.
    last: Option<Duration>,
    /// It has not been said to be written.
    is_writing: bool,
    /// First records so far.
    firsts: u32,
}

impl Records {
    pub fn new() -> Self {
        Self {
            armed: Armed {
                level: true,
                growth: true,
                limit_hit: true,
                brink: true,
            },
            last: None,
            is_writing: false,
            firsts: 0,
        }
    }

    /// Takes a share that memory is at most at.
    pub fn fall(&mut self, share: f64, rules: &Rules, now: Duration) {
        if share < rules.brink - rules.hysteresis {
            self.armed.brink = true;
        }
        let doublings = self.firsts.saturating_sub(1).min(MOST_DOUBLINGS);
        let pause = rules.cool_down.saturating_mul(1 << doublings);
        if self.age(now).is_some_and(|age| age < pause) {
            return;
        }
        // growth is new ground by itself; the others begin at this share and one hysteresis below
        self.armed.growth = true;
        self.armed.level |= share < rules.record - rules.hysteresis;
        self.armed.limit_hit |= share < rules.record - 2.0 * rules.hysteresis;
    }

    fn age(&self, now: Duration) -> Option<Duration> {
        self.last.map(|last| now.saturating_sub(last))
    }

    /// Says whether to write now, and remembers that it was said.
    pub fn due(&mut self, look: &Look, rules: &Rules) -> Option<Why> {
        let why = self.reason(look, rules)?;
        if why == Why::Brink {
            self.armed.brink = false;
        } else {
            self.firsts = self.firsts.saturating_add(1);
        }
        self.armed.level = false;
        self.armed.growth = false;
        self.armed.limit_hit = false;
        self.last = Some(look.now);
        self.is_writing = true;
        Some(why)
    }

    fn reason(&self, look: &Look, rules: &Rules) -> Option<Why> {
        let age = self.age(look.now);
        if self.is_writing && age.is_some_and(|age| age < MOST_TAKES) {
            return None;
        }
        let at_brink = look.share >= look.marks.brink;
        let ends = look.runs_out || (look.is_hit && look.is_sustained);
        if at_brink && ends && self.armed.brink && age.is_some_and(|age| age >= FRESH) {
            return Some(Why::Brink);
        }
        if look.share >= look.marks.watch && look.bursts_out && self.armed.growth {
            return Some(Why::Growth);
        }
        if look.share >= look.marks.record && self.armed.level {
            return Some(Why::Level);
        }
        let hit = look.is_hit && look.share >= look.marks.record - rules.hysteresis;
        (hit && self.armed.limit_hit).then_some(Why::LimitHit)
    }

    /// The first record of this rising is made.
    pub fn is_made(&self) -> bool {
        !self.armed.level
    }

    /// A record was asked for and is not yet written.
    pub fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// The record is written, or given up.
    pub fn written(&mut self) {
        self.is_writing = false;
    }
}
