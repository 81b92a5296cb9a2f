//! `dunnage dump`: where every thread of every Python process is, now, read from outside.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use dunnage_python::render::render_text;
use dunnage_python::{Dump, Error, ProcessDump, Target};
use dunnage_run::read_process_table;

use crate::output;

/// How the dump is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object (`dunnage.dump/1`).
    Json,
}

/// Show where every thread of every Python process is, now. Nothing is stopped or signalled.
#[derive(Debug, Args)]
pub struct DumpCommand {
    /// The processes; without one, every Python process below PID 1
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pids: Vec<i32>,

    /// `text` for people, `json` for programs
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true
    )]
    format: Format,
}

/// Prints the dump. The code is 0 if every process was read, 1 if one was refused or none found.
pub fn run(args: &DumpCommand) -> anyhow::Result<ExitCode> {
    let processes = if args.pids.is_empty() {
        dump_below(1)
    } else {
        args.pids.iter().map(|pid| dump(*pid)).collect()
    };
    if processes.is_empty() {
        output::tell(
            "dunnage: no Python process below PID 1 was found; name one: dunnage dump PID",
        );
    }
    let text = match args.format {
        Format::Text => render_text(&processes),
        Format::Json => serde_json::to_string_pretty(&Dump::of(&processes))? + "\n",
    };
    output::print(&text)?;
    let is_whole = !processes.is_empty() && processes.iter().all(|process| process.error.is_none());
    Ok(ExitCode::from(u8::from(!is_whole)))
}

/// Reads one process.
fn dump(pid: i32) -> ProcessDump {
    Target::prepare(pid)
        .and_then(|target| target.dump())
        .unwrap_or_else(|error| ProcessDump::failed(pid, &error))
}

/// Reads the Python processes among `ancestor` and its descendants. Others, and those that end meanwhile, are passed over.
fn dump_below(ancestor: i32) -> Vec<ProcessDump> {
    let table = read_process_table();
    let below = table.descendants(ancestor).into_iter();
    let pids = below
        .filter(|process| !process.is_zombie())
        .map(|process| process.identity.pid);
    std::iter::once(ancestor)
        .chain(pids)
        .filter(|pid| *pid != dunnage_sys::current_pid())
        .filter_map(
            |pid| match Target::prepare(pid).and_then(|target| target.dump()) {
                Ok(dump) => Some(dump),
                Err(
                    error @ (Error::UnknownVersion { .. }
                    | Error::UnknownBuild { .. }
                    | Error::OtherLayout { .. }),
                ) => Some(ProcessDump::failed(pid, &error)),
                Err(error @ Error::Refused { .. }) if is_called_python(pid) => {
                    Some(ProcessDump::failed(pid, &error))
                }
                Err(_) => None,
            },
        )
        .collect()
}

/// Whether a process that may not be looked into calls itself Python.
fn is_called_python(pid: i32) -> bool {
    dunnage_python::process::read_command(pid).is_some_and(|command| {
        let program = command.split(' ').next().unwrap_or_default();
        program
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("python"))
    })
}
