//! What every rule promises: its bad example is found, its good one is silent, and its fix leaves a file that is clean.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first thing that is not as it must be, and reads its fixtures"
)]

use dunnage_check::graph::Graph;
use dunnage_check::rules::{self, Context, Rule};
use dunnage_check::{Edit, Finding, Repository, Safety, fix};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/check")
}

/// Every file below a folder, by its path there.
fn read_folder(folder: &Path) -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found
}

fn check(texts: Vec<(String, String)>, rule: &'static Rule) -> (Repository, Vec<Finding>) {
    let repository = Repository::parse(texts);
    let graph = Graph::build(&repository);
    let context = Context {
        repository: &repository,
        graph: &graph,
    };
    let findings = rules::check(&context, &[rule]);
    (repository, findings)
}

/// Each `bad` and each `bad-*` of a rule, or each `good` and `good-*`.
fn examples(rule: &Rule, kind: &str) -> Vec<PathBuf> {
    let folder = fixtures().join(rule.id);
    let mut found: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name == kind || name.starts_with(&format!("{kind}-"))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{} has no {kind} example", rule.id);
    found
}

/// As one text for a snapshot: places, words, evidence, fixes.
fn describe(repository: &Repository, findings: &[Finding]) -> String {
    let place = |at: dunnage_check::Location| {
        let source = &repository.file(at.file).source;
        let (line, column) = source.line_column(at.span.start);
        format!("{}:{line}:{column}", source.path)
    };
    let mut text = String::new();
    for finding in findings {
        let (severity, confidence) = (finding.severity, finding.confidence);
        writeln!(
            text,
            "{} {severity:?}/{confidence:?} {}",
            place(finding.at),
            finding.message
        )
        .unwrap();
        let source = &repository.file(finding.at.file).source;
        writeln!(text, "  at: {}", source.slice(finding.at.span)).unwrap();
        for evidence in &finding.evidence {
            writeln!(text, "  because {} {}", place(evidence.at), evidence.note).unwrap();
        }
        for fix in &finding.fixes {
            writeln!(text, "  fix ({:?}): {}", fix.safety, fix.title).unwrap();
        }
    }
    text
}

#[test]
fn every_bad_example_is_found_as_the_snapshot_says() {
    for rule in rules::all() {
        for folder in examples(rule, "bad") {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let (repository, findings) = check(read_folder(&folder), rule);
            assert!(!findings.is_empty(), "{} finds nothing in {name}", rule.id);
            insta::assert_snapshot!(
                format!("{}-{name}", rule.id),
                describe(&repository, &findings)
            );
        }
    }
}

#[test]
fn every_good_example_is_silent() {
    for rule in rules::all() {
        for folder in examples(rule, "good") {
            let (repository, findings) = check(read_folder(&folder), rule);
            assert!(
                findings.is_empty(),
                "{} finds something in {}:\n{}",
                rule.id,
                folder.display(),
                describe(&repository, &findings)
            );
        }
    }
}

#[test]
fn every_fix_leaves_files_that_are_clean_for_the_rule() {
    for rule in rules::all() {
        for folder in examples(rule, "bad") {
            let texts = read_folder(&folder);
            let (repository, findings) = check(texts.clone(), rule);
            let mut edits: BTreeMap<&str, Vec<Edit>> = BTreeMap::new();
            for finding in &findings {
                let Some(first) = finding.fixes.first() else {
                    continue;
                };
                assert_eq!(
                    first.edits.is_empty(),
                    first.safety == Safety::Manual,
                    "{}: a fix that can be applied has edits: {}",
                    rule.id,
                    first.title
                );
                for edit in &first.edits {
                    let path = repository.file(edit.file).source.path.as_str();
                    edits.entry(path).or_default().push(edit.clone());
                }
            }
            if edits.is_empty() {
                continue;
            }
            let mut mended = texts.clone();
            for (path, edits) in edits {
                let text = &mut mended.iter_mut().find(|(name, _)| name == path).unwrap().1;
                *text = fix::apply(text, &edits).unwrap();
            }
            let (after, left) = check(mended, rule);
            let left: Vec<Finding> = left
                .into_iter()
                .filter(|finding| {
                    finding
                        .fixes
                        .first()
                        .is_some_and(|fix| fix.safety != Safety::Manual)
                })
                .collect();
            assert!(
                left.is_empty(),
                "{} still finds in {}:\n{}",
                rule.id,
                folder.display(),
                describe(&after, &left)
            );
        }
    }
}

#[test]
fn ids_and_names_are_unique_and_say_their_family() {
    let mut seen = std::collections::BTreeSet::new();
    for rule in rules::all() {
        assert!(
            seen.insert(rule.id) && seen.insert(rule.name),
            "{}",
            rule.id
        );
        let family = serde_json::to_value(rule.family).unwrap();
        let (letters, digits) = rule.id.split_at(rule.id.len() - 3);
        assert_eq!(letters, family.as_str().unwrap(), "{}", rule.id);
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
    }
}

#[test]
fn every_rule_is_documented_under_the_same_headings() {
    const HEADINGS: [&str; 4] = ["## What it finds", "## Why", "## Example", "## Instead"];
    for rule in rules::all() {
        for heading in HEADINGS {
            assert!(
                rule.documentation.contains(heading),
                "{} lacks `{heading}`",
                rule.id
            );
        }
    }
}

#[test]
fn a_script_below_tools_is_judged_where_a_workload_runs_it_and_not_where_none_does() {
    let found = |command: &str| {
        let dockerfile = format!("FROM python:3.11\nCOPY . /app\nWORKDIR /app\nCMD {command}\n");
        let script = "import multiprocessing\n\nwith multiprocessing.Pool() as pool:\n    pool.map(print, [1])\n";
        let texts = [
            ("Dockerfile", dockerfile.as_str()),
            ("tools/resize.py", script),
            ("serve.py", "print(1)\n"),
        ];
        let texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned()));
        check(texts.into(), rules::find("CPU003").unwrap()).1.len()
    };
    assert_eq!(found(r#"["python", "tools/resize.py"]"#), 1);
    assert_eq!(found(r#"["python", "serve.py"]"#), 0);
}
