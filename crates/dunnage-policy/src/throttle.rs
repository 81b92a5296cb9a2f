//! When throttling begins to matter, and how long its longest window was.
//!
//! The kernel counts periods in which the group was stopped, and for how long, summed over CPUs, in a number that grows
//! when the group is let go again. Neither says how long one window was, which is what a request waits for. So the
//! counters are looked at once a second, ten times a second while they grow, and a window is *estimated*: the throttled
//! time that was gained between two looks, over the CPUs that must have stood still at once to gain so much in so few
//! periods, over the periods that it was gained in. Only where a look saw the group still stopped is it one window that
//! went on over several periods. It is an average of what lies between two looks: mostly one window, which is exact, at
//! the first look after calm up to ten.
//!
//! Throttling matters where it is a tenth of the periods over 15 s, or where one window outlasts a period: the group had
//! then used up the next period's quota beforehand. A person is told once; again only after it had not mattered for a
//! minute, and ten minutes later at the earliest.

use std::collections::VecDeque;
use std::time::Duration;

/// How long not to look while nothing is throttled, and while something is.
const CALM: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(100);

/// How long after the last throttling it is looked at as often: bursts come in rows.
const STAYS_BUSY: Duration = Duration::from_secs(5);

/// Over which time the share of throttled periods counts.
const SPAN: Duration = Duration::from_secs(15);

/// How often what was counted is kept, of that time.
const STEP: Duration = Duration::from_secs(1);

/// It matters from this share of the periods on, in percent, and goes on mattering down to the second.
const MATTERS_PERCENT: u64 = 10;
const STILL_MATTERS_PERCENT: u64 = 5;

/// Fewer periods than these, or less time, are no stretch: one of five periods is a fifth too.
const LEAST_PERIODS: u64 = 5;
const LEAST_USEC: u64 = 150_000;

/// A stretch is over when it has not mattered for so long; the next one is told this long after the last at the earliest.
const OVER: Duration = Duration::from_mins(1);
const COOL_DOWN: Duration = Duration::from_mins(10);

/// What the kernel has counted at one moment, since some moment before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Periods in which the group had something to run.
    pub periods: u64,
    /// Those in which it was stopped.
    pub throttled: u64,
    /// For how long, in microseconds, summed over CPUs.
    pub throttled_usec: u64,
}

impl Counted {
    fn since(self, before: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(before.periods),
            throttled: self.throttled.saturating_sub(before.throttled),
            throttled_usec: self.throttled_usec.saturating_sub(before.throttled_usec),
        }
    }
}

/// Throttling that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Over which time it was counted, 15 s or, at first, less.
    pub over: Duration,
    /// What was counted in it.
    pub counted: Counted,
    /// Its longest window, estimated.
    pub longest: Duration,
}

/// A moment of the last 15 s.
#[derive(Debug, Clone, Copy)]
struct Kept {
    at: Duration,
    counted: Counted,
    /// The longest window that was seen after it, until the next one, in microseconds.
    longest_usec: u64,
}

/// Watches the counters of one group.
#[derive(Debug, Clone)]
pub struct Watch {
    period_usec: u64,
    last: Counted,
    kept: VecDeque<Kept>,
    /// Throttled periods that were counted since throttled time last grew.
    open_periods: u64,
    /// A look since then saw the group still stopped.
    is_open: bool,
    grew_at: Option<Duration>,
    longest_usec: u64,
    /// When the stretch that is under way last mattered.
    stretch: Option<Duration>,
    told_at: Option<Duration>,
}

impl Watch {
    /// Begins with what is counted now; `period` is the quota's.
    pub fn new(period: Duration, counted: Counted, now: Duration) -> Self {
        let first = Kept {
            at: now,
            counted,
            longest_usec: 0,
        };
        Self {
            period_usec: (period.as_micros() as u64).max(1),
            last: counted,
            kept: VecDeque::from([first]),
            open_periods: 0,
            is_open: false,
            grew_at: None,
            longest_usec: 0,
            stretch: None,
            told_at: None,
        }
    }

