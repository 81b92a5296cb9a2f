//! Sockets: where the server listens and who asks there.

mod loopback_listener;
mod nobody_listens_there;

use super::Rule;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[&loopback_listener::RULE, &nobody_listens_there::RULE];
