#![no_main]
use dunnage_check::parse::requirements;
use dunnage_check::{FileId, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for path in [
        "requirements.txt",
        "pyproject.toml",
        "setup.cfg",
        "Pipfile",
        "environment.yml",
    ] {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let Ok(found) = requirements::parse(&source, FileId(0)) else {
            continue;
        };
        for package in found.packages.iter().chain(&found.optional) {
            assert!(text.get(package.at.span.range()).is_some());
        }
    }
});
