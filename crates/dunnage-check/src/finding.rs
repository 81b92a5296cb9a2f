//! What a rule says: how bad, how sure, where, why, and what would mend it.

use crate::fix::Fix;
use crate::graph::Workload;
use crate::rules::{DEVELOPMENT_SERVER, Family, Rule};
use crate::source::{Location, keep_letters};
use serde::{Deserialize, Serialize};

/// How bad it is if it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will hurt some day.
    Warning,
    /// Hurts at the next deploy, the next peak or the next limit.
    Error,
}

/// How sure the rule is that it is true, from what the files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess from names.
    Low,
    /// Likely: one link of the chain is a convention.
    Medium,
    /// Every link stands in the files.
    High,
}

/// One link of the chain that led to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where it stands.
    pub at: Location,
    /// What it says there, in a few words: "the limit is 500m".
    pub note: String,
}

/// One thing that a rule found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whose finding it is.
    pub rule: &'static Rule,
    /// May differ from the rule's usual one: the graph raises and lowers.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What is wrong, with the numbers, in one sentence without a full stop.
    pub message: String,
    /// Where a person would mend it.
    pub at: Location,
    /// The links of the chain in order, from the manifest inwards.
    pub evidence: Vec<Evidence>,
    /// The workload that it is about, as a person calls it: "Deployment/shop container web".
    pub workload: Option<String>,
    /// What would mend it; the best first. The first is what `--fix` applies if its safety allows it.
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// A finding with the rule's usual severity and confidence, without evidence or fix.
    pub fn new(rule: &'static Rule, at: Location, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity,
            confidence: rule.confidence,
            message: message.into(),
            at,
            evidence: Vec::new(),
            workload: None,
            fixes: Vec::new(),
        }
    }

    /// As bad as this.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// As sure as this.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// No surer than this, which is how sure the links are that it rests on.
    #[must_use]
    pub fn at_most(mut self, confidence: Confidence) -> Self {
        self.confidence = self.confidence.min(confidence);
        self
    }

    /// With one more link of the chain.
    #[must_use]
    pub fn because(mut self, at: Location, note: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            at,
            note: note.into(),
        });
        self
    }

    /// Within this workload, and no surer than the weakest link of it.
    #[must_use]
    pub fn within(self, workload: &Workload) -> Self {
        let finding = self.of(&workload.name).at_most(workload.confidence);
        match workload.developer.as_deref() {
            Some(sign) => finding.of_a_developer(workload, sign),
            None => finding,
        }
    }

    /// About what runs on a developer's own machine: what is said of production is milder there. The image may be another
    /// one's as well, and the tasks of a worker are lost wherever it is stopped. A server for development belongs there,
    /// where the file that runs it shows it.
    fn of_a_developer(mut self, workload: &Workload, sign: &Evidence) -> Self {
        let is_of_server = self.rule.id == DEVELOPMENT_SERVER.id;
        let is_of_production = match self.rule.family {
            Family::Pid | Family::Life | Family::Cpu | Family::Mem | Family::Probe => true,
            _ => is_of_server && sign.at.file == workload.at.file,
        };
        if !is_of_production {
            return self;
        }
        let serves_development = is_of_server
            || workload
                .server()
                .is_some_and(|server| server.development.is_some());
        let is_shared = ![workload.at.file, sign.at.file].contains(&self.at.file);
        let keeps_some = is_shared || workload.works_on_tasks();
        let most = if keeps_some && !serves_development {
            Severity::Warning
        } else {
            Severity::Info
        };
        self.severity = self.severity.min(most);
        self.because(sign.at, sign.note.clone())
    }

    /// About the workload of this name.
    #[must_use]
    pub fn of(mut self, workload: &str) -> Self {
        self.workload = Some(workload.to_owned());
        self
    }

    /// What a file says reaches no reader as more than letters, whatever the format.
    pub(crate) fn keep_letters(&mut self) {
        keep_letters(&mut self.message);
        self.workload.iter_mut().for_each(keep_letters);
        for evidence in &mut self.evidence {
            keep_letters(&mut evidence.note);
        }
        for fix in &mut self.fixes {
            keep_letters(&mut fix.title);
        }
    }

    /// Mended by this, if there is such a fix, after what was given before.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Option<Fix>>) -> Self {
        let fix = fix.into();
        // most have one: a vector that grows by itself would make room for four
        self.fixes.reserve_exact(usize::from(fix.is_some()));
        self.fixes.extend(fix);
        self
    }
}
