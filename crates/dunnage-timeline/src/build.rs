//! From bare observations to what each thread did at each moment.
//!
//! Counters tell *how much*: how long a thread ran and how long it was ready without a CPU. What was seen at the looks tells
//! *about when*. The cgroup's counters tell which of the waiting was throttling, and the GIL's words for whom the others
//! waited. The steps are one module each: [`lane`] lays out each thread's time, [`quota`] finds when the group was
//! throttled, [`gil`] who held the GIL and what the holder did meanwhile, [`paint`] joins the three, and [`request`] cuts out
//! what requests were made of. What nobody saw stays [`What::Unknown`].
//!
//! Any [`Recording`] is taken, also one that no recorder wrote: times are clipped, indices that point nowhere are passed
//! over, and what is made is never larger than a multiple of what was given.

mod gil;
mod lane;
mod paint;
#[cfg(test)]
mod properties;
mod quota;
mod request;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;

use crate::Nanos;
use crate::recording::{About, Process, Recording};
use crate::timeline::{ProcessTrack, ThreadTrack, Timeline};

/// How late the kernel may book the time of a thread that runs: its tick, at HZ=250.
const TICK: Nanos = 4_000_000;

/// A recording is taken to be no longer than a year, so that the sums of its times fit.
const LONGEST: Nanos = 366 * 86_400 * 1_000_000_000;

/// Looks, and what can be asked of them.
pub(crate) struct Looks<'a> {
    times: &'a [Nanos],
    duration: Nanos,
    /// From here on the time between two looks is a gap in what was seen.
    gap: Nanos,
}

impl<'a> Looks<'a> {
    fn new(recording: &'a Recording) -> Self {
        let asked = recording.quality.asked_interval;
        Self {
            times: &recording.looks,
            duration: recording.about.duration.min(LONGEST),
            gap: asked.saturating_mul(4).clamp(5 * TICK, 25 * TICK),
        }
    }

    /// When this look was taken. One that was never taken was at the end.
    fn at(&self, look: u32) -> Nanos {
        let time = self.times.get(look as usize).copied();
        time.unwrap_or(self.duration).min(self.duration)
    }

    /// When the look before this one was taken; 0 before the first.
    fn before(&self, look: u32) -> Nanos {
        look.checked_sub(1).map_or(0, |look| self.at(look))
    }

    /// The first look that was taken after this moment.
    fn first_after(&self, time: Nanos) -> usize {
        self.times.partition_point(|look| *look <= time)
    }

    /// Whether so much time was between this look and the one before that it cannot be told what was when.
    fn is_gap(&self, look: u32) -> bool {
        look > 0 && self.at(look).saturating_sub(self.before(look)) > self.gap
    }
}

impl Timeline {
    /// Explains a recording.
    pub fn build(recording: &Recording) -> Self {
        let looks = Looks::new(recording);
        let windows = quota::find_windows(recording, &looks);
        let throttling = paint::Throttling {
            windows: &windows,
            blur: recording.quality.asked_interval.min(looks.gap),
        };
        let anchors = request::Anchors::new(recording);
        let processes: Vec<ProcessTrack> = (0..)
            .zip(&recording.processes)
            .map(|(number, process)| build_process(number, process, &looks, throttling, &anchors))
            .collect();
        let quota = recording
            .quota
            .as_ref()
            .map(|quota| quota::track(quota, &looks, windows, &processes));
        let (requests, moments) = request::cut(recording, &processes);
        Self {
            about: About {
                duration: looks.duration,
                ..recording.about.clone()
            },
            quality: recording.quality.clone(),
            stalls: request::find_stalls(&processes),
            processes,
            quota,
            requests,
            moments,
        }
    }
}

fn build_process(
    number: u32,
    process: &Process,
    looks: &Looks,
    throttling: paint::Throttling,
    anchors: &request::Anchors,
) -> ProcessTrack {
    let end = process.ended.unwrap_or(looks.duration).min(looks.duration);
    let holders = gil::Holders::new(process);
    let lanes: Vec<lane::Lane> = (0..)
        .zip(&process.threads)
        .map(|(at, thread)| {
            let marks = anchors.of(number, thread);
            lane::lay(thread, at, end, looks, &holders, &marks)
        })
        .collect();
    let claims = gil::track(process, end, looks, &lanes, throttling);
    let busy = gil::find_busy(process, looks);
    let threads = lanes
        .into_iter()
        .zip(&process.threads)
        .zip(0..)
        .map(|((lane, thread), at)| {
            let spans = paint::paint(lane, at, throttling, &claims, &busy);
            ThreadTrack {
                tid: thread.tid,
                name: thread.name.clone(),
                parts: paint::sum(&spans),
                spans,
            }
        })
        .collect();
    ProcessTrack {
        pid: process.pid,
        command: process.command.clone(),
        python: process.python.clone(),
        has_gil: process.has_gil,
        ended: process.ended,
        threads,
        gil: gil::only_holds(&claims),
    }
}
