//! The tool's own findings: files that do not parse, ignores without effect.

mod does_not_parse;
mod ignore_without_effect;

use super::Rule;
pub(super) use ignore_without_effect::RULE as IGNORE_WITHOUT_EFFECT;

/// The family's rules, by number. The second looks at what all others have found, so it is run after them.
pub(super) const RULES: &[&Rule] = &[&does_not_parse::RULE, &ignore_without_effect::RULE];
