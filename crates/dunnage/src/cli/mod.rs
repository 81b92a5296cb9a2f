//! The command line: `dunnage COMMAND [OPTIONS] …`.
//!
//! Every long option can also be given as a variable (`--drain-delay` is `DUNNAGE_DRAIN_DELAY`); the command line comes
//! before the environment, the environment before the default. See [`dunnage_cli::env`].

pub mod memory_args;
pub mod plan_args;
pub mod run_args;
pub mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use dunnage_cli::{env, output};
use dunnage_run::Inherited;

use crate::{commands, demo};

/// The packing that keeps a Python application from being crushed inside its container.
#[derive(Debug, Parser)]
#[command(name = "dunnage", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// `dunnage run` alone. It stands before every application's start and stays in memory, so the options of the other
/// commands are not built for it.
#[derive(Debug, Parser)]
#[command(name = "dunnage", version, disable_help_subcommand = true)]
struct RunCli {
    #[command(subcommand)]
    command: Init,
}

#[derive(Debug, Subcommand)]
enum Init {
    /// Run an application as its init: size its pools, reap, pass signals on, stop it in time
    Run(Box<run_args::RunArgs>),
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Init(Init),
    /// Show what `run` would set here, and why, from which file
    Plan(commands::plan::PlanCommand),
    /// Run a command with the plan's environment, as `kubectl exec` and probes need it
    Exec(commands::exec::ExecCommand),
    /// Show what Python believes beside what the kernel enforces, and what is wrong here
    Doctor(commands::doctor::DoctorCommand),
    /// Show where every thread of every Python process is, now
    Dump(commands::dump::DumpCommand),
    /// Show on one timeline what each thread did, who held the GIL, and when the CPU quota stopped them
    Record(commands::record::RecordCommand),
    /// Show what a memory record says: how the memory grew, who held it, where every thread was
    Report(commands::report::ReportCommand),
    /// Check a repository's Dockerfiles, manifests, scripts and Python against the checklist, across files
    #[command(disable_help_flag = true)]
    Check(commands::beside::Words),
    /// Explain a rule of `check` or an event of `run`: the mechanism, an example, what mends it
    #[command(disable_help_flag = true)]
    Explain(commands::beside::Words),
    /// Serve what `check` finds to an editor (Language Server Protocol)
    #[command(disable_help_flag = true)]
    Lsp(commands::beside::Words),
    /// Show the failures in real cgroups on this machine, without and with dunnage
    Demo(demo::DemoArgs),
    /// Print generated documentation
    #[command(hide = true)]
    InternalDocs(commands::docs::DocsArgs),
}

/// Parses the command line and the environment and runs the command.
pub fn dispatch(arguments: &[OsString], inherited: Option<Inherited>) -> ExitCode {
    let failure = own_failure(arguments);
    // an option that cannot be read must not keep DUNNAGE_DISABLE from switching everything off
    if let (true, Some(inherited)) = (inherited.is_some(), inherited) {
        match env::is_disabled() {
            Ok(true) => return commands::run::execute_directly(arguments, inherited),
            Ok(false) => {}
            Err(message) => return output::fail(failure, &message),
        }
    }
    let command = if inherited.is_some() {
        RunCli::command()
    } else {
        Cli::command()
    };
    let mut matches = match env::parse(command, arguments) {
        Ok(matches) => matches,
        Err(told) => return told.tell(failure),
    };
    match Cli::from_arg_matches_mut(&mut matches) {
        Ok(cli) => run(cli.command, arguments, inherited, failure),
        Err(error) => env::Failure::Arguments(error).tell(failure),
    }
}

fn run(
    command: Command,
    arguments: &[OsString],
    inherited: Option<Inherited>,
    failure: u8,
) -> ExitCode {
    let result = match command {
        Command::Init(Init::Run(args)) => match inherited {
            Some(inherited) => return commands::run::run(&args, inherited),
            None => Err(anyhow::anyhow!("`run` must be the first word")),
        },
        Command::Plan(args) => commands::plan::run(&args),
        Command::Exec(args) => commands::exec::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Dump(args) => commands::dump::run(&args),
        Command::Record(args) => commands::record::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Check(_) | Command::Explain(_) | Command::Lsp(_) => {
            commands::beside::run(arguments)
        }
        Command::Demo(args) => demo::run(&args),
        Command::InternalDocs(args) => commands::docs::run(&args),
    };
    result.unwrap_or_else(|error| output::fail(failure, &format!("{error:#}")))
}

/// The code for a failure of our own: what a container's init or `exec` gives is one that an application hardly uses.
fn own_failure(arguments: &[OsString]) -> u8 {
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("run" | "exec") => 125,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn whatever_follows_the_name_of_another_programs_command_is_left_to_that_program() {
        for name in ["check", "explain", "lsp"] {
            for words in [
                &[][..],
                &["--help"],
                &["-h", "-V", "--version"],
                &["--", "--format=json"],
                &["path", "--fix", "--", ""],
                &["--no-such-option=1", "run"],
            ] {
                let all = [&["dunnage", name], words].concat();
                let cli = Cli::try_parse_from(all).unwrap();
                assert!(matches!(
                    cli.command,
                    Command::Check(_) | Command::Explain(_) | Command::Lsp(_)
                ));
            }
        }
    }

    #[test]
    fn no_variable_of_ours_looks_like_a_kubernetes_service_link() {
        for command in Cli::command().get_subcommands() {
            for name in command.get_arguments().filter_map(env::variable) {
                assert!(!env::is_service_link(&name), "{name}");
            }
        }
    }
}
