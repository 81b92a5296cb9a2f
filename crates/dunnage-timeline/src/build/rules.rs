//! Each rule of the attribution on a recording made by hand.

use crate::Nanos;
use crate::example::{MS, SECOND};
use crate::recording::{About, GilLook, Mark, Process, Quality, Quota, QuotaLook, Recording};
use crate::recording::{SCHEMA, Seen, Thread, Tick};
use crate::timeline::{Timeline, What};

use Seen::{Runnable as R, Sleeps as S, WaitsForGil as G};

/// Looks each 10 ms, for 200 ms, at one process.
pub(super) fn record(threads: Vec<Vec<Tick>>) -> Recording {
    Recording {
        schema: SCHEMA.to_owned(),
        about: About {
            duration: 200 * MS,
            cpus: 2,
            ..About::default()
        },
        quality: Quality {
            asked_interval: MS,
            ..Quality::default()
        },
        looks: (0..=20).map(|look| look * 10 * MS).collect(),
        processes: vec![Process {
            pid: 1,
            has_gil: true,
            threads: threads
                .into_iter()
                .zip(10..)
                .map(|(ticks, tid)| Thread {
                    tid,
                    ticks,
                    ..Thread::default()
                })
                .collect(),
            ..Process::default()
        }],
        quota: None,
        marks: Vec::new(),
        names: vec!["request".to_owned()],
    }
}

/// A look's number, milliseconds run and waited, and what was seen.
fn tick(look: u32, run: Nanos, wait: Nanos, seen: Seen) -> Tick {
    Tick {
        look,
        run: run * MS,
        wait: wait * MS,
        seen,
    }
}

fn held(look: u32, holder: u32, switches: u64) -> GilLook {
    GilLook {
        look,
        locked: true,
        holder: Some(holder),
        switches,
    }
}

fn free(look: u32, holder: u32) -> GilLook {
    GilLook {
        look,
        locked: false,
        holder: Some(holder),
        switches: 0,
    }
}

/// The periods' ends that each of these looks saw, and the throttled milliseconds that it added.
fn quota(gains: &[(u32, u64, u64, Nanos)]) -> Quota {
    Quota {
        source: "cpu.stat".to_owned(),
        limit: Some(0.5),
        period: 100 * MS,
        looks: gains
            .iter()
            .map(|(look, periods, throttled, time)| QuotaLook {
                look: *look,
                used: 0,
                periods: *periods,
                throttled: *throttled,
                throttled_time: time * MS,
            })
            .collect(),
    }
}

/// A thread's spans: `running 3, sleeping 7`, in milliseconds.
fn spans(recording: &Recording, thread: usize) -> String {
    let timeline = Timeline::build(recording);
    let spans = timeline.processes[0].threads[thread].spans.iter();
    let words: Vec<String> = spans
        .map(|span| {
            let length = (span.end - span.start) as f64 / MS as f64;
            format!("{:?} {length}", span.what)
        })
        .collect();
    words.join(", ")
}

fn holds(recording: &Recording) -> String {
    let timeline = Timeline::build(recording);
    let holds = timeline.processes[0].gil.iter();
    let words: Vec<String> = holds
        .map(|hold| {
            let (start, end) = (hold.start as f64 / MS as f64, hold.end as f64 / MS as f64);
            format!("{} {:?} {start}-{end}", hold.thread, hold.what)
        })
        .collect();
    words.join(", ")
}

#[test]
fn a_thread_without_ticks_is_unknown() {
    assert_eq!(spans(&record(vec![vec![]]), 0), "Unknown 200");
}

#[test]
fn a_thread_without_news_sleeps_on() {
    let recording = record(vec![vec![tick(0, 0, 0, S)]]);
    assert_eq!(spans(&recording, 0), "Sleeping 200");
}

#[test]
fn who_runs_at_a_look_ran_until_then() {
    let recording = record(vec![vec![
        tick(0, 0, 0, S),
        tick(5, 3, 0, R),
        tick(6, 10, 0, S),
    ]]);
    assert_eq!(
        spans(&recording, 0),
        "Sleeping 47, Running 13, Sleeping 140"
    );
}

#[test]
fn who_ran_and_sleeps_at_a_look_ran_first() {
    let recording = record(vec![vec![
        tick(0, 0, 0, S),
        tick(5, 4, 0, R),
        tick(6, 3, 0, S),
    ]]);
    assert_eq!(spans(&recording, 0), "Sleeping 46, Running 7, Sleeping 147");
}

