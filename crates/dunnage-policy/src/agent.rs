//! The agent: a few lines of Python that the application's interpreters run at their start.
//!
//! It is a zip at the end of the program itself, so that nothing is written and nothing is looked for anywhere: PYTHONPATH
//! begins with the program's path, Python's importer finds `sitecustomize` in it, and the path is taken off `sys.path`
//! again. `DUNNAGE_AGENT` tells the agent who it belongs to, and an inner `run` that it is there already.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The variable that holds the program's path where the agent is switched on.
pub const AGENT: &str = "DUNNAGE_AGENT";

/// The variable that holds what CPython is told about CPUs.
pub const CPU_COUNT: &str = "DUNNAGE_CPU_COUNT";

/// The variable that makes SIGTERM an exit in the process whose parent has this id: `PARENT:MILLISECONDS`, after which the
/// default ends it; 0 is never.
pub const TERM_EXIT: &str = "DUNNAGE_TERM_EXIT";

/// The variable by which the agent is told, with `off`, not to listen for requests to give memory back. It is the one of
/// `--release` too.
pub const RELEASE: &str = "DUNNAGE_RELEASE";

const PYTHONPATH: &str = "PYTHONPATH";

/// An environment, in order.
pub type Pairs = Vec<(OsString, OsString)>;

/// Whether Python processes get the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// They do, from the end of this program.
    On(PathBuf),
    /// An outer dunnage has seen to it; nothing is changed.
    Outer,
    /// They do not, and why.
    Off(String),
}

impl Default for Agent {
    fn default() -> Self {
        Self::Off("not asked for".to_owned())
    }
}

impl Agent {
    /// `on`, `outer`, or why there is none.
    pub fn in_words(&self) -> &str {
        match self {
            Self::On(_) => "on",
            Self::Outer => "outer",
            Self::Off(reason) => reason,
        }
    }

    /// Opens the first door in an environment, or closes one that an outer dunnage has left open. The user's PYTHONPATH is
    /// kept behind ours; an empty one counts as none, since a trailing colon would put the working directory on `sys.path`.
    pub fn apply(&self, environment: &mut Pairs) {
        match self {
            Self::Outer => {}
            Self::Off(_) => environment.retain(|(name, value)| name != AGENT || !is_path(value)),
            Self::On(program) => {
                let old = environment
                    .iter()
                    .find(|(name, _)| name == PYTHONPATH)
                    .map(|(_, value)| value.clone());
                let value = prefixed(program.as_os_str(), old.as_deref());
                environment.retain(|(name, _)| name != PYTHONPATH && name != AGENT);
                environment.push((PYTHONPATH.into(), value));
                environment.push((AGENT.into(), program.into()));
            }
        }
    }
}

/// Whether a value of [`AGENT`] is a program's path rather than a switch.
pub fn is_path(value: &OsStr) -> bool {
    value.as_bytes().starts_with(b"/")
}

fn prefixed(program: &OsStr, old: Option<&OsStr>) -> OsString {
    let mut value = program.to_owned();
    let Some(old) = old.filter(|old| !old.is_empty()) else {
        return value;
    };
    if old.as_bytes().split(|byte| *byte == b':').next() == Some(program.as_bytes()) {
        return old.to_owned();
    }
    value.push(":");
    value.push(old);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(agent: &Agent, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut pairs: Pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        agent.apply(&mut pairs);
        let texts = pairs.into_iter().map(|(name, value)| {
            (
                name.into_string().unwrap_or_default(),
                value.into_string().unwrap_or_default(),
            )
        });
        texts.collect()
    }

    fn python_path(agent: &Agent, pairs: &[(&str, &str)]) -> Vec<String> {
        applied(agent, pairs)
            .into_iter()
            .filter(|(name, _)| name == PYTHONPATH)
            .map(|(_, value)| value)
            .collect()
    }

    #[test]
    fn the_users_path_is_kept_behind_ours_and_an_empty_one_leaves_no_colon() {
        let on = Agent::On("/bin/dunnage".into());
        for (old, new) in [
            (vec![], "/bin/dunnage"),
            (vec![(PYTHONPATH, "")], "/bin/dunnage"),
            (vec![(PYTHONPATH, "/a:/b")], "/bin/dunnage:/a:/b"),
            (vec![(PYTHONPATH, ":/a")], "/bin/dunnage::/a"),
            (vec![(PYTHONPATH, "/bin/dunnage:/a")], "/bin/dunnage:/a"),
        ] {
            assert_eq!(python_path(&on, &old), [new]);
        }
    }

    #[test]
    fn a_switch_in_the_environment_becomes_the_programs_path() {
        let on = Agent::On("/bin/dunnage".into());
        let pairs = applied(&on, &[(AGENT, "on"), ("HOME", "/")]);
        assert!(pairs.contains(&(AGENT.to_owned(), "/bin/dunnage".to_owned())));
        assert!(!pairs.contains(&(AGENT.to_owned(), "on".to_owned())));
        assert!(pairs.contains(&("HOME".to_owned(), "/".to_owned())));
    }

    #[test]
    fn off_closes_the_door_of_an_outer_dunnage_and_outer_leaves_it_open() {
        let outer = [(AGENT, "/bin/dunnage"), (PYTHONPATH, "/bin/dunnage:/a")];
        assert_eq!(applied(&Agent::Outer, &outer).len(), 2);
        let off = applied(&Agent::Off(String::new()), &outer);
        assert_eq!(off, [(PYTHONPATH.to_owned(), "/bin/dunnage:/a".to_owned())]);
        assert_eq!(
            applied(&Agent::Off(String::new()), &[(AGENT, "off")]).len(),
            1
        );
    }

    #[test]
    fn bytes_that_are_not_text_survive() {
        let on = Agent::On("/bin/dunnage".into());
        let odd = OsStr::from_bytes(b"/a\xff");
        let mut pairs: Pairs = vec![(PYTHONPATH.into(), odd.into())];
        on.apply(&mut pairs);
        let value = pairs.first().map(|(_, value)| value.as_bytes().to_vec());
        assert_eq!(value.as_deref(), Some(&b"/bin/dunnage:/a\xff"[..]));
    }
}
