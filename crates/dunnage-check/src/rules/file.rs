//! The tool's own findings: files that do not parse, ignores without effect.

mod does_not_parse;
mod ignore_without_effect;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[&does_not_parse::RULE, &ignore_without_effect::RULE];
