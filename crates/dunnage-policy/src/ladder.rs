//! The pressure ladder: what to do as memory runs short, rung by rung.
//!
//! ```text
//!  calm ──70 %──► watch ──80 %──► release ──85 %──► shed ──90 %──► record ──97 %──► brink
//!                 tell hooks      ask the agents    growth only:   black box        growth only, if chosen:
//!                                 to give back      unready,                        stop, exit
//!                                                   recycle if chosen
//! ```
//! The machine holds no clock and reads no file: it is given looks at the memory and the time since the start, and
//! answers with steps. Level alone does what is harmless: it watches, asks for memory once and writes one record. What
//! touches the application (shed, recycle, stop, exit) needs *growth* as well, because a full application is not a dying
//! one: it may live at 95 % for months. What counts as growth is in `crest.rs`; the numbers, with their reasons, are in
//! `rules.rs`. A single look never proves much here, so each rung has a hysteresis and a pause, and an upper bound (usage
//! with its page cache) can prove that memory has fallen but never that it has risen.

mod brink;
mod crest;
mod growth;
mod prepare;
mod record;
mod release;
mod rules;
mod shed;
mod trend;

use std::time::Duration;

use serde::Serialize;

use crate::pressure::{self, GROWTH, Level, Watch};
use brink::Brink;
use crest::Span;
use growth::{Growth, time_to};
use prepare::Preparing;
use record::Records;
use release::Releases;
use rules::{HALF, Marks, NEAR, SHORT, SOON, STILL};
use shed::Shedding;
use trend::Trend;

pub use record::Why;
pub use rules::{BadRules, OnBrink, Rules};

/// The shortest time between two looks while nothing grows: a look with `memory.stat` takes 20 to 40 µs, so 1 to 2 % of
/// a CPU where a small container lives near its limit. The first look that sees growth has the next after 1 ms.
const AT_REST: Duration = Duration::from_millis(2);

/// The same once the record is written: what comes after it is no longer a matter of milliseconds.
const AT_REST_RECORDED: Duration = Duration::from_millis(5);

/// One look at the memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// All that is charged, page cache included, and the swap in use where the capacity counts swap.
    pub usage: u64,
    /// Usage less what the kernel can drop. `None`: not read this time; usage is an upper bound. Where it can never be
    /// read, pass the usage.
    pub working_set: Option<u64>,
    /// What can be used: the smaller of limit and `memory.high`, and the swap that may be used. 0: not known.
    pub capacity: u64,
    /// How often the limit was hit (`max` of v2's `memory.events`, v1's `memory.failcnt`). Counts only where the look
    /// before had it too: else the hits may be old.
    pub hits: Option<u64>,
    /// Threads of the application.
    pub threads: u32,
}

/// How high memory stands, with hysteresis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// Below all.
    #[default]
    Calm,
    /// Watched closely.
    Watch,
    /// Asked to give memory back.
    Release,
    /// Unready if it grows.
    Shed,
    /// The black box is written.
    Record,
    /// The next allocations may end it.
    Brink,
}

impl Rung {
    /// Its name in events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Watch => "watch",
            Self::Release => "release",
            Self::Shed => "shed",
            Self::Record => "record",
            Self::Brink => "brink",
        }
    }

    fn at(share: f64, marks: &Marks) -> Self {
        let begins = [
            (marks.brink, Self::Brink),
            (marks.record, Self::Record),
            (marks.shed, Self::Shed),
            (marks.release, Self::Release),
            (marks.watch, Self::Watch),
        ];
        let reached = begins.into_iter().find(|(mark, _)| share >= *mark);
        reached.map_or(Self::Calm, |(_, rung)| rung)
    }
}

/// What to do, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Let the helper prepare to read the application's tracebacks.
    Prepare,
    /// Memory has risen to a level: tell the application's hooks.
    Tell(Level),
    /// Ask the application to give memory back; [`Ladder::released`] takes the answer.
    Release,
    /// Stop the application for a moment, so that the record that follows is complete. Touches the application.
    Stop,
    /// Write the black box; [`Ladder::recorded`] takes the end of it.
    Record(Why),
    /// Become unready, or ready again. Touches the application.
    Shed(bool),
    /// Have the fattest worker replaced. Touches the application.
    Recycle,
    /// End the application, once the record is written. Touches the application.
    Exit,
}

