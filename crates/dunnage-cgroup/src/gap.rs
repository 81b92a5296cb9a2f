//! What cannot be seen, in plain words.

use crate::resolve::{Hidden, Unseen};
use crate::root::Reading;
use std::path::PathBuf;

/// Why a limit may be in force that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    /// No folder of the controller can be read.
    Unseen(Unseen),
    /// Levels are hidden; the highest one that can be seen.
    Hidden(Hidden, PathBuf),
}

impl Gap {
    fn reason(&self) -> String {
        match self {
            Self::Unseen(Unseen::NotMounted) => {
                "no cgroup file system with it is visible here".to_owned()
            }
            Self::Unseen(Unseen::NoPath) => {
                "/proc/self/cgroup does not say which cgroup this process is in".to_owned()
            }
            Self::Unseen(Unseen::Outside) => {
                "this process is in a cgroup outside of what is mounted here".to_owned()
            }
            Self::Hidden(Hidden::Ancestors, top) => {
                format!("the levels above {} are hidden", top.display())
            }
            Self::Hidden(Hidden::Leaf, _) => {
                "the folder of this process's own cgroup is not visible here".to_owned()
            }
        }
    }
}

/// Says for each limit that was not found why there may be one all the same; one sentence where the reason is the same.
pub(crate) fn note_gaps(reading: &mut Reading, gaps: &[(&'static str, Gap)]) {
    let option = |what: &str| match what {
        "CPU quota" => "--cpu-limit",
        _ => "--memory-limit",
    };
    let joined = |names: Vec<&str>| names.join(" or ");
    let mut said: Vec<String> = Vec::new();
    for (_, gap) in gaps {
        let reason = gap.reason();
        if said.contains(&reason) {
            continue;
        }
        let alike = || gaps.iter().filter(|(_, other)| other.reason() == reason);
        let what = joined(alike().map(|(what, _)| *what).collect());
        let options = joined(alike().map(|(what, _)| option(what)).collect());
        reading.note(format!(
            "no {what} was found, but there may be one: {reason}; if you set one, say so with {options}"
        ));
        said.push(reason);
    }
}
