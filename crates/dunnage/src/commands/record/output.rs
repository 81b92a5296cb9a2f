//! The files that a recording is written to.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dunnage_timeline::{Recording, Timeline, encode_perfetto};

use crate::output;

/// As what a file is written, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// The recording itself (`dunnage.recording/1`), to be shown again with `--from`.
    Json,
    /// What was made of it (`dunnage.timeline/1`).
    Timeline,
    /// For ui.perfetto.dev.
    Perfetto,
}

/// What is to be written.
#[derive(Debug)]
pub struct Outputs(Vec<(PathBuf, Format)>);

impl Outputs {
    /// Checks what can be checked before anything is recorded.
    pub fn plan(paths: &[PathBuf], is_shown_again: bool) -> anyhow::Result<Self> {
        let mut outputs = Vec::new();
        for path in paths {
            let format = format_of(path)?;
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            if !folder.is_dir() {
                bail!(
                    "{}: there is no folder {}",
                    path.display(),
                    folder.display()
                );
            }
            outputs.push((path.clone(), format));
        }
        if paths.is_empty() && !is_shown_again {
            let path = default_path();
            outputs.push((path, Format::Json));
        }
        Ok(Self(outputs))
    }

    /// Writes each.
    pub fn write(&self, recording: &Recording, timeline: &Timeline) -> anyhow::Result<()> {
        for (path, format) in &self.0 {
            let is_there = path.exists();
            let written = write_whole(path, |file| match format {
                Format::Json => Ok(serde_json::to_writer(file, recording)?),
                Format::Timeline => Ok(serde_json::to_writer(file, timeline)?),
                Format::Perfetto => Ok(file.write_all(&encode_perfetto(timeline))?),
            });
            written.with_context(|| format!("{} cannot be written", path.display()))?;
            let verb = if is_there { "wrote anew" } else { "wrote" };
            output::tell(&format!("dunnage: {verb} {}", path.display()));
        }
        Ok(())
    }
}

/// Reads a recording.
pub fn read(path: &Path) -> anyhow::Result<Recording> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{} is no recording", path.display()))
}

fn format_of(path: &Path) -> anyhow::Result<Format> {
    if path.to_string_lossy().ends_with(".timeline.json") {
        return Ok(Format::Timeline);
    }
    match path.extension().and_then(|end| end.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("pftrace" | "perfetto-trace") => Ok(Format::Perfetto),
        _ => bail!(
            "{}: give a name that ends in .json or .pftrace",
            path.display()
        ),
    }
}

fn default_path() -> PathBuf {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let stamp: String = now
        .chars()
        .filter(|letter| !"-:".contains(*letter))
        .collect();
    PathBuf::from(format!("dunnage-{stamp}.json"))
}

/// Writes a file beside the one that is wanted and puts it in its place when it is whole. What is no plain file, such as
/// a pipe, is written to directly.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_special = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    if is_special {
        let mut file = BufWriter::new(OpenOptions::new().write(true).open(path)?);
        write(&mut file)?;
        return Ok(file.flush()?);
    }
    let name = path.file_name().context("it has no name")?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", dunnage_sys::current_pid()));
    let temporary = path.with_file_name(temporary);
    let mut file = BufWriter::new(
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?,
    );
    let written = write(&mut file)
        .and_then(|()| Ok(file.flush()?))
        .and_then(|()| Ok(std::fs::rename(&temporary, path)?));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
