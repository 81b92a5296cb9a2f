//! The rule, and its thresholds.

use super::facts::Facts;
use super::{Kind, Subject};
use crate::Nanos;
use crate::timeline::What;

/// Under so much nothing is said: ten periods of 100 ms.
const SHORTEST_RECORDING: Nanos = 1_000_000_000;
/// Fewer than these tell nothing of the rest.
const FEWEST_REQUESTS: u64 = 5;
/// Fewer slow ones than these may be chance.
const FEWEST_SLOW: u64 = 3;
/// What is not known may not be more of the slow time than this.
const MOST_UNKNOWN: f64 = 0.5;
/// 99 of 100 took no longer: nothing is slow.
const NOT_SLOW: Nanos = 10_000_000;
/// How much of what throttling cost must be waiting for a throttled holder of the GIL for it to be called that: the holder
/// stands still as well, and so do those that have just woken.
const HOLDERS_SHARE: f64 = 0.2;

/// Shares of the known part of the slow requests' time, by cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    pub throttled: f64,
    pub gil: f64,
    pub host: f64,
    pub cpu: f64,
    pub outside: f64,
    /// Of all of their time.
    pub unknown: f64,
    /// The part of `throttled` that was spent waiting for the GIL.
    pub behind_holder: f64,
}

impl Shares {
    pub fn of(facts: &Facts) -> Self {
        let slow = &facts.slow;
        let total = slow.total().max(1) as f64;
        let known = (slow.total() - slow[What::Unknown]).max(1) as f64;
        let share = |kinds: &[What]| {
            kinds
                .iter()
                .map(|what| slow[*what])
                .fold(0, Nanos::saturating_add) as f64
                / known
        };
        Self {
            throttled: share(&[What::GilThrottled, What::Throttled]),
            gil: share(&[What::GilRunning, What::GilUnknown]),
            host: share(&[What::RunQueue, What::GilRunnable]),
            cpu: share(&[What::Running]),
            outside: share(&[What::Sleeping]),
            unknown: slow[What::Unknown] as f64 / total,
            behind_holder: share(&[What::GilThrottled]),
        }
    }
}

/// What made the slow requests slow: the largest share of their time, once there is enough to tell.
pub(super) fn decide(facts: &Facts) -> Kind {
    if facts.duration < SHORTEST_RECORDING || facts.threads == 0 {
        return Kind::NotEnough;
    }
    let latency = &facts.latency;
    if facts.subject == Subject::Requests && latency.count < FEWEST_REQUESTS {
        return Kind::NotEnough;
    }
    if latency.p99 <= NOT_SLOW {
        return Kind::Nothing;
    }
    let shares = Shares::of(facts);
    if facts.slow_count < FEWEST_SLOW || shares.unknown > MOST_UNKNOWN {
        return Kind::NotEnough;
    }
    let throttled = if shares.behind_holder >= HOLDERS_SHARE * shares.throttled {
        Kind::ThrottledGilHolder
    } else {
        Kind::Throttled
    };
    // throttling is in the timeline only where the counters confirmed it; at a draw it comes first
    let causes = [
        (shares.throttled, throttled),
        (shares.gil, Kind::Gil),
        (shares.host, Kind::HostContention),
        (shares.outside, Kind::Outside),
        (shares.cpu, Kind::Cpu),
    ];
    let mut largest = causes[0];
    for cause in causes {
        if cause.0 > largest.0 {
            largest = cause;
        }
    }
    largest.1
}
