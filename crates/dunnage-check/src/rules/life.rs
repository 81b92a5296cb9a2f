//! Start and shutdown: SIGTERM, grace, what happens to requests in flight.

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[];
