//! Applies fixes until nothing that may be fixed is left: choose, edit, look again.
//!
//! A round takes the findings in order and of each the best fix that is allowed. A fix whose edits would touch those of
//! another waits for the next round, where it is made anew from the text as it then is. Nothing is believed: a file that
//! no longer parses gets its text back, and a rule that finds as much in a file as before its fix is not asked again.

use super::{Edit, Fix, Safety, apply};
use crate::finding::Finding;
use crate::parse::Model;
use crate::repository::Repository;
use crate::source::FileId;
use std::collections::{BTreeMap, BTreeSet};

/// More rounds than a fix may need that waits for another one, which waits for another one.
const MAX_ROUNDS: usize = 10;

/// What fixing came to.
#[derive(Debug)]
pub struct Mended {
    /// The files as they are now.
    pub repository: Repository,
    /// The files whose text is another, by path.
    pub changes: Vec<Change>,
    /// Fixes that were applied, in order.
    pub applied: Vec<Applied>,
    /// Fixes that were chosen and could not be applied.
    pub refused: Vec<Refused>,
}

/// A file with another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub file: FileId,
    /// Below the folder that is checked.
    pub path: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// A fix that was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applied {
    /// The rule's id.
    pub rule: &'static str,
    /// The file of the finding.
    pub path: String,
    /// What the fix does.
    pub title: String,
}

/// A fix that was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub fix: Applied,
    /// Why, in lower case.
    pub why: &'static str,
}

/// Fixes what `look` finds, with fixes up to `allowed`. `look` gives the repository back with what it found in it.
pub fn mend(
    repository: Repository,
    allowed: Safety,
    mut look: impl FnMut(Repository) -> (Repository, Vec<Finding>),
) -> Mended {
    let mut work = Work::default();
    let (mut repository, mut findings) = look(repository);
    for _ in 0..MAX_ROUNDS {
        let counts = work.count(&repository, &findings, allowed);
        let chosen = work.choose(&repository, &findings, allowed);
        if chosen.is_empty() {
            break;
        }
        let rules = work.apply(&mut repository, chosen);
        (repository, findings) = look(repository);
        let after = work.count(&repository, &findings, allowed);
        for key in rules {
            let still = after.get(&key).copied().unwrap_or_default();
            if still >= counts.get(&key).copied().unwrap_or_default() {
                work.fruitless.insert(key);
            }
        }
    }
    work.finish(repository, &findings, allowed)
}

/// The first fix that may be applied.
pub fn best(finding: &Finding, allowed: Safety) -> Option<&Fix> {
    let allowed = allowed.min(Safety::Unsafe);
    let mut fixes = finding.fixes.iter();
    fixes.find(|fix| fix.safety <= allowed && !fix.edits.is_empty())
}

/// A rule and a file.
type Key = (&'static str, FileId);

#[derive(Default)]
struct Work {
    /// The texts before the first edit.
    originals: BTreeMap<FileId, String>,
    applied: Vec<Applied>,
    /// Fixes after which a file did not parse, or whose edits are not of their file.
    broken: BTreeMap<Applied, &'static str>,
    /// Where fixing did not help.
    fruitless: BTreeSet<Key>,
}

struct Chosen<'a> {
    key: Key,
    name: Applied,
    edits: &'a [Edit],
}

impl Work {
    /// How many findings each rule would fix in each file.
    fn count(
        &self,
        repository: &Repository,
        findings: &[Finding],
        allowed: Safety,
    ) -> BTreeMap<Key, usize> {
        let mut counts = BTreeMap::new();
        for finding in findings {
            if let Some(fix) = best(finding, allowed)
                && !self.broken.contains_key(&name(repository, finding, fix))
            {
                *counts
                    .entry((finding.rule.id, finding.at.file))
                    .or_default() += 1;
            }
        }
        counts
    }

