//! A verdict that stays as it is, whatever the real one learns to say.

use dunnage_timeline::Timeline;
use dunnage_timeline::timeline::{Parts, What};
use dunnage_timeline::verdict::{Fix, Kind, Latency, Subject, Verdict};

use crate::sample::MS;

/// Words as the real verdict has them.
pub fn verdict(timeline: &Timeline) -> Verdict {
    let subject = if timeline.requests.is_empty() {
        &timeline.stalls
    } else {
        &timeline.requests
    };
    let mut took: Vec<u64> = subject
        .iter()
        .map(|request| request.end - request.begin)
        .collect();
    took.sort_unstable();
    let at = |share: f64| {
        took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    let latency = Latency {
        count: took.len() as u64,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: at(1.0),
    };
    let mut slow = Parts::default();
    for request in timeline
        .requests
        .iter()
        .filter(|request| request.end - request.begin > 20 * MS)
    {
        for what in What::ALL {
            slow[what] += request.parts[what];
        }
    }
    Verdict {
        kind: Kind::ThrottledGilHolder,
        headline: "Requests stalled for up to 292 ms because nightly-report was throttled while it held the GIL".to_owned(),
        graph: "On average 6 % of a CPU in 15 s, a third of the limit of 0.2: nothing to see.".to_owned(),
        happened: "p50 was 2.0 ms, but 6 % of the requests took over 20 ms, the slowest 292 ms.".to_owned(),
        cause: "In 18 of 236 periods the quota of 20 ms in each 100 ms was used up. The thread nightly-report held the GIL \
                each time, so every other thread waited for a frozen lock: 80 ms of work took 320 ms."
            .to_owned(),
        fixes: vec![
            Fix {
                text: "Raise the CPU limit to 1, or remove it and keep the request.".to_owned(),
                expected: "p99 about 80 ms instead of 292.".to_owned(),
                setting: Some("resources.limits.cpu: \"1\"".to_owned()),
            },
            Fix {
                text: "Move the long call of nightly-report into a process of its own, so that it holds another GIL.".to_owned(),
                expected: "Requests no longer wait for it.".to_owned(),
                setting: None,
            },
        ],
        subject: if timeline.requests.is_empty() { Subject::Stalls } else { Subject::Requests },
        name: timeline.requests.first().map_or_else(String::new, |request| request.name.clone()),
        latency,
        slow,
        slow_count: 36,
        slow_over: 20 * MS,
    }
}
