//! Recordings without a machine, always the same: for tests, and for whoever draws pages.
//!
//! A [`play`] is a small world (threads that handle requests, one that makes long calls, a quota, a host that is busy
//! elsewhere). It yields a [`scene`]: what each thread truly did when. A scene is looked at as a recorder does, with the
//! kernel's way of booking time late, and so becomes a [`Recording`]. So a test knows both what was and what was seen.

pub mod play;
pub mod scene;

use crate::Nanos;
use crate::recording::{About, GilLook, Process, Quality, Quota, QuotaLook, Seen, Thread, Tick};
use crate::recording::{Mark, Recording, SCHEMA};

use play::Play;

/// One millisecond.
pub const MS: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000 * MS;

/// A repeatable row of numbers (xorshift64*).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The row of this number.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next one, below `bound`; 0 if there is no room.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        number.checked_rem(bound).unwrap_or(0)
    }
}

/// The headline case: a fifth of a CPU, a request of 2 ms each 50 ms, and each 4 s a call that holds the GIL for 80 ms of
/// CPU time. 16 s, looked at each millisecond.
pub fn headline() -> Recording {
    Play::default().scene(16 * SECOND).observe(MS)
}

/// As [`headline`], without a quota.
pub fn unlimited() -> Recording {
    let play = Play {
        limit: None,
        ..Play::default()
    };
    play.scene(16 * SECOND).observe(MS)
}

/// A recording of this many threads that gives a timeline of about this many spans: 60 s at 1 kHz, two threads at a time on
/// a CPU, under a quota that throttles each tenth of a second, with a request each 20 ms.
pub fn large(threads: u32, spans: u32) -> Recording {
    let duration = 60 * SECOND;
    let looks: Vec<Nanos> = (0..=60_000).map(|look| look * MS).collect();
    let mut dice = Dice::new(1);
    let each = u64::from(spans / threads.max(1)).max(2);
    let members = (0..threads)
        .map(|number| Thread {
            tid: 100 + number as i32,
            name: if number == 0 {
                "MainThread".to_owned()
            } else {
                format!("worker-{number}")
            },
            first: 0,
            ended: None,
            ticks: make_ticks(&mut dice, each, looks.len() as u64),
        })
        .collect();
    let gil = (0..60_000_u32)
        .step_by(5)
        .map(|look| GilLook {
            look,
            locked: !look.is_multiple_of(35),
            holder: Some(look / 5 % threads.max(1)),
            switches: 1,
        })
        .collect();
    let marks = (1..2_990)
        .map(|number| Mark {
            process: 0,
            tid: 100 + number % threads.max(1) as i32,
            name: 0,
            id: number as u64,
            begin: number as u64 * 20 * MS,
            end: Some(number as u64 * 20 * MS + (2 + dice.below(30) * dice.below(12)) * MS),
        })
        .collect();
    Recording {
        schema: SCHEMA.to_owned(),
        about: about(duration),
        quality: quality(MS),
        looks,
        processes: vec![Process {
            pid: 100,
            command: "python -m shop --workers 50".to_owned(),
            python: Some("3.13.0".to_owned()),
            has_gil: true,
            first: 0,
            ended: None,
            threads: members,
            gil,
        }],
        quota: Some(Quota {
            source: "/sys/fs/cgroup/cpu.stat".to_owned(),
            limit: Some(2.0),
            period: 100 * MS,
            looks: make_quota_looks(&mut dice),
        }),
        marks,
        names: vec!["request".to_owned()],
    }
}

/// Sleeps, waits for the GIL, runs, sleeps: about `spans` stretches over this many looks.
fn make_ticks(dice: &mut Dice, spans: u64, looks: u64) -> Vec<Tick> {
    let turns = (spans / 3).max(1);
    let stride = (looks / turns).max(3);
    let mut ticks = Vec::with_capacity(turns as usize * 3);
    for turn in 0..turns {
        let begin = turn * stride;
        let asks = begin + 1 + dice.below(stride.saturating_sub(3));
        if asks + 1 >= looks {
            break;
        }
        let run = MS / 10 + dice.below(MS / 2);
        let wait = dice.below(8) / 7 * dice.below(MS / 3);
        let tick = |look: u64, run: Nanos, wait: Nanos, seen: Seen| Tick {
            look: look as u32,
            run,
            wait,
            seen,
        };
        if turn == 0 {
            ticks.push(tick(0, 0, 0, Seen::Sleeps));
        }
        ticks.push(tick(asks, 20_000, 0, Seen::WaitsForGil));
        ticks.push(tick(asks + 1, run, wait, Seen::Sleeps));
    }
    ticks
}

fn make_quota_looks(dice: &mut Dice) -> Vec<QuotaLook> {
    (1..=60_000_u32)
        .map(|look| {
            let boundary = look % 100 == 37;
            let throttled = boundary && dice.below(4) == 0;
            QuotaLook {
                look,
                used: MS + dice.below(MS / 2),
                periods: u64::from(boundary),
                throttled: u64::from(throttled),
                throttled_time: if throttled {
                    (5 + dice.below(40)) * MS
                } else {
                    0
                },
            }
        })
        .collect()
}

pub(crate) fn about(duration: Nanos) -> About {
    About {
        started: "2026-11-29T12:00:00Z".to_owned(),
        monotonic: 5_000 * SECOND,
        duration,
        dunnage: "0.1.0".to_owned(),
        kernel: "6.18.44".to_owned(),
        cgroup_version: Some(2),
        cpus: 2,
    }
}

pub(crate) fn quality(interval: Nanos) -> Quality {
    Quality {
        asked_interval: interval,
        interval_median: interval,
        interval_p99: interval + interval / 5,
        interval_max: interval * 3,
        own_cpu: 400 * MS,
        own_bytes: Some(3 << 20),
        permission: "supervisor".to_owned(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_case_is_throttled_and_slow() {
        let scene = Play::default().scene(16 * SECOND);
        let slowest = scene.requests.iter().map(|request| request.2 - request.1);
        let slowest = slowest.max().unwrap_or(0);
        assert!((250 * MS..450 * MS).contains(&slowest), "{slowest}");
        assert!(scene.windows.len() >= 8, "{:?}", scene.windows);
        let unlimited = Play {
            limit: None,
            ..Play::default()
        }
        .scene(16 * SECOND);
        let slowest = unlimited
            .requests
            .iter()
            .map(|request| request.2 - request.1);
        assert!(slowest.max().unwrap_or(0) < 100 * MS);
    }

    #[test]
    fn what_is_booked_is_what_was_done() {
        let scene = Play::default().scene(8 * SECOND);
        let recording = scene.observe(MS);
        for (thread, (name, stretches)) in recording.processes[0].threads.iter().zip(&scene.threads)
        {
            let mut start = 0;
            let mut ran = 0;
            for stretch in stretches {
                if stretch.act == scene::Act::Run {
                    ran += stretch.end - start;
                }
                start = stretch.end;
            }
            let booked: Nanos = thread.ticks.iter().map(|tick| tick.run).sum();
            assert!(
                ran.abs_diff(booked) <= scene::KERNEL_TICK,
                "{name}: {ran} {booked}"
            );
        }
    }

    #[test]
    fn a_large_recording_is_the_same_each_time() {
        assert_eq!(large(3, 3_000), large(3, 3_000));
        let ticks: usize = large(3, 3_000).processes[0]
            .threads
            .iter()
            .map(|thread| thread.ticks.len())
            .sum();
        assert!((1_800..2_100).contains(&ticks), "{ticks}");
    }
}
