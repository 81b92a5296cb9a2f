#![no_main]
//! Fixing whatever a file says: no panic, an end, and a file that parsed still parses.

use dunnage_check::graph::Graph;
use dunnage_check::parse::Model;
use dunnage_check::rules::{self, Context, Rule};
use dunnage_check::{Repository, Safety, fix};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 6] = [
    "Dockerfile",
    "app.yaml",
    "compose.yaml",
    "run.sh",
    "app.py",
    "gunicorn.conf.py",
];

fuzz_target!(|data: &str| {
    // files one after the other, each behind a line that only holds a form feed
    let texts = NAMES.iter().zip(data.split("\u{c}\n"));
    let texts: Vec<_> = texts
        .map(|(name, text)| ((*name).to_owned(), text.to_owned()))
        .collect();
    let all: Vec<&'static Rule> = rules::all().collect();
    let look = |repository: Repository| {
        let graph = Graph::build(&repository);
        let context = Context {
            repository: &repository,
            graph: &graph,
        };
        let findings = rules::check(&context, &all);
        (repository, findings)
    };
    let before = Repository::parse(texts);
    let mended = fix::mend(before.clone(), Safety::Unsafe, look);
    for change in &mended.changes {
        let is_broken = |repository: &Repository| {
            matches!(repository.file(change.file).model, Model::Unparsed { .. })
        };
        assert!(
            is_broken(&before) || !is_broken(&mended.repository),
            "{}",
            change.after
        );
    }
    // who asks again gets nothing new, but for what was refused
    if mended.refused.is_empty() {
        let again = fix::mend(mended.repository, Safety::Unsafe, look);
        assert!(again.changes.is_empty(), "{:?}", again.changes);
    }
});
