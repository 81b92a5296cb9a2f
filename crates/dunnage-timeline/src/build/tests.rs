//! What is built, held against what was true.

use crate::Nanos;
use crate::example::play::Play;
use crate::example::scene::{Act, Scene};
use crate::example::{MS, SECOND};
use crate::timeline::{Parts, Timeline, What};

const GRAIN: Nanos = MS / 20;

/// What was true of a request, in grains.
fn true_parts(scene: &Scene, thread: u32, begin: Nanos, end: Nanos) -> Parts {
    let mut parts = Parts::default();
    for grain in begin / GRAIN..end / GRAIN {
        parts[true_at(scene, thread, grain * GRAIN)] += GRAIN;
    }
    parts
}

fn act_at(scene: &Scene, thread: u32, time: Nanos) -> Act {
    let stretches = &scene.threads[thread as usize].1;
    let at = stretches.partition_point(|stretch| stretch.end <= time);
    stretches.get(at).map_or(Act::Sleep, |stretch| stretch.act)
}

fn true_at(scene: &Scene, thread: u32, time: Nanos) -> What {
    let throttled = scene
        .windows
        .iter()
        .any(|window| (window.0..window.1).contains(&time));
    let ready = if throttled {
        What::Throttled
    } else {
        What::RunQueue
    };
    let hold = scene
        .holds
        .iter()
        .find(|hold| (hold.0..hold.1).contains(&time));
    let act = act_at(scene, thread, time);
    match (act, hold) {
        (Act::Run, _) => What::Running,
        (Act::Sleep, _) => What::Sleeping,
        (Act::WantsGil | Act::WokenForGil, Some(hold)) => match act_at(scene, hold.2, time) {
            Act::Run => What::GilRunning,
            Act::Ready if throttled => What::GilThrottled,
            Act::Ready => What::GilRunnable,
            _ => What::GilUnknown,
        },
        (Act::WantsGil, None) => What::GilUnknown,
        (Act::Ready | Act::WokenForGil, _) => ready,
    }
}

/// Errors of the slow requests in thousandths of their latency, rising.
fn errors(scene: &Scene, interval: Nanos) -> Vec<u64> {
    let timeline = Timeline::build(&scene.observe(interval));
    let mut errors: Vec<u64> = timeline
        .requests
        .iter()
        .filter(|request| request.end - request.begin > 20 * MS)
        .map(|request| {
            let truth = true_parts(scene, request.thread.unwrap(), request.begin, request.end);
            let apart: Nanos = What::ALL
                .iter()
                .map(|what| truth[*what].abs_diff(request.parts[*what]))
                .sum();
            apart / 2 * 1000 / (request.end - request.begin)
        })
        .collect();
    errors.sort_unstable();
    errors
}

#[test]
fn the_headline_case_is_explained_to_within_a_hundredth() {
    let scene = Play::default().scene(16 * SECOND);
    let errors = errors(&scene, MS);
    assert!(errors.len() >= 20);
    assert!(errors[errors.len() / 2] <= 10);
    assert!(errors[errors.len() * 9 / 10] <= 30);
}
