//! A Dockerfile: its parts have places in the text, what the rules find too, and their edits fit.
#![no_main]

use dunnage_check::graph::Graph;
use dunnage_check::parse::Model;
use dunnage_check::parse::dockerfile::Form;
use dunnage_check::rules::{self, Context};
use dunnage_check::{Repository, fix};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let texts = vec![("Dockerfile".to_owned(), text.to_owned())];
    let repository = Repository::parse(texts);
    let (_, file) = repository.files().next().expect("one file was given");
    let Model::Dockerfile(dockerfile) = &file.model else {
        return;
    };
    for stage in &dockerfile.stages {
        assert!(text.get(stage.span.range()).is_some());
        for start in [&stage.entrypoint, &stage.command].into_iter().flatten() {
            let arguments = text
                .get(start.arguments.span.range())
                .expect("a place of the text");
            if let Form::Shell(shell) = &start.form {
                assert_eq!(shell.len(), arguments.len());
            }
        }
    }
    let graph = Graph::build(&repository);
    let context = Context {
        repository: &repository,
        graph: &graph,
    };
    let all: Vec<_> = rules::all().collect();
    for finding in rules::check(&context, &all) {
        assert!(text.get(finding.at.span.range()).is_some());
        for fix in &finding.fixes {
            assert!(fix::apply(text, &fix.edits).is_ok());
        }
    }
});
