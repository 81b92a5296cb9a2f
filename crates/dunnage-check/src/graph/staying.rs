//! Does a program stay until somebody stops it? A Deployment expects so, and may be wrong: a program that does its work once and
//! returns is started again and again, and is hardly ever met by a signal. So what says that it stays must be seen: a loop,
//! a server, a wait, or somebody who asks it.

use super::ending::{ends_module, goes_on, is_complete, is_quiet, loops};
use super::imports::{distribution, is_standard};
use super::workload::Workload;
use crate::parse::python::Module;
use crate::repository::Repository;

/// Ends of the names of classes whose work goes on until they are stopped.
const LASTING: [&str; 10] = [
    "Bot",
    "Consumer",
    "Daemon",
    "Listener",
    "Observer",
    "Scheduler",
    "Server",
    "Subscriber",
    "Watcher",
    "Worker",
];

/// None where the files do not tell.
pub fn stays(repository: &Repository, workload: &Workload) -> Option<bool> {
    if workload.ends {
        return Some(false);
    }
    let probes = &workload.probes;
    let is_probed = [&probes.liveness, &probes.readiness, &probes.startup]
        .iter()
        .any(|probe| probe.is_some());
    let is_asked = is_probed || workload.life.service.is_some() || !workload.requests.is_empty();
    let starts_server = || {
        workload
            .server()
            .is_some_and(|server| server.call.is_some())
    };
    let modules = || {
        workload
            .modules
            .iter()
            .filter_map(|id| repository.module(*id))
    };
    let lasts = |module: &Module| {
        module.calls.iter().any(|call| {
            let last = call.name.rsplit('.').next().unwrap_or_default();
            goes_on(call) || LASTING.iter().any(|end| last.ends_with(end))
        })
    };
    if is_asked
        || starts_server()
        || workload.modules.iter().any(|id| loops(repository, *id))
        || modules().any(lasts)
    {
        return Some(true);
    }
    let is_plain = |module: &Module| {
        ends_module(module) && !hands_over(module) && is_complete(repository, workload, module)
    };
    let has_streams = workload
        .modules
        .iter()
        .any(|id| repository.file(*id).source.text.contains("async for"));
    let is_seen = !has_streams && modules().count() == workload.modules.len();
    (is_seen && modules().all(is_plain)).then_some(false)
}

/// Does it call a function of a package that is not known to come back? A class of it is only made.
fn hands_over(module: &Module) -> bool {
    module.calls.iter().any(|call| {
        let (Some(top), Some(last)) = (call.name.split('.').next(), call.name.rsplit('.').next())
        else {
            return false;
        };
        let is_function = last.starts_with(|letter: char| letter.is_ascii_lowercase());
        let is_imported = || {
            let mut names = module.imports.iter().map(|import| import.name.as_str());
            names.any(|name| name.split('.').next() == Some(top))
        };
        is_function
            && !is_standard(top)
            && !is_quiet(distribution(top).unwrap_or(top))
            && is_imported()
    })
}
