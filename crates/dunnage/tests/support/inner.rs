//! A command that is started by another one, which makes its surroundings.

use std::process::Command;

/// Adds `command`'s words and variables to `outer`, whose own words run what follows them.
pub fn append(outer: &mut Command, command: &Command) {
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
}
