//! The CPU quota: threads and workers sized by the node, limits that freeze every period.

mod cpu_count_for_size;
mod gunicorn_workers_by_cpus;
mod loops_under_one_cpu;
mod more_workers_than_cpus;
mod pool_without_size;
mod pools_by_node;
mod python_cpu_count_of_one;
mod workers_times_threads;

use super::Rule;
pub(in crate::rules) use more_workers_than_cpus::set_workers;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &pools_by_node::RULE,
    &cpu_count_for_size::RULE,
    &pool_without_size::RULE,
    &gunicorn_workers_by_cpus::RULE,
    &more_workers_than_cpus::RULE,
    &workers_times_threads::RULE,
    &loops_under_one_cpu::RULE,
    &python_cpu_count_of_one::RULE,
];
