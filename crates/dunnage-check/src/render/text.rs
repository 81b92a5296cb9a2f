//! For a terminal: by workload what is wrong, the line with a caret, what it rests on, what mends it; then one line that
//! counts.
//!
//! The links from the manifest to the command are said once at the workload's head, so that what a container has fits a
//! screen. Reads well without colour. Nothing is wider than asked for, and nothing that a file says reaches the terminal as
//! more than letters.

mod entry;
mod group;
mod paint;
mod snippet;

use super::severity_name;
use crate::engine::Report;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Safety, best};
use crate::places::Places;
pub(in crate::render) use paint::{Ink, Paint, printable, wrap};
use std::fmt::Write;

/// How it looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// ANSI colours.
    pub is_coloured: bool,
    /// Columns; at least 40.
    pub width: usize,
}

/// What everything is written with.
struct Page<'a> {
    places: &'a Places<'a>,
    paint: Paint,
    width: usize,
}

impl Page<'_> {
    fn margin(&self) -> String {
        self.paint.with(Ink::Margin, "|")
    }
}

/// The whole report.
pub fn render(report: &Report, places: &Places<'_>, style: Style) -> String {
    let page = Page {
        places,
        paint: Paint(style.is_coloured),
        width: style.width.max(40),
    };
    let groups = group::groups(report);
    let links = group::links(&report.graph.workloads);
    let mut text = String::new();
    for group in &groups {
        group.write_head(&mut text, &page, groups.len() == 1);
        let mut above = None;
        for finding in &group.findings {
            entry::write(&mut text, finding, group, &links, above, &page);
            above = Some(finding.at);
        }
        text.push('\n');
    }
    text.push_str(&wrap(&count(report), page.width, "  "));
    text.push('\n');
    text
}

/// How sure, where it is not certain.
fn unsure(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "",
        Confidence::Medium => " (likely)",
        Confidence::Low => " (a guess)",
    }
}

/// A line for each finding, for editors and `grep`, and the counts.
pub fn render_short(report: &Report, places: &Places<'_>) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "{}: {}[{}] {}{}",
            place(finding.at, places),
            severity_name(finding.severity),
            finding.rule.id,
            printable(&finding.message),
            unsure(finding.confidence)
        );
    }
    text + &count(report) + "\n"
}

/// How a fix is applied.
fn how(fix: &Fix) -> &'static str {
    match fix.safety {
        Safety::Safe => " (--fix)",
        Safety::Unsafe => " (--fix=unsafe)",
        Safety::Manual => "",
    }
}

fn place(at: crate::Location, places: &Places<'_>) -> String {
    let start = places.start(at);
    let path = places.path(at.file);
    format!("{}:{}:{}", printable(&path), start.line, start.column)
}

/// "3 errors, 2 warnings"; empty for none.
fn severities<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut counts = [Severity::Error, Severity::Warning, Severity::Info].map(|one| (0, one));
    for finding in findings {
        for (count, severity) in &mut counts {
            *count += usize::from(finding.severity == *severity);
        }
    }
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| number(count, severity_name(severity)))
        .collect();
    told.join(", ")
}

/// "3 errors, 2 warnings in 4 workloads; 12 files, 2 templates not judged; …"
pub(super) fn count(report: &Report) -> String {
    let summary = report.summary();
    let told = severities(&report.findings);
    let mut parts = vec![if told.is_empty() {
        format!("nothing found in {}", number(summary.workloads, "workload"))
    } else {
        format!("{} in {}", told, number(summary.workloads, "workload"))
    }];
    let mut files = vec![number(summary.files, "file")];
    for (count, word) in [
        (summary.templates, "template"),
        (summary.skipped.binary, "binary file"),
        (summary.skipped.large, "large file"),
        (summary.skipped.unreadable, "unreadable file"),
    ] {
        if count > 0 {
            files.push(format!("{} not judged", number(count, word)));
        }
    }
    parts.push(files.join(", "));
    if summary.suppressed > 0 {
        parts.push(format!("{} ignored by comments", summary.suppressed));
    }
    if summary.baselined > 0 {
        parts.push(format!("{} known in the baseline", summary.baselined));
    }
    let hidden = [
        (summary.hidden.mild, "mild"),
        (summary.hidden.unsure, "unsure"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect::<Vec<_>>();
    if !hidden.is_empty() {
        parts.push(format!(
            "hidden: {} (--persona pedantic)",
            hidden.join(", ")
        ));
    }
    let mended = |allowed| {
        let can_be = |finding: &&Finding| best(finding, allowed).is_some();
        report.findings.iter().filter(can_be).count()
    };
    let safe = mended(Safety::Safe);
    let changing = mended(Safety::Unsafe) - safe;
    match (safe, changing) {
        (0, 0) => {}
        (safe, 0) => parts.push(format!("--fix mends {safe}")),
        (0, changing) => parts.push(format!("--fix=unsafe mends {changing}")),
        (safe, changing) => parts.push(format!("--fix mends {safe}, --fix=unsafe {changing} more")),
    }
    parts.join("; ")
}

fn number(count: usize, word: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {word}{end}")
}
