//! `dunnage dump`: where every thread of every Python process is, now, read from outside.

use std::process::ExitCode;

use clap::Args;
use dunnage_cli::output::{self, Format};
use dunnage_python::render::render_text;
use dunnage_python::{Dump, ProcessDump};
use dunnage_run::{ask, find_supervisor, read_below, read_one};

/// Show where every thread of every Python process is, now. Nothing is stopped or signalled.
#[derive(Debug, Args)]
pub struct DumpCommand {
    /// The processes; without one, every Python process below the supervisor, or below PID 1 where there is none
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
    let processes = read(&args.pids)?;
    if processes.is_empty() {
        output::tell("dunnage: no Python process was found; name one: dunnage dump PID");
    }
    let text = match args.format {
        Format::Text => render_text(&processes),
        Format::Json => serde_json::to_string_pretty(&Dump::of(&processes))? + "\n",
    };
    output::print(&text)?;
    let is_whole = !processes.is_empty() && processes.iter().all(|process| process.error.is_none());
    Ok(ExitCode::from(u8::from(!is_whole)))
}

/// Lets the supervisor read, which is an ancestor and may; without one, or where it does not answer, we try.
fn read(pids: &[i32]) -> anyhow::Result<Vec<ProcessDump>> {
    match find_supervisor().map(|supervisor| ask(&supervisor, pids)) {
        Some(Ok(mut processes)) => {
            for process in processes.iter_mut().filter(|_| !pids.is_empty()) {
                read_instead(process);
            }
            return Ok(processes);
        }
        Some(Err(error)) => output::tell(&format!("dunnage: {error}; reading without it")),
        None => {}
    }
    let mut processes = Vec::new();
    if pids.is_empty() {
        // PID 1 may itself be a Python
        processes.extend(Some(read_one(1)).filter(|process| process.error.is_none()));
        read_below(1, |process| {
            processes.push(process);
            anyhow::Ok(())
        })?;
    }
    processes.extend(pids.iter().map(|pid| read_one(*pid)));
    Ok(processes)
}

/// What is named but not below the supervisor, such as another session, can perhaps be read from here.
fn read_instead(process: &mut ProcessDump) {
    if let Some(reason) = process.error.take() {
        *process = read_one(process.pid);
        if let Some(own) = &mut process.error {
            *own = format!("{reason}; without the supervisor: {own}");
        }
    }
}
