//! Probes: what restarts a healthy pod, what keeps traffic on a sick one.

mod blocking;
mod event_loop_blocked;
mod exec_starts_python;
mod liveness_is_readiness;
mod liveness_timeout_under_quota;
mod no_healthcheck;
mod no_readiness;
mod no_startup_probe;
mod one_worker_for_requests_and_probe;

use super::Rule;
pub(super) use liveness_timeout_under_quota::severity as severity_of_late_liveness;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &no_readiness::RULE,
    &liveness_is_readiness::RULE,
    &liveness_timeout_under_quota::RULE,
    &exec_starts_python::RULE,
    &no_startup_probe::RULE,
    &one_worker_for_requests_and_probe::RULE,
    &no_healthcheck::RULE,
    &event_loop_blocked::RULE,
];
