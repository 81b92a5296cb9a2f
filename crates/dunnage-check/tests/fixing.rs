//! What fixing promises over all rules at once, on the rules' own bad examples and on what is left of them when they are
//! damaged.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first thing that is not as it must be, and reads its fixtures"
)]

use dunnage_check::fix::{Mended, mend};
use dunnage_check::parse::Model;
use dunnage_check::{Baseline, Repository, Safety, Settings, check};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

type Texts = Vec<(String, String)>;

fn read_folder(root: &Path, folder: &Path, found: &mut Texts) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Every bad example of every rule, with its name.
fn examples() -> Vec<(PathBuf, Texts)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/check");
    let rules = fs::read_dir(fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for folder in rules.filter(|path| path.is_dir()) {
        for example in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if example
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("bad")
            {
                let mut texts = Vec::new();
                read_folder(&example, &example, &mut texts);
                found.push((example, texts));
            }
        }
    }
    found.sort();
    found
}

/// With all rules, all findings, all fixes that can be applied.
fn fix(repository: Repository) -> Mended {
    let settings = Settings::parse("dunnage.toml", "persona = \"pedantic\"\n").unwrap();
    mend(repository, Safety::Unsafe, |repository| {
        let report = check(repository, &settings, &Baseline::default());
        (report.repository, report.findings)
    })
}

fn broken(repository: &Repository) -> usize {
    let is_broken = |model: &Model| matches!(model, Model::Unparsed { .. });
    repository
        .files()
        .filter(|(_, file)| is_broken(&file.model))
        .count()
}

/// Files that parsed still do, and who asks again is told that nothing is left.
fn assert_sound(before: Repository, name: &str) -> Mended {
    let was_broken = broken(&before);
    let mended = fix(before);
    assert_eq!(
        broken(&mended.repository),
        was_broken,
        "{name}: {:?}",
        mended.changes
    );
    if mended.refused.is_empty() {
        let again = fix(mended.repository.clone());
        assert!(again.changes.is_empty(), "{name}: {:?}", again.changes);
    }
    mended
}

#[test]
fn every_bad_example_is_fixed_by_all_rules_together() {
    for (path, texts) in examples() {
        let name = path.display().to_string();
        let mended = assert_sound(Repository::parse(texts), &name);
        assert!(mended.refused.is_empty(), "{name}: {:?}", mended.refused);
    }
}

#[test]
fn line_ends_and_a_missing_last_newline_stay_as_they_were() {
    for (path, mut texts) in examples() {
        for (_, text) in &mut texts {
            *text = text.trim_end().replace('\n', "\r\n");
        }
        for change in assert_sound(Repository::parse(texts), &path.display().to_string()).changes {
            let bare = change.after.replace("\r\n", "");
            assert!(
                !bare.contains('\n'),
                "{}: {:?}",
                path.display(),
                change.after
            );
            assert!(
                !change.after.ends_with('\n'),
                "{}: {:?}",
                path.display(),
                change.after
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_damaged_example_is_not_damaged_further(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[ \n{}\\[\\]:,#\"'&*|>a\\\\$-]{0,3}"), 1..4),
    ) {
        let all = examples();
        let (path, mut texts) = which.get(&all).clone();
        for (at, length, new) in cuts {
            let file = at.index(texts.len());
            let text = &mut texts[file].1;
            let places: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
            if !places.is_empty() {
                let first = at.index(places.len());
                let end = places.get(first + length).copied().unwrap_or(text.len());
                text.replace_range(places[first]..end, &new);
            }
        }
        assert_sound(Repository::parse(texts), &path.display().to_string());
    }
}