#[test]
fn waiting_is_laid_before_the_moment_when_it_was_over() {
    // woke at 42, got a CPU at 95
    let ticks = vec![
        tick(0, 0, 0, S),
        tick(5, 0, 0, R),
        tick(10, 5, 53, R),
        tick(11, 10, 0, S),
    ];
    assert_eq!(
        spans(&record(vec![ticks]), 0),
        "Sleeping 42, RunQueue 53, Running 15, Sleeping 90"
    );
}

#[test]
fn running_that_is_booked_late_is_not_sleep() {
    // on a CPU from 40 to 60, and the kernel booked it at 48 and at 60
    let ticks = vec![tick(4, 0, 0, S), tick(5, 8, 0, R), tick(6, 12, 0, S)];
    assert_eq!(
        spans(&record(vec![ticks]), 0),
        "Unknown 40, Running 20, Sleeping 140"
    );
}

#[test]
fn who_woke_without_a_cpu_did_not_sleep() {
    // its counters stood still, so that it was not looked at again: awake from 90 on, on a CPU at 165
    let ticks = vec![tick(0, 0, 0, S), tick(17, 5, 75, R), tick(18, 2, 0, S)];
    assert_eq!(
        spans(&record(vec![ticks]), 0),
        "Sleeping 90, RunQueue 75, Running 7, Sleeping 28"
    );
}

#[test]
fn who_wants_the_gil_waits_for_the_one_that_is_told_to_take_it() {
    // free from 40 on; the next holder was woken then and has a CPU at 100
    let first = vec![tick(0, 0, 0, R), tick(4, 40, 0, S)];
    let second = vec![tick(0, 0, 0, G), tick(10, 0, 60, R), tick(12, 20, 0, S)];
    let third = vec![tick(0, 0, 0, G)];
    let mut recording = record(vec![first, second, third]);
    recording.processes[0].gil = vec![held(0, 0, 0), free(4, 0), held(10, 1, 1), free(12, 1)];
    assert_eq!(
        spans(&recording, 2),
        "GilRunning 40, GilRunnable 60, GilRunning 20, GilUnknown 80"
    );
}

#[test]
fn who_is_told_to_take_the_gil_is_waited_for_though_its_hold_was_too_short_to_be_seen() {
    // free from 40 on; the second thread was woken for it then, had it at 100 for a moment, and the third one has it at 110
    let first = vec![tick(0, 0, 0, R), tick(4, 40, 0, S)];
    let second = vec![tick(0, 0, 0, G), tick(5, 0, 0, R), tick(11, 1, 60, S)];
    let third = vec![tick(0, 0, 0, G), tick(11, 5, 0, R), tick(12, 9, 0, S)];
    let mut recording = record(vec![first, second, third]);
    recording.processes[0].gil = vec![held(0, 0, 0), free(4, 0), held(11, 2, 2), free(12, 2)];
    let timeline = Timeline::build(&recording);
    let parts = timeline.processes[0].threads[2].parts;
    assert!(parts[What::GilRunnable] >= 50 * MS, "{parts:?}");
}

#[test]
fn who_waits_for_a_free_gil_in_a_stopped_group_waits_for_the_quota() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S), tick(5, 0, 0, G)]]);
    recording.processes[0].gil = vec![free(0, 0)];
    recording.quota = Some(quota(&[(10, 1, 1, 35)]));
    assert_eq!(
        spans(&recording, 0),
        "Sleeping 45, GilUnknown 15, GilThrottled 35, GilUnknown 105"
    );
}

#[test]
fn who_waits_while_the_gil_goes_from_thread_to_thread_waits_for_one_that_runs() {
    let mut recording = record(vec![vec![tick(0, 0, 0, G)]]);
    let passed = |look, switches| GilLook {
        switches,
        ..free(look, 0)
    };
    recording.processes[0].gil = vec![free(0, 0), passed(5, 3), passed(6, 1), passed(9, 0)];
    assert_eq!(
        spans(&recording, 0),
        "GilUnknown 40, GilRunning 20, GilUnknown 140"
    );
}

#[test]
fn being_ready_is_not_counted_twice() {
    let ticks = vec![
        tick(0, 0, 0, S),
        tick(3, 0, 0, R),
        tick(4, 0, 5, R),
        tick(9, 5, 45, R),
        tick(10, 0, 0, S),
    ];
    let timeline = Timeline::build(&record(vec![ticks]));
    let parts = timeline.processes[0].threads[0].parts;
    assert_eq!(parts[What::RunQueue], 50 * MS);
    assert_eq!(parts.total(), 200 * MS);
}

