//! `dunnage exec -- COMMAND`: the plan's environment for what starts beside the application.
//!
//! `kubectl exec`, probes and cron give a process the container's environment, not the one that the supervisor made for
//! its child. `exec` reads the limits of its own cgroup, which is the container's, makes the same plan, and becomes the
//! command: nothing of ours stays, nothing is printed, and signals are as we found them.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use dunnage_cli::{env, output};
use dunnage_run::Inherited;

use super::plan::plan_here;
use crate::cli::plan_args::PlanArgs;

/// Run a command with the plan's environment.
#[derive(Debug, Args)]
pub struct ExecCommand {
    #[command(flatten)]
    plan_args: PlanArgs,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command. Returns only on failure: 125 our own or no command, 126 not executable, 127 not found.
pub fn run(args: &ExecCommand) -> anyhow::Result<ExitCode> {
    let Some(name) = args.command.first() else {
        return Ok(output::fail(
            125,
            "no command was given: `dunnage exec [OPTIONS] -- COMMAND…`",
        ));
    };
    let inherited = Inherited::take().context("cannot read the signal mask")?;
    let environment = environment(&args.plan_args)?;
    let refusal = dunnage_run::execute_directly(&args.command, &environment, inherited);
    Ok(output::fail(
        refusal.code,
        &format!("cannot run {}: {}", name.display(), refusal.reason),
    ))
}

/// Our own environment with the plan's variables, which replace empty ones of the same name.
fn environment(args: &PlanArgs) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let mut environment: Vec<_> = std::env::vars_os().collect();
    if !env::is_disabled().map_err(anyhow::Error::msg)? {
        let options = args.options();
        options.agent.apply(&mut environment);
        dunnage_run::hand_on_overrides(&args.overrides(), &mut environment);
        let planned = plan_here(args, &options).environment();
        environment.retain(|(name, _)| planned.iter().all(|(planned, _)| name != planned.as_str()));
        environment.extend(
            planned
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
    }
    Ok(environment)
}
