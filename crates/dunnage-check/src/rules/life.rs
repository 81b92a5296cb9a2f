//! Start and shutdown: SIGTERM, grace, what happens to requests in flight.

mod atexit_without_term;
mod daemon_thread;
mod endless;
mod grace_too_short;
mod graceful_timeout_unset;
mod grpc_stop_at_once;
mod ignores_sigterm;
mod lost_failure;
mod no_pre_stop;
mod only_keyboard_interrupt;
mod short_grace;
mod spot_without_shutdown;
mod tasks_lost_at_stop;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &ignores_sigterm::RULE,
    &only_keyboard_interrupt::RULE,
    &atexit_without_term::RULE,
    &no_pre_stop::RULE,
    &grace_too_short::RULE,
    &short_grace::RULE,
    &graceful_timeout_unset::RULE,
    &grpc_stop_at_once::RULE,
    &spot_without_shutdown::RULE,
    &daemon_thread::RULE,
    &lost_failure::RULE,
    &tasks_lost_at_stop::RULE,
];
