//! Probes: what restarts a healthy pod, what keeps traffic on a sick one.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
