//! Charts rendered by the `helm` that is there, for who asked: a program is never run unasked.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use dunnage_check::Source;

/// What the path of what a chart renders to ends in: no file of the repository is called so.
pub const RENDERED: &str = "(helm template).yaml";

/// Takes the templates of each chart out of the paths and gives what they render to, by a path below the chart. Charts within
/// a chart are part of it.
///
/// # Errors
/// There is no helm, or it refuses a chart.
pub fn render(base: &Path, paths: &mut Vec<String>) -> anyhow::Result<Vec<(String, String)>> {
    let mut charts: Vec<String> = paths
        .iter()
        .filter_map(|path| path.strip_suffix("Chart.yaml"))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .map(str::to_owned)
        .collect();
    charts.sort();
    charts.dedup_by(|inner, outer| inner.starts_with(outer.as_str()));
    let mut rendered = Vec::new();
    for chart in charts {
        let text = template(&base.join(&chart)).with_context(|| format!("chart {chart}"))?;
        paths.retain(|path| !path.starts_with(&chart) || path.contains("Dockerfile"));
        rendered.push((format!("{chart}{RENDERED}"), text));
    }
    Ok(rendered)
}

/// `helm template NAME FOLDER`, at most what a file may hold.
fn template(chart: &Path) -> anyhow::Result<String> {
    let name = chart.file_name().unwrap_or_default();
    let mut child = Command::new("helm")
        .arg("template")
        .arg(name)
        .arg(chart)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("helm cannot be run")?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = stdout.take(Source::MAX_BYTES as u64);
        stdout.read_to_string(&mut text)?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("helm template: {status}");
    }
    Ok(text)
}
