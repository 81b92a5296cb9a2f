//! For a terminal: what is wrong, the line with a caret, the chain of evidence, what mends it; then one line that counts.
//!
//! Reads well without colour. Nothing is wider than asked for, and nothing that a file says reaches the terminal as more
//! than letters.

mod paint;
mod snippet;

use super::severity_name;
use crate::engine::Report;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Fix, Safety};
use crate::places::Places;
pub(in crate::render) use paint::{Ink, Paint, printable, wrap};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// How it looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// ANSI colours.
    pub is_coloured: bool,
    /// Columns; at least 40.
    pub width: usize,
}

/// The whole report.
pub fn render(report: &Report, places: &Places<'_>, style: Style) -> String {
    let paint = Paint(style.is_coloured);
    let width = style.width.max(40);
    let mut text = String::new();
    for finding in &report.findings {
        write_finding(&mut text, finding, places, &paint, width);
        text.push('\n');
    }
    text.push_str(&wrap(&count(report), width, "  "));
    text.push('\n');
    text
}

fn write_finding(
    text: &mut String,
    finding: &Finding,
    places: &Places<'_>,
    paint: &Paint,
    width: usize,
) {
    let ink = match finding.severity {
        Severity::Error => Ink::Error,
        Severity::Warning => Ink::Warning,
        Severity::Info => Ink::Info,
    };
    let head = format!("{}[{}]", severity_name(finding.severity), finding.rule.id);
    let unsure = unsure(finding.confidence);
    let message = format!("{head} {}{unsure}", printable(&finding.message));
    let wrapped = wrap(&message, width, "    ");
    let rest = wrapped.strip_prefix(&head).unwrap_or_default();
    let _ = writeln!(
        text,
        "{}{}",
        paint.with(ink, &head),
        paint.with(Ink::Strong, rest)
    );
    let at = place(finding.at, places);
    let _ = write!(text, "  --> {}", paint.with(Ink::Place, &at));
    if let Some(workload) = &finding.workload {
        let workload = format!("({})", printable(workload));
        // a place is not broken: terminals open what looks like one
        let is_wide = 7 + at.width() + workload.width() > width;
        text.push_str(if is_wide { "\n      " } else { " " });
        text.push_str(&wrap(&workload, width - 6, "      "));
    }
    text.push('\n');
    snippet::write(text, finding.at, places, paint, ink, width);
    let longest = finding
        .evidence
        .iter()
        .map(|evidence| place(evidence.at, places).chars().count())
        .filter(|length| *length <= 40)
        .max()
        .unwrap_or_default();
    for evidence in &finding.evidence {
        let at = place(evidence.at, places);
        let line = format!("{at:longest$}  {}", printable(&evidence.note));
        write_note(text, &paint.with(Ink::Note, "note:"), &line, width);
    }
    for fix in &finding.fixes {
        let line = format!("{}{}", printable(&fix.title), how(fix));
        write_note(text, &paint.with(Ink::Help, "help:"), &line, width);
    }
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

fn write_note(text: &mut String, label: &str, line: &str, width: usize) {
    let wrapped = wrap(line, width.saturating_sub(8), "");
    let _ = writeln!(text, "  {label} {}", wrapped.replace('\n', "\n        "));
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

/// "3 errors, 2 warnings in 4 workloads; 12 files, 2 templates not judged; …"
pub(super) fn count(report: &Report) -> String {
    let summary = report.summary();
    let told = [
        (summary.errors, "error"),
        (summary.warnings, "warning"),
        (summary.infos, "info"),
    ];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| number(count, word))
        .collect();
    let mut parts = vec![if told.is_empty() {
        format!("nothing found in {}", number(summary.workloads, "workload"))
    } else {
        format!(
            "{} in {}",
            told.join(", "),
            number(summary.workloads, "workload")
        )
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
    let fixes = |safety| {
        let first = |finding: &&Finding| {
            finding
                .fixes
                .first()
                .is_some_and(|fix| fix.safety == safety)
        };
        report.findings.iter().filter(first).count()
    };
    let (safe, changing) = (fixes(Safety::Safe), fixes(Safety::Unsafe));
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
