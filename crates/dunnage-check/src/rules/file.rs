//! The tool's own findings: files that do not parse, ignores without effect.

mod ignore_without_effect;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[&ignore_without_effect::RULE];
