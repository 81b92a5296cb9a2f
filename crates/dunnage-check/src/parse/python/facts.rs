//! When the facts of a module are drawn: at once where rules look at it by itself, else when a workload turns out to run it.
//!
//! Most of what a large repository has in Python is tests, and no rule looks at a test that nothing runs. The facts of a
//! module take some three times its text, so those of tests are not drawn; a test is parsed to know that it is Python.

use super::{Module, parse, with_tree};
use crate::parse::Problem;
use crate::source::{FileId, Source};
use std::sync::OnceLock;

/// The facts of a module, drawn when they are asked for at the latest.
#[derive(Debug, Clone)]
pub struct Facts(OnceLock<Module>);

impl Facts {
    /// Of a text.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn of(source: &Source, id: FileId) -> Result<Self, Problem> {
        if is_program(source) {
            Ok(Self(parse(source, id)?.into()))
        } else {
            with_tree(&source.text, |_| ())?;
            Ok(Self(OnceLock::new()))
        }
    }

    /// The facts; `source` and `id` are those that they are of.
    pub fn get(&self, source: &Source, id: FileId) -> &Module {
        // what did not parse has no facts to ask for
        let draw = || parse(source, id).unwrap_or_default();
        self.0.get_or_init(draw)
    }
}

/// Is it something else than a test, a build script, a page or an example?
pub fn is_program(source: &Source) -> bool {
    let name = source.name();
    let is_aside = matches!(name, "setup.py" | "conftest.py" | "noxfile.py" | "conf.py")
        || name.starts_with("test_")
        || name.ends_with("_test.py");
    let is_folder = |part: &str| {
        matches!(
            part,
            "tests"
                | "test"
                | "testing"
                | "docs"
                | "doc"
                | "examples"
                | "example"
                | "benchmarks"
                | "benchmark"
                | "scripts"
                | "tools"
        )
    };
    !is_aside && !source.folder().split('/').any(is_folder)
}

#[cfg(test)]
mod tests {
    use super::Facts;
    use crate::source::{FileId, Source};

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_facts_of_a_test_are_drawn_when_they_are_asked_for() {
        for (path, is_drawn) in [("shop/a.py", true), ("tests/a.py", false)] {
            let source = source(path, "import os\nos.fork()\n");
            let facts = Facts::of(&source, FileId(0)).unwrap();
            assert_eq!(facts.0.get().is_some(), is_drawn, "{path}");
            assert_eq!(facts.get(&source, FileId(0)).calls.len(), 1, "{path}");
        }
    }

    #[test]
    fn a_test_that_does_not_parse_is_a_problem_like_any_other_module() {
        for path in ["shop/a.py", "tests/a.py"] {
            assert!(Facts::of(&source(path, "print 1\n"), FileId(0)).is_err());
        }
    }
}
