//! The CPU quota: threads and workers sized by the node, limits that freeze every period.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