#[test]
fn what_is_never_booked_is_unknown() {
    let recording = record(vec![vec![tick(0, 0, 0, S), tick(10, 0, 0, R)]]);
    assert_eq!(spans(&recording, 0), "Sleeping 100, Unknown 100");
}

#[test]
fn a_wait_inside_a_throttled_window_is_throttling_and_the_rest_is_not() {
    // the period ends between 90 and 100, and 40 ms of throttling were added then
    let ticks = vec![
        tick(0, 0, 0, S),
        tick(4, 0, 0, R),
        tick(11, 2, 73, R),
        tick(12, 10, 0, S),
    ];
    let mut recording = record(vec![ticks]);
    recording.quota = Some(quota(&[(10, 1, 1, 40)]));
    assert_eq!(
        spans(&recording, 0),
        "Sleeping 35, RunQueue 20, Throttled 40, RunQueue 13, Running 12, Sleeping 80"
    );
}

#[test]
fn a_gap_is_not_throttling_unless_the_counters_say_so() {
    let ticks = vec![
        tick(0, 0, 0, S),
        tick(4, 0, 0, R),
        tick(11, 2, 73, R),
        tick(12, 10, 0, S),
    ];
    let mut recording = record(vec![ticks]);
    recording.quota = Some(quota(&[(10, 1, 0, 0)]));
    let timeline = Timeline::build(&recording);
    assert_eq!(timeline.processes[0].threads[0].parts[What::Throttled], 0);
    assert!(timeline.quota.unwrap().windows.is_empty());
}

#[test]
fn throttled_time_of_two_cpus_is_not_a_longer_window() {
    let ticks = || {
        vec![
            tick(0, 0, 0, S),
            tick(6, 5, 0, R),
            tick(10, 5, 40, R),
            tick(11, 1, 0, S),
        ]
    };
    let mut recording = record(vec![ticks(), ticks()]);
    recording.quota = Some(quota(&[(10, 1, 1, 80)]));
    let windows = Timeline::build(&recording).quota.unwrap().windows;
    assert_eq!(windows.len(), 1);
    assert_eq!(windows[0].end - windows[0].start, 40 * MS);
}

#[test]
fn a_group_is_stopped_from_when_its_first_cpu_was() {
    // one CPU was stopped at 40 and the other one at 70; a third thread had waited for a CPU before
    let first = vec![
        tick(0, 0, 0, S),
        tick(4, 9, 0, R),
        tick(10, 5, 55, R),
        tick(11, 1, 0, S),
    ];
    let second = vec![
        tick(0, 0, 0, S),
        tick(7, 30, 0, R),
        tick(10, 3, 27, R),
        tick(11, 1, 0, S),
    ];
    let third = vec![tick(0, 0, 0, S), tick(10, 0, 80, R), tick(11, 5, 0, S)];
    let mut recording = record(vec![first, second, third]);
    recording.quota = Some(quota(&[(10, 1, 1, 85)]));
    let windows = Timeline::build(&recording).quota.unwrap().windows;
    assert_eq!(windows[0].end - windows[0].start, 55 * MS);
}

#[test]
fn a_window_is_no_longer_than_the_periods_that_were_throttled() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S)]]);
    recording.quota = Some(quota(&[(15, 1, 1, 140)]));
    let windows = Timeline::build(&recording).quota.unwrap().windows;
    assert_eq!(windows[0].end - windows[0].start, 100 * MS);
    // over two periods: what was overdrawn is paid back
    recording.quota = Some(quota(&[(5, 1, 1, 0), (15, 1, 1, 140)]));
    let windows = Timeline::build(&recording).quota.unwrap().windows;
    assert_eq!(windows[0].end - windows[0].start, 140 * MS);
}

#[test]
fn windows_that_meet_are_one() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S)]]);
    recording.quota = Some(quota(&[(10, 1, 1, 40), (11, 0, 0, 30)]));
    let windows = Timeline::build(&recording).quota.unwrap().windows;
    assert_eq!(windows.len(), 1);
}

/// A thread that holds the GIL from 20 to 160 and runs, is throttled from 60 to 100, and one that wants it from 30 on.
fn with_waiter(waiter: Vec<Tick>) -> Recording {
    let holder = vec![
        tick(0, 0, 0, S),
        tick(3, 10, 0, R),
        tick(4, 10, 0, R),
        tick(6, 20, 0, R),
        tick(10, 0, 40, R),
        tick(12, 20, 0, R),
        tick(16, 40, 0, S),
    ];
    let mut recording = record(vec![holder, waiter]);
    recording.processes[0].gil = vec![free(0, 0), held(3, 0, 1), free(16, 0)];
    recording.quota = Some(quota(&[(10, 1, 1, 40)]));
    recording
}