impl Step {
    /// Whether a working application could notice it to its harm.
    pub fn touches(self) -> bool {
        match self {
            Self::Stop | Self::Shed(true) | Self::Recycle | Self::Exit => true,
            Self::Prepare | Self::Tell(_) | Self::Release | Self::Record(_) | Self::Shed(false) => {
                false
            }
        }
    }
}

/// What one look says.
#[derive(Debug, Clone, Copy)]
struct Look {
    now: Duration,
    /// The working set, or the usage as its upper bound, in bytes.
    level: f64,
    capacity: f64,
    /// Of the capacity.
    share: f64,
    marks: Marks,
    /// The limit was hit since the last look.
    is_hit: bool,
    /// It grows, beyond noise.
    grows: bool,
    /// It has grown by twice what is left within a second, and at the rate of just now the limit is a moment off.
    runs_out: bool,
    /// It grows, and at the highest rate of the last second the limit is a moment off.
    bursts_out: bool,
    /// It has grown for seconds and grows still, and the limit is near.
    is_sustained: bool,
    /// And the limit is very near.
    ends_soon: bool,
    /// It has been sustained for long enough above the shed rung.
    lasts: bool,
}

/// The ladder of one application.
#[derive(Debug, Clone)]
pub struct Ladder {
    rules: Rules,
    growth: Growth,
    watch: Watch,
    releases: Releases,
    records: Records,
    trend: Trend,
    shedding: Shedding,
    preparing: Preparing,
    brink: Brink,
    rung: Rung,
    now: Duration,
    hits: Option<u64>,
    /// What is left, in bytes; `None` before the first look and where the capacity is not known.
    headroom: Option<f64>,
    /// It grew at the last look.
    grows: bool,
}

