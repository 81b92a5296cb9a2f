//! `dunnage plan`: what `run` would set here, and why, from which file.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use dunnage_cgroup::{Root, read_limits};
use dunnage_cli::output;
use dunnage_policy::plan::{Plan, PlanOptions, plan};

use crate::cli::plan_args::PlanArgs;

/// How the plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object (`dunnage.plan/1`).
    Json,
    /// `NAME=value` lines.
    Env,
}

/// Show what `run` would set here, and why, from which file.
#[derive(Debug, Args)]
pub struct PlanCommand {
    /// `text` for people, `json` for programs, `env` for `env $(dunnage plan --format env)` and `docker run --env-file`:
    /// NAME=value lines of what is set
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|json|env",
        hide_possible_values = true
    )]
    format: Format,

    #[command(flatten)]
    plan_args: PlanArgs,
}

/// Makes the plan for a command that would be started here and now.
pub fn plan_here(args: &PlanArgs, options: &PlanOptions) -> Plan {
    let limits = read_limits(&Root::system(), &args.overrides(), None);
    plan(&limits, &|name: &str| std::env::var_os(name), options)
}

/// Prints the plan.
pub fn run(args: &PlanCommand) -> anyhow::Result<ExitCode> {
    let plan = plan_here(&args.plan_args, &args.plan_args.options());
    let text = match args.format {
        Format::Text => plan.render_text(),
        Format::Json => serde_json::to_string_pretty(&plan)? + "\n",
        Format::Env => plan.render_env(),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
