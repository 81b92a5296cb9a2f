//! The source of a whole Python distribution, the newest of this machine: tests of the parser, of deep nesting, of encodings
//! and of broken syntax among it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files and stops at the first thing that is not as it must be"
)]

use dunnage_check::graph::Graph;
use dunnage_check::parse::Model;
use dunnage_check::rules::{self, Context};
use dunnage_check::{Repository, fix};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The standard libraries of this machine, the newest last.
fn libraries() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map_or_else(PathBuf::new, PathBuf::from);
    let mut found: Vec<PathBuf> = fs::read_dir(home.join(".pyenv/versions"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("lib"))
        .chain([PathBuf::from("/usr/lib")])
        .filter_map(|lib| fs::read_dir(lib).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| path.join("os.py").exists() && path.to_string_lossy().contains("python3."))
        .collect();
    found.sort_by_key(|path| {
        let (_, minor) = path.to_str()?.rsplit_once('.')?;
        minor.parse::<u32>().ok()
    });
    found
}

fn read(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() && !path.ends_with("site-packages") {
            read(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "py")
            && let Ok(text) = fs::read_to_string(&path)
        {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push((name.to_owned(), text));
        }
    }
}

#[test]
fn a_whole_distribution_is_read_and_checked_and_the_fixes_fit() {
    if let Some(library) = libraries().pop() {
        let mut texts = Vec::new();
        read(&library, &library, &mut texts);
        let repository = Repository::parse(texts);
        let (mut modules, mut broken) = (0, 0);
        for (id, file) in repository.files() {
            match &file.model {
                Model::Python(_) => {
                    // those of the tests too, which no rule asks for
                    assert!(file.module(id).is_some());
                    modules += 1;
                }
                // Written to be broken, or for Python 2.
                Model::Unparsed { message, .. } => {
                    let path = &file.source.path;
                    assert!(
                        path.contains("test") || path.contains("lib2to3"),
                        "{path}: {message}"
                    );
                    broken += 1;
                }
                _ => {}
            }
        }
        assert!(modules > 300, "{} has {modules} modules", library.display());
        assert!(broken * 20 < modules, "{broken} of {modules} do not parse");
        let graph = Graph::build(&repository);
        let context = Context {
            repository: &repository,
            graph: &graph,
        };
        let all: Vec<_> = rules::all().collect();
        for finding in rules::check(&context, &all) {
            for fix in finding.fixes {
                let mut edits: BTreeMap<_, Vec<_>> = BTreeMap::new();
                for edit in fix.edits {
                    edits.entry(edit.file).or_default().push(edit);
                }
                for (file, edits) in edits {
                    let text = fix::apply(&repository.file(file).source.text, &edits).unwrap();
                    let path = &repository.file(file).source.path;
                    let after = Repository::parse(vec![(path.clone(), text)]);
                    let (_, after) = after.files().next().unwrap();
                    assert!(
                        matches!(after.model, Model::Python(_)),
                        "{path}: {}",
                        fix.title
                    );
                }
            }
        }
    }
}
