//! What Python believes: the numbers that it would give to whoever asks it, worked out from its version, its options, its
//! environment and the machine. Nothing is called in it.

use super::facts::{Facts, Python};
use super::words::{Flags, read_flags};

/// A number and why it is that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belief {
    /// The number.
    pub value: u32,
    /// By what.
    pub because: String,
}

/// What `os.cpu_count()` says. Not known of an interpreter whose version is not: variables may count or not.
pub fn cpu_count(facts: &Facts) -> Option<Belief> {
    let python = facts.python.as_ref()?;
    minor(python)?;
    let flags = read_flags(&python.words);
    if let Some(stated) = stated_count(python, &flags) {
        return Some(stated);
    }
    let online = facts.node.cpus?;
    if let Some(told) = told_by_agent(python, &flags).filter(|told| *told < online) {
        return Some(Belief {
            value: told,
            because: "told by dunnage (DUNNAGE_CPU_COUNT)".to_owned(),
        });
    }
    let because = if python.is_musl {
        "affinity (musl)"
    } else {
        "CPUs of the node"
    };
    Some(Belief {
        value: online,
        because: because.to_owned(),
    })
}

/// What `os.process_cpu_count()` says, from 3.13 on.
pub fn process_cpu_count(facts: &Facts) -> Option<Belief> {
    let python = facts.python.as_ref()?;
    if minor(python)? < 13 {
        return None;
    }
    let flags = read_flags(&python.words);
    if let Some(stated) = stated_count(python, &flags) {
        return Some(stated);
    }
    let affinity = python.affinity?;
    let told = told_by_agent(python, &flags).filter(|told| *told < affinity);
    Some(Belief {
        value: told.unwrap_or(affinity),
        because: if told.is_some() {
            "told by dunnage (DUNNAGE_CPU_COUNT)"
        } else {
            "affinity"
        }
        .to_owned(),
    })
}

/// `-X cpu_count` and `PYTHON_CPU_COUNT`, which CPython obeys from 3.13 on (`Python/initconfig.c`).
fn stated_count(python: &Python, flags: &Flags) -> Option<Belief> {
    if minor(python)? < 13 {
        return None;
    }
    let by_option = flags.cpu_count.as_ref().map(|text| (text, "-X cpu_count"));
    let environment = python
        .environment
        .as_ref()
        .filter(|_| !flags.ignores_environment);
    let by_variable = environment
        .and_then(|environment| environment.get("PYTHON_CPU_COUNT"))
        .map(|text| (text, "PYTHON_CPU_COUNT"));
    let (text, because) = by_option.or(by_variable)?;
    // `default` takes an outer one back
    Some(Belief {
        value: text.parse().ok()?,
        because: because.to_owned(),
    })
}

/// What the agent tells an interpreter that has its environment; at least 2, since `cpu_count() - 1` is a common idiom.
fn told_by_agent(python: &Python, flags: &Flags) -> Option<u32> {
    let environment = python
        .environment
        .as_ref()
        .filter(|_| !flags.ignores_environment)?;
    let agent = environment.get("DUNNAGE_AGENT")?;
    let told: u32 = environment.get("DUNNAGE_CPU_COUNT")?.parse().ok()?;
    agent.starts_with('/').then_some(told.max(2))
}

/// The minor version of CPython 3.
fn minor(python: &Python) -> Option<u32> {
    let rest = python.version.as_ref()?.strip_prefix("3.")?;
    rest.split('.').next()?.parse().ok()
}

/// The variable that decides a pool's size, by the plan's table, with its value.
pub fn deciding_variable(facts: &Facts, library: &str) -> Option<String> {
    let environment = facts.python.as_ref()?.environment.as_ref()?;
    let family = library.split(' ').next()?;
    let knob = dunnage_policy::plan::knobs::KNOBS
        .iter()
        .find(|knob| knob.library.starts_with(family) || knob.library == family.to_lowercase())?;
    let set = |name: &&&str| {
        environment
            .get(**name)
            .is_some_and(|value| !value.is_empty())
    };
    let name = knob.ranking.iter().find(set)?;
    Some(format!("{name}={}", environment.get(*name)?))
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::facts;
    use super::*;

    fn believing(version: &str, words: &str, variables: &[(&str, &str)], cpus: u32) -> Facts {
        let mut facts = facts();
        facts.node.cpus = Some(cpus);
        let python = facts.python.as_mut().unwrap();
        python.version = Some(version.to_owned());
        python.words = words.split(' ').map(str::to_owned).collect();
        let pairs = variables.iter();
        python.environment = Some(
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        );
        facts
    }

    fn count(facts: &Facts) -> (u32, String) {
        let belief = cpu_count(facts).unwrap();
        (belief.value, belief.because)
    }

    #[test]
    fn an_old_python_counts_the_node_whatever_is_asked_of_a_new_one() {
        let facts = believing(
            "3.12.1",
            "python3 -X cpu_count=2 app.py",
            &[("PYTHON_CPU_COUNT", "2")],
            64,
        );
        assert_eq!(count(&facts).0, 64);
        assert_eq!(process_cpu_count(&facts), None);
    }

    #[test]
    fn from_313_on_the_option_counts_before_the_variable_and_both_before_affinity() {
        let variables = [("PYTHON_CPU_COUNT", "3")];
        let facts = believing("3.13.5", "python3 -X cpu_count=5 app.py", &variables, 64);
        assert_eq!(count(&facts), (5, "-X cpu_count".to_owned()));
        assert_eq!(process_cpu_count(&facts).unwrap().value, 5);
        let facts = believing("3.13.5", "python3 app.py", &variables, 64);
        assert_eq!(count(&facts), (3, "PYTHON_CPU_COUNT".to_owned()));
        let facts = believing("3.13.5", "python3 -I app.py", &variables, 64);
        assert_eq!(count(&facts).0, 64);
    }

    #[test]
    fn the_agent_tells_at_least_two_and_never_more_than_there_are() {
        let told = |count| {
            [
                ("DUNNAGE_AGENT", "/bin/dunnage"),
                ("DUNNAGE_CPU_COUNT", count),
            ]
        };
        assert_eq!(
            count(&believing("3.11.2", "python3 a.py", &told("1"), 64)).0,
            2
        );
        assert_eq!(
            count(&believing("3.11.2", "python3 a.py", &told("9"), 4)).0,
            4
        );
        assert_eq!(
            count(&believing("3.11.2", "python3 -E a.py", &told("2"), 64)).0,
            64
        );
        let switched_off = [("DUNNAGE_AGENT", "off"), ("DUNNAGE_CPU_COUNT", "2")];
        assert_eq!(
            count(&believing("3.11.2", "python3 a.py", &switched_off, 64)).0,
            64
        );
    }

    #[test]
    fn the_strongest_variable_decides_a_pool() {
        let variables = [("OMP_NUM_THREADS", "4"), ("OPENBLAS_NUM_THREADS", "2")];
        let facts = believing("3.11.2", "python3 a.py", &variables, 64);
        assert_eq!(
            deciding_variable(&facts, "OpenBLAS").as_deref(),
            Some("OPENBLAS_NUM_THREADS=2")
        );
        assert_eq!(
            deciding_variable(&facts, "OpenMP (libgomp)").as_deref(),
            Some("OMP_NUM_THREADS=4")
        );
        assert_eq!(
            deciding_variable(&facts, "numexpr").as_deref(),
            Some("OMP_NUM_THREADS=4")
        );
        assert_eq!(deciding_variable(&facts, "polars"), None);
    }
}
