//! Promises that hold for any recording.

use proptest::prelude::*;

use super::rules::record;
use crate::Nanos;
use crate::example::{MS, SECOND};
use crate::recording::{GilLook, Mark, Quota, QuotaLook, Recording, Seen, Thread, Tick};
use crate::timeline::{Timeline, What};

use Seen::{Runnable as R, Sleeps as S, WaitsForGil as G};

fn any_seen() -> impl Strategy<Value = Seen> {
    prop::sample::select(vec![
        R,
        R,
        R,
        S,
        S,
        G,
        G,
        Seen::Blocked,
        Seen::Stopped,
        Seen::Unknown,
    ])
}

/// Times from sensible to absurd.
fn any_time() -> impl Strategy<Value = Nanos> {
    prop_oneof![
        4 => 0..20 * MS,
        2 => 0..SECOND,
        1 => Just(0),
        1 => any::<u64>(),
    ]
}

fn any_ticks() -> impl Strategy<Value = Vec<Tick>> {
    let tick = (0_u32..60, any_time(), any_time(), any_seen());
    prop::collection::vec(tick.prop_map(Tick::from), 0..40)
}

fn any_gil() -> impl Strategy<Value = Vec<GilLook>> {
    let look = (
        0_u32..60,
        any::<bool>(),
        prop::option::of(0_u32..5),
        0_u64..4,
    );
    prop::collection::vec(look.prop_map(GilLook::from), 0..30)
}

fn any_quota() -> impl Strategy<Value = Option<Quota>> {
    let look = (0_u32..60, any_time(), any_time(), any_time(), any_time());
    let looks = prop::collection::vec(look.prop_map(QuotaLook::from), 0..20);
    let quota = (looks, any_time(), prop::option::of(any::<f64>()));
    prop::option::of(quota.prop_map(|(looks, period, limit)| Quota {
        source: String::new(),
        limit,
        period,
        looks,
    }))
}

fn any_marks() -> impl Strategy<Value = Vec<Mark>> {
    let mark = (
        0_u32..3,
        8_i32..14,
        0_u32..2,
        any_time(),
        prop::option::of(any_time()),
    );
    let mark = mark.prop_map(|(process, tid, name, begin, end)| Mark {
        process,
        tid,
        name,
        id: 1,
        begin,
        end,
    });
    prop::collection::vec(mark, 0..20)
}

prop_compose! {
    /// What no recorder would write.
    fn any_recording()(
        looks in prop::collection::vec(any_time(), 0..60),
        duration in any_time(),
        asked_interval in any_time(),
        threads in prop::collection::vec((any_ticks(), any_time(), prop::option::of(any_time())), 0..4),
        gil in any_gil(),
        ended in prop::option::of(any_time()),
        quota in any_quota(),
        marks in any_marks(),
    ) -> Recording {
        let mut recording = record(Vec::new());
        recording.looks = looks;
        recording.about.duration = duration;
        recording.quality.asked_interval = asked_interval;
        recording.processes[0].threads = threads
            .into_iter()
            .zip(10..)
            .map(|((ticks, first, ended), tid)| Thread { tid, name: String::new(), first, ended, ticks })
            .collect();
        recording.processes[0].gil = gil;
        recording.processes[0].ended = ended;
        recording.quota = quota;
        recording.marks = marks;
        recording
    }
}

prop_compose! {
    /// What a recorder could write, of threads that do as they like.
    fn sane_recording()(
        gains in prop::collection::vec(1..8 * MS, 20..60),
        raw in prop::collection::vec(any_ticks(), 1..4),
        gil in any_gil(),
    ) -> Recording {
        let mut now = 0;
        let looks: Vec<Nanos> = gains.iter().map(|gain| { now += gain; now }).collect();
        let mut recording = record(Vec::new());
        recording.about.duration = now + 3 * MS;
        recording.processes[0].threads = raw.into_iter().zip(10..).map(|(mut ticks, tid)| {
            ticks.retain(|tick| (tick.look as usize) < looks.len());
            ticks.sort_by_key(|tick| tick.look);
            ticks.dedup_by_key(|tick| tick.look);
            for tick in &mut ticks {
                tick.run %= 9 * MS;
                tick.wait %= 90 * MS;
            }
            Thread { tid, ticks, ..Thread::default() }
        }).collect();
        recording.processes[0].gil = gil;
        recording.looks = looks;
        recording
    }
}

fn assert_whole(recording: &Recording, timeline: &Timeline) {
    let threads = recording.processes.iter().flat_map(|process| {
        let end = process
            .ended
            .unwrap_or(Nanos::MAX)
            .min(timeline.about.duration);
        process.threads.iter().map(move |thread| (thread, end))
    });
    let tracks = timeline
        .processes
        .iter()
        .flat_map(|process| &process.threads);
    for ((thread, end), track) in threads.zip(tracks) {
        let end = thread.ended.unwrap_or(end).min(end);
        let mut now = thread.first.min(end);
        for span in &track.spans {
            assert_eq!(span.start, now);
            assert!(span.end > span.start);
            now = span.end;
        }
        assert_eq!(now, end);
        assert_eq!(track.parts.total(), end - thread.first.min(end));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spans_touch_and_are_the_whole_of_a_threads_time(recording in any_recording()) {
        assert_whole(&recording, &Timeline::build(&recording));
    }

    #[test]
    fn no_more_running_than_was_booked_and_a_tick(recording in sane_recording()) {
        let timeline = Timeline::build(&recording);
        assert_whole(&recording, &timeline);
        let threads = recording.processes[0].threads.iter();
        for (thread, track) in threads.zip(&timeline.processes[0].threads) {
            let booked: Nanos = thread.ticks.iter().map(|tick| tick.run).sum();
            prop_assert!(track.parts[What::Running] <= booked + super::TICK);
        }
    }

    #[test]
    fn no_more_waiting_than_was_booked(recording in sane_recording()) {
        let timeline = Timeline::build(&recording);
        let threads = recording.processes[0].threads.iter();
        for (thread, track) in threads.zip(&timeline.processes[0].threads) {
            let booked: Nanos = thread.ticks.iter().map(|tick| tick.wait).sum();
            prop_assert!(track.parts[What::RunQueue] + track.parts[What::Throttled] <= booked);
        }
    }

    #[test]
    fn a_request_is_as_long_as_its_parts(recording in any_recording()) {
        let timeline = Timeline::build(&recording);
        for request in timeline.requests.iter().chain(&timeline.stalls) {
            prop_assert_eq!(request.parts.total(), request.end - request.begin);
        }
    }

    #[test]
    fn holds_and_windows_are_in_order_and_apart(recording in any_recording()) {
        let timeline = Timeline::build(&recording);
        for process in &timeline.processes {
            prop_assert!(process.gil.iter().all(|hold| hold.start < hold.end));
            prop_assert!(process.gil.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
        if let Some(quota) = &timeline.quota {
            prop_assert!(quota.windows.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(quota.periods.windows(2).all(|pair| pair[0].end <= pair[1].start));
            prop_assert!(quota.graph.len() <= 100_000);
        }
    }

    #[test]
    fn any_recording_gets_a_verdict_and_a_summary(recording in any_recording()) {
        let timeline = Timeline::build(&recording);
        let verdict = crate::Verdict::of(&timeline);
        prop_assert!(!verdict.headline.is_empty());
        prop_assert!(!crate::render_summary(&timeline, &verdict, 80).is_empty());
    }
}
