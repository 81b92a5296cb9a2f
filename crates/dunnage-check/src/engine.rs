//! From files to what a person is told: rules look, then settings, comments and the baseline decide what is shown.

use crate::baseline::{Baseline, fingerprints};
use crate::finding::{Finding, Severity};
use crate::graph::{Graph, Hints};
use crate::parse::Model;
use crate::places::Places;
use crate::repository::Repository;
use crate::rules::{self, Context, Rule};
use crate::settings::Settings;
use crate::source::Location;
use crate::suppress::Suppressions;
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything that was found, and what became of it.
#[derive(Debug)]
pub struct Report {
    /// The files.
    pub repository: Repository,
    /// The workloads that they make.
    pub graph: Graph,
    /// What is told, by file and place.
    pub findings: Vec<Finding>,
    /// A fingerprint for each of them, in the same order.
    pub fingerprints: Vec<String>,
    /// What somebody has decided about.
    pub silenced: Vec<Silenced>,
    /// What the settings hide.
    pub hidden: Hidden,
    /// What was not read; the caller counts it.
    pub skipped: Skipped,
}

/// A finding that is not told.
#[derive(Debug)]
pub struct Silenced {
    /// It.
    pub finding: Finding,
    /// As [`Report::fingerprints`].
    pub fingerprint: String,
    /// Why.
    pub by: Silencer,
}

/// Why a finding is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silencer {
    /// A comment in the file.
    Comment {
        /// Where.
        at: Location,
        /// What the comment says after the ids.
        reason: String,
    },
    /// It was there when the baseline was written.
    Baseline,
}

/// How many findings the settings hide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hidden {
    /// Less severe than what is shown.
    pub mild: usize,
    /// Less sure than what is shown.
    pub unsure: usize,
}

/// Files that were not looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// No text.
    pub binary: usize,
    /// More than [`crate::Source::MAX_BYTES`].
    pub large: usize,
    /// Could not be opened or read.
    pub unreadable: usize,
}

/// Counts over a [`Report`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Told.
    pub errors: usize,
    /// Told.
    pub warnings: usize,
    /// Told.
    pub infos: usize,
    /// That were judged.
    pub workloads: usize,
    /// That were understood.
    pub files: usize,
    /// With `{{`, not judged.
    pub templates: usize,
    /// Silenced by comments.
    pub suppressed: usize,
    /// Silenced by the baseline.
    pub baselined: usize,
    /// By the settings.
    pub hidden: Hidden,
    /// Not read.
    pub skipped: Skipped,
}

/// Checks files.
pub fn check(repository: Repository, settings: &Settings, baseline: &Baseline) -> Report {
    let graph = Graph::build_with(&repository, &Hints::of(&settings.images));
    let context = Context {
        repository: &repository,
        graph: &graph,
    };
    let wanted: Vec<&Rule> = rules::all().filter(|rule| settings.wants(rule)).collect();
    let hidden = HiddenCount::default();
    let found = rules::check_and_judge(&context, &wanted, |finding| {
        let source = &repository.file(finding.at.file).source;
        finding.severity = settings.severity_in(source, finding.severity);
        is_shown(finding, settings, &hidden)
    });

    let places = Places::new(&repository, "");
    let suppressions = Suppressions::of(&repository, &places);
    let mut known = baseline.begin();
    let (mut findings, mut kept, mut silenced) = (Vec::new(), Vec::new(), Vec::new());
    let marks = fingerprints(&found, &repository, &places);
    for (finding, fingerprint) in found.into_iter().zip(marks) {
        let comment = suppressions
            .find(&finding, &places)
            .map(|one| Silencer::Comment {
                at: one.at,
                reason: one.reason.clone(),
            });
        // asked either way, so that an entry of the baseline is used up by the finding that it was written for
        let is_known = known.takes(&fingerprint);
        if let Some(by) = comment.or(is_known.then_some(Silencer::Baseline)) {
            silenced.push(Silenced {
                finding,
                fingerprint,
                by,
            });
        } else {
            findings.push(finding);
            kept.push(fingerprint);
        }
    }
    Report {
        repository,
        graph,
        findings,
        fingerprints: kept,
        silenced,
        hidden: hidden.into(),
        skipped: Skipped::default(),
    }
}

/// [`Hidden`], counted on all threads.
#[derive(Default)]
struct HiddenCount {
    mild: AtomicUsize,
    unsure: AtomicUsize,
}

impl From<HiddenCount> for Hidden {
    fn from(count: HiddenCount) -> Self {
        Self {
            mild: count.mild.into_inner(),
            unsure: count.unsure.into_inner(),
        }
    }
}

fn is_shown(finding: &Finding, settings: &Settings, hidden: &HiddenCount) -> bool {
    // who names a rule wants to see all that it has, unless a threshold is named too
    let is_named = settings.names(finding.rule);
    let is_mild = finding.severity < settings.min_severity()
        && !(is_named && settings.min_severity.is_none());
    let is_unsure = finding.confidence < settings.min_confidence()
        && !(is_named && settings.min_confidence.is_none());
    let counter = match (is_mild, is_unsure) {
        (true, _) => &hidden.mild,
        (false, true) => &hidden.unsure,
        (false, false) => return true,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    false
}

impl Report {
    /// The counts.
    pub fn summary(&self) -> Summary {
        let of = |severity| {
            let same = |finding: &&Finding| finding.severity == severity;
            self.findings.iter().filter(same).count()
        };
        let baselined = self
            .silenced
            .iter()
            .filter(|one| one.by == Silencer::Baseline)
            .count();
        let models = || self.repository.files().map(|(_, file)| &file.model);
        Summary {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            infos: of(Severity::Info),
            workloads: self.graph.workloads.len(),
            files: models()
                .filter(|model| !matches!(model, Model::Nothing | Model::Template))
                .count(),
            templates: models()
                .filter(|model| matches!(model, Model::Template))
                .count(),
            suppressed: self.silenced.len() - baselined,
            baselined,
            hidden: self.hidden,
            skipped: self.skipped,
        }
    }

    /// Is there something that the exit code must tell?
    pub fn fails(&self, settings: &Settings) -> bool {
        let fail_on = settings.fail_on();
        self.findings
            .iter()
            .any(|finding| fail_on.is_reached_by(finding.severity))
    }
}
