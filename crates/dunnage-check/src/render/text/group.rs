//! Findings by the workload that they are about, with what all of them rest on said once.

use super::{Ink, Page, place, severities, unsure, wrap};
use crate::engine::Report;
use crate::finding::{Confidence, Evidence, Finding};
use crate::graph::Workload;
use crate::source::Location;
use std::collections::HashMap;
use std::fmt::Write;

/// What is found in one workload, or outside of all.
pub(super) struct Group<'a> {
    /// Its name; files may declare several of the same: a base and what is laid over it.
    name: Option<&'a str>,
    /// Where it is declared.
    declared: Vec<Location>,
    /// How sure its links are.
    confidence: Confidence,
    /// The links that its findings rest on.
    chain: Vec<&'a Evidence>,
    /// In the report's order.
    pub(super) findings: Vec<&'a Finding>,
}

/// The groups in the order of their first findings; what is outside of all workloads comes last.
pub(super) fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut declared: HashMap<&str, Vec<&Workload>> = HashMap::new();
    for workload in &report.graph.workloads {
        declared.entry(&workload.name).or_default().push(workload);
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<Option<&str>, usize> = HashMap::new();
    for finding in &report.findings {
        let name = finding.workload.as_deref();
        let workloads = name.and_then(|name| declared.get(name));
        let workloads = workloads.map_or(&[][..], Vec::as_slice);
        let index = *known.entry(name).or_insert_with(|| {
            groups.push(Group::of(name, workloads));
            groups.len() - 1
        });
        groups[index].add(finding, workloads);
    }
    groups.sort_by_key(|group| group.name.is_none());
    groups
}

/// Which workload each link of a chain belongs to.
pub(super) type Links<'a> = HashMap<(Location, &'a str), &'a str>;

/// Of all workloads.
pub(super) fn links<'a>(workloads: &'a [Workload]) -> Links<'a> {
    let of = |workload: &'a Workload| {
        let links = workload.chain.iter();
        links.map(|link| ((link.at, link.note.as_str()), workload.name.as_str()))
    };
    workloads.iter().flat_map(of).collect()
}

impl<'a> Group<'a> {
    fn of(name: Option<&'a str>, workloads: &[&'a Workload]) -> Self {
        Self {
            name,
            declared: workloads.iter().map(|workload| workload.at).collect(),
            confidence: workloads
                .iter()
                .map(|workload| workload.confidence)
                .min()
                .unwrap_or(Confidence::High),
            chain: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn add(&mut self, finding: &'a Finding, workloads: &[&Workload]) {
        for evidence in &finding.evidence {
            let is_link = |workload: &&Workload| workload.chain.contains(evidence);
            if workloads.iter().any(is_link) && !self.chain.contains(&evidence) {
                self.chain.push(evidence);
            }
        }
        self.findings.push(finding);
    }

    /// Was this said once, for all findings?
    pub(super) fn says(&self, evidence: &Evidence) -> bool {
        self.chain.contains(&evidence)
    }

    /// How sure a finding is, where the group does not say so already.
    pub(super) fn unsure(&self, finding: &Finding) -> &'static str {
        if finding.confidence == self.confidence {
            ""
        } else {
            unsure(finding.confidence)
        }
    }

    /// Its name, how sure it is, where it is declared, how much is found; then the links. Findings outside of workloads have
    /// this only below those that are inside.
    pub(super) fn write_head(&self, text: &mut String, page: &Page<'_>, is_only: bool) {
        let Some(name) = self.name else {
            if !is_only {
                let _ = writeln!(
                    text,
                    "{}",
                    page.paint.with(Ink::Strong, "outside of workloads")
                );
            }
            return;
        };
        let found = severities(self.findings.iter().copied());
        let name = super::printable(name);
        let mut head = format!("{name}{}", unsure(self.confidence));
        if let [first, rest @ ..] = &self.declared[..] {
            let _ = write!(head, " at {}", place(*first, page.places));
            if !rest.is_empty() {
                let _ = write!(head, " and {} more", rest.len());
            }
        }
        let _ = write!(head, ": {found}");
        let wrapped = wrap(&head, page.width, "    ");
        let rest = wrapped.strip_prefix(name.as_str()).unwrap_or(&wrapped);
        let name = &wrapped[..wrapped.len() - rest.len()];
        let _ = writeln!(text, "{}{rest}", page.paint.with(Ink::Strong, name));
        for link in &self.chain {
            let at = place(link.at, page.places);
            let line = wrap(
                &format!("{at} {}", super::printable(&link.note)),
                page.width - 2,
                "      ",
            );
            let rest = line.strip_prefix(at.as_str()).unwrap_or_default();
            let _ = writeln!(text, "  {}{rest}", page.paint.with(Ink::Place, &at));
        }
    }
}
