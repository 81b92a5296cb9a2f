//! What the fixtures prove of each rule: bad examples found, good ones silent, fixes that leave a clean file.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dunnage_check::graph::Graph;
use dunnage_check::rules::{self, Context, Rule};
use dunnage_check::{Edit, Finding, Repository, Safety, fix};

use crate::check::load_folder;

const HEAD: &str = "\
# What the examples prove

Generated from `fixtures/check`, where each rule has files as a user has them: bad ones, in which it must find something,
good ones, in which it must find nothing, and for each finding of a bad one that can be mended, the mended files are checked
again and must be clean. The same is held by tests.

| rule | bad: found | good: silent | mended: clean | fix |
|---|---|---|---|---|
";

/// The table.
pub fn page() -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    for rule in rules::all() {
        let bad = examples(rule, "bad")?;
        let good = examples(rule, "good")?;
        let mut found = 0;
        let mut mended = Mended::default();
        for folder in &bad {
            let repository = load_folder(folder)?;
            let findings = check(&repository, rule);
            found += usize::from(!findings.is_empty());
            mended.add(&repository, &findings, rule);
        }
        let mut silent = 0;
        for folder in &good {
            silent += usize::from(check(&load_folder(folder)?, rule).is_empty());
        }
        let _ = writeln!(
            text,
            "| [{0}]({0}.md) | {found} of {1} | {silent} of {2} | {3} |",
            rule.id,
            bad.len(),
            good.len(),
            mended.cells()
        );
    }
    Ok(text)
}

fn check(repository: &Repository, rule: &'static Rule) -> Vec<Finding> {
    let graph = Graph::build(repository);
    let context = Context {
        repository,
        graph: &graph,
    };
    rules::check(&context, &[rule])
}

fn examples(rule: &Rule, kind: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new("fixtures/check").join(rule.id);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == kind || name.starts_with(&format!("{kind}-")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Examples whose first fixes were applied.
#[derive(Default)]
struct Mended {
    clean: usize,
    all: usize,
    safety: Option<Safety>,
    is_told: bool,
}

impl Mended {
    fn add(&mut self, repository: &Repository, findings: &[Finding], rule: &'static Rule) {
        let mut edits: BTreeMap<_, Vec<Edit>> = BTreeMap::new();
        for first in findings.iter().filter_map(|finding| finding.fixes.first()) {
            if first.safety == Safety::Manual {
                self.is_told = true;
                continue;
            }
            self.safety = self.safety.max(Some(first.safety));
            for edit in &first.edits {
                edits.entry(edit.file).or_default().push(edit.clone());
            }
        }
        if edits.is_empty() {
            return;
        }
        let texts = repository.files().map(|(id, file)| {
            let text = &file.source.text;
            let mended = edits.get(&id).map(|edits| fix::apply(text, edits));
            let text = mended.and_then(Result::ok).unwrap_or_else(|| text.clone());
            (file.source.path.clone(), text)
        });
        let after = check(&Repository::parse(texts.collect()), rule);
        let is_clean = !after.iter().any(|finding| {
            let first = finding.fixes.first();
            first.is_some_and(|fix| fix.safety != Safety::Manual)
        });
        self.all += 1;
        self.clean += usize::from(is_clean);
    }

    fn cells(&self) -> String {
        let how = match self.safety {
            Some(Safety::Safe) => "safe",
            Some(_) => "unsafe",
            None if self.is_told => "told",
            None => "",
        };
        let clean = match self.all {
            0 => String::new(),
            all => format!("{} of {all}", self.clean),
        };
        format!("{clean} | {how}")
    }
}
