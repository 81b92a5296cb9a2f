//! Scripts in the environment that they start in, each kept once.
//!
//! A script takes some twenty times its text, and a thousand workloads may start the same one. Most of them see it alike and share it.
//! Those that do not would each have their own: where the text is long for so many, its variables are left as they are
//! written, and all are alike.

use crate::parse::shell::Script;
use crate::parse::shell::fill::Variables;
use crate::source::Location;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes of scripts that all workloads together may have to themselves.
const MOST_BYTES: usize = 16 << 20;

/// So many forms of one script are compared with.
const MOST_FORMS: usize = 16;

/// The scripts of all workloads.
#[derive(Debug)]
pub(super) struct Scripts {
    /// The longest text that a workload may have to itself.
    most_bytes: usize,
    kept: Mutex<HashMap<Location, Vec<Arc<Script>>>>,
}

impl Scripts {
    /// Of this many workloads.
    pub(super) fn of(workloads: usize) -> Self {
        Self {
            most_bytes: MOST_BYTES / workloads.max(1),
            kept: Mutex::default(),
        }
    }

    /// A script, read in the environment that it starts in. `bytes` is how long its text is, `at` where it stands.
    pub(super) fn read(
        &self,
        at: Location,
        bytes: usize,
        variables: &mut Variables,
        read: impl FnOnce(&mut Variables) -> Script,
    ) -> Arc<Script> {
        if bytes > self.most_bytes {
            *variables = Variables::unknown();
        }
        self.share(at, read(variables))
    }

    fn share(&self, at: Location, script: Script) -> Arc<Script> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let forms = kept.entry(at).or_default();
        if let Some(same) = forms.iter().find(|form| ***form == script) {
            return same.clone();
        }
        let script = Arc::new(script);
        if forms.len() < MOST_FORMS {
            forms.push(script.clone());
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::shell::fill::fill;
    use crate::parse::shell::parse;
    use crate::source::{FileId, Span, Stated};
    use std::collections::BTreeMap;

    const TEXT: &str = "exec gunicorn --workers $WORKERS";
    const AT: Location = Location {
        file: FileId(0),
        span: Span { start: 0, end: 32 },
    };

    fn read(scripts: &Scripts, workers: &str) -> Arc<Script> {
        let workers = Some(Stated::new(workers.to_owned(), AT));
        let held = BTreeMap::from([("WORKERS".to_owned(), workers)]);
        let mut variables = Variables::of(held, false);
        scripts.read(AT, TEXT.len(), &mut variables, |variables| {
            let mut script = parse(TEXT, 0, FileId(0));
            *variables = fill(&mut script, TEXT, 0, variables);
            script
        })
    }

    #[test]
    fn workloads_that_see_a_script_alike_share_it() {
        let scripts = Scripts::of(3);
        let [one, same, other] = ["2", "2", "4"].map(|workers| read(&scripts, workers));
        assert!(Arc::ptr_eq(&one, &same));
        assert_eq!(one.commands[0].words[2].text, "2");
        assert_eq!(other.commands[0].words[2].text, "4");
    }

    #[test]
    fn where_a_script_is_long_for_so_many_workloads_all_share_what_is_written() {
        let scripts = Scripts::of(MOST_BYTES / (TEXT.len() - 1));
        let [one, other] = ["2", "4"].map(|workers| read(&scripts, workers));
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(one.commands[0].words[2].text, "$WORKERS");
    }
}
