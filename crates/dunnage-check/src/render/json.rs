//! For programs: `dunnage.check/1`, with everything that the text has, silenced findings too.

use super::{Listed, confidence_name, pretty, safety_name, severity_name};
use crate::engine::{Report, Silencer};
use crate::finding::Finding;
use crate::places::Places;
use crate::rules;
use crate::source::Location;
use serde::Serialize;
use serde_json::{Value, json};

const SCHEMA: &str = "dunnage.check/1";

/// In the order of the names, as every other object is written.
#[derive(Serialize)]
struct Page<'a, Findings> {
    findings: Findings,
    schema: &'static str,
    summary: Value,
    version: &'a str,
}

/// The whole report, and the program's version.
pub fn render(report: &Report, places: &Places<'_>, version: &str) -> String {
    let findings = || {
        let told = report.findings.iter().zip(&report.fingerprints);
        let told = told.map(|(finding, mark)| finding_json(finding, mark, None, places));
        let silenced = report.silenced.iter();
        told.chain(
            silenced.map(|one| finding_json(&one.finding, &one.fingerprint, Some(&one.by), places)),
        )
    };
    pretty(&Page {
        findings: Listed(findings),
        schema: SCHEMA,
        summary: json!(report.summary()),
        version,
    })
}

fn finding_json(
    finding: &Finding,
    fingerprint: &str,
    silencer: Option<&Silencer>,
    places: &Places<'_>,
) -> Value {
    let evidence = finding.evidence.iter();
    let fixes = finding.fixes.iter();
    json!({
        "rule": finding.rule.id,
        "name": finding.rule.name,
        "severity": severity_name(finding.severity),
        "confidence": confidence_name(finding.confidence),
        "message": finding.message,
        "workload": finding.workload,
        "location": location_json(finding.at, places),
        "evidence": evidence.map(|one| json!({
            "note": one.note,
            "location": location_json(one.at, places),
        })).collect::<Vec<_>>(),
        "fixes": fixes.map(|fix| json!({
            "title": fix.title,
            "safety": safety_name(fix.safety),
            "edits": fix.edits.iter().map(|edit| json!({
                "location": location_json(Location { file: edit.file, span: edit.span }, places),
                "text": edit.text,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "fingerprint": fingerprint,
        "silenced": silencer.map(|silencer| match silencer {
            Silencer::Comment { at, reason } => json!({
                "by": "comment", "reason": reason, "location": location_json(*at, places),
            }),
            Silencer::Baseline => json!({"by": "baseline", "reason": null, "location": null}),
        }),
    })
}

fn location_json(at: Location, places: &Places<'_>) -> Value {
    json!({
        "path": places.path(at.file),
        "start": places.start(at),
        "end": places.end(at),
        "start_byte": at.span.start,
        "end_byte": at.span.end.max(at.span.start),
    })
}

/// The form of [`render`]'s text, as JSON Schema.
pub fn schema() -> String {
    let ids: Vec<&str> = rules::all().map(|rule| rule.id).collect();
    let count = json!({"type": "integer", "minimum": 0});
    let counts = |names: &[&str]| {
        let properties: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| ((*name).to_owned(), count.clone()))
            .collect();
        closed(Value::Object(properties))
    };
    let list = |item: Value| json!({"type": "array", "items": item});
    let text = json!({"type": "string"});
    let reference = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let or_null = |value: Value| json!({"anyOf": [value, {"type": "null"}]});
    let mut summary = counts(&[
        "errors",
        "warnings",
        "infos",
        "workloads",
        "files",
        "templates",
        "suppressed",
        "baselined",
    ]);
    summary["properties"]["hidden"] = counts(&["mild", "unsure"]);
    summary["properties"]["skipped"] = counts(&["binary", "large", "unreadable"]);
    let finding = closed(json!({
        "rule": {"enum": ids},
        "name": text,
        "severity": {"enum": ["info", "warning", "error"]},
        "confidence": {"enum": ["low", "medium", "high"]},
        "message": text,
        "workload": or_null(text.clone()),
        "location": reference("location"),
        "evidence": list(closed(json!({"note": text, "location": reference("location")}))),
        "fixes": list(closed(json!({
            "title": text,
            "safety": {"enum": ["safe", "unsafe", "manual"]},
            "edits": list(closed(json!({"location": reference("location"), "text": text}))),
        }))),
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "silenced": or_null(closed(json!({
            "by": {"enum": ["comment", "baseline"]},
            "reason": or_null(text.clone()),
            "location": or_null(reference("location")),
        }))),
    }));
    let position = closed(json!({
        "line": {"type": "integer", "minimum": 1, "description": "from 1"},
        "column": {"type": "integer", "minimum": 1, "description": "from 1, in characters"},
    }));
    let mut page = closed(json!({
        "schema": {"const": SCHEMA},
        "version": text,
        "summary": summary,
        "findings": list(reference("finding")),
    }));
    page["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    page["title"] = json!("what `dunnage check --format json` prints");
    page["$defs"] = json!({
        "finding": finding,
        "location": closed(json!({
            "path": text,
            "start": reference("position"),
            "end": reference("position"),
            "start_byte": count,
            "end_byte": count,
        })),
        "position": position,
    });
    format!("{page:#}\n")
}

/// An object with these properties, all of them, and no others.
fn closed(properties: Value) -> Value {
    let names: Vec<String> = properties
        .as_object()
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    let mut object = json!({
        "type": "object",
        "required": names,
        "additionalProperties": false,
    });
    object["properties"] = properties;
    object
}
