//! Probes: what restarts a healthy pod, what keeps traffic on a sick one.

mod no_startup_probe;
mod one_worker_for_requests_and_probe;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &no_startup_probe::RULE,
    &one_worker_for_requests_and_probe::RULE,
];
