//! What was written, read back by a decoder that shares nothing with the encoder.

mod decode;

use super::*;
use crate::timeline::{Parts, Period, Window};
use decode::{Slice as Read, Track, decode};
use proptest::prelude::*;

const BASE: Nanos = 5_000_000_000_000;

fn empty() -> Timeline {
    let mut timeline = Timeline {
        about: crate::recording::About::default(),
        quality: crate::recording::Quality::default(),
        processes: Vec::new(),
        quota: None,
        requests: Vec::new(),
        moments: Vec::new(),
        stalls: Vec::new(),
    };
    timeline.about.monotonic = BASE;
    timeline
}

fn thread(tid: i32, name: &str, spans: Vec<Span>) -> ThreadTrack {
    ThreadTrack {
        tid,
        name: name.to_owned(),
        spans,
        parts: Parts::default(),
    }
}

fn span(start: Nanos, end: Nanos, what: What, holder: Option<u32>) -> Span {
    Span {
        start,
        end,
        what,
        holder,
    }
}

fn request(thread: Option<u32>, id: u64, begin: Nanos, end: Nanos, what: What) -> Request {
    let mut parts = Parts::default();
    parts[what] = end - begin;
    Request {
        process: 0,
        thread,
        name: "request".to_owned(),
        id,
        begin,
        end,
        parts,
    }
}

/// A service of two threads, one of which holds the GIL while it is throttled.
fn service() -> Timeline {
    let mut timeline = empty();
    timeline.processes.push(ProcessTrack {
        pid: 41,
        command: "python -m shop".to_owned(),
        python: Some("3.13.0".to_owned()),
        has_gil: true,
        ended: None,
        threads: vec![
            thread(
                41,
                "MainThread",
                vec![
                    span(0, 10, What::Sleeping, None),
                    span(10, 30, What::GilThrottled, Some(1)),
                    span(30, 40, What::Running, None),
                ],
            ),
            thread(
                42,
                "worker-1",
                vec![
                    span(0, 10, What::Running, None),
                    span(10, 30, What::Throttled, None),
                ],
            ),
        ],
        gil: vec![
            Hold {
                start: 0,
                end: 10,
                thread: 1,
                what: What::Running,
            },
            Hold {
                start: 10,
                end: 30,
                thread: 1,
                what: What::Throttled,
            },
        ],
    });
    timeline.quota = Some(QuotaTrack {
        source: "/sys/fs/cgroup/cpu.stat".to_owned(),
        limit: Some(0.2),
        period: 100,
        periods: vec![
            Period {
                start: 0,
                end: 100,
                used: 20,
                throttled: true,
            },
            Period {
                start: 300,
                end: 400,
                used: 10,
                throttled: false,
            },
        ],
        windows: vec![Window { start: 10, end: 30 }],
        graph: vec![(1000, 0.07)],
        counted_periods: 2,
        counted_throttled: 1,
        throttled_time: 20,
    });
    timeline.requests = vec![
        request(Some(0), 7, 5, 40, What::GilThrottled),
        request(Some(0), 8, 20, 45, What::Running),
        request(Some(0), 9, 40, 50, What::Running),
    ];
    timeline.moments = vec![Moment {
        process: 0,
        tid: 42,
        name: String::new(),
        id: 3,
        at: 12,
    }];
    timeline
}

/// The tracks as a person would list them.
fn listed(tracks: &[Track]) -> String {
    let depth = |track: &Track| {
        let mut depth = 0;
        let mut parent = track.parent;
        while let Some(above) = parent.and_then(|uuid| tracks.iter().find(|t| t.uuid == uuid)) {
            depth += 1;
            parent = above.parent;
        }
        depth
    };
    let mut text = String::new();
    for track in tracks {
        let indent = "  ".repeat(depth(track));
        text.push_str(&format!("{indent}{}", track.name));
        if let Some(of) = track.of {
            text.push_str(&format!(" {of:?}"));
        }
        if let Some(unit) = &track.unit {
            text.push_str(&format!(", {unit}"));
        }
        text.push('\n');
        for slice in &track.slices {
            let end = slice
                .end
                .map_or_else(String::new, |end| (end - BASE).to_string());
            let arguments: Vec<String> = slice
                .arguments
                .iter()
                .map(|(k, v)| format!("{k} = {v}"))
                .collect();
            text.push_str(&format!(
                "{indent}  [{}–{end}] {}: {} ({})\n",
                slice.start - BASE,
                slice.category,
                slice.name,
                arguments.join("; ")
            ));
        }
        for (at, value) in &track.counter {
            text.push_str(&format!("{indent}  {}: {value}\n", at - BASE));
        }
    }
    text
}

#[test]
fn a_service_is_told_in_tracks() {
    insta::assert_snapshot!(listed(&decode(&encode_perfetto(&service()))));
}

#[test]
fn nothing_at_all_is_an_empty_trace() {
    assert_eq!(decode(&encode_perfetto(&empty())), []);
}