    /// The longest window since the beginning, estimated; `None` where nothing was throttled.
    pub fn longest(&self) -> Option<Duration> {
        (self.longest_usec > 0).then(|| Duration::from_micros(self.longest_usec))
    }

    /// How long not to look.
    pub fn next_look(&self, now: Duration) -> Duration {
        let is_busy = self
            .grew_at
            .is_some_and(|at| now.saturating_sub(at) < STAYS_BUSY);
        if is_busy { BUSY } else { CALM }
    }

    /// Takes a look, and says if throttling has begun to matter.
    pub fn observe(&mut self, counted: Counted, now: Duration) -> Option<Stretch> {
        let gained = counted.since(self.last);
        self.last = counted;
        let window = self.take_window(gained);
        if gained.throttled > 0 || window > 0 {
            self.grew_at = Some(now);
        }
        self.longest_usec = self.longest_usec.max(window);
        self.keep(counted, window, now);
        let recent = self.recent(counted, now);
        let outlasts = window > self.period_usec;
        if self.stretch.is_some() {
            if outlasts || recent.matters(STILL_MATTERS_PERCENT) {
                self.stretch = Some(now);
            } else if self
                .stretch
                .is_some_and(|at| now.saturating_sub(at) >= OVER)
            {
                self.stretch = None;
            }
            return None;
        }
        let is_cool = self
            .told_at
            .is_none_or(|at| now.saturating_sub(at) >= COOL_DOWN);
        let is_long = recent.over >= SPAN && recent.matters(MATTERS_PERCENT);
        if !is_cool || !(outlasts || is_long) {
            return None;
        }
        (self.stretch, self.told_at) = (Some(now), Some(now));
        Some(recent)
    }

    /// The length of one window of what was gained, in microseconds; 0 where no time was.
    fn take_window(&mut self, gained: Counted) -> u64 {
        self.open_periods = self.open_periods.saturating_add(gained.throttled);
        if gained.throttled_usec == 0 {
            self.is_open |= gained.throttled > 0;
            return 0;
        }
        let periods = self.open_periods.max(1);
        let most = periods.saturating_mul(self.period_usec);
        let cpus = gained.throttled_usec.div_ceil(most).max(1);
        let on_each = gained.throttled_usec / cpus;
        let is_one = std::mem::take(&mut self.is_open);
        self.open_periods = 0;
        if is_one { on_each } else { on_each / periods }
    }

    fn keep(&mut self, counted: Counted, window: u64, now: Duration) {
        if let Some(last) = self.kept.back_mut() {
            last.longest_usec = last.longest_usec.max(window);
            if now.saturating_sub(last.at) >= STEP {
                self.kept.push_back(Kept {
                    at: now,
                    counted,
                    longest_usec: 0,
                });
            }
        }
        while self
            .kept
            .get(1)
            .is_some_and(|second| now.saturating_sub(second.at) >= SPAN)
        {
            self.kept.pop_front();
        }
    }

    fn recent(&self, counted: Counted, now: Duration) -> Stretch {
        let first = self.kept.front();
        let longest = self.kept.iter().map(|kept| kept.longest_usec).max();
        Stretch {
            over: first.map_or(Duration::ZERO, |kept| now.saturating_sub(kept.at)),
            counted: first.map_or_else(Counted::default, |kept| counted.since(kept.counted)),
            longest: Duration::from_micros(longest.unwrap_or(0)),
        }
    }
}

impl Stretch {
    fn matters(&self, percent: u64) -> bool {
        let counted = &self.counted;
        counted.throttled >= LEAST_PERIODS
            && counted.throttled_usec >= LEAST_USEC
            && counted.throttled.saturating_mul(100) >= counted.periods.saturating_mul(percent)
    }
}

#[cfg(test)]
mod tests;
