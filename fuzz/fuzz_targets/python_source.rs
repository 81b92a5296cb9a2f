#![no_main]
use dunnage_check::graph::Graph;
use dunnage_check::rules::{self, Context};
use dunnage_check::{Repository, fix};
use libfuzzer_sys::fuzz_target;

// a module with the Dockerfile that starts it: what the rules find has its place in the text, and their edits fit
fuzz_target!(|text: &str| {
    let dockerfile = "FROM python:3.12\nCOPY . .\nCMD [\"python\", \"main.py\"]\n".to_owned();
    let repository = Repository::parse(vec![
        ("Dockerfile".to_owned(), dockerfile),
        ("main.py".to_owned(), text.to_owned()),
    ]);
    let graph = Graph::build(&repository);
    let context = Context {
        repository: &repository,
        graph: &graph,
    };
    let all: Vec<_> = rules::all().collect();
    for finding in rules::check(&context, &all) {
        let source = &repository.file(finding.at.file).source;
        assert!(source.text.get(finding.at.span.range()).is_some());
        for fix in &finding.fixes {
            for file in [0, 1].map(dunnage_check::FileId) {
                let edits: Vec<_> = fix
                    .edits
                    .iter()
                    .filter(|edit| edit.file == file)
                    .cloned()
                    .collect();
                fix::apply(&repository.file(file).source.text, &edits).expect("edits fit");
            }
        }
    }
});
