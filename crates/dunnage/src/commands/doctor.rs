//! `dunnage doctor`: what Python believes beside what the kernel enforces, live, and a verdict with evidence for each thing
//! that goes wrong in containers.
//!
//! Reading ([`read`]) is apart from deciding ([`judge`], [`table`], [`belief`]): facts are plain values, and stand in the
//! JSON, so that a report of somewhere else can be judged again here.

mod belief;
mod facts;
mod judge;
mod read;
mod render;
mod table;
mod words;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use dunnage_cli::output::{self, Format};

use self::render::{Report, Summary};

/// Show what Python believes beside what the kernel enforces, and what is wrong in this container, with evidence. Nothing is
/// stopped, signalled or called.
#[derive(Debug, Args)]
pub struct DoctorCommand {
    /// The process to look at; without it the largest Python that can be seen
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,

    /// `text` for people, `json` for programs, with all facts
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true
    )]
    format: Format,
}

/// Prints the report. The code is 1 if a verdict failed.
pub fn run(args: &DoctorCommand) -> anyhow::Result<ExitCode> {
    let facts = read::read(args.pid)?;
    let (table, verdicts) = (table::table(&facts), judge::judge(&facts));
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let report = Report::new(time, &facts, &table, &verdicts);
    let text = match args.format {
        Format::Text => report.render_text(),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    output::print(&text)?;
    Ok(ExitCode::from(u8::from(!Summary::of(&verdicts).is_ok())))
}
