//! dunnage: the packing that keeps a Python application from being crushed inside its Kubernetes container.

mod cli;
mod commands;
mod demo;

use std::ffi::OsString;
use std::process::ExitCode;

use dunnage_cli::output;
use dunnage_run::Inherited;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = commands::compat::run_if_called_so(&arguments) {
        return code;
    }
    // an init must not be stopped or ended while it reads its options
    let is_run = arguments.get(1).is_some_and(|word| word == "run");
    let inherited = if is_run {
        match Inherited::take() {
            Ok(inherited) => Some(inherited),
            Err(error) => return output::fail(125, &format!("cannot block signals: {error}")),
        }
    } else {
        None
    };
    cli::dispatch(&arguments, inherited)
}
