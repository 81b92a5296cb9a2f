//! Flask's debugger and reloader, where the environment turns them on: `FLASK_DEBUG`, and `FLASK_ENV` until Flask 2.3.
//! `flask run` and `app.run()` ask it; what gunicorn and the like serve has no debugger, whatever it says.

use super::about::{is_imported, modules};
use crate::graph::Workload;
use crate::parse::python::Call;
use crate::repository::Repository;
use crate::source::Stated;

const DEBUG: &str = "FLASK_DEBUG";

/// What turns the debugger on, whatever the version.
pub(super) fn debugger(workload: &Workload) -> Option<&Stated<String>> {
    let said = workload.environment.get(DEBUG)?;
    // the value of a secret is not known
    (!said.value.is_empty() && is_true(&said.value)).then_some(said)
}

/// What turns it on until Flask 2.3.
pub(super) fn old_debugger(workload: &Workload) -> Option<&Stated<String>> {
    let said = workload.environment.get("FLASK_ENV")?;
    let is_asked = !workload.environment.contains_key(DEBUG);
    (is_asked && said.value == "development").then_some(said)
}

/// May it be on, so that the reloader is process 1 and ends at SIGTERM?
pub(super) fn may_debug(workload: &Workload) -> bool {
    workload.variable(DEBUG).is_some_and(is_true) || old_debugger(workload).is_some()
}

/// Does a call of Flask's `run` leave it to the environment? Nothing but `debug` and what is not read says it otherwise.
pub(super) fn leaves_it_open(call: &Call) -> bool {
    let said = ["debug", "use_debugger", "use_reloader"];
    let positional = call.arguments.iter().filter(|one| one.keyword.is_none());
    !call.has_unpacking()
        && !said.iter().any(|name| call.keyword(name).is_some())
        && positional.count() < 3
}

/// May `app.run()` start the reloader because the environment says so?
pub(super) fn may_reload(repository: &Repository, workload: &Workload) -> bool {
    let mut calls = modules(repository, workload).flat_map(|(_, module)| &module.calls);
    may_debug(workload)
        && is_imported(repository, workload, "flask")
        && calls.any(|call| call.name.ends_with(".run") && leaves_it_open(call))
}

/// As Flask reads it.
fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no")
}

#[cfg(test)]
mod tests {
    use super::is_true;

    #[test]
    fn three_words_turn_it_off_and_everything_else_on() {
        assert!(["1", "true", "True", "on", "2"].into_iter().all(is_true));
        assert!(!["0", "False", "NO"].into_iter().any(is_true));
    }
}
