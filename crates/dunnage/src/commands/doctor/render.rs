//! The report as text for a tired person in 80 columns, and as JSON.

use std::fmt::Write;

use dunnage_cgroup::Hierarchy;
use serde::Serialize;

use super::facts::Facts;
use super::judge::{Status, Verdict, counted};
use super::table::Row;

/// The columns of a terminal that nobody made wider.
const WIDTH: usize = 80;
const WHAT: usize = 11;
const SIDE: usize = 33;
/// Before the text of a verdict: its status and its name.
const MARGIN: usize = 23;

/// Everything, as it is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report<'a> {
    schema: &'static str,
    /// When it was looked.
    time: String,
    summary: Summary,
    table: &'a [Row],
    verdicts: &'a [Verdict],
    facts: &'a Facts,
}

/// How many verdicts of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    fail: usize,
    warn: usize,
    info: usize,
    unknown: usize,
    ok: usize,
}

impl Summary {
    /// Counts them.
    pub fn of(verdicts: &[Verdict]) -> Self {
        let count = |status| {
            verdicts
                .iter()
                .filter(|verdict| verdict.status == status)
                .count()
        };
        Self {
            fail: count(Status::Fail),
            warn: count(Status::Warn),
            info: count(Status::Info),
            unknown: count(Status::Unknown),
            ok: count(Status::Ok),
        }
    }

    /// Whether nothing failed.
    pub fn is_ok(self) -> bool {
        self.fail == 0
    }
}

impl<'a> Report<'a> {
    /// Puts it together.
    pub fn new(time: String, facts: &'a Facts, table: &'a [Row], verdicts: &'a [Verdict]) -> Self {
        Self {
            schema: "dunnage.doctor/1",
            time,
            summary: Summary::of(verdicts),
            table,
            verdicts,
            facts,
        }
    }

    /// For a person: who was looked at, the table, the verdicts, the worst first.
    pub fn render_text(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        text.push('\n');
        cells(
            &mut text,
            "",
            &["Python believes".to_owned()],
            &["the kernel enforces".to_owned()],
        );
        for row in self.table {
            cells(&mut text, &row.what, &row.believes, &row.enforced);
        }
        let mut ordered: Vec<&Verdict> = self.verdicts.iter().collect();
        ordered.sort_by_key(|verdict| verdict.status);
        let mut before = None;
        for verdict in ordered {
            if before != Some(verdict.status) {
                text.push('\n');
            }
            before = Some(verdict.status);
            paragraph(&mut text, verdict);
        }
        self.foot(&mut text);
        text
    }

    fn head(&self, text: &mut String) {
        let facts = self.facts;
        match &facts.python {
            Some(python) => {
                let version = python.version.as_deref().unwrap_or("version unknown");
                let command = if python.words.is_empty() {
                    "?".to_owned()
                } else {
                    python.words.join(" ")
                };
                let others = facts.processes.pythons.len().saturating_sub(1);
                let others = match others {
                    0 => String::new(),
                    1 => ", 1 other Python process".to_owned(),
                    others => format!(", {others} other Python processes"),
                };
                let line = format!(
                    "process {}: {} (CPython {version}{others})",
                    python.pid,
                    cut(&command, 110)
                );
                hang(text, "", 0, 2, &line);
            }
            None => hang(
                text,
                "",
                0,
                2,
                "no Python process was found: what follows is of the container alone",
            ),
        }
        let cgroup = match facts.limits.hierarchy {
            Hierarchy::V1 => "cgroup v1",
            Hierarchy::V2 => "cgroup v2",
            Hierarchy::Hybrid => "cgroup v1 and v2 beside it",
            Hierarchy::None => "no cgroup visible",
        };
        let user = facts.python.as_ref().and_then(|python| python.uid);
        let user = user.map(|uid| format!(", uid {uid}")).unwrap_or_default();
        let line = format!(
            "container: {cgroup}{user}, {}, {}",
            counted(facts.processes.count, "process"),
            counted(facts.processes.threads, "thread")
        );
        hang(text, "", 0, 2, &line);
    }

