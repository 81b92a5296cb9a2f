//! For code scanning: SARIF 2.1.0. Each rule brings its page, each finding its chain as `relatedLocations`, its fixes, who
//! silenced it, and a fingerprint that stays when lines move.

use super::{Listed, confidence_name, pretty, safety_name, severity_name};
use crate::engine::{Report, Silencer};
use crate::finding::{Finding, Severity};
use crate::fix::Fix;
use crate::places::Places;
use crate::rules::{self, Rule};
use crate::source::{FileId, Location};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
struct Page<Results> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [Run<Results>; 1],
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<Results> {
    column_kind: &'static str,
    results: Results,
    tool: Value,
}

/// The whole report, and the program's version.
pub fn render(report: &Report, places: &Places<'_>, version: &str) -> String {
    let rules: Vec<&Rule> = rules::all().collect();
    let index: BTreeMap<&str, usize> = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| (rule.id, at))
        .collect();
    let result = |finding, mark, silencer| result(finding, mark, silencer, places, &index);
    let results = || {
        let told = report.findings.iter().zip(&report.fingerprints);
        let told = told.map(|(finding, mark)| result(finding, mark, None));
        let silenced = report.silenced.iter();
        told.chain(silenced.map(|one| result(&one.finding, &one.fingerprint, Some(&one.by))))
    };
    pretty(&Page {
        schema: SCHEMA,
        runs: [Run {
            column_kind: "unicodeCodePoints",
            results: Listed(results),
            tool: json!({"driver": {
                "name": "dunnage",
                "semanticVersion": version,
                "rules": rules.iter().map(|rule| rule_json(rule)).collect::<Vec<_>>(),
            }}),
        }],
        version: "2.1.0",
    })
}

fn rule_json(rule: &Rule) -> Value {
    let markdown = rule.markdown();
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": markdown, "markdown": markdown},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {
            "tags": ["python", "kubernetes", rule.family],
            // the words that GitHub sorts by
            "precision": confidence_name(rule.confidence),
            "problem.severity": match rule.severity {
                Severity::Info => "recommendation",
                other => severity_name(other),
            },
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(
    finding: &Finding,
    fingerprint: &str,
    silencer: Option<&Silencer>,
    places: &Places<'_>,
    index: &BTreeMap<&str, usize>,
) -> Value {
    let mut location = json!({"physicalLocation": physical(finding.at, places)});
    if let Some(workload) = &finding.workload {
        location["logicalLocations"] =
            json!([{"fullyQualifiedName": workload, "kind": "resource"}]);
    }
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index.get(finding.rule.id),
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"dunnage/v1": fingerprint},
        "properties": {
            "confidence": confidence_name(finding.confidence),
            "help": finding.fixes.iter().map(|fix| fix.title.as_str()).collect::<Vec<_>>(),
        },
    });
    if !finding.evidence.is_empty() {
        let related = finding.evidence.iter().enumerate();
        let related = related.map(|(at, evidence)| {
            json!({
                "id": at + 1,
                "physicalLocation": physical(evidence.at, places),
                "message": {"text": evidence.note},
            })
        });
        result["relatedLocations"] = related.collect();
    }
    let fixes: Vec<Value> = finding
        .fixes
        .iter()
        .filter(|fix| !fix.edits.is_empty())
        .map(|fix| fix_json(fix, places))
        .collect();
    if !fixes.is_empty() {
        result["fixes"] = Value::from(fixes);
    }
    if let Some(silencer) = silencer {
        result["suppressions"] = json!([match silencer {
            Silencer::Comment { at, reason } => json!({
                "kind": "inSource",
                "justification": reason,
                "location": {"physicalLocation": physical(*at, places)},
            }),
            Silencer::Baseline =>
                json!({"kind": "external", "justification": "known in the baseline"}),
        }]);
    }
    result
}

fn fix_json(fix: &Fix, places: &Places<'_>) -> Value {
    let mut changes: BTreeMap<FileId, Vec<Value>> = BTreeMap::new();
    for edit in &fix.edits {
        let at = Location {
            file: edit.file,
            span: edit.span,
        };
        changes.entry(edit.file).or_default().push(json!({
            "deletedRegion": region(at, places),
            "insertedContent": {"text": edit.text},
        }));
    }
    json!({
        "description": {"text": fix.title},
        "artifactChanges": changes.into_iter().map(|(file, replacements)| json!({
            "artifactLocation": artifact(file, places),
            "replacements": replacements,
        })).collect::<Vec<_>>(),
        "properties": {"safety": safety_name(fix.safety)},
    })
}

fn physical(at: Location, places: &Places<'_>) -> Value {
    json!({"artifactLocation": artifact(at.file, places), "region": region(at, places)})
}

fn artifact(file: FileId, places: &Places<'_>) -> Value {
    let path = places.path(file);
    let uri = encode(&path);
    if path.starts_with('/') {
        json!({"uri": format!("file://{uri}")})
    } else {
        json!({"uri": uri, "uriBaseId": "%SRCROOT%"})
    }
}

fn region(at: Location, places: &Places<'_>) -> Value {
    let (start, end) = (places.start(at), places.end(at));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a relative URI.
fn encode(path: &str) -> String {
    use std::fmt::Write;
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~+@".contains(&byte) {
            uri.push(byte as char);
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
