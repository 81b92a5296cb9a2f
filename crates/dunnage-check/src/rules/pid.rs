//! Process 1: inits, shells in front of the program, children that nobody reaps, signals that nobody passes on.

mod child_not_waited_for;
mod command_drops_init;
mod compose_without_init;
mod double_init;
mod forks_without_init;
mod no_init;
mod no_pids_limit;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &forks_without_init::RULE,
    &no_init::RULE,
    &double_init::RULE,
    &child_not_waited_for::RULE,
    &compose_without_init::RULE,
    &command_drops_init::RULE,
    &no_pids_limit::RULE,
];
