//! Comments that silence a finding: `# dunnage: ignore[CPU007] the batch may wait`.
//!
//! Such a comment holds for its own line, and one that stands alone for the next line that is no comment. It silences the
//! named rules' findings that are at that line, or whose evidence is. `# dunnage: ignore-file[CPU007]` holds for the whole
//! file. Every file that is checked has `#` comments, so the same words work in all of them.

use crate::finding::Finding;
use crate::parse::Model;
use crate::places::Places;
use crate::repository::{File, Repository};
use crate::source::{FileId, Location, Source, Span};
use std::collections::{HashMap, HashSet};

/// The word before the bracket.
const MARK: &str = "dunnage: ignore";

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// From `dunnage:` to the closing bracket.
    pub at: Location,
    /// The rules, each with its place; empty if the brackets are missing or hold nothing.
    pub ids: Vec<(String, Location)>,
    /// What comes after the bracket.
    pub reason: String,
    /// The line that it is about, from 1; none for the whole file.
    pub line: Option<u32>,
}

/// Where a rule is silenced: in a file, at a line or in all of it. By it a finding is looked up, since a repository may
/// hold as many comments as findings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Spot {
    file: FileId,
    line: Option<u32>,
    /// In upper case, as rules have it.
    id: String,
}

/// All such comments of a repository.
#[derive(Debug, Clone, Default)]
pub struct Suppressions {
    all: Vec<Suppression>,
    /// The first comment at each spot.
    first: HashMap<Spot, usize>,
}

/// The spots at which something was found.
#[derive(Debug, Default)]
pub struct Used(HashSet<Spot>);

impl Used {
    /// Does the comment silence something of this rule?
    pub fn has(&self, one: &Suppression, id: &str) -> bool {
        self.0.contains(&one.spot(id))
    }
}

impl Suppressions {
    /// Of all files that are checked.
    pub fn of(repository: &Repository, places: &Places<'_>) -> Self {
        let mut all = Vec::new();
        for (id, file) in marked(repository) {
            read(&file.source, id, places, &mut all);
        }
        let mut first = HashMap::new();
        for (index, one) in all.iter().enumerate() {
            for (id, _) in &one.ids {
                first.entry(one.spot(id)).or_insert(index);
            }
        }
        Self { all, first }
    }

