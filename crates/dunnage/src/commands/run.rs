//! `dunnage run`: from options to a run.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use dunnage_cli::{env, output};
use dunnage_policy::agent::Agent;
use dunnage_policy::event::Level;
use dunnage_policy::ladder::Rules;
use dunnage_policy::shutdown::{self, margin};
use dunnage_policy::signal::Signal;
use dunnage_policy::target::SignalTo;
use dunnage_policy::verdict::{ExitMap, seconds};
use dunnage_run::{
    Conduct, Config, Control, Forwarded, Health, Inherited, JobControl, Manners, PlanMode, Voice,
    Watched,
};

use crate::cli::Cli;
use crate::cli::run_args::{self, LogFormat, LogLevel, Mode, RunArgs, Term};
use crate::cli::values::{Grace, TerminationLog};

/// Where kubelet mounts a pod's service account.
const KUBERNETES_FOLDER: &str = "/var/run/secrets/kubernetes.io";

/// Runs the command to its end.
pub fn run(args: &RunArgs, inherited: Inherited) -> ExitCode {
    if args.command.is_empty() {
        return output::fail(
            125,
            "no command was given: `dunnage run [OPTIONS] -- COMMAND…` (is the image's CMD empty?)",
        );
    }
    match args.memory_args.rules() {
        Ok(memory) => ExitCode::from(dunnage_run::run(&config(args, memory), inherited)),
        Err(error) => output::fail(125, &error),
    }
}

/// `DUNNAGE_DISABLE=1`: becomes the command, as if we had not been there. The options are skipped, not judged.
pub fn execute_directly(arguments: &[OsString], inherited: Inherited) -> ExitCode {
    let command = command_of(arguments);
    if command.is_empty() {
        return output::fail(125, "no command was given");
    }
    let environment: Vec<_> = std::env::vars_os().collect();
    let refusal = dunnage_run::execute_directly(&command, &environment, inherited);
    output::fail(
        refusal.code,
        &format!(
            "cannot run {}: {}",
            command
                .first()
                .map(|word| word.display().to_string())
                .unwrap_or_default(),
            refusal.reason
        ),
    )
}

fn command_of(arguments: &[OsString]) -> Vec<OsString> {
    if let Ok(matches) = Cli::command().try_get_matches_from(arguments) {
        let words = matches
            .subcommand()
            .and_then(|(_, run)| run.get_many::<OsString>("command"));
        return words
            .map(|words| words.cloned().collect())
            .unwrap_or_default();
    }
    // options that this version does not know: the command is what follows the two dashes
    arguments
        .iter()
        .skip_while(|word| *word != "--")
        .skip(1)
        .cloned()
        .collect()
}

fn config(args: &RunArgs, memory: Option<Rules>) -> Config {
    let mut notes: Vec<String> = Vec::new();
    let observe = args.mode == Mode::Observe;
    let conduct = if observe {
        Conduct {
            observe: true,
            ..Conduct::as_tini()
        }
    } else {
        conduct(args)
    };
    let rules = &conduct.rules;
    if rules.effective_drain_delay() < rules.drain_delay {
        let (asked, used) = (
            rules.drain_delay.as_millis() as u64,
            rules.effective_drain_delay().as_millis() as u64,
        );
        notes.push(format!(
            "the drain delay of {} is cut to {}, half of the time there is; raise --grace",
            seconds(asked),
            seconds(used)
        ));
    }
    let options = args.plan_args.options();
    let agent = options.agent.clone();
    if let (Term::Exit, Agent::Off(reason)) = (args.term, &agent) {
        notes.push(format!(
            "--term exit does nothing without the agent ({reason})"
        ));
    }
    let plan = match (args.plan.is_on(), observe) {
        (false, _) => PlanMode::Off,
        (true, true) => PlanMode::Observe(options),
        (true, false) => PlanMode::Apply(options),
    };
    Config {
        command: args.command.clone(),
        conduct,
        plan,
        agent,
        term_exit: args.term == Term::Exit,
        release: args.memory_args.release.is_on(),
        overrides: args.plan_args.overrides(),
        voice: voice(args),
        watched: Watched {
            zombies: args.zombie_report.is_on(),
            limits: args.resize_report.is_on(),
            throttling: args.throttle_report.is_on(),
        },
        evidence: true,
        control: control(args, observe),
        memory,
        report_dir: args.memory_args.report_dir.clone(),
        oom_kills: args.memory_args.oom_kills.kills(),
        health: Health {
            listen: args.memory_args.listen,
            textfile: args.memory_args.textfile.clone(),
        },
        unknown_variables: env::unknown_variables(Cli::command),
        notes,
    }
}