#[test]
fn waiting_for_the_gil_is_split_by_what_the_holder_does() {
    let recording = with_waiter(vec![tick(0, 0, 0, S), tick(3, 0, 0, G), tick(17, 2, 0, S)]);
    assert_eq!(
        spans(&recording, 1),
        "Sleeping 25, GilRunning 35, GilThrottled 35, GilRunnable 5, GilRunning 60, GilUnknown 4, Running 2, Sleeping 34"
    );
}

#[test]
fn waiting_for_the_gil_outlasts_its_timed_wake_ups() {
    let mut waiter = vec![tick(0, 0, 0, S), tick(3, 0, 0, G)];
    for look in 4..=15 {
        waiter.push(Tick {
            run: MS / 50,
            ..tick(look, 0, 0, G)
        });
    }
    waiter.push(tick(17, 2, 0, S));
    let timeline = Timeline::build(&with_waiter(waiter));
    let parts = timeline.processes[0].threads[1].parts;
    assert!(parts[What::GilRunning] >= 94 * MS, "{parts:?}");
    assert!(parts[What::GilThrottled] >= 34 * MS, "{parts:?}");
}

#[test]
fn who_is_throttled_on_waking_for_the_gil_still_waits_for_it() {
    // it woke at 70, could not say so until 100, and waits again
    let recording = with_waiter(vec![
        tick(0, 0, 0, S),
        tick(3, 0, 0, G),
        tick(7, 0, 0, R),
        Tick {
            run: MS / 50,
            ..tick(10, 0, 30, G)
        },
        tick(17, 2, 0, S),
    ]);
    let timeline = Timeline::build(&recording);
    let parts = timeline.processes[0].threads[1].parts;
    assert_eq!(parts[What::Throttled], 0);
    assert!(parts[What::GilThrottled] >= 34 * MS, "{parts:?}");
}

#[test]
fn who_lost_the_gil_without_going_to_sleep_asks_for_it_again() {
    let mut holder = vec![tick(0, 0, 0, S), tick(3, 5, 0, R)];
    holder.extend((4..=20).map(|look| tick(look, 10, 0, R)));
    let loser = vec![
        tick(0, 0, 0, S),
        tick(1, 5, 0, R),
        tick(2, 10, 0, R),
        tick(4, 0, 15, R),
        // woken each 5 ms to ask again, it waits for a CPU to do so
        Tick {
            run: MS / 50,
            ..tick(14, 0, 90, R)
        },
        tick(17, 2, 20, S),
    ];
    let mut recording = record(vec![holder, loser]);
    recording.processes[0].gil = vec![held(1, 1, 1), held(3, 0, 1)];
    let timeline = Timeline::build(&recording);
    let parts = timeline.processes[0].threads[1].parts;
    assert!(parts[What::GilRunning] >= 90 * MS, "{parts:?}");
    assert!(parts[What::RunQueue] <= 20 * MS, "{parts:?}");
}

#[test]
fn a_holder_that_seems_to_sleep_for_a_moment_runs() {
    let mut recording = with_waiter(vec![tick(0, 0, 0, S), tick(3, 0, 0, G), tick(17, 2, 0, S)]);
    // 3 ms of the holder's time are missing
    recording.processes[0].threads[0].ticks[5].run -= 3 * MS;
    let timeline = Timeline::build(&recording);
    let unknown = timeline.processes[0]
        .gil
        .iter()
        .filter(|hold| hold.what == What::Unknown);
    assert_eq!(unknown.count(), 0);
}

#[test]
fn a_holder_that_sleeps_for_long_is_not_said_to_run() {
    let holder = vec![
        tick(0, 0, 0, S),
        tick(3, 5, 0, R),
        tick(4, 5, 0, S),
        tick(14, 5, 0, S),
    ];
    let mut recording = record(vec![holder, vec![tick(0, 0, 0, S), tick(4, 0, 0, G)]]);
    recording.processes[0].gil = vec![free(0, 0), held(3, 0, 1), free(14, 0)];
    let timeline = Timeline::build(&recording);
    let parts = timeline.processes[0].threads[1].parts;
    assert!(parts[What::GilUnknown] >= 80 * MS, "{parts:?}");
}

