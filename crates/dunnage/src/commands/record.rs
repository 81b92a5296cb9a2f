//! `dunnage record`: what each thread did, who held the GIL, and when the quota stopped them, on one timeline.

mod direct;
mod make;
mod output;
mod signals;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use dunnage_cli::output::{self as words, Format};
use dunnage_policy::units::parse_duration;
use dunnage_record::Settings;
use dunnage_timeline::{Recording, Timeline, Verdict, render_summary};

use self::make::{Made, make};
use self::output::Outputs;

/// The share of a CPU that looking may take.
const SHARE: f64 = 0.1;

/// Show on one timeline what each thread did, who held the GIL, and when the CPU quota stopped them. Nothing is stopped or
/// signalled, and nothing runs inside the process.
#[derive(Debug, Args)]
pub struct RecordCommand {
    /// The processes, with the Pythons below them; without one, every Python below the supervisor, or below PID 1 where
    /// there is none
    #[arg(
        long = "pid",
        value_name = "PID",
        value_delimiter = ',',
        value_parser = clap::value_parser!(i32).range(1..),
        conflicts_with_all = ["command", "from"]
    )]
    pids: Vec<i32>,

    /// For how long. Default: until the processes end, or ^C
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,

    /// Looks in a second; fewer where there are so many threads that looking would take more than a tenth of a CPU
    #[arg(
        long,
        value_name = "HZ",
        default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(1..=2000)
    )]
    rate: u32,

    /// Where it is written, more than once if wanted; the end of the name says as what: .html (a page), .json (to be shown
    /// again), .timeline.json (explained), .pftrace (for ui.perfetto.dev). Default: a page with the time in its name
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,

    /// How it is summed up on stdout: `text` for people, `json` for programs
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true
    )]
    format: Format,

    /// Show a recording (.json) again, instead of making one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command", "duration"])]
    from: Option<PathBuf>,

    /// A command to start and record, and its arguments
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Records, writes and sums up. The code is the command's if there is one; else 0, 1 if nothing was seen, 2 if a file
/// could not be written.
pub fn run(args: &RecordCommand) -> anyhow::Result<ExitCode> {
    let outputs = Outputs::plan(&args.output, args.from.is_some())?;
    if let Some(path) = &args.from {
        show(&output::read(path)?, &outputs, args.format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings {
        interval: 1_000_000_000 / u64::from(args.rate),
        duration: args.duration.map(|duration| duration.as_nanos() as u64),
        share: SHARE,
    };
    match make(args, &settings)? {
        Made::Nothing(code) => Ok(code),
        Made::Recording(recording, signals) => {
            let shown = show(&recording, &outputs, args.format);
            // the command goes on, whatever became of its recording
            let code = signals.finish()?;
            shown?;
            Ok(ExitCode::from(code.unwrap_or(0)))
        }
    }
}

/// Writes the files and says what was seen.
fn show(recording: &Recording, outputs: &Outputs, format: Format) -> anyhow::Result<()> {
    let timeline = Timeline::build(recording);
    let verdict = Verdict::of(&timeline);
    let text = match format {
        Format::Text => render_summary(&timeline, &verdict, width()),
        Format::Json => {
            let about = (&recording.about, &recording.quality);
            let json = serde_json::json!({
                "schema": "dunnage.verdict/1", "about": about.0, "quality": about.1, "verdict": verdict,
            });
            serde_json::to_string_pretty(&json)? + "\n"
        }
    };
    // a reader of the summary that went away must not keep the files from being written
    let printed = words::print(&text);
    outputs.write(recording, &timeline, &verdict)?;
    Ok(printed?)
}

/// The columns of the terminal, as a shell tells them.
fn width() -> usize {
    let told = std::env::var("COLUMNS").ok();
    told.and_then(|columns| columns.parse().ok()).unwrap_or(100)
}
