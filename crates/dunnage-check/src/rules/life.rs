//! Start and shutdown: SIGTERM, grace, what happens to requests in flight.

mod grace_too_short;
mod ignores_sigterm;
mod tasks_lost_at_stop;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &ignores_sigterm::RULE,
    &grace_too_short::RULE,
    &tasks_lost_at_stop::RULE,
];
