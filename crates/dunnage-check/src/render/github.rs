//! For GitHub: workflow commands, which become annotations at the lines of a pull request.

use super::severity_name;
use super::text::printable;
use crate::engine::Report;
use crate::finding::{Finding, Severity};
use crate::places::Places;
use std::fmt::Write;

/// The whole report: a command for each finding, and what the text has as its last line.
pub fn render(report: &Report, places: &Places<'_>) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        write_command(&mut text, finding, places);
    }
    text.push_str(&super::text::count(report));
    text.push('\n');
    text
}

fn write_command(text: &mut String, finding: &Finding, places: &Places<'_>) {
    let command = match finding.severity {
        Severity::Info => "notice",
        other => severity_name(other),
    };
    let (start, end) = (places.start(finding.at), places.end(finding.at));
    // a name that reads from right to left must stay the file's
    let path = places.path(finding.at.file);
    let file = property(&path.replace(char::is_control, "\u{fffd}"));
    let title = property(&format!("{} {}", finding.rule.id, finding.rule.name));
    let mut message = printable(&finding.message);
    for evidence in &finding.evidence {
        let line = places.start(evidence.at).line;
        let path = printable(&places.path(evidence.at.file));
        let _ = write!(message, "\n{path}:{line}: {}", printable(&evidence.note));
    }
    for fix in &finding.fixes {
        let _ = write!(message, "\nhelp: {}", printable(&fix.title));
    }
    let _ = write!(
        text,
        "::{command} file={file},line={},endLine={}",
        start.line, end.line
    );
    // GitHub takes columns only within one line
    if start.line == end.line {
        let _ = write!(text, ",col={},endColumn={}", start.column, end.column);
    }
    let _ = writeln!(text, ",title={title}::{}", data(&message));
}

/// A command's text: what would end it is encoded.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property's value: what would end the property too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
