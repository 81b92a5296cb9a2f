//! What was there before: findings of an old repository that are known, so that only new ones are told.
//!
//! A finding is known again by its rule, its file, its workload and the text of its line, not by the line's number. The same
//! mark goes into SARIF's `partialFingerprints`.

use crate::finding::Finding;
use crate::places::Places;
use crate::repository::Repository;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SCHEMA: &str = "dunnage.baseline/1";

/// Known findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline(Vec<Entry>);

/// One of them. All but the fingerprint is for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry {
    path: String,
    rule: String,
    message: String,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Page {
    schema: String,
    findings: Vec<Entry>,
}

/// Why a baseline could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BadBaseline {
    /// No JSON, or not of this form.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// Another schema.
    #[error("its schema is `{0}`, not `{SCHEMA}`; write it again with --write-baseline")]
    Schema(String),
}

impl Baseline {
    /// From its text.
    ///
    /// # Errors
    /// No JSON, or not of this form.
    pub fn parse(text: &str) -> Result<Self, BadBaseline> {
        let page: Page = serde_json::from_str(text)?;
        if page.schema != SCHEMA {
            return Err(BadBaseline::Schema(page.schema));
        }
        Ok(Self(page.findings))
    }

    /// Of findings with their fingerprints.
    pub fn of<'a>(
        findings: impl Iterator<Item = (&'a Finding, &'a str)>,
        repository: &Repository,
    ) -> Self {
        let mut entries: Vec<Entry> = findings
            .map(|(finding, fingerprint)| Entry {
                path: repository.file(finding.at.file).source.path.clone(),
                rule: finding.rule.id.to_owned(),
                message: finding.message.clone(),
                fingerprint: fingerprint.to_owned(),
            })
            .collect();
        entries.sort();
        Self(entries)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As text: JSON that changes in lines, for version control.
    pub fn render(&self) -> String {
        let page = Page {
            schema: SCHEMA.to_owned(),
            findings: self.0.clone(),
        };
        let text = serde_json::to_string_pretty(&page).unwrap_or_default();
        text + "\n"
    }

    /// To be asked about findings, each entry for one.
    pub(crate) fn begin(&self) -> Known<'_> {
        let mut left = BTreeMap::new();
        for entry in &self.0 {
            *left.entry(entry.fingerprint.as_str()).or_default() += 1;
        }
        Known(left)
    }
}

/// How often each fingerprint is known and not met yet.
pub(crate) struct Known<'a>(BTreeMap<&'a str, usize>);

impl Known<'_> {
    /// Is there an entry left for this one?
    pub(crate) fn takes(&mut self, fingerprint: &str) -> bool {
        let Some(left) = self.0.get_mut(fingerprint).filter(|left| **left > 0) else {
            return false;
        };
        *left -= 1;
        true
    }
}

/// A mark for each finding that stays when lines above it come and go.
pub(crate) fn fingerprints(
    findings: &[Finding],
    repository: &Repository,
    places: &Places<'_>,
) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let line = places.line(finding.at.file, places.start(finding.at).line);
            let path = repository.file(finding.at.file).source.path.as_str();
            let workload = finding.workload.as_deref().unwrap_or_default();
            let parts = [finding.rule.id, path, workload, line.trim()];
            format!("{:016x}", hash(&parts))
        })
        .collect()
}

/// FNV-1a over the parts, each ended by a byte that is in none of them. It must stay what it is: baselines keep it.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_same_for_ever() {
        assert_eq!(
            hash(&["PID001", "Dockerfile"]),
            hash(&["PID001", "Dockerfile"])
        );
        assert_ne!(hash(&["a", "bc"]), hash(&["ab", "c"]));
        assert_eq!(format!("{:016x}", hash(&["a"])), "089bc907b544c769");
    }

    #[test]
    fn each_entry_is_for_one_finding() {
        let entry = Entry {
            path: "a".into(),
            rule: "PID001".into(),
            message: "m".into(),
            fingerprint: "f".into(),
        };
        let baseline = Baseline(vec![entry]);
        assert_eq!(Baseline::parse(&baseline.render()).unwrap(), baseline);
        let mut known = baseline.begin();
        assert!(known.takes("f"));
        assert!(!known.takes("f"));
    }

    #[test]
    fn another_schema_is_refused() {
        let error = Baseline::parse(r#"{"schema":"x/1","findings":[]}"#).unwrap_err();
        assert!(error.to_string().contains("x/1"));
    }
}
