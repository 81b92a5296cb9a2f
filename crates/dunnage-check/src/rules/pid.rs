//! Process 1: inits, shells in front of the program, children that nobody reaps, signals that nobody passes on.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
