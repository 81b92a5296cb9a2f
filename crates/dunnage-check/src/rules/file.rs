//! The tool's own findings: files that do not parse, ignores without effect.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
