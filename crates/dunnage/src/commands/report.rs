//! `dunnage report`: what a memory record says, for a person.

mod curve;
mod html;
mod reading;
#[cfg(test)]
mod tests;
mod text;

use std::fs::{File, TryLockError};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dunnage_cli::output;
use dunnage_run::record::{MAX_FILE, Record, RecordFile, newest, parse_record, read_record};
use serde::Serialize;

/// The schema of a report as JSON.
const SCHEMA: &str = "dunnage.report/1";

/// The variable of `run`'s `--report-dir`, which the application's processes and sessions may have.
const FOLDER: &str = "DUNNAGE_REPORT_DIR";

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One page that needs nothing else.
    Html,
    /// One JSON object (`dunnage.report/1`).
    Json,
}

/// Show what a memory record of `dunnage run --report-dir` says: how the memory grew, who held it, where every thread was.
#[derive(Debug, Args)]
pub struct ReportCommand {
    /// A record file, a folder of which the newest record is shown, or `-` for standard input. Default: the folder
    /// `$DUNNAGE_REPORT_DIR`
    #[arg(value_name = "FILE|DIR")]
    path: Option<PathBuf>,

    /// The number of the record in the file. Default: the last one
    #[arg(long, value_name = "N")]
    record: Option<u32>,

    /// `text` for people, `html` for one page to keep or send, `json` for programs
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|html|json",
        hide_possible_values = true
    )]
    format: Format,
}

/// How text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    /// Whether a picture may be drawn with braille characters.
    unicode: bool,
    /// Whether headings may be bold.
    bold: bool,
}

/// A file, its story, and the record of it that is shown.
struct Report<'r> {
    path: String,
    file: &'r RecordFile,
    record: Option<&'r Record>,
    /// Whether its writer is known to live.
    is_alive: bool,
}

/// Prints the report. The code is 0 if there is a record, 1 if there is none.
pub fn run(args: &ReportCommand) -> anyhow::Result<ExitCode> {
    let Some(Found {
        path,
        file,
        is_alive,
    }) = find(args.path.as_deref())?
    else {
        output::tell("dunnage: no record file is there");
        return Ok(ExitCode::from(1));
    };
    let record = match args.record {
        None => file.last_record(),
        Some(number) => {
            let mut records = file.records.iter();
            let found = records.find(|record| record.begin.number == number);
            Some(found.with_context(|| format!("{path} holds no record {number}"))?)
        }
    };
    let report = Report {
        path,
        file: &file,
        record,
        is_alive,
    };
    output::print(&report.render(args.format)?)?;
    Ok(ExitCode::from(u8::from(record.is_none())))
}

/// A file that was found.
struct Found {
    path: String,
    file: RecordFile,
    is_alive: bool,
}

fn find(path: Option<&Path>) -> anyhow::Result<Option<Found>> {
    let told = std::env::var_os(FOLDER).map(PathBuf::from);
    let path = path.or(told.as_deref()).with_context(|| {
        format!("give a record file or a folder: dunnage report PATH (or set {FOLDER})")
    })?;
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(MAX_FILE)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return Ok(Some(Found {
            path: "standard input".to_owned(),
            file: parse_record(&bytes),
            is_alive: false,
        }));
    }
    let about =
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let chosen = if about.is_dir() {
        newest(path)
    } else {
        Some(path.to_owned())
    };
    let Some(chosen) = chosen else {
        return Ok(None);
    };
    let shown = chosen.display().to_string();
    let file = read_record(&chosen).with_context(|| format!("cannot read {shown}"))?;
    if file.run.is_none() && file.records.is_empty() {
        anyhow::bail!("{shown} is no record file of dunnage");
    }
    Ok(Some(Found {
        path: shown,
        file,
        is_alive: is_locked(&chosen),
    }))
}

/// Whether somebody writes the file: a supervisor locks it as long as it lives.
fn is_locked(path: &Path) -> bool {
    let lock = File::open(path).map(|file| file.try_lock_shared());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}

#[derive(Serialize)]
struct Json<'j> {
    schema: &'static str,
    file: &'j str,
    reading: String,
    #[serde(flatten)]
    story: &'j RecordFile,
}

impl Report<'_> {
    fn reading(&self) -> String {
        reading::read(self.file, self.record, self.is_alive).join(" ")
    }

    fn render(&self, format: Format) -> anyhow::Result<String> {
        Ok(match format {
            Format::Text => self.render_text(Style::of_stdout()),
            Format::Html => self.render_html(),
            Format::Json => {
                serde_json::to_string_pretty(&Json {
                    schema: SCHEMA,
                    file: &self.path,
                    reading: self.reading(),
                    story: self.file,
                })? + "\n"
            }
        })
    }
}

impl Style {
    fn of_stdout() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        // the first that is set decides, as for any program (locale(7))
        let locale = variable("LC_ALL")
            .or_else(|| variable("LC_CTYPE"))
            .or_else(|| variable("LANG"));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            bold: std::io::stdout().is_terminal() && variable("NO_COLOR").is_none(),
        }
    }
}

/// What stands in a record is an application's own, and hostile until shown harmless: nothing in it may steer a terminal,
/// turn the writing direction, or fill a page.
fn printable(text: &str) -> String {
    const MOST: usize = 2000;
    let plain = |letter: char| match letter {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().take(MOST).map(plain).collect()
}
