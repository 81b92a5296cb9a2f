//! The image and how it is run.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
