//! The memory limit: what is charged to it, what cannot be given back, workers that multiply.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
