//! The image and how it is run.

mod buffered_output;
mod development_server;
mod development_server_in_code;
mod document_filled_at_build;
mod heartbeat_on_disk;
mod musl_with_wheels;
mod old_or_moving_python;
mod root_user;
mod variable_without_shell;

use super::Rule;
pub(crate) use development_server::RULE as DEVELOPMENT_SERVER;
pub(super) use development_server::serves as serves_for_development;

/// The family's rules, by number.
pub(super) const RULES: &[&Rule] = &[
    &development_server::RULE,
    &buffered_output::RULE,
    &heartbeat_on_disk::RULE,
    &old_or_moving_python::RULE,
    &musl_with_wheels::RULE,
    &root_user::RULE,
    &document_filled_at_build::RULE,
    &variable_without_shell::RULE,
];
