//! Decides: facts in, verdicts out. No file, no clock.
//!
//! A verdict has a name, says in one sentence what is so, from which file that is known and what to do about it, and bears the
//! id of the rule of `dunnage check` that explains it, where there is one. It fails only what loses requests, data or
//! processes as things stand; what may do so some day is a warning; what the container cannot know is called unknown, and is
//! no failure. A verdict that says what its rule says is as bad as the rule, and otherwise only for a reason.
#![allow(
    clippy::unnecessary_wraps,
    reason = "every judge has one type, and some always have an answer"
)]

mod cpu;
mod memory;
mod process;
mod sockets;
mod surroundings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::Facts;

pub(super) use cpu::planned;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Loses requests, data or processes now or at the next stop.
    Fail,
    /// May do so.
    Warn,
    /// Is so, and often does no harm.
    Info,
    /// Cannot be known from here, and why.
    Unknown,
    /// In order.
    Ok,
}

/// Where a thing is known from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// A file, or what else it comes from.
    pub source: String,
    /// What stands there.
    pub value: String,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it is about, in kebab case.
    pub name: &'static str,
    /// How it stands.
    pub status: Status,
    /// What is so, in one sentence without a full stop.
    pub message: String,
    /// Where it is known from.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub advice: Option<String>,
    /// The rule that explains it: `dunnage explain LIFE001`.
    pub rule: Option<&'static str>,
    /// Why it is worse or better than its rule's severity.
    #[serde(skip)]
    because: Option<&'static str>,
}

impl Verdict {
    fn new(name: &'static str, status: Status, message: impl Into<String>) -> Self {
        Self {
            name,
            status,
            message: message.into(),
            evidence: Vec::new(),
            advice: None,
            rule: None,
            because: None,
        }
    }

    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, message)
    }

    fn warn(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Warn, message)
    }

    fn fail(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Fail, message)
    }

    fn unknown(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Unknown, message)
    }

    fn seen(mut self, source: impl Into<String>, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            source: source.into(),
            value: value.into(),
        });
        self
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What a rule says is so here: as bad as the rule calls it.
    fn by_rule(name: &'static str, id: &'static str, message: impl Into<String>) -> Self {
        let mut verdict = Self::new(name, status_of(id), message);
        verdict.rule = Some(id);
        verdict
    }

    /// Another status than the rule's, for a reason that only a container that runs can give.
    fn but(mut self, status: Status, because: &'static str) -> Self {
        self.status = status;
        self.because = Some(because);
        self
    }

    /// Is it as bad as its rule, or is there a reason why not?
    fn is_accounted_for(&self) -> bool {
        self.because.is_some()
            || self.status == Status::Unknown
            || self.rule.is_none_or(|id| self.status == status_of(id))
    }
}

/// The rules that verdicts name, each with the status that its severity is. The rules themselves are in another program: a
/// test holds this against their pages.
const RULES: &[(&str, Status)] = &[
    ("CPU001", Status::Warn),
    ("CPU002", Status::Warn),
    ("CPU006", Status::Warn),
    ("CPU007", Status::Warn),
    ("CPU011", Status::Warn),
    ("IMG001", Status::Fail),
    ("IMG002", Status::Info),
    ("IMG003", Status::Info),
    ("LIFE001", Status::Fail),
    ("LIFE005", Status::Fail),
    ("MEM001", Status::Warn),
    ("MEM003", Status::Fail),
    ("MEM004", Status::Fail),
    ("MEM007", Status::Warn),
    ("MEM010", Status::Warn),
    ("NET001", Status::Fail),
    ("PID001", Status::Fail),
    ("PID004", Status::Warn),
    ("PID008", Status::Warn),
    ("PID011", Status::Warn),
    ("PID015", Status::Info),
];

fn status_of(rule: &str) -> Status {
    let found = RULES.iter().find(|(id, _)| *id == rule);
    debug_assert!(found.is_some(), "{rule} is not in RULES");
    found.map_or(Status::Warn, |(_, status)| *status)
}

type Judge = fn(&Facts) -> Option<Verdict>;

/// Every judge, in the order in which a person asks.
const JUDGES: &[Judge] = &[
    process::init,
    process::zombies,
    process::orphans,
    process::grace,
    cpu::limit,
    cpu::throttled,
    cpu::count,
    cpu::pools,
    cpu::workers,
    cpu::runnable,
    memory::limit,
    memory::headroom,
    memory::kills,
    memory::high,
    memory::group,
    memory::believed,
    memory::page_cache,
    memory::swap,
    memory::huge_pages,
    surroundings::shared_memory,
    surroundings::temporary,
    surroundings::heartbeat,
    surroundings::pids,
    surroundings::user_processes,
    surroundings::open_files,
    surroundings::stdout,
    surroundings::development,
    sockets::sockets,
];

/// Judges everything.
pub fn judge(facts: &Facts) -> Vec<Verdict> {
    let verdicts: Vec<Verdict> = JUDGES.iter().filter_map(|judge| judge(facts)).collect();
    debug_assert!(verdicts.iter().all(Verdict::is_accounted_for));
    verdicts
}

/// The variables of the process that is looked at, where they could be read.
fn environment(facts: &Facts) -> Option<&BTreeMap<String, String>> {
    facts.python.as_ref()?.environment.as_ref()
}

/// What could not be read of the process that is looked at, as a reason.
fn why_not(facts: &Facts, part: &str) -> String {
    let refusal = facts
        .refused
        .iter()
        .find(|refusal| refusal.what.contains(part));
    match (refusal, &facts.python) {
        (_, None) => "no Python process was found".to_owned(),
        (Some(refusal), _) => format!("{} may not be read: {}", refusal.what, refusal.reason),
        (None, _) => "it could not be read".to_owned(),
    }
}

/// `1 worker`, `3 workers`.
pub(super) fn counted(number: impl Into<u64>, one: &str) -> String {
    let number = number.into();
    if number == 1 {
        format!("1 {one}")
    } else if one.ends_with("ss") {
        format!("{number} {one}es")
    } else {
        format!("{number} {one}s")
    }
}

/// A share in per cent, for people.
fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    (u128::from(part) * 100 / u128::from(whole)).min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests;
