//! One finding below the head of its workload: what is wrong, the line with its carets, what it rests on, what mends it.

use super::group::{Group, Links};
use super::snippet::Snippet;
use super::{Ink, Page, how, place, printable, severity_name, wrap};
use crate::finding::{Finding, Severity};
use crate::fix::{Safety, best};
use crate::source::Location;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// So many notes, and places of one, are shown; the rest is counted, and `--format json` has it.
const MOST: usize = 4;

/// Columns that a line is shown in at least, where its place stands before it.
const LEAST_ROOM: usize = 50;

/// Writes a finding. `above` is the place of the one before, whose line need not be shown again.
pub(super) fn write(
    text: &mut String,
    finding: &Finding,
    group: &Group<'_>,
    links: &Links<'_>,
    above: Option<Location>,
    page: &Page<'_>,
) {
    let ink = match finding.severity {
        Severity::Error => Ink::Error,
        Severity::Warning => Ink::Warning,
        Severity::Info => Ink::Info,
    };
    let head = format!("{}[{}]", severity_name(finding.severity), finding.rule.id);
    let unsure = group.unsure(finding);
    let message = format!("{head} {}{unsure}", printable(&finding.message));
    let wrapped = wrap(&message, page.width, "    ");
    let rest = wrapped.strip_prefix(&head).unwrap_or_default();
    let _ = writeln!(
        text,
        "{}{}",
        page.paint.with(ink, &head),
        page.paint.with(Ink::Strong, rest)
    );
    let help = help(finding);
    let is_helped = if above == Some(finding.at) {
        write_again(text, finding.at, help.as_deref(), page)
    } else {
        write_place(text, finding.at, help.as_deref(), ink, page)
    };
    if let Some(notes) = notes(finding, group, links, page) {
        write_line(text, "note:", Ink::Note, &notes, page);
    }
    if let Some(help) = help.filter(|_| !is_helped) {
        write_line(text, "help:", Ink::Help, &help, page);
    }
}

/// What mends it: the first fix, and where that one changes behaviour, the one that does not.
fn help(finding: &Finding) -> Option<String> {
    let first = finding.fixes.first()?;
    let safe = best(finding, Safety::Safe).filter(|safe| safe.safety < first.safety);
    let told: Vec<String> = [Some(first), safe]
        .into_iter()
        .flatten()
        .map(|fix| format!("{}{}", printable(&fix.title), how(fix)))
        .collect();
    Some(told.join("; or "))
}

/// The place that was shown just now, and what mends it if there is room. Tells whether there was.
fn write_again(text: &mut String, at: Location, help: Option<&str>, page: &Page<'_>) -> bool {
    let at = place(at, page.places);
    let _ = write!(text, "  {}", page.paint.with(Ink::Place, &at));
    let label = page.paint.with(Ink::Help, "help:");
    let help = help.filter(|help| at.width() + help.width() + 11 <= page.width);
    let _ = match help {
        Some(help) => writeln!(text, " {} {label} {help}", page.margin()),
        None => writeln!(text, ", the same place"),
    };
    help.is_some()
}

/// The place with its line, carets below what is meant, and what mends it behind them if there is room. Tells whether there
/// was.
fn write_place(
    text: &mut String,
    at: Location,
    help: Option<&str>,
    ink: Ink,
    page: &Page<'_>,
) -> bool {
    let shown = place(at, page.places);
    // a place is not broken: terminals open what looks like one
    let is_beside = shown.width() + 5 + LEAST_ROOM <= page.width;
    let indent = if is_beside { shown.width() + 3 } else { 4 };
    let painted = page.paint.with(Ink::Place, &shown);
    let room = page.width.saturating_sub(indent + 2);
    let Some(snippet) = Snippet::of(at, page.places, room) else {
        let _ = writeln!(text, "  {painted}");
        return false;
    };
    let margin = page.margin();
    let blank = " ".repeat(indent);
    let _ = if is_beside {
        writeln!(text, "  {painted} {margin} {}", snippet.line)
    } else {
        writeln!(text, "  {painted}\n{blank}{margin} {}", snippet.line)
    };
    // carets below all of a line say nothing
    if snippet.is_whole() {
        return false;
    }
    let carets = snippet.carets();
    let _ = write!(text, "{blank}{margin} {}", " ".repeat(snippet.start));
    text.push_str(&page.paint.with(ink, &carets));
    let used = snippet.start + carets.width();
    let help = help.filter(|help| used + help.width() + 7 <= room);
    if let Some(help) = help {
        let _ = write!(text, " {} {help}", page.paint.with(Ink::Help, "help:"));
    }
    text.push('\n');
    help.is_some()
}

/// What it rests on but the links that its workload has said, each with its places.
fn notes(
    finding: &Finding,
    group: &Group<'_>,
    links: &Links<'_>,
    page: &Page<'_>,
) -> Option<String> {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    let mut others: Vec<&str> = Vec::new();
    for evidence in finding.evidence.iter().filter(|one| !group.says(one)) {
        let note = evidence.note.as_str();
        let owner = links.get(&(evidence.at, note));
        // the same place is found for several workloads, and told once
        if let Some(name) = owner.filter(|name| finding.workload.as_deref() != Some(name)) {
            if !others.contains(name) {
                others.push(name);
            }
            continue;
        }
        let near = near(evidence.at, finding.at, page);
        match notes.iter_mut().find(|(known, _)| *known == note) {
            Some((_, places)) => places.push(near),
            None => notes.push((note, vec![near])),
        }
    }
    let rest = notes.len().saturating_sub(MOST);
    let mut words: Vec<String> = notes
        .into_iter()
        .take(MOST)
        .map(|(note, places)| format!("{} ({})", printable(note), list(&places)))
        .collect();
    if rest > 0 {
        words.push(format!("and {rest} more"));
    }
    if !others.is_empty() {
        let names: Vec<String> = others.into_iter().map(printable).collect();
        words.push(format!("also of {}", list(&names)));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// A place as it is told beside another.
fn near(at: Location, beside: Location, page: &Page<'_>) -> String {
    let line = page.places.start(at).line;
    if at.file == beside.file {
        format!("line {line}")
    } else {
        format!("{}:{line}", printable(&page.places.path(at.file)))
    }
}

/// The first of them; the rest is counted.
fn list(words: &[String]) -> String {
    let shown = words.iter().take(MOST).cloned().collect::<Vec<_>>();
    let rest = words.len() - shown.len();
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    shown.join(", ") + &more
}

fn write_line(text: &mut String, label: &str, ink: Ink, line: &str, page: &Page<'_>) {
    let wrapped = wrap(line, page.width.saturating_sub(8), "");
    let wrapped = wrapped.replace('\n', "\n        ");
    let _ = writeln!(text, "  {} {wrapped}", page.paint.with(ink, label));
}
