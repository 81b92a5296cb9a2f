//! `dunnage check`: the checklist over the files of a repository.

pub mod config;
mod fixing;
mod helm;
pub mod walk;
mod write;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dunnage_check::engine::Skipped;
use dunnage_check::graph::{Graph, Hints, render as graph_render};
use dunnage_check::render::{
    Style, render_github, render_json, render_sarif, render_short, render_text,
};
use dunnage_check::rules::Persona;
use dunnage_check::settings::{FailOn, Selector};
use dunnage_check::{Baseline, Confidence, Places, Report, Repository, Settings, Severity};
use dunnage_cli::output;
use serde::de::DeserializeOwned;

use walk::Roots;

/// Check a repository's Dockerfiles, Compose files, Kubernetes manifests, scripts and Python against the checklist, and tell
/// what will hurt in a container. Nothing is run and nothing leaves the machine.
#[derive(Debug, Args)]
pub struct CheckCommand {
    /// Folders and files
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    paths: Vec<PathBuf>,

    /// `text` for people, `short` with a line for each finding, `json` for programs, `sarif` for code scanning, `github` for
    /// annotations in a workflow
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|short|json|sarif|github",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    format: CheckFormat,

    /// Colours: `auto` has them on a terminal without NO_COLOR
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "auto|always|never",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    color: Color,

    /// Show the workloads and how they were joined, instead of findings
    #[arg(long, help_heading = "Output")]
    graph: bool,

    /// Only these rules: ids, names, families (`PID`), `all`. A rule that is named is shown however mild it is
    #[arg(long, value_parser = str::parse::<Selector>, value_delimiter = ',', value_name = "RULE", help_heading = "Rules")]
    select: Vec<Selector>,

    /// None of these, after --select
    #[arg(long, value_parser = str::parse::<Selector>, value_delimiter = ',', value_name = "RULE", help_heading = "Rules")]
    ignore: Vec<Selector>,

    /// `regular` hears what will hurt; `pedantic` also what is often fine, what is mild and what is a guess
    #[arg(long, value_parser = parse_word::<Persona>, value_name = "regular|pedantic", help_heading = "Rules")]
    persona: Option<Persona>,

    /// The least severe that is shown. Default: warning, or info to the pedantic
    #[arg(long, value_parser = parse_word::<Severity>, value_name = "info|warning|error", help_heading = "Rules")]
    min_severity: Option<Severity>,

    /// The least sure that is shown. Default: medium, or low to the pedantic
    #[arg(long, value_parser = parse_word::<Confidence>, value_name = "low|medium|high", help_heading = "Rules")]
    min_confidence: Option<Confidence>,

    /// The least severe that makes the exit code 1; what is hidden does not count. Default: error
    #[arg(long, value_parser = parse_word::<FailOn>, value_name = "info|warning|error|never", help_heading = "Rules")]
    fail_on: Option<FailOn>,

    /// Files that are not looked at, as in a .gitignore. Repeatable
    #[arg(long, value_name = "GLOB", help_heading = "Files")]
    exclude: Vec<String>,

    /// Check what Helm charts render to, by the `helm` that is on PATH. Without it their templates are counted and not judged
    #[arg(long, conflicts_with_all = ["fix", "diff"], help_heading = "Files")]
    helm: bool,

    /// Settings, instead of the nearest dunnage.toml or pyproject.toml with `[tool.dunnage]`
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    config: Option<PathBuf>,

    /// Findings that are known and not told
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    baseline: Option<PathBuf>,

    /// Write what is found to a baseline, and tell nothing of it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "baseline",
        help_heading = "Files"
    )]
    write_baseline: Option<PathBuf>,

    #[command(flatten)]
    fixing: fixing::FixOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    Short,
    Json,
    Sarif,
    Github,
}

// no documentation at the values, as with formats
/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// A word of a setting, with the message that the settings' file would get.
fn parse_word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(word)).map_err(|error| error.to_string())
}

/// Checks. The code is 0 if nothing was found that counts, 1 if something was.
pub fn run(args: &CheckCommand) -> anyhow::Result<ExitCode> {
    let roots = Roots::of(&args.paths)?;
    let mut found = config::find(args.config.as_deref(), roots.base())?;
    found.rebase(roots.base());
    let settings = with_options(found.settings, args);
    let baseline = match baseline_path(args, &settings, found.folder.as_deref()) {
        Some(path) => read_baseline(&path)?,
        None => Baseline::default(),
    };
    if args.graph {
        return show_graph(&roots, &settings, args);
    }
    if let Some(job) = args.fixing.job(&roots, &settings, &baseline) {
        return job.run(|report| render(report, &roots, args));
    }
    let report = check(&roots, &settings, &baseline, args.helm)?;
    if let Some(path) = &args.write_baseline {
        return write_baseline(&report, path);
    }
    output::print(&render(&report, &roots, args))?;
    Ok(ExitCode::from(u8::from(report.fails(&settings))))
}

