//! The files that a recording is written to.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dunnage_cli::output;
use dunnage_timeline::{Recording, Timeline, Verdict, encode_perfetto, render_page, write_json};

/// The largest recording that is read, in bytes: what a recorder writes at most is some hundred MiB.
const MAX_FILE: u64 = 2 << 30;

/// As what a file is written, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// One page that needs nothing else.
    Page,
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
    /// Checks what can be checked before anything is recorded. Without a path, a new recording becomes a page in this
    /// folder, or in the one for temporary files where this one cannot be written to.
    pub fn plan(paths: &[PathBuf], is_shown_again: bool) -> anyhow::Result<Self> {
        let mut outputs = Vec::new();
        for path in paths {
            let format = format_of(path)?;
            probe(&folder_of(path))
                .with_context(|| format!("{} cannot be written", path.display()))?;
            if path.is_file() {
                output::tell(&format!("dunnage: {} will be replaced", path.display()));
            }
            outputs.push((path.clone(), format));
        }
        if paths.is_empty() && !is_shown_again {
            outputs.push((default_path()?, Format::Page));
        }
        Ok(Self(outputs))
    }

    /// Writes each.
    pub fn write(
        &self,
        recording: &Recording,
        timeline: &Timeline,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        for (path, format) in &self.0 {
            let written = write_whole(path, |file| match format {
                Format::Page => Ok(file.write_all(render_page(timeline, verdict).as_bytes())?),
                Format::Json => Ok(serde_json::to_writer(file, recording)?),
                Format::Timeline => Ok(write_json(timeline, verdict, file)?),
                Format::Perfetto => Ok(file.write_all(&encode_perfetto(timeline))?),
            });
            written.with_context(|| format!("{} cannot be written", path.display()))?;
            output::tell(&format!("dunnage: wrote {}", path.display()));
        }
        Ok(())
    }
}

/// Reads a recording.
pub fn read(path: &Path) -> anyhow::Result<Recording> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    if file.metadata().is_ok_and(|found| found.len() > MAX_FILE) {
        bail!("{} is larger than any recording", path.display());
    }
    let text = std::io::read_to_string(file).with_context(|| path.display().to_string())?;
    Recording::parse(&text).with_context(|| {
        format!(
            "{} is no recording: give what `dunnage record -o NAME.json` wrote",
            path.display()
        )
    })
}

fn format_of(path: &Path) -> anyhow::Result<Format> {
    let name = path.to_string_lossy();
    let formats = [
        (".html", Format::Page),
        (".timeline.json", Format::Timeline),
        (".json", Format::Json),
        (".pftrace", Format::Perfetto),
        (".perfetto-trace", Format::Perfetto),
    ];
    let format = formats.into_iter().find(|(end, _)| name.ends_with(end));
    format.map(|(_, format)| format).with_context(|| {
        format!("{name}: give a name that ends in .html, .json, .timeline.json or .pftrace")
    })
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether a file can be made there; better known before a minute was recorded than after.
fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".dunnage-{}", dunnage_sys::current_pid()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(path)
}

fn default_path() -> anyhow::Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let stamp: String = now
        .chars()
        .filter(|letter| !"-:".contains(*letter))
        .collect();
    let folders = [PathBuf::new(), std::env::temp_dir()];
    let folder = folders
        .into_iter()
        .find(|folder| probe(&folder_of(&folder.join("x"))).is_ok())
        .context("neither this folder nor the one for temporary files can be written to: give -o FILE.html")?;
    let mut path = folder.join(format!("dunnage-{stamp}.html"));
    let mut count = 1;
    while path.exists() {
        count += 1;
        path = folder.join(format!("dunnage-{stamp}-{count}.html"));
    }
    Ok(path)
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
    let mut temporary = OsString::from(".");
    temporary.push(path.file_name().context("it has no name")?);
    temporary.push(format!(".{}", dunnage_sys::current_pid()));
    let temporary = path.with_file_name(temporary);
    let mut options = OpenOptions::new();
    let mut file = BufWriter::new(options.write(true).create_new(true).open(&temporary)?);
    let written = write(&mut file)
        .and_then(|()| Ok(file.flush()?))
        .and_then(|()| Ok(std::fs::rename(&temporary, path)?));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_says_as_what_it_is_written_and_others_are_refused() {
        let format = |name: &str| format_of(Path::new(name)).ok();
        assert_eq!(format("a.html"), Some(Format::Page));
        assert_eq!(format("a.json"), Some(Format::Json));
        assert_eq!(format("b/a.timeline.json"), Some(Format::Timeline));
        assert_eq!(format("a.pftrace"), Some(Format::Perfetto));
        assert_eq!(format("a.txt"), None);
        assert_eq!(format("html"), None);
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_whole(&path, |file| Ok(file.write_all(b"first")?)).unwrap();
        let failed = write_whole(&path, |file| {
            file.write_all(b"sec")?;
            bail!("no more")
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn a_folder_that_is_not_there_is_noticed_before_anything_is_recorded() {
        let paths = [PathBuf::from("/nonexistent/a.html")];
        let error = Outputs::plan(&paths, false).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/a.html"), "{error}");
    }
}
