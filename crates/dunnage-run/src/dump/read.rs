//! Reading, whoever does it.

use dunnage_policy::process::Process;
use dunnage_python::{Error, ProcessDump, Target};

use crate::procfs::{is_python, is_still, read_process_table};

/// Reads a process.
pub fn read_one(pid: i32) -> ProcessDump {
    Target::prepare(pid)
        .and_then(|target| target.dump())
        .unwrap_or_else(|error| ProcessDump::failed(pid, &error))
}

/// Reads the Python processes below `ancestor` and gives each to `take` until that says otherwise. Other programs are
/// passed over, and so are those that end meanwhile.
pub fn read_below<E>(
    ancestor: i32,
    mut take: impl FnMut(ProcessDump) -> Result<(), E>,
) -> Result<(), E> {
    let table = read_process_table();
    let mut processes = table.descendants(ancestor);
    processes.sort_unstable_by_key(|process| process.identity.pid);
    for process in processes {
        if let Some(dump) = read_if_python(process) {
            take(dump)?;
        }
    }
    Ok(())
}

fn read_if_python(process: &Process) -> Option<ProcessDump> {
    if process.is_zombie() {
        return None;
    }
    let pid = process.identity.pid;
    let dump = match Target::prepare(pid).and_then(|target| target.dump()) {
        Ok(dump) => dump,
        Err(Error::Gone(_) | Error::NotPython { .. } | Error::NoInterpreter(_)) => return None,
        // of those that may not be read only the name is known
        Err(Error::Refused { .. }) if !is_python(process) => return None,
        Err(error) => ProcessDump::failed(pid, &error),
    };
    // the id was not given to another process meanwhile
    is_still(process.identity).then_some(dump)
}