#[test]
fn the_gil_changes_hands_when_the_new_holder_begins_to_work() {
    let first = vec![tick(0, 0, 0, R), tick(2, 20, 0, R), tick(10, 76, 0, S)];
    let second = vec![tick(0, 0, 0, G), tick(10, 4, 0, R), tick(12, 20, 0, S)];
    let mut recording = record(vec![first, second]);
    recording.processes[0].gil = vec![held(0, 0, 0), held(10, 1, 1), free(12, 1)];
    assert_eq!(holds(&recording), "0 Running 0-96, 1 Running 96-120");
}

#[test]
fn holds_between_two_looks_are_not_made_up() {
    let busy = vec![tick(0, 0, 0, S), tick(5, 2, 0, S), tick(6, 2, 0, S)];
    let mut recording = record(vec![busy]);
    recording.processes[0].gil = vec![
        free(0, 0),
        GilLook {
            switches: 4,
            ..free(6, 0)
        },
    ];
    assert_eq!(holds(&recording), "");
}

#[test]
fn who_has_no_cpu_while_nobody_holds_the_gil_waits_for_a_cpu() {
    let mut recording = record(vec![vec![
        tick(0, 0, 0, G),
        tick(2, 0, 0, R),
        tick(10, 5, 75, R),
        tick(11, 9, 0, S),
    ]]);
    recording.processes[0].gil = vec![free(0, 0)];
    let timeline = Timeline::build(&recording);
    let parts = timeline.processes[0].threads[0].parts;
    assert_eq!(parts[What::RunQueue], 75 * MS);
}

/// Nobody looked between 50 and 150 ms.
fn with_gap(ticks: Vec<Tick>) -> Recording {
    let mut recording = record(vec![ticks]);
    recording.looks = (0..=5).chain(15..=20).map(|look| look * 10 * MS).collect();
    recording
}

#[test]
fn what_nobody_saw_is_unknown() {
    let recording = with_gap(vec![tick(0, 0, 0, S), tick(6, 20, 10, S)]);
    let timeline = Timeline::build(&recording);
    let parts = timeline.processes[0].threads[0].parts;
    assert_eq!(parts[What::Running], 20 * MS);
    assert_eq!(parts[What::RunQueue], 10 * MS);
    assert_eq!(parts[What::Unknown], 70 * MS);
}

#[test]
fn whose_counters_stood_still_while_nobody_looked_slept() {
    let recording = with_gap(vec![tick(0, 0, 0, S), tick(8, 1, 0, S)]);
    let timeline = Timeline::build(&recording);
    assert_eq!(timeline.processes[0].threads[0].parts[What::Unknown], 0);
}

#[test]
fn who_says_that_it_is_done_runs() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S), tick(5, 2, 1, S)]]);
    recording.marks = vec![Mark {
        process: 0,
        tid: 10,
        name: 0,
        id: 1,
        begin: 43 * MS,
        end: Some(48 * MS),
    }];
    assert_eq!(
        spans(&recording, 0),
        "Sleeping 45, RunQueue 1, Running 2, Sleeping 152"
    );
    let timeline = Timeline::build(&recording);
    assert_eq!(timeline.requests[0].parts[What::Running], 2 * MS);
    assert_eq!(timeline.requests[0].parts.total(), 5 * MS);
}

#[test]
fn who_waits_for_the_gil_woke_when_its_request_came() {
    let holder = vec![tick(0, 0, 0, R), tick(2, 20, 0, R), tick(15, 130, 0, S)];
    let mut recording = record(vec![
        holder,
        vec![tick(0, 0, 0, S), tick(5, 0, 0, G), tick(16, 2, 0, S)],
    ]);
    recording.processes[0].gil = vec![held(0, 0, 0), free(15, 0)];
    recording.marks = vec![Mark {
        process: 0,
        tid: 11,
        name: 0,
        id: 1,
        begin: 41 * MS,
        end: Some(155 * MS),
    }];
    let timeline = Timeline::build(&recording);
    assert_eq!(timeline.requests[0].parts[What::GilRunning], 109 * MS);
}

#[test]
fn a_request_of_a_thread_that_was_not_seen_is_unknown() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S)]]);
    recording.marks = vec![Mark {
        process: 0,
        tid: 99,
        name: 0,
        id: 1,
        begin: 10 * MS,
        end: Some(30 * MS),
    }];
    let timeline = Timeline::build(&recording);
    assert_eq!(timeline.requests[0].thread, None);
    assert_eq!(timeline.requests[0].parts[What::Unknown], 20 * MS);
}