fn check(
    roots: &Roots,
    settings: &Settings,
    baseline: &Baseline,
    is_rendered: bool,
) -> anyhow::Result<Report> {
    let (repository, skipped) = load(roots, settings, is_rendered)?;
    let mut report = dunnage_check::check(repository, settings, baseline);
    report.skipped = skipped;
    Ok(report)
}

fn load(
    roots: &Roots,
    settings: &Settings,
    is_rendered: bool,
) -> anyhow::Result<(Repository, Skipped)> {
    let load = if is_rendered {
        walk::load_rendered
    } else {
        walk::load
    };
    load(roots, &settings.exclude)
}

/// What was joined to what.
fn show_graph(roots: &Roots, settings: &Settings, args: &CheckCommand) -> anyhow::Result<ExitCode> {
    let repository = load(roots, settings, args.helm)?.0;
    let graph = Graph::build_with(&repository, &Hints::of(&settings.images));
    output::print(&match args.format {
        CheckFormat::Text => graph_render::render_text(&repository, &graph),
        CheckFormat::Json => graph_render::render_json(&repository, &graph),
        _ => bail!("--graph is printed as text or json"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The command line over the file.
fn with_options(mut settings: Settings, args: &CheckCommand) -> Settings {
    if !args.select.is_empty() {
        settings.select = Some(args.select.clone());
    }
    settings.ignore.extend(args.ignore.iter().cloned());
    settings.exclude.extend(args.exclude.iter().cloned());
    settings.persona = args.persona.or(settings.persona);
    settings.min_severity = args.min_severity.or(settings.min_severity);
    settings.min_confidence = args.min_confidence.or(settings.min_confidence);
    settings.fail_on = args.fail_on.or(settings.fail_on);
    settings
}

fn baseline_path(
    args: &CheckCommand,
    settings: &Settings,
    folder: Option<&Path>,
) -> Option<PathBuf> {
    if args.write_baseline.is_some() {
        return None;
    }
    let named = settings.baseline.as_ref();
    let of_settings = || Some(folder?.join(named?));
    args.baseline.clone().or_else(of_settings)
}

fn read_baseline(path: &Path) -> anyhow::Result<Baseline> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(name)?;
    Baseline::parse(&text).with_context(name)
}

fn write_baseline(report: &Report, path: &Path) -> anyhow::Result<ExitCode> {
    let marks = report.fingerprints.iter().map(String::as_str);
    let baseline = Baseline::of(report.findings.iter().zip(marks), &report.repository);
    std::fs::write(path, baseline.render()).with_context(|| path.display().to_string())?;
    output::tell(&format!(
        "dunnage: {} findings written to {}; they are not told again with --baseline",
        baseline.len(),
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn render(report: &Report, roots: &Roots, args: &CheckCommand) -> String {
    let places = Places::new(&report.repository, roots.prefix());
    match args.format {
        CheckFormat::Text => render_text(report, &places, style(args.color)),
        CheckFormat::Short => render_short(report, &places),
        CheckFormat::Json => render_json(report, &places, VERSION),
        CheckFormat::Sarif => render_sarif(report, &places, VERSION),
        CheckFormat::Github => render_github(report, &places),
    }
}

/// The files of a folder, as `check` reads them.
pub fn load_folder(folder: &Path) -> anyhow::Result<Repository> {
    let roots = Roots::of(&[folder.to_owned()])?;
    Ok(walk::load(&roots, &[])?.0)
}

/// How text is shown on this stdout.
pub fn style(color: Color) -> Style {
    let stdout = std::io::stdout();
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_plain =
        is_set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = columns
        .or_else(|| {
            if stdout.is_terminal() {
                terminal()
            } else {
                None
            }
        })
        .unwrap_or(100);
    Style {
        is_coloured: match color {
            Color::Auto => stdout.is_terminal() && !is_plain,
            Color::Always => true,
            Color::Never => false,
        },
        width: width.clamp(60, 120),
    }
}
