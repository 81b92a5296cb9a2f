//! The program `dunnage-check`: what `dunnage check`, `dunnage explain` and `dunnage lsp` become.
//!
//! It is apart from `dunnage` so that the init of a container is small: it is as large again, for parsers of Dockerfiles, YAML
//! and Python that no container needs. `dunnage` starts it with its own arguments, so it speaks as `dunnage`.

mod check;
mod docs;
mod explain;
mod lsp;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use dunnage_cli::{env, output};

/// The code for a failure of our own.
const FAILURE: u8 = 2;

/// The commands of `dunnage` that look at files. `dunnage check`, `dunnage explain` and `dunnage lsp` start this program, which
/// must lie beside `dunnage`.
#[derive(Debug, Parser)]
#[command(
    name = "dunnage-check",
    bin_name = "dunnage",
    version,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a repository's Dockerfiles, manifests, scripts and Python against the checklist, across files
    Check(check::CheckCommand),
    /// Explain a rule of `check` or an event of `run`: the mechanism, an example, what mends it
    Explain(explain::ExplainCommand),
    /// Serve what `check` finds to an editor (Language Server Protocol)
    Lsp(lsp::LspCommand),
    /// Print generated documentation: one JSON object, paths and texts
    #[command(hide = true)]
    InternalDocs,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let parsed = env::parse(Cli::command(), &arguments).and_then(|mut matches| {
        Cli::from_arg_matches_mut(&mut matches).map_err(env::Failure::Arguments)
    });
    match parsed {
        Ok(cli) => {
            run(&cli.command).unwrap_or_else(|error| output::fail(FAILURE, &format!("{error:#}")))
        }
        Err(told) => told.tell(FAILURE),
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Lsp(args) => lsp::run(args),
        Command::InternalDocs => docs::run(),
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
    fn run_knows_the_variables_of_every_option_here_and_none_looks_like_a_kubernetes_service_link()
    {
        let mut found: Vec<String> = Cli::command()
            .get_subcommands()
            .flat_map(|command| command.get_arguments().filter_map(env::variable))
            .collect();
        found.sort();
        found.dedup();
        assert_eq!(found, env::OF_CHECK);
        assert!(!found.iter().any(|name| env::is_service_link(name)));
    }
}
