//! Evidence for those who are on call.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
