//! The memory limit: what is charged to it, what cannot be given back, workers that multiply.

mod footprint;
mod gc_collect;
mod host_memory;
mod limit_below_imports;
mod malloc_setting_without_effect;
mod memory_request_below_limit;
mod no_ephemeral_storage_limit;
mod no_max_requests;
mod no_memory_limit;
mod small_shm;
mod tmpfs_without_size;
mod unbounded_cache;
mod workers_over_limit;

use super::Rule;
pub(in crate::rules) use footprint::{at_least, import_cpu_ms};

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &no_memory_limit::RULE,
    &memory_request_below_limit::RULE,
    &limit_below_imports::RULE,
    &workers_over_limit::RULE,
    &malloc_setting_without_effect::RULE,
    &tmpfs_without_size::RULE,
    &small_shm::RULE,
    &unbounded_cache::RULE,
    &gc_collect::RULE,
    &host_memory::RULE,
    &no_max_requests::RULE,
    &no_ephemeral_storage_limit::RULE,
];
