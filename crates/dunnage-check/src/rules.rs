//! The rules, each in a file of its own: documentation, what it is, and the function that looks.
//!
//! To add one: write its file in the folder of its family, add its line to the family's list (`pid.rs` for `PID…`), and put a `bad` and a `good` example
//! into `fixtures/check/ID/`. The tests over all rules then demand that the bad one is found, the good one is silent, and
//! every fix leaves a file that checks clean for the rule; pages, `explain`, SARIF and the schema follow by `cargo xtask gen`.

mod about;
mod compute;
mod cpu;
mod file;
mod flask;
mod img;
mod life;
mod manifest;
mod mem;
mod net;
mod obs;
mod pid;
mod probe;
mod python;
mod shells;
mod term;

use crate::finding::{Confidence, Finding, Severity};
use crate::graph::Graph;
use crate::repository::Repository;
use crate::suppress::Suppressions;
pub(crate) use img::DEVELOPMENT_SERVER;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Who wants to see a rule's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persona {
    /// Everybody.
    Regular,
    /// Who wants to hear what is often fine.
    Pedantic,
}

/// The families, by the failure that they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Family {
    /// Process 1, children, signals.
    Pid,
    /// CPU quota, threads, workers.
    Cpu,
    /// Memory limit, allocators, tmpfs.
    Mem,
    /// Start, shutdown, grace.
    Life,
    /// Probes.
    Probe,
    /// Sockets: where the server listens and who asks there.
    Net,
    /// The image and how it is run.
    Img,
    /// Evidence for those who are on call.
    Obs,
    /// The tool's own: a file that does not parse, an ignore without effect.
    File,
}

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// All files with their models.
    pub repository: &'a Repository,
    /// The workloads that they make.
    pub graph: &'a Graph,
}

/// One rule. Made by [`rule!`].
pub struct Rule {
    /// A stable code: family and three digits, `PID001`.
    pub id: &'static str,
    /// The bad pattern in kebab case: `shell-form`.
    pub name: &'static str,
    /// What is wrong, in one line for lists and for SARIF's shortDescription.
    pub title: &'static str,
    /// Which failure it is about.
    pub family: Family,
    /// The usual one.
    pub severity: Severity,
    /// The usual one.
    pub confidence: Confidence,
    /// Who sees it.
    pub persona: Persona,
    /// What `dunnage run` does about it by itself, in one sentence; empty if nothing.
    pub by_run: &'static str,
    /// Markdown with the headings `What it finds`, `Why`, `Example`, `Instead`, `Fix`, `References`.
    pub documentation: &'static str,
    /// Looks and says what it found.
    pub check: fn(&Context<'_>, &mut Vec<Finding>),
}

impl Rule {
    /// Its documentation without the blank that each line of a doc comment begins with.
    pub fn markdown(&self) -> String {
        let lines = self.documentation.lines();
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n")
            .collect()
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// Makes a [`Rule`], `pub(super) static RULE`, whose documentation is the doc comment.
macro_rules! rule {
    ($(#[doc = $doc:literal])* $visibility:vis static $constant:ident = { $($field:ident: $value:expr),* $(,)? };) => {
        $(#[doc = $doc])*
        $visibility static $constant: $crate::rules::Rule = $crate::rules::Rule {
            documentation: concat!($($doc, "\n"),*),
            $($field: $value),*
        };
    };
}
pub(crate) use rule;

const FAMILIES: [&[&Rule]; 9] = [
    pid::RULES,
    cpu::RULES,
    mem::RULES,
    life::RULES,
    probe::RULES,
    net::RULES,
    img::RULES,
    obs::RULES,
    file::RULES,
];

/// Every rule, by family and number.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.into_iter().flatten().copied()
}

/// The rule with this id or name.
pub fn find(word: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id.eq_ignore_ascii_case(word) || rule.name == word)
}

/// What all of these rules find, by file and place; one finding for each rule and place, the first of them with the
/// evidence of all.
pub fn check(context: &Context<'_>, rules: &[&'static Rule]) -> Vec<Finding> {
    check_and_judge(context, rules, |_| true)
}

/// As [`check`]; `judge` may change a finding, and says whether it is kept.
pub fn check_and_judge(
    context: &Context<'_>,
    rules: &[&'static Rule],
    judge: impl Fn(&mut Finding) -> bool + Sync,
) -> Vec<Finding> {
    let is_wanted = |rule: &Rule| rules.iter().any(|wanted| wanted.id == rule.id);
    // An ignore is no less used for being looked at with --select: who judges them wants to know all findings.
    let needs_all =
        is_wanted(&file::IGNORE_WITHOUT_EFFECT) && Suppressions::are_in(context.repository);
    let (last, others): (Vec<&Rule>, Vec<&Rule>) = all()
        .filter(|rule| needs_all || is_wanted(rule))
        .partition(|rule| rule.id == file::IGNORE_WITHOUT_EFFECT.id);
    let found: Vec<Vec<Finding>> = others
        .par_iter()
        .map(|rule| {
            let mut found = Vec::new();
            (rule.check)(context, &mut found);
            if !needs_all {
                // of what is not shown there may be a hundred thousand: it goes before the next rule finds as many
                merge(&mut found);
                found.retain_mut(&judge);
                found.shrink_to_fit();
            }
            found
        })
        .collect();
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    for rule in last {
        (rule.check)(context, &mut findings);
    }
    merge(&mut findings);
    if needs_all {
        findings.retain_mut(|finding| is_wanted(finding.rule) && judge(finding));
    }
    findings
}

/// By file and place; what one rule finds at one place becomes one finding.
fn merge(findings: &mut Vec<Finding>) {
    findings.iter_mut().for_each(Finding::keep_letters);
    findings.sort_by(|a, b| (a.at, a.rule.id, b.severity).cmp(&(b.at, b.rule.id, a.severity)));
    findings.dedup_by(|later, kept| {
        let is_same = later.at == kept.at && later.rule.id == kept.rule.id;
        if is_same {
            for evidence in later.evidence.drain(..) {
                if !kept.evidence.contains(&evidence) {
                    kept.evidence.push(evidence);
                }
            }
        }
        is_same
    });
}
