//! The memory limit: what is charged to it, what cannot be given back, workers that multiply.

mod footprint;
mod limit_below_imports;
mod malloc_setting_without_effect;
mod small_shm;
mod workers_over_limit;

use super::Rule;
pub(in crate::rules) use footprint::import_cpu_ms;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &limit_below_imports::RULE,
    &workers_over_limit::RULE,
    &malloc_setting_without_effect::RULE,
    &small_shm::RULE,
];
