//! What the user states about limits, handed on to the application.

use std::ffi::OsString;

use dunnage_cgroup::Overrides;

/// Puts limits that were given as options into the variables of the same options, so that `import dunnage` in the
/// application answers by them too.
pub fn hand_on_overrides(overrides: &Overrides, environment: &mut Vec<(OsString, OsString)>) {
    let stated = [
        (
            "DUNNAGE_CPU_LIMIT",
            overrides.cpus.map(|cpus| cpus.to_string()),
        ),
        (
            "DUNNAGE_MEMORY_LIMIT",
            overrides.memory_bytes.map(|bytes| bytes.to_string()),
        ),
    ];
    for (name, value) in stated {
        if let Some(value) = value {
            environment.retain(|(key, _)| key != name);
            environment.push((name.into(), value.into()));
        }
    }
}
