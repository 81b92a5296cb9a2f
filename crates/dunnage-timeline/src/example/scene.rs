//! What threads truly did, and how a recorder would have seen it.

use crate::Nanos;
use crate::recording::{GilLook, Mark, Process, Quota, QuotaLook, Recording, SCHEMA, Seen};
use crate::recording::{Thread, Tick};

use super::{Dice, MS};

/// The kernel's tick: how late the time of a running thread may be booked.
pub const KERNEL_TICK: Nanos = 4 * MS;

/// What a thread truly did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Was on a CPU.
    Run,
    /// Was ready and had none.
    Ready,
    /// Waited for the GIL, woke after its 5 ms, and had no CPU to say so.
    WokenForGil,
    /// Waited for the GIL.
    WantsGil,
    /// Slept.
    Sleep,
}

/// A stretch of a thread's time, from the end of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// To.
    pub end: Nanos,
    /// What it did.
    pub act: Act,
}

/// What was true of one process with one quota.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// How long it is.
    pub duration: Nanos,
    /// Its threads by name, each with its stretches from 0 to `duration`.
    pub threads: Vec<(String, Vec<Stretch>)>,
    /// Who held the GIL: from, to, thread.
    pub holds: Vec<(Nanos, Nanos, u32)>,
    /// When the group was throttled.
    pub windows: Vec<(Nanos, Nanos)>,
    /// CPUs, period, and when in each period the timer fires.
    pub quota: Option<(f64, Nanos, Nanos)>,
    /// Requests: thread, begin, end.
    pub requests: Vec<(u32, Nanos, Nanos)>,
}

impl Scene {
    /// Looks at it with about `interval` between looks.
    pub fn observe(&self, interval: Nanos) -> Recording {
        let looks = self.choose_looks(interval);
        let threads = self
            .threads
            .iter()
            .zip(100..)
            .map(|((name, stretches), tid)| Thread {
                tid,
                name: name.clone(),
                first: 0,
                ended: None,
                ticks: observe_thread(&looks, stretches),
            })
            .collect();
        let marks = self.requests.iter().zip(1..).map(|(request, id)| Mark {
            process: 0,
            tid: 100 + request.0 as i32,
            name: 0,
            id,
            begin: request.1,
            end: Some(request.2),
        });
        Recording {
            schema: SCHEMA.to_owned(),
            about: super::about(self.duration),
            quality: super::quality(interval),
            processes: vec![Process {
                pid: 100,
                command: "python -m shop".to_owned(),
                python: Some("3.13.0".to_owned()),
                has_gil: true,
                first: 0,
                ended: None,
                threads,
                gil: self.observe_gil(&looks),
            }],
            quota: Some(self.observe_quota(&looks)),
            marks: marks.collect(),
            names: vec!["request".to_owned()],
            looks,
        }
    }

    /// Looks that come up to a fifth of the interval late.
    fn choose_looks(&self, interval: Nanos) -> Vec<Nanos> {
        let mut dice = Dice::new(7);
        let count = self.duration / interval.max(1);
        (0..=count)
            .map(|look| (look * interval + dice.below(interval / 5)).min(self.duration))
            .collect()
    }

    fn observe_gil(&self, looks: &[Nanos]) -> Vec<GilLook> {
        let mut seen: Vec<GilLook> = Vec::new();
        let (mut next, mut last, mut switches) = (0, None, 0);
        for (look, now) in (0..).zip(looks) {
            while let Some(hold) = self.holds.get(next).filter(|hold| hold.0 <= *now) {
                switches += u64::from(last != Some(hold.2));
                last = Some(hold.2);
                next += 1;
            }
            let locked = next
                .checked_sub(1)
                .is_some_and(|at| *now < self.holds[at].1);
            let fresh = GilLook {
                look,
                locked,
                holder: last,
                switches,
            };
            let same = seen
                .last()
                .is_some_and(|old| (old.locked, old.holder) == (locked, last) && switches == 0);
            if !same {
                seen.push(fresh);
            }
            switches = 0;
        }
        seen
    }