    fn foot(&self, text: &mut String) {
        let Summary {
            fail,
            warn,
            info,
            unknown,
            ok,
        } = self.summary;
        text.push('\n');
        for note in &self.facts.limits.notes {
            hang(text, "note  ", 6, 6, note);
        }
        for refusal in &self.facts.refused {
            let line = format!("{}: {}", refusal.what, refusal.reason);
            hang(text, "not read  ", 10, 10, &line);
        }
        let warnings = if warn == 1 {
            "1 warning".to_owned()
        } else {
            format!("{warn} warnings")
        };
        let _ = writeln!(
            text,
            "{fail} failed, {warnings}, {info} info, {unknown} unknown, {ok} ok"
        );
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// One row of the table, each cell wrapped in its column.
fn cells(text: &mut String, what: &str, left: &[String], right: &[String]) {
    let in_column = |lines: &[String], width: usize| -> Vec<String> {
        // what does not fit goes on a little to the right, to be told from the next line
        lines
            .iter()
            .flat_map(|line| wrap(line, width, "  "))
            .collect()
    };
    let whats = wrap(what, WHAT, "");
    let (left, right) = (
        in_column(left, SIDE),
        in_column(right, WIDTH - WHAT - SIDE - 4),
    );
    for at in 0..whats.len().max(left.len()).max(right.len()) {
        let cell = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        let line = format!(
            "{:<WHAT$}  {:<SIDE$}  {}",
            cell(&whats),
            cell(&left),
            cell(&right)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn paragraph(text: &mut String, verdict: &Verdict) {
    let status = match verdict.status {
        Status::Fail => "FAIL",
        Status::Warn => "warn",
        Status::Info => "info",
        Status::Unknown => "?",
        Status::Ok => "ok",
    };
    let label = format!("{status:<6}{:<width$}", verdict.name, width = MARGIN - 6);
    hang(text, &label, MARGIN, MARGIN, &verdict.message);
    if verdict.status == Status::Ok {
        return;
    }
    let indent = " ".repeat(MARGIN);
    for evidence in &verdict.evidence {
        let line = format!("{}: {}", evidence.source, evidence.value);
        hang(
            text,
            &format!("{indent}seen  "),
            MARGIN + 6,
            MARGIN + 6,
            &line,
        );
    }
    if let Some(advice) = &verdict.advice {
        hang(
            text,
            &format!("{indent}do    "),
            MARGIN + 6,
            MARGIN + 6,
            advice,
        );
    }
    if let Some(rule) = verdict.rule {
        let _ = writeln!(text, "{indent}why   dunnage explain {rule}");
    }
}

/// A paragraph behind a label, its further lines below its first.
fn hang(text: &mut String, label: &str, first: usize, indent: usize, paragraph: &str) {
    let width = WIDTH - first.max(indent);
    for (at, line) in wrap(paragraph, width, "").into_iter().enumerate() {
        let before = if at == 0 {
            label.to_owned()
        } else {
            " ".repeat(indent)
        };
        let _ = writeln!(text, "{}", format!("{before}{line}").trim_end());
    }
}

/// Breaks a text between words; a word that is too long is broken too.
fn wrap(text: &str, width: usize, further: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let length = |text: &str| text.chars().count();
    for word in text.split(' ') {
        let mut word = word.to_owned();
        if !line.trim().is_empty() && length(&line) + 1 + length(&word) > width {
            lines.push(std::mem::replace(&mut line, further.to_owned()));
        } else if !line.trim().is_empty() {
            line.push(' ');
        }
        while length(&line) + length(&word) > width {
            let room = width.saturating_sub(length(&line)).max(1);
            line.extend(word.chars().take(room));
            word = word.chars().skip(room).collect();
            lines.push(std::mem::replace(&mut line, further.to_owned()));
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::facts::tests::recorded;
    use crate::commands::doctor::judge::judge;
    use crate::commands::doctor::table::table;

    #[test]
    fn no_line_is_wider_than_asked_and_nothing_is_lost() {
        let text = "a /very/long/path/that/does/not/fit/anywhere and some words";
        let lines = wrap(text, 16, "  ");
        assert!(
            lines.iter().all(|line| line.chars().count() <= 16),
            "{lines:?}"
        );
        let joined: String = lines
            .concat()
            .chars()
            .filter(|letter| *letter != ' ')
            .collect();
        let expected: String = text.chars().filter(|letter| *letter != ' ').collect();
        assert_eq!(joined, expected);
    }

    /// A recorded report, rendered anew.
    fn render(name: &str, form: &dyn Fn(&Report<'_>) -> String) -> String {
        let facts = recorded(name);
        let (table, verdicts) = (table(&facts), judge(&facts));
        let time = "2026-11-29T23:00:00Z".to_owned();
        form(&Report::new(time, &facts, &table, &verdicts))
    }

    #[test]
    fn a_tired_person_reads_80_columns() {
        for name in ["gunicorn-numpy-v1", "zombie-v1"] {
            let text = render(name, &|report| report.render_text());
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(WIDTH), "{text}");
            insta::assert_snapshot!(name, text);
        }
    }

    #[test]
    fn a_program_reads_verdicts_and_the_facts_behind_them() {
        let json = |report: &Report<'_>| serde_json::to_string_pretty(report).unwrap();
        insta::assert_snapshot!("zombie-v1-json", render("zombie-v1", &json));
    }

    #[test]
    fn the_guide_shows_a_report_as_it_is_printed() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md");
        let page = std::fs::read_to_string(page).unwrap();
        let text = render("gunicorn-numpy-v1", &|report| report.render_text());
        assert!(page.contains(&text), "{text}");
    }
}
