use super::mend;
use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Edit, Fix, Safety};
use crate::repository::Repository;
use crate::rules::{Family, Persona, Rule};
use crate::source::{FileId, Location, Span};
use proptest::prelude::*;

static RULE: Rule = Rule {
    id: "PID999",
    name: "test",
    title: "",
    family: Family::Pid,
    severity: Severity::Error,
    confidence: Confidence::High,
    persona: Persona::Regular,
    by_run: "",
    documentation: "",
    check: |_, _| {},
};
static OTHER: Rule = Rule {
    id: "PID998",
    ..RULE
};

fn repository(text: &str) -> Repository {
    Repository::parse(vec![("a.py".to_owned(), text.to_owned())])
}

fn text(repository: &Repository) -> &str {
    &repository.file(FileId(0)).source.text
}

fn edit(span: std::ops::Range<usize>, text: &str) -> Edit {
    Edit {
        file: FileId(0),
        span: Span::new(span),
        text: text.to_owned(),
    }
}

fn finding(rule: &'static Rule, safety: Safety, edits: Vec<Edit>) -> Finding {
    let at = Location {
        file: FileId(0),
        span: edits[0].span,
    };
    Finding::new(rule, at, "").fix(Fix {
        title: "mend".to_owned(),
        safety,
        edits,
    })
}

/// Finds each `x` and would make it `y`.
fn letters(repository: Repository) -> (Repository, Vec<Finding>) {
    let found = text(&repository).match_indices('x');
    let found = found.map(|(at, _)| finding(&RULE, Safety::Safe, vec![edit(at..at + 1, "y")]));
    let found = found.collect();
    (repository, found)
}

#[test]
fn every_finding_is_fixed_and_the_change_is_told_once_a_file() {
    let mended = mend(repository("x = 1; x\n"), Safety::Safe, letters);
    assert_eq!(text(&mended.repository), "y = 1; y\n");
    assert_eq!((mended.applied.len(), mended.refused.len()), (2, 0));
    assert_eq!(mended.changes.len(), 1);
    assert_eq!(mended.changes[0].before, "x = 1; x\n");
    assert_eq!(mended.changes[0].after, "y = 1; y\n");
}

#[test]
fn fixes_that_touch_wait_for_the_next_round() {
    let mut rounds = 0;
    let mended = mend(repository("xxx\n"), Safety::Safe, |repository| {
        rounds += 1;
        letters(repository)
    });
    assert_eq!(text(&mended.repository), "yyy\n");
    // the first and the third, then the second; the last look finds nothing
    assert_eq!(rounds, 3);
}

#[test]
fn an_unsafe_fix_needs_to_be_allowed_and_a_manual_one_is_never_applied() {
    let look = |safety| {
        move |repository| {
            (
                repository,
                vec![finding(&RULE, safety, vec![edit(0..1, "y")])],
            )
        }
    };
    let mended = mend(repository("x\n"), Safety::Safe, look(Safety::Unsafe));
    assert_eq!((mended.changes.len(), mended.refused.len()), (0, 0));
    let mended = mend(repository("x\n"), Safety::Manual, look(Safety::Manual));
    assert_eq!(mended.changes.len(), 0);
}

#[test]
fn a_fix_that_spoils_a_file_is_taken_back_and_the_others_stay() {
    let look = |repository: Repository| {
        let mut found = Vec::new();
        if text(&repository).starts_with('x') {
            found.push(finding(&RULE, Safety::Safe, vec![edit(0..1, "y")]));
        }
        found.push(finding(&OTHER, Safety::Safe, vec![edit(4..5, "(")]));
        (repository, found)
    };
    let mended = mend(repository("x = 1\n"), Safety::Safe, look);
    assert_eq!(mended.refused.len(), 1);
    assert_eq!(mended.refused[0].fix.rule, "PID998");
    assert_eq!(mended.refused[0].why, "the file would not parse any more");
    assert!(
        mended
            .changes
            .iter()
            .all(|change| !change.after.contains('('))
    );
}

#[test]
fn a_fix_that_does_not_help_is_applied_once() {
    let look = |repository| {
        (
            repository,
            vec![finding(&RULE, Safety::Safe, vec![edit(0..0, "#\n")])],
        )
    };
    let mended = mend(repository("x\n"), Safety::Safe, look);
    assert_eq!(text(&mended.repository), "#\nx\n");
    assert_eq!(mended.refused[0].why, "its fix did not mend it");
}

#[test]
fn lines_that_begin_differently_may_come_to_one_place_at_once() {
    let look = |repository: Repository| {
        let lines = [(&RULE, "a = 1\n"), (&OTHER, "b = 2\n")];
        let missing = lines
            .into_iter()
            .filter(|(_, line)| !text(&repository).contains(line));
        let found = missing.map(|(rule, line)| finding(rule, Safety::Safe, vec![edit(0..0, line)]));
        let found = found.collect();
        (repository, found)
    };
    let mended = mend(repository("c = 3\n"), Safety::Safe, look);
    assert_eq!(text(&mended.repository), "a = 1\nb = 2\nc = 3\n");
    assert_eq!(mended.applied.len(), 2);
}

proptest! {
    /// Whatever a rule wants, fixing ends, and bytes that no edit names stay.
    #[test]
    fn fixing_ends_and_changes_nothing_but_what_edits_name(
        body in "[a-z\u{e9} \n]{0,40}",
        wishes in prop::collection::vec((0usize..50, 0usize..6, "[A-Z\n]{0,3}"), 0..8),
    ) {
        let look = |repository: Repository| {
            let found = wishes.iter().map(|(start, length, text)| {
                finding(&RULE, Safety::Safe, vec![edit(*start..start + length, text)])
            });
            let found = found.collect();
            (repository, found)
        };
        // a file of no kind that is checked would lose its text
        let body = format!("#!/bin/sh\n{body}");
        let repository = Repository::parse(vec![("run".to_owned(), body.clone())]);
        let mended = mend(repository, Safety::Safe, look);
        let kept = |text: &str| text.chars().filter(|c| !c.is_ascii_uppercase()).count();
        prop_assert!(kept(text(&mended.repository)) <= kept(&body) + 8 * 3 * 10);
        prop_assert_eq!(mended.changes.is_empty(), text(&mended.repository) == body);
    }
}