#[test]
fn a_kernel_id_that_is_used_again_is_another_thread() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S)], vec![tick(10, 0, 0, S)]]);
    recording.processes[0].threads[0].ended = Some(80 * MS);
    recording.processes[0].threads[1].tid = 10;
    recording.processes[0].threads[1].first = 100 * MS;
    let mark = |begin: Nanos| Mark {
        process: 0,
        tid: 10,
        name: 0,
        id: 1,
        begin: begin * MS,
        end: Some((begin + 10) * MS),
    };
    recording.marks = vec![mark(20), mark(150)];
    let timeline = Timeline::build(&recording);
    let threads: Vec<_> = timeline
        .requests
        .iter()
        .map(|request| request.thread)
        .collect();
    assert_eq!(threads, [Some(0), Some(1)]);
}

#[test]
fn a_process_that_ended_is_whole_until_then() {
    let mut recording = record(vec![vec![
        tick(0, 0, 0, S),
        tick(5, 5, 0, R),
        tick(6, 10, 0, R),
    ]]);
    recording.processes[0].gil = vec![held(5, 0, 1)];
    recording.processes[0].ended = Some(70 * MS);
    recording.processes[0].threads[0].ended = Some(62 * MS);
    let timeline = Timeline::build(&recording);
    let process = &timeline.processes[0];
    assert_eq!(process.threads[0].parts.total(), 62 * MS);
    assert!(process.gil.iter().all(|hold| hold.end <= 70 * MS));
    assert_eq!(process.threads[0].parts[What::Running], 17 * MS);
}

#[test]
fn periods_keep_their_phase_and_idle_ones_are_left_out() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S)]]);
    recording.about.duration = 2 * SECOND;
    recording.looks = (0..=200)
        .map(|look| look * 10 * MS + look % 7 * MS)
        .collect();
    // ends at 43 ms of each tenth of a second; nothing happens from 0.643 to 1.443
    let ends = [43, 143, 243, 343, 443, 543, 643, 1443, 1543];
    let seen: Vec<(u32, u64, u64, Nanos)> = ends
        .iter()
        .map(|end| {
            let look = recording.looks.partition_point(|look| *look < end * MS);
            (look as u32, 1, 0, 0)
        })
        .collect();
    recording.quota = Some(quota(&seen));
    let periods = Timeline::build(&recording).quota.unwrap().periods;
    let found: Vec<Nanos> = periods.iter().map(|period| period.end / MS).collect();
    assert_eq!(found.len(), ends.len());
    for (found, end) in found.iter().zip(ends) {
        assert!(found.abs_diff(end) <= 4, "{found} {end}");
    }
}

#[test]
fn the_graph_is_the_average_of_the_last_fifteen_seconds() {
    let mut recording = record(vec![vec![tick(0, 0, 0, S)]]);
    recording.about.duration = 20 * SECOND;
    recording.looks = (0..=20).map(|look| look * SECOND).collect();
    recording.quota = Some(quota(&[]));
    let quota = recording.quota.as_mut().unwrap();
    quota.looks = (1..=20)
        .map(|look| QuotaLook {
            look,
            used: if look == 2 { SECOND } else { 0 },
            periods: 0,
            throttled: 0,
            throttled_time: 0,
        })
        .collect();
    let graph = Timeline::build(&recording).quota.unwrap().graph;
    assert_eq!(graph.len(), 20);
    assert!((graph[3].1 - 0.25).abs() < 1e-9, "{graph:?}");
    assert!((graph[14].1 - 1.0 / 15.0).abs() < 1e-9, "{graph:?}");
    assert!(graph[19].1.abs() < 1e-9, "{graph:?}");
}

#[test]
fn stalls_are_the_longest_first_and_go_on_over_a_breath() {
    let recording = with_waiter(vec![
        tick(0, 0, 0, S),
        tick(1, 2, 6, S),
        tick(3, 0, 0, G),
        Tick {
            run: MS / 50,
            ..tick(10, 0, 0, G)
        },
        tick(17, 2, 0, S),
    ]);
    let timeline = Timeline::build(&recording);
    let lengths: Vec<Nanos> = timeline
        .stalls
        .iter()
        .filter(|stall| stall.thread == Some(1))
        .map(|stall| (stall.end - stall.begin) / MS)
        .collect();
    assert_eq!(lengths, [139, 6]);
}
