//! Evidence for those who are on call.

mod no_last_words;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[&no_last_words::RULE];