    /// May there be any? Without reading them.
    pub fn are_in(repository: &Repository) -> bool {
        marked(repository).next().is_some()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Suppression> {
        self.all.iter()
    }

    /// The comment that silences a finding: the first of those that do.
    pub fn find(&self, finding: &Finding, places: &Places<'_>) -> Option<&Suppression> {
        let index = self.reaching(finding, places).map(|(_, index)| index).min();
        index.and_then(|index| self.all.get(index))
    }

    /// Which spots silence one of the findings.
    pub fn used(&self, findings: &[Finding], places: &Places<'_>) -> Used {
        let spots = findings
            .iter()
            .flat_map(|finding| self.reaching(finding, places));
        Used(spots.map(|(spot, _)| spot).collect())
    }

    /// The spots with a comment where the finding or a link of its chain is, each with its first comment.
    fn reaching(
        &self,
        finding: &Finding,
        places: &Places<'_>,
    ) -> impl Iterator<Item = (Spot, usize)> {
        let at = finding.at;
        let chain = finding.evidence.iter().map(|evidence| evidence.at);
        let lines = std::iter::once(at)
            .chain(chain)
            // most repositories hold no comment, and a line costs a search
            .filter(|_| !self.first.is_empty())
            .map(|at| (at.file, Some(places.start(at).line)));
        std::iter::once((at.file, None))
            .chain(lines)
            .filter_map(|(file, line)| {
                let id = finding.rule.id.to_owned();
                let spot = Spot { file, line, id };
                let index = *self.first.get(&spot)?;
                Some((spot, index))
            })
    }
}

/// The files that are checked and hold the words.
fn marked(repository: &Repository) -> impl Iterator<Item = (FileId, &File)> {
    repository.files().filter(|(_, file)| {
        let is_ours = !matches!(file.model, Model::Nothing | Model::Template);
        is_ours && file.source.text.contains(MARK)
    })
}

impl Suppression {
    fn spot(&self, id: &str) -> Spot {
        Spot {
            file: self.at.file,
            line: self.line,
            id: id.to_ascii_uppercase(),
        }
    }
}

fn read(source: &Source, id: FileId, places: &Places<'_>, found: &mut Vec<Suppression>) {
    for (start, _) in source.text.match_indices(MARK) {
        let begin = Location {
            file: id,
            span: Span::new(start..start),
        };
        let line = places.start(begin).line;
        let text = places.line(id, line);
        let line_start = places.line_span(begin).start as usize;
        let before = text.get(..start - line_start).unwrap_or_default();
        // the word must begin a comment
        let Some(code) = before.trim_end().strip_suffix('#') else {
            continue;
        };
        let rest = text
            .get(start - line_start + MARK.len()..)
            .unwrap_or_default();
        let (is_file, rest_of) = match rest.strip_prefix("-file") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest_of.starts_with(|next: char| next.is_alphanumeric() || next == '-') {
            continue;
        }
        let after = start + MARK.len() + (rest.len() - rest_of.len());
        let (ids, reason, length) = read_ids(rest_of, after, id);
        found.push(Suppression {
            at: Location {
                file: id,
                span: Span::new(start..after + length),
            },
            ids,
            reason,
            line: (!is_file).then(|| {
                let is_alone = code.trim().is_empty();
                if is_alone {
                    next_line(id, line, places)
                } else {
                    line
                }
            }),
        });
    }
}

/// What stands in the brackets, what after them, and how many bytes the brackets are long.
fn read_ids(text: &str, start: usize, file: FileId) -> (Vec<(String, Location)>, String, usize) {
    let inner = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((inner, reason)) = inner else {
        return (Vec::new(), text.trim().to_owned(), 0);
    };
    let mut ids = Vec::new();
    let mut at = start + 1;
    for part in inner.split(',') {
        let word = part.trim();
        let begin = at + (part.len() - part.trim_start().len());
        if !word.is_empty() {
            let span = Span::new(begin..begin + word.len());
            ids.push((word.to_owned(), Location { file, span }));
        }
        at += part.len() + 1;
    }
    (ids, reason.trim().to_owned(), inner.len() + 2)
}

/// The next line that is no comment and not empty.
fn next_line(file: FileId, line: u32, places: &Places<'_>) -> u32 {
    let is_comment = |line: &u32| {
        let text = places.line(file, *line).trim_start();
        text.is_empty() || text.starts_with('#')
    };
    // bounded: a file of nothing but empty lines is not walked to its end for each comment
    (line + 1..=line + 100)
        .find(|line| !is_comment(line))
        .unwrap_or(line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Vec<(Option<u32>, Vec<String>, String)> {
        let repository = Repository::parse(vec![("a.py".to_owned(), text.to_owned())]);
        let places = Places::new(&repository, "");
        let mut found = Vec::new();
        let (id, file) = repository.files().next().unwrap();
        read(&file.source, id, &places, &mut found);
        found
            .into_iter()
            .map(|one| {
                for (word, at) in &one.ids {
                    assert_eq!(file.source.slice(at.span), word);
                }
                let ids = one.ids.into_iter().map(|(id, _)| id).collect();
                (one.line, ids, one.reason)
            })
            .collect()
    }

    #[test]
    fn a_comment_is_about_its_own_line_and_one_alone_about_the_next_that_is_none() {
        let text = "x = 1  # dunnage: ignore[CPU002] it is for the log\n\
                    # dunnage: ignore[ CPU003, PID001 ]\n# more\n\ny = 2\n";
        assert_eq!(
            read_all(text),
            [
                (Some(1), vec!["CPU002".into()], "it is for the log".into()),
                (
                    Some(5),
                    vec!["CPU003".into(), "PID001".into()],
                    String::new()
                ),
            ]
        );
    }

    #[test]
    fn one_for_the_file_has_no_line_and_one_without_ids_has_none() {
        let text = "# dunnage: ignore-file[CPU002] all of it\n# dunnage: ignore this\nx = 1\n";
        assert_eq!(
            read_all(text),
            [
                (None, vec!["CPU002".into()], "all of it".into()),
                (Some(3), vec![], "this".into()),
            ]
        );
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        assert!(read_all("x = 'dunnage: ignore[CPU002]'\n# dunnage: ignored[X]\n").is_empty());
    }
}
