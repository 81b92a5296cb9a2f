//! Situations, and what is said of them.

use super::{Kind, Verdict};
use crate::example::play::Play;
use crate::example::{MS, SECOND};
use crate::recording::{Quality, Recording};
use crate::timeline::Timeline;

fn judge(recording: &Recording) -> Verdict {
    Verdict::of(&Timeline::build(recording))
}

/// The verdict as text, for the snapshots.
fn tell(recording: &Recording) -> String {
    let verdict = judge(recording);
    let mut text = format!(
        "{:?}\n{}\n{}\n{}\n{}\n",
        verdict.kind, verdict.headline, verdict.graph, verdict.happened, verdict.cause
    );
    for fix in &verdict.fixes {
        text += &format!(
            "- {}\n  {}\n  {}\n",
            fix.text,
            fix.expected,
            fix.setting.as_deref().unwrap_or("-")
        );
    }
    text
}

fn play(play: &Play) -> Recording {
    play.scene(20 * SECOND).observe(MS)
}

#[test]
fn a_throttled_holder_of_the_gil_is_named() {
    insta::assert_snapshot!(tell(&play(&Play::default())));
}

#[test]
fn the_same_without_a_limit_is_not_throttling() {
    insta::assert_snapshot!(tell(&play(&Play {
        limit: None,
        ..Play::default()
    })));
}

#[test]
fn a_busy_host_is_not_throttling() {
    let busy = Play {
        limit: None,
        call_every: 0,
        host_busy_every: 400 * MS,
        host_busy_for: 60 * MS,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&busy)));
}

#[test]
fn a_busy_host_is_not_throttling_under_a_limit_either() {
    let busy = Play {
        limit: Some(1.0),
        call_every: 0,
        host_busy_every: 400 * MS,
        host_busy_for: 60 * MS,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&busy)));
}

#[test]
fn requests_that_compute_are_told_so() {
    let computing = Play {
        limit: Some(2.0),
        request_every: 200 * MS,
        request_cpu: 80 * MS,
        call_every: 0,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&computing)));
}

#[test]
fn requests_that_wait_for_others_are_told_so() {
    let waiting = Play {
        request_every: 200 * MS,
        request_sleep: 120 * MS,
        call_every: 0,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&waiting)));
}

#[test]
fn nothing_is_made_of_nothing() {
    let calm = Play {
        limit: Some(1.0),
        call_every: 0,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&calm)));
}

#[test]
fn a_pool_that_burns_the_quota_is_capped() {
    let pool = Play {
        limit: Some(0.5),
        pool: 2,
        call_every: 1000 * MS,
        call_cpu: 200 * MS,
        call_holds_gil: false,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&pool)));
}

#[test]
fn a_quota_that_is_too_small_is_said_to_be() {
    let starved = Play {
        limit: Some(0.1),
        request_cpu: 6 * MS,
        call_every: 0,
        ..Play::default()
    };
    insta::assert_snapshot!(tell(&play(&starved)));
}

#[test]
fn without_marks_the_stalls_are_judged() {
    let mut recording = play(&Play::default());
    recording.marks.clear();
    insta::assert_snapshot!(tell(&recording));
}

#[test]
fn without_counters_throttling_is_neither_shown_nor_ruled_out() {
    let mut recording = play(&Play::default());
    recording.quota = None;
    insta::assert_snapshot!(tell(&recording));
}

#[test]
fn a_second_is_too_short() {
    let recording = Play::default().scene(SECOND / 2).observe(MS);
    insta::assert_snapshot!(tell(&recording));
}

#[test]
fn three_requests_are_too_few() {
    let mut recording = play(&Play {
        limit: Some(1.0),
        call_every: 0,
        request_cpu: 40 * MS,
        ..Play::default()
    });
    recording.marks.truncate(3);
    insta::assert_snapshot!(tell(&recording));
}

#[test]
fn what_was_not_seen_is_not_judged() {
    let mut recording = play(&Play {
        request_cpu: 30 * MS,
        request_every: 300 * MS,
        ..Play::default()
    });
    recording.processes[0].threads.clear();
    assert_eq!(judge(&recording).kind, Kind::NotEnough);
    recording.processes[0] = play(&Play::default()).processes[0].clone();
    for thread in &mut recording.processes[0].threads {
        thread.first = 19 * SECOND;
    }
    insta::assert_snapshot!(tell(&recording));
}

#[test]
fn turns_of_threads_are_told_from_long_calls() {
    let turns = Play {
        limit: None,
        request_every: 20 * MS,
        request_cpu: 9 * MS,
        handlers: 3,
        call_every: 0,
        ..Play::default()
    };
    let crowded = play(&turns);
    let verdict = judge(&crowded);
    assert_ne!(verdict.kind, Kind::ThrottledGilHolder);
    assert_ne!(verdict.kind, Kind::Throttled);
}

#[test]
fn five_milliseconds_between_looks_give_the_same_verdict() {
    for (limit, kind) in [(Some(0.2), Kind::ThrottledGilHolder), (None, Kind::Gil)] {
        let play = Play {
            limit,
            ..Play::default()
        };
        let verdict = judge(&play.scene(30 * SECOND).observe(5 * MS));
        assert_eq!(verdict.kind, kind, "{verdict:?}");
    }
}

#[test]
fn an_empty_recording_is_not_enough() {
    let mut recording = play(&Play::default());
    recording.looks.clear();
    recording.processes.clear();
    recording.marks.clear();
    recording.quota = None;
    recording.quality = Quality::default();
    recording.about.duration = 0;
    assert_eq!(judge(&recording).kind, Kind::NotEnough);
}