fn conduct(args: &RunArgs) -> Conduct {
    let grace = match args.grace {
        Grace::Auto if is_kubernetes() => Some(Duration::from_secs(30)),
        Grace::Auto => Some(Duration::from_secs(10)),
        Grace::For(grace) => Some(grace),
        Grace::Off => None,
    };
    let mut stop_signals = match args.stop_signal.as_slice() {
        // Ctrl-C on a terminal is the application's business
        [] if dunnage_run::has_terminal() => vec![Signal::TERM],
        [] => vec![Signal::TERM, Signal::INT],
        given => given.to_vec(),
    };
    // what a stop signal is passed on as stops too: the sequence sees signals as they are passed on
    let rewritten = args
        .rewrite
        .iter()
        .filter(|(from, _)| stop_signals.contains(from));
    let rewritten: Vec<Signal> = rewritten.filter_map(|(_, to)| *to).collect();
    stop_signals.extend(rewritten);
    Conduct {
        observe: false,
        manners: Manners::Dunnage,
        subreaper: args.subreaper.is_on(),
        group: dunnage_sys::Group::Own,
        terminal: args.terminal.is_on(),
        job_control: if args.terminal.is_on() {
            JobControl::Follow
        } else {
            JobControl::Ignore
        },
        signal_to: match args.signal_to {
            run_args::SignalTo::Auto => SignalTo::Auto,
            run_args::SignalTo::Child => SignalTo::Child,
            run_args::SignalTo::Group => SignalTo::Group,
            run_args::SignalTo::All => SignalTo::All,
        },
        forwarded: Forwarded::All,
        rewrite: args.rewrite.clone(),
        rules: shutdown::Rules {
            stop_signals,
            budget: grace.map(|grace| grace.saturating_sub(margin(grace))),
            drain_delay: args.drain_delay,
            stray_grace: if let Grace::For(grace) = args.stray_grace {
                Some(grace)
            } else {
                None
            },
        },
        grace,
        group_signal_at_end: None,
        exit_map: ExitMap(args.map_exit.clone()),
        parent_death: args.parent_death,
        report_reaped: false,
    }
}

fn control(args: &RunArgs, observe: bool) -> Control {
    match (args.control.is_on(), observe) {
        (false, _) => Control::Off,
        (true, true) => Control::Observe,
        (true, false) => {
            let chosen = std::env::var_os("DUNNAGE_RUNTIME_DIR");
            Control::On(chosen.filter(|path| !path.is_empty()).map(Into::into))
        }
    }
}

fn voice(args: &RunArgs) -> Voice {
    let threshold = match args.log_level {
        LogLevel::Off => None,
        LogLevel::Error => Some(Level::Error),
        LogLevel::Warn => Some(Level::Warn),
        LogLevel::Info => Some(Level::Info),
        LogLevel::Debug => Some(Level::Debug),
    };
    Voice {
        format: if args.log_format == LogFormat::Json {
            dunnage_run::LogFormat::Json
        } else {
            dunnage_run::LogFormat::Text
        },
        threshold,
        termination_log: match &args.termination_log {
            TerminationLog::Off => None,
            TerminationLog::At(path) => Some(path.clone()),
        },
    }
}

/// Whether kubelet started us: it gives every container the address of the API server.
fn is_kubernetes() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() || Path::new(KUBERNETES_FOLDER).exists()
}
