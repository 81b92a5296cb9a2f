//! Called as `tini` or `dumb-init`: that program's behaviour.

use std::ffi::OsString;
use std::process::ExitCode;

use dunnage_cli::output;
use dunnage_run::Inherited;
use dunnage_run::compat::{Invocation, invocation};

use crate::cli;

/// Runs as the program that we were called as, if that is one we stand in for.
pub fn run_if_called_so(arguments: &[OsString]) -> Option<ExitCode> {
    let invocation = invocation(arguments, &|name| std::env::var_os(name))?;
    Some(match invocation {
        Invocation::Run(config) => with_signals(1, |inherited| {
            ExitCode::from(dunnage_run::run(&config, inherited))
        }),
        Invocation::Extend(words) => {
            with_signals(125, |inherited| cli::dispatch(&words, Some(inherited)))
        }
        Invocation::Print(text) => match output::print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => output::fail(1, &error.to_string()),
        },
        Invocation::Refuse { message, code } => output::fail(code, &message),
    })
}

fn with_signals(failure: u8, run: impl FnOnce(Inherited) -> ExitCode) -> ExitCode {
    match Inherited::take() {
        Ok(inherited) => run(inherited),
        Err(error) => output::fail(failure, &format!("cannot block signals: {error}")),
    }
}