impl Ladder {
    /// A ladder at its foot.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            growth: Growth::new(),
            watch: Watch::new(rules.thresholds()),
            releases: Releases::default(),
            records: Records::new(),
            trend: Trend::default(),
            shedding: Shedding::default(),
            preparing: Preparing::default(),
            brink: Brink::default(),
            rung: Rung::Calm,
            now: Duration::ZERO,
            hits: None,
            headroom: None,
            grows: false,
        }
    }

    /// Takes a look at the memory, `now` after the start, and says what to do.
    ///
    /// Any value may be given: what makes no sense leads to no step.
    pub fn observe(&mut self, sample: &Sample, now: Duration) -> Vec<Step> {
        self.now = self.now.max(now);
        let hits = std::mem::replace(&mut self.hits, sample.hits);
        if sample.capacity == 0 {
            self.headroom = None;
            return Vec::new();
        }
        self.growth
            .observe(sample.usage, sample.working_set, self.now);
        let is_hit = hits.zip(sample.hits).is_some_and(|(old, new)| new > old);
        let mut look = self.look(sample, is_hit);
        look.lasts = sample.working_set.is_some() && self.trend.lasts(&look);
        self.headroom = Some(look.capacity - look.level);
        self.grows = look.grows;

        let mut steps = self.fall(&look);
        if sample.working_set.is_some() {
            self.rise(&look, &mut steps);
        }
        self.prepare(&look, &mut steps);
        steps
    }

    fn look(&self, sample: &Sample, is_hit: bool) -> Look {
        let level = sample.working_set.unwrap_or(sample.usage) as f64;
        let capacity = sample.capacity as f64;
        let headroom = (capacity - level).max(0.0);
        let ends_within =
            |limit: Duration, rate| time_to(headroom, rate).is_some_and(|time| time < limit);
        // beyond the noise of a steady load, or as much as is left
        let enough = headroom.min(GROWTH * capacity);
        let gained = self.growth.gained(Span::Second);
        let grows = gained > 0.0 && gained >= enough;
        // no single step, however steep, is the end before it is twice what is left
        let ends = gained > 0.0 && gained >= 2.0 * headroom;
        let gained_before = self.growth.gained(Span::TenSeconds);
        let is_trend = gained_before >= enough
            && gained >= (STILL * gained_before).min(GROWTH * capacity)
            && ends_within(NEAR, self.growth.slow());
        Look {
            now: self.now,
            level,
            capacity,
            share: level / capacity,
            marks: self.rules.marks(capacity, sample.threads),
            is_hit,
            runs_out: ends && ends_within(SHORT, self.growth.fast()),
            bursts_out: grows && ends_within(SHORT, self.growth.burst()),
            grows,
            is_sustained: is_trend && ends_within(NEAR, gained),
            ends_soon: is_trend
                && ends_within(SOON, gained)
                && ends_within(SOON, self.growth.slow()),
            lasts: false,
        }
    }

    /// What follows from memory being at most where the look says.
    fn fall(&mut self, look: &Look) -> Vec<Step> {
        let kept = Rung::at(look.share + self.rules.hysteresis, &look.marks);
        self.rung = self.rung.min(kept);
        self.releases.fall(look.share, &self.rules);
        self.records.fall(look.share, &self.rules, look.now);
        self.brink.fall(look.share, &self.rules, look.now);
        if look.share < self.rules.thresholds().calm() {
            self.watch.observe(look.level as u64, look.capacity as u64);
        }
        let shed = self.shedding.fall(look.share, &self.rules, look.now);
        shed.into_iter().collect()
    }

    /// What follows from memory being where the look says.
    fn rise(&mut self, look: &Look, steps: &mut Vec<Step>) {
        self.rung = self.rung.max(Rung::at(look.share, &look.marks));
        let level = self.watch.observe(look.level as u64, look.capacity as u64);
        steps.extend(level.map(Step::Tell));
        if self.releases.is_due(look, &self.rules) {
            steps.push(Step::Release);
        }
        let why = self.records.due(look, &self.rules);
        let at_brink = self.brink.due(look, &self.rules, self.records.is_writing());
        steps.extend(at_brink.filter(|step| *step == Step::Stop));
        steps.extend(why.map(Step::Record));
        let failed = self.releases.has_failed(look);
        self.shedding.rise(look, failed, &self.rules, steps);
        steps.extend(at_brink.filter(|step| *step == Step::Exit));
    }

    fn prepare(&mut self, look: &Look, steps: &mut Vec<Step>) {
        // the helper has something better to do
        let is_recording = steps.iter().any(|step| matches!(step, Step::Record(_)));
        if self
            .preparing
            .is_due(look, self.rung, self.time_to_limit(), &self.rules)
            && !is_recording
        {
            steps.insert(0, Step::Prepare);
        }
    }

    /// Takes what a process gave back for [`Step::Release`], in bytes; `None`: nobody will answer.
    pub fn released(&mut self, bytes: Option<u64>, now: Duration) {
        self.now = self.now.max(now);
        self.releases.answer(bytes);
    }

    /// The record that [`Step::Record`] asked for is written, or given up.
    pub fn recorded(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.records.written();
    }

    /// How long not to look: by what is left ([`pressure::interval`]), and where it grows at least four times before the
    /// limit at that rate; 1 to 100 ms.
    pub fn next_look(&self) -> Duration {
        let headroom = self.headroom.map_or(u64::MAX, |bytes| bytes as u64);
        let interval = pressure::interval(headroom);
        if !self.grows {
            let is_recorded = self.records.is_made();
            return interval.max(if is_recorded {
                AT_REST_RECORDED
            } else {
                AT_REST
            });
        }
        let shortest = pressure::interval(0);
        let by_growth = self.time_to_limit().map(|time| (time / 4).max(shortest));
        by_growth.map_or(interval, |time| time.min(interval))
    }

    /// Whether a look at this usage is worth reading how much of it is page cache: below, nothing is to be done anyway.
    pub fn wants_working_set(&self, usage: u64, capacity: u64) -> bool {
        let begins = HALF.min(self.rules.watch - self.rules.hysteresis);
        capacity > 0 && usage as f64 >= begins * capacity as f64
    }

    /// How high memory stands.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// How fast it grows, over about a tenth of a second; never negative.
    pub fn bytes_per_second(&self) -> f64 {
        self.growth.fast()
    }

    /// When the limit would be reached at the highest rate of the last second; `None` where it does not grow.
    pub fn time_to_limit(&self) -> Option<Duration> {
        time_to(self.headroom?.max(0.0), self.growth.burst())
    }
}

#[cfg(test)]
mod tests;
