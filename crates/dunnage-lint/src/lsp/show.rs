//! Findings as an editor shows them: diagnostics, a rule's documentation, fixes to choose from.

use std::collections::BTreeMap;

use dunnage_check::fix::{self, Target};
use dunnage_check::{Edit, FileId, Finding, Report, Safety, Severity};
use serde_json::{Map, Value, json};

use super::places::{Encoding, Lines, uri_of};
use super::workspace::Workspace;

/// A file of a folder that was looked at.
pub struct Place<'a> {
    workspace: &'a Workspace,
    report: &'a Report,
    file: FileId,
    encoding: Encoding,
}

impl<'a> Place<'a> {
    pub fn of(workspace: &'a Workspace, path: &str, encoding: Encoding) -> Option<Self> {
        Some(Self {
            workspace,
            report: workspace.report()?,
            file: workspace.file(path)?,
            encoding,
        })
    }

    fn lines(&self, file: FileId) -> Lines<'a> {
        Lines::new(
            &self.report.repository.file(file).source.text,
            self.encoding,
        )
    }

    fn uri(&self, file: FileId) -> String {
        uri_of(
            &self
                .workspace
                .outside(&self.report.repository.file(file).source.path),
        )
    }

    /// The findings of this file that are at, or touch, a range.
    fn findings(&self, range: &Value) -> Vec<&'a Finding> {
        let lines = self.lines(self.file);
        let (Some(start), Some(end)) = (lines.byte(&range["start"]), lines.byte(&range["end"]))
        else {
            return Vec::new();
        };
        let touches = |finding: &&Finding| {
            let at = finding.at.span.range();
            finding.at.file == self.file && at.start <= end && start <= at.end
        };
        self.report.findings.iter().filter(touches).collect()
    }

    fn diagnostic(&self, finding: &Finding, lines: &Lines<'_>) -> Value {
        let related = finding.evidence.iter().map(|evidence| {
            let range = self.lines(evidence.at.file).range(evidence.at.span);
            json!({"location": {"uri": self.uri(evidence.at.file), "range": range}, "message": evidence.note})
        });
        let mut message = finding.message.clone();
        if let Some(workload) = &finding.workload {
            message = format!("{message} ({workload})");
        }
        json!({
            "range": lines.range(finding.at.span),
            "severity": match finding.severity {
                Severity::Error => 1,
                Severity::Warning => 2,
                Severity::Info => 3,
            },
            "code": finding.rule.id,
            "source": "dunnage",
            "message": message,
            "relatedInformation": related.collect::<Vec<_>>(),
        })
    }

    /// Edits by address.
    fn changes(&self, edits: &[Edit]) -> Value {
        let mut changes = Map::new();
        for edit in edits {
            let new =
                json!({"range": self.lines(edit.file).range(edit.span), "newText": edit.text});
            let list = changes
                .entry(self.uri(edit.file))
                .or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut().filter(|list| !list.contains(&new)) {
                list.push(new);
            }
        }
        json!({"changes": changes})
    }
}

/// All findings by the path of their file.
pub fn diagnostics(workspace: &Workspace, encoding: Encoding) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let Some(report) = workspace.report() else {
        return found;
    };
    let mut lines: Option<(FileId, Lines<'_>)> = None;
    for finding in &report.findings {
        let place = Place {
            workspace,
            report,
            file: finding.at.file,
            encoding,
        };
        // findings are sorted by file
        let (_, lines) = match lines.take().filter(|(file, _)| *file == place.file) {
            Some(same) => lines.insert(same),
            None => lines.insert((place.file, place.lines(place.file))),
        };
        let path = report.repository.file(place.file).source.path.clone();
        found
            .entry(path)
            .or_default()
            .push(place.diagnostic(finding, lines));
    }
    found
}

/// What the rules of the findings at a position say.
pub fn hover(place: &Place<'_>, params: &Value) -> Value {
    let position = &params["position"];
    let found = place.findings(&json!({"start": position, "end": position}));
    let Some(first) = found.first() else {
        return Value::Null;
    };
    let mut texts: Vec<String> = Vec::new();
    for finding in &found {
        let rule = finding.rule;
        let text = format!("# {} {}\n\n{}\n", rule.id, rule.title, rule.markdown());
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    json!({
        "contents": {"kind": "markdown", "value": texts.join("\n---\n\n")},
        "range": place.lines(place.file).range(first.at.span),
    })
}

/// The fixes of the findings in a range, and a comment that silences each.
pub fn actions(place: &Place<'_>, params: &Value) -> Value {
    let only = params["context"]["only"].as_array();
    let is_wanted = |kind: &Value| {
        kind.as_str()
            .is_some_and(|kind| kind.is_empty() || kind == "quickfix")
    };
    if only.is_some_and(|kinds| !kinds.iter().any(is_wanted)) {
        return json!([]);
    }
    let lines = place.lines(place.file);
    let mut actions = Vec::new();
    for finding in place.findings(&params["range"]) {
        let diagnostic = place.diagnostic(finding, &lines);
        let id = finding.rule.id;
        for (index, fix) in finding.fixes.iter().enumerate() {
            if fix.edits.is_empty() || fix.safety == Safety::Manual {
                continue;
            }
            let note = if fix.safety == Safety::Unsafe {
                ", to be looked at"
            } else {
                ""
            };
            actions.push(json!({
                "title": format!("{}: {}{note}", id, fix.title),
                "kind": "quickfix",
                "diagnostics": [diagnostic],
                "isPreferred": index == 0 && fix.safety == Safety::Safe,
                "edit": place.changes(&fix.edits),
            }));
        }
        let source = &place.report.repository.file(place.file).source;
        let target = Target::of(&place.report.repository, place.file);
        if let Some(edit) = fix::ignore(target, &source.path, finding.at.span, id) {
            actions.push(json!({
                "title": format!("{id}: ignore it here with a comment"),
                "kind": "quickfix",
                "diagnostics": [diagnostic],
                "edit": place.changes(&[edit]),
            }));
        }
    }
    Value::from(actions)
}