#[test]
fn indices_that_lead_nowhere_do_no_harm() {
    let mut timeline = service();
    timeline.requests.push(Request {
        process: 9,
        ..request(Some(0), 1, 1, 2, What::Running)
    });
    timeline
        .requests
        .push(request(Some(77), 1, 1, 2, What::Running));
    timeline.moments[0].tid = 1;
    timeline.processes[0].gil[0].thread = 5;
    let tracks = decode(&encode_perfetto(&timeline));
    let names: Vec<&str> = tracks
        .iter()
        .filter(|track| track.parent.is_some())
        .map(|track| track.name.as_str())
        .collect();
    assert!(names.contains(&"marks"));
}

fn on(tracks: &[Track], tid: i32) -> &Track {
    let found = tracks.iter().find(|track| track.of == Some((41, tid)));
    found.expect("each thread has a track")
}

/// Nothing overlaps on any track, which is stricter than that slices nest.
fn assert_apart(tracks: &[Track]) -> Result<(), TestCaseError> {
    for track in tracks {
        let mut free = 0;
        for slice in track.slices.iter().filter(|slice| slice.end.is_some()) {
            prop_assert!(slice.start >= free, "{track:?}");
            prop_assert!(slice.end >= Some(slice.start));
            free = slice.end.unwrap_or(0);
        }
    }
    Ok(())
}

fn any_what() -> impl Strategy<Value = What> {
    prop::sample::select(What::ALL.to_vec())
}

fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((1..1000_u64, any_what(), prop::option::of(0..3_u32)), 0..40).prop_map(
        |pieces| {
            let mut at = 0;
            pieces
                .into_iter()
                .map(|(length, what, holder)| {
                    let start = at;
                    at += length;
                    span(start, at, what, holder)
                })
                .collect()
        },
    )
}

fn any_requests() -> impl Strategy<Value = Vec<Request>> {
    let one = (
        prop::option::of(0..3_u32),
        any::<u64>(),
        0..500_u64,
        0..300_u64,
        any_what(),
        ".{0,5}",
    );
    let one = one.prop_map(|(thread, id, begin, length, what, name)| Request {
        name,
        ..request(thread, id, begin, begin + length, what)
    });
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn all_that_a_timeline_says_is_in_the_trace_and_nothing_overlaps(
        threads in prop::collection::vec(any_spans(), 2),
        requests in any_requests(),
        command in ".{0,300}",
    ) {
        let mut timeline = service();
        let process = &mut timeline.processes[0];
        process.command.clone_from(&command);
        for (thread, spans) in process.threads.iter_mut().zip(&threads) {
            thread.spans.clone_from(spans);
        }
        timeline.requests.clone_from(&requests);
        let tracks = decode(&encode_perfetto(&timeline));
        assert_apart(&tracks)?;
        for (tid, spans) in [(41, &threads[0]), (42, &threads[1])] {
            let told: Vec<(u64, u64, &str, Option<&str>)> = on(&tracks, tid).slices.iter().map(|slice| {
                let holder = slice.arguments.get("holder").map(String::as_str);
                (slice.start - BASE, slice.end.unwrap_or(0) - BASE, slice.name.as_str(), holder)
            }).collect();
            let names = ["MainThread", "worker-1", "a thread that was not seen"];
            let expected: Vec<_> = spans.iter().filter(|span| span.what != What::Sleeping).map(|span| {
                (span.start, span.end, span.what.label(), span.holder.map(|holder| names[holder as usize]))
            }).collect();
            prop_assert_eq!(told, expected);
        }
        prop_assert_eq!(on(&tracks, 0).name.as_str(), command.as_str());
        let lanes: Vec<&Track> = tracks.iter().filter(|track| track.name == "requests" && track.parent.is_some()).collect();
        let mut told: Vec<(u64, u64, u64, String)> = lanes.iter().flat_map(|track| &track.slices).map(|slice: &Read| {
            let id = slice.arguments["id"].parse().unwrap_or(0);
            (id, slice.start - BASE, slice.end.unwrap_or(0) - BASE, slice.name.clone())
        }).collect();
        let mut expected: Vec<_> = requests.iter().map(|request| {
            let name = if request.name.is_empty() { "request" } else { &request.name };
            (request.id, request.begin, request.end, name.to_owned())
        }).collect();
        told.sort();
        expected.sort();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn rows_are_used_again_and_no_more_than_needed(lengths in prop::collection::vec((0..20_u64, 0..20_u64), 0..60)) {
        let mut lanes = Lanes::default();
        let (mut begin, mut taken) = (0, Vec::new());
        for (gap, length) in lengths {
            begin += gap;
            taken.push((begin, begin + length, lanes.take(begin, begin + length)));
        }
        let mut most = 0;
        for (at, (begin, end, lane)) in taken.iter().enumerate() {
            let overlapping = taken[..at].iter().filter(|earlier| earlier.1 > *begin);
            most = most.max(overlapping.clone().count() + 1);
            let same = overlapping.clone().any(|earlier| earlier.2 == *lane);
            prop_assert!(!same && begin <= end);
        }
        prop_assert!(lanes.count <= most);
    }
}