    fn observe_quota(&self, looks: &[Nanos]) -> Quota {
        let (limit, period, phase) = self
            .quota
            .map_or((None, 100 * MS, 0), |(limit, period, phase)| {
                (Some(limit), period, phase)
            });
        let books: Vec<Vec<Book>> = self.threads.iter().map(|thread| book(&thread.1)).collect();
        let mut counted = (0, 0, 0, 0);
        let mut gains = Vec::new();
        for (look, now) in (0..).zip(looks) {
            let used = books.iter().map(|books| booked_at(books, *now).run).sum();
            let (periods, throttled) = match limit {
                Some(_) => self.count_periods(*now, period, phase),
                None => (0, 0),
            };
            let held = self.windows.iter().filter(|window| window.1 <= *now);
            let time = held.map(|window| window.1 - window.0).sum();
            let all = (used, periods, throttled, time);
            if all != counted {
                gains.push(QuotaLook {
                    look,
                    used: used - counted.0,
                    periods: periods - counted.1,
                    throttled: throttled - counted.2,
                    throttled_time: time - counted.3,
                });
                counted = all;
            }
        }
        Quota {
            source: "/sys/fs/cgroup/cpu.stat".to_owned(),
            limit,
            period,
            looks: gains,
        }
    }

    /// Periods that have ended by now (none is idle here), and those in which the group was throttled.
    fn count_periods(&self, now: Nanos, period: Nanos, phase: Nanos) -> (u64, u64) {
        let Some(since) = now.checked_sub(phase) else {
            return (0, 0);
        };
        let ended = |window: &&(Nanos, Nanos)| window.1 <= now;
        let throttled = self.windows.iter().filter(ended).count();
        (since / period + 1, throttled as u64)
    }
}

/// What the kernel has booked at the end of a stretch, and whether more is on its way.
#[derive(Debug, Clone, Copy)]
struct Book {
    start: Nanos,
    run: Nanos,
    wait: Nanos,
    act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Booked {
    run: Nanos,
    wait: Nanos,
}

fn book(stretches: &[Stretch]) -> Vec<Book> {
    let (mut start, mut run, mut wait) = (0, 0, 0);
    let mut books = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        books.push(Book {
            start,
            run,
            wait,
            act: stretch.act,
        });
        match stretch.act {
            Act::Run => run += stretch.end - start,
            Act::Ready | Act::WokenForGil => wait += stretch.end - start,
            Act::WantsGil | Act::Sleep => {}
        }
        start = stretch.end;
    }
    books
}

/// Run time is booked at a kernel tick and at the end of a stretch, waiting when it is over.
fn booked_at(books: &[Book], now: Nanos) -> Booked {
    let at = books.partition_point(|book| book.start <= now);
    let Some(book) = at.checked_sub(1).and_then(|at| books.get(at)) else {
        return Booked::default();
    };
    let ticked = now / KERNEL_TICK * KERNEL_TICK;
    let running = match book.act {
        Act::Run => ticked.saturating_sub(book.start),
        _ => 0,
    };
    Booked {
        run: book.run + running,
        wait: book.wait,
    }
}

fn observe_thread(looks: &[Nanos], stretches: &[Stretch]) -> Vec<Tick> {
    let books = book(stretches);
    let mut ticks: Vec<Tick> = Vec::new();
    let mut old = Booked::default();
    for (look, now) in (0..).zip(looks) {
        let at = books.partition_point(|book| book.start <= *now);
        let act = at.checked_sub(1).map_or(Act::Sleep, |at| books[at].act);
        let seen = match act {
            Act::Run | Act::Ready | Act::WokenForGil => Seen::Runnable,
            Act::WantsGil => Seen::WaitsForGil,
            Act::Sleep => Seen::Sleeps,
        };
        let booked = booked_at(&books, *now);
        if booked != old || ticks.last().is_none_or(|tick| tick.seen != seen) {
            ticks.push(Tick {
                look,
                run: booked.run - old.run,
                wait: booked.wait - old.wait,
                seen,
            });
            old = booked;
        }
    }
    ticks
}
