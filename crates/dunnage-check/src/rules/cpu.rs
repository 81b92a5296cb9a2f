//! The CPU quota: threads and workers sized by the node, limits that freeze every period.

mod autoscaler_never_acts;
mod cpu_count_for_size;
mod cpu_limit_below_one;
mod gunicorn_workers_by_cpus;
mod limit_far_above_request;
mod loops_under_one_cpu;
mod more_workers_than_cpus;
mod no_cpu_request;
mod pool_without_size;
mod pools_by_node;
mod python_cpu_count_of_one;
mod workers_times_threads;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &pools_by_node::RULE,
    &cpu_count_for_size::RULE,
    &pool_without_size::RULE,
    &gunicorn_workers_by_cpus::RULE,
    &more_workers_than_cpus::RULE,
    &cpu_limit_below_one::RULE,
    &limit_far_above_request::RULE,
    &no_cpu_request::RULE,
    &workers_times_threads::RULE,
    &loops_under_one_cpu::RULE,
    &autoscaler_never_acts::RULE,
    &python_cpu_count_of_one::RULE,
];
