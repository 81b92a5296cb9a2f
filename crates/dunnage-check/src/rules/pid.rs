//! Process 1: inits, shells in front of the program, children that nobody reaps, signals that nobody passes on.

mod child_not_waited_for;
mod command_drops_init;
mod compose_without_init;
mod double_init;
mod forks_without_init;
mod group_signals;
mod no_init;
mod no_pids_limit;
mod project_runner;
mod script_without_exec;
mod several_programs;
mod shell_form;
mod shell_without_exec;
mod stop_signal;
mod tool_in_front;
mod words_lost;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &shell_form::RULE,
    &shell_without_exec::RULE,
    &script_without_exec::RULE,
    &forks_without_init::RULE,
    &no_init::RULE,
    &group_signals::RULE,
    &double_init::RULE,
    &project_runner::RULE,
    &tool_in_front::RULE,
    &several_programs::RULE,
    &child_not_waited_for::RULE,
    &compose_without_init::RULE,
    &stop_signal::RULE,
    &command_drops_init::RULE,
    &no_pids_limit::RULE,
    &words_lost::RULE,
];