    /// The fixes of a round: those that do not touch each other, the first first.
    fn choose<'a>(
        &mut self,
        repository: &Repository,
        findings: &'a [Finding],
        allowed: Safety,
    ) -> Vec<Chosen<'a>> {
        let mut taken: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
        let mut chosen = Vec::new();
        for finding in findings {
            let key = (finding.rule.id, finding.at.file);
            let Some(fix) = best(finding, allowed) else {
                continue;
            };
            let name = name(repository, finding, fix);
            if self.fruitless.contains(&key) || self.broken.contains_key(&name) {
                continue;
            }
            if let Err(why) = is_sound(repository, &fix.edits) {
                self.broken.insert(name, why);
                continue;
            }
            let touches = |edit: &Edit| {
                let others = taken.get(&edit.file).into_iter().flatten();
                others.clone().any(|other| do_touch(edit, other))
            };
            if fix.edits.iter().any(touches) {
                continue;
            }
            for edit in &fix.edits {
                taken.entry(edit.file).or_default().push(edit);
            }
            chosen.push(Chosen {
                key,
                name,
                edits: &fix.edits,
            });
        }
        chosen
    }

    /// Edits the files. Fixes after which one does not parse are taken back.
    fn apply(&mut self, repository: &mut Repository, mut chosen: Vec<Chosen<'_>>) -> BTreeSet<Key> {
        loop {
            let mut by_file: BTreeMap<FileId, Vec<Edit>> = BTreeMap::new();
            for edit in chosen.iter().flat_map(|fix| fix.edits) {
                by_file.entry(edit.file).or_default().push(edit.clone());
            }
            let mut before = Vec::new();
            let mut spoiled = None;
            for (file, edits) in by_file {
                let old = repository.file(file);
                let was_sound = !matches!(old.model, Model::Unparsed { .. });
                let old = old.source.text.clone();
                let new = apply(&old, &edits).unwrap_or_else(|_| old.clone());
                repository.replace(file, new);
                before.push((file, old));
                if was_sound
                    && matches!(
                        repository.file(file).model,
                        Model::Unparsed { .. } | Model::Nothing
                    )
                {
                    spoiled = Some(file);
                    break;
                }
            }
            let Some(spoiled) = spoiled else {
                for (file, text) in before {
                    self.originals.entry(file).or_insert(text);
                }
                self.applied
                    .extend(chosen.iter().map(|fix| fix.name.clone()));
                return chosen.iter().map(|fix| fix.key).collect();
            };
            for (file, text) in before {
                repository.replace(file, text);
            }
            let is_guilty = |fix: &Chosen<'_>| fix.edits.iter().any(|edit| edit.file == spoiled);
            let (mut guilty, innocent): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_guilty);
            chosen = innocent;
            if guilty.len() > 1 {
                // one by one: the others wait for the next round
                chosen.push(guilty.swap_remove(0));
            } else {
                let why = "the file would not parse any more";
                let names = guilty.into_iter().map(|fix| (fix.name, why));
                self.broken.extend(names);
            }
        }
    }

    fn finish(self, repository: Repository, findings: &[Finding], allowed: Safety) -> Mended {
        let mut refused = Vec::new();
        for finding in findings {
            let Some(fix) = best(finding, allowed) else {
                continue;
            };
            let fix = name(&repository, finding, fix);
            let why = match self.broken.get(&fix) {
                Some(why) => why,
                None if self.fruitless.contains(&(finding.rule.id, finding.at.file)) => {
                    "its fix did not mend it"
                }
                None => "too many fixes wait for each other: run it again",
            };
            refused.push(Refused { fix, why });
        }
        let changed = |(file, before): (FileId, String)| {
            let source = &repository.file(file).source;
            (source.text != before).then(|| Change {
                file,
                path: source.path.clone(),
                before,
                after: source.text.clone(),
            })
        };
        let changes = self.originals.into_iter().filter_map(changed).collect();
        Mended {
            changes,
            applied: self.applied,
            refused,
            repository,
        }
    }
}

fn name(repository: &Repository, finding: &Finding, fix: &Fix) -> Applied {
    Applied {
        rule: finding.rule.id,
        path: repository.file(finding.at.file).source.path.clone(),
        title: fix.title.clone(),
    }
}

/// Are the edits of texts that are there, and apart from each other?
fn is_sound(repository: &Repository, edits: &[Edit]) -> Result<(), &'static str> {
    for (index, edit) in edits.iter().enumerate() {
        let text = &repository.file(edit.file).source.text;
        if edit.span.start > edit.span.end || text.get(edit.span.range()).is_none() {
            return Err("its edits are not of this text");
        }
        let overlaps = |other: &Edit| {
            other.file == edit.file
                && other != edit
                && other.span.start < edit.span.end
                && edit.span.start < other.span.end
        };
        if edits[..index].iter().any(overlaps) {
            return Err("its edits overlap");
        }
    }
    Ok(())
}

/// Could one edit change what the other one means? Those that are alike cannot, and lines that come to the same place
/// cannot if they begin differently and stand at the same depth; all others that overlap or are next to each other can.
fn do_touch(one: &Edit, other: &Edit) -> bool {
    if one.span.start > other.span.end || other.span.start > one.span.end {
        return false;
    }
    let (is_insertion, is_same_place) = (one.span.start == one.span.end, one.span == other.span);
    if is_insertion && is_same_place {
        let are_lines = one.text.contains('\n') && other.text.contains('\n');
        let first = |text: &str| {
            text.trim_start()
                .lines()
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned()
        };
        // of lines at two depths, the deeper one belongs to what stands before the place and would have to come first
        let depth = |text: &str| {
            let line = text.trim_start_matches(['\r', '\n']);
            line.len() - line.trim_start().len()
        };
        let are_apart = are_lines
            && first(&one.text) != first(&other.text)
            && depth(&one.text) == depth(&other.text);
        return one.text != other.text && !are_apart;
    }
    one != other
}

#[cfg(test)]
mod tests;
