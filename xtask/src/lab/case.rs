//! The format of a case: `lab/cases/NAME/case.json`.
//!
//! A case says what to start, under which limits, what happens to it and what must then be observed. It does not say
//! where: each place starts it in its own way. Unknown keys are errors, so that a misspelled expectation cannot pass.

use super::vary;
use crate::tools::Result;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// One case.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The folder's name, and the values where it varies.
    #[serde(skip)]
    pub(crate) name: String,
    /// The folder's name.
    #[serde(skip)]
    pub(crate) folder: String,
    /// What is promised, as a sentence for the table.
    pub(crate) promise: String,
    /// Places (`host`, `runc`, `runc-hostns`, `crun`), `vm`, `real` (not emulated machines), cgroup versions (`v1`,
    /// `v2`) or Pythons of containers (`3.15`) that cannot host it, and why.
    #[serde(default)]
    pub(crate) not_in: BTreeMap<String, String>,
    /// The words that are started as PID 1. `{lab}`, `{case}` and `{out}` stand for folders.
    #[serde(default)]
    pub(crate) start: Vec<String>,
    /// In place of these words: those of one of the project's examples, with its limits and variables.
    #[serde(default)]
    pub(crate) example: Option<Example>,
    /// Where an example's words are started, in containers.
    #[serde(skip)]
    pub(crate) working_folder: Option<String>,
    /// Variables; the same stand-ins.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// The limits of the container.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// The limits of the folder above, as of a pod.
    #[serde(default)]
    pub(crate) pod: Limits,
    /// Who starts: uid 1000 without capabilities, or root with an engine's default ones.
    #[serde(default)]
    pub(crate) user: User,
    /// Changes to the container's mounts; a case that has them runs in containers only.
    #[serde(default)]
    pub(crate) mounts: Mounts,
    /// System calls that the seccomp profile refuses besides, with EPERM as old profiles do; such a case runs in containers
    /// only.
    #[serde(default)]
    pub(crate) refused_calls: Vec<String>,
    /// What the other end of stderr does.
    #[serde(default)]
    pub(crate) stderr: Stderr,
    /// What stands in the termination log before; `null` is an empty file.
    #[serde(default)]
    pub(crate) termination_log: Option<String>,
    /// What happens, in order.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    /// What must be so at the end.
    pub(crate) expect: Expect,
    /// Longest time for each step and for the end, in seconds.
    #[serde(default = "default_patience")]
    pub(crate) patience: u64,
    /// How often it may be tried until it passes: for what is promised nearly always. Each try that fails is told.
    #[serde(default = "default_tries")]
    pub(crate) tries: u32,
    /// Played only by name or with `--set full`: it takes minutes.
    #[serde(default)]
    pub(crate) is_long: bool,
    /// One of the few that CI plays in an emulated machine: it waits for what happens, and no clock decides it.
    #[serde(default)]
    pub(crate) ci_vm: bool,
}

const fn default_tries() -> u32 {
    1
}

const fn default_patience() -> u64 {
    60
}

/// Limits of a cgroup; what is not given is not limited.
#[derive(Deserialize, Debug, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// CPUs, as a fraction.
    pub(crate) cpus: Option<f64>,
    /// Memory in MiB.
    pub(crate) memory_mib: Option<u64>,
    /// Swap in MiB beside the memory; none if not given, where the machine has some.
    #[serde(default)]
    pub(crate) swap_mib: u64,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
    /// Open files of a process (a resource limit, not a cgroup's).
    pub(crate) nofile: Option<u64>,
    /// Whether an OOM kill takes the whole cgroup (v2 only; kubelet sets it).
    #[serde(default)]
    pub(crate) oom_group: bool,
}

/// One of the folders of `examples/`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    pub(crate) name: String,
    /// After `dunnage check --fix=unsafe`.
    #[serde(default)]
    pub(crate) is_mended: bool,
}

impl Example {
    /// Where it is in the lab's folder.
    pub(crate) fn folder(&self) -> String {
        let form = if self.is_mended { "mended" } else { "as-it-is" };
        format!("examples/{}-{form}", self.name)
    }
}

#[derive(Deserialize, Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum User {
    #[default]
    App,
    Root,
}

impl User {
    pub(crate) const fn id(self) -> u32 {
        match self {
            Self::App => 1000,
            Self::Root => 0,
        }
    }

    /// User and group.
    pub(crate) fn ids(self) -> String {
        format!("{0}:{0}", self.id())
    }
}

impl Case {
    /// Whether the name is its own or that of the folder that it shares with others.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.folder == name
    }

    /// Why none of these, a place, a cgroup version, a kind of machine or a Python, may host it.
    pub(crate) fn why_not_in(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.not_in.get(*key)).cloned()
    }

    /// Whether it disturbs others that are played at the same time.
    pub(crate) fn is_alone(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::SetClock { .. }))
    }
}

/// What differs from the usual mounts of a container.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mounts {
    /// Destinations that are left out.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Further mounts in the form of the OCI specification, after the others.
    #[serde(default)]
    pub(crate) add: Vec<Value>,
    /// Options added to a destination's.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, Vec<String>>,
}

impl Mounts {
    pub(crate) fn is_usual(&self) -> bool {
        self.without.is_empty() && self.add.is_empty() && self.options.is_empty()
    }
}

#[derive(Deserialize, Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stderr {
    /// A pipe that is read, as a container runtime does.
    #[default]
    Read,
    /// A pipe that was full at the start and that nobody reads.
    Full,
    /// A pipe without a reader.
    Broken,
}

/// One thing that happens.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Until stdout holds this text.
    WaitStdout(String),
    /// Until stderr holds this text.
    WaitStderr(String),
    /// Until this file is in the out folder.
    WaitFile(String),
    /// A signal to PID 1, from outside.
    Signal(String),
    /// Many of them, as fast as a shell sends them.
    Storm { signal: String, times: u32 },
    /// A session as `kubectl exec` makes it.
    Exec(Exec),
    /// An HTTP request over a socket in the out folder, answered or not by the end.
    Request { socket: String, path: String },
    /// The container's limits are changed.
    SetLimits(Limits),
    /// The machine's wall clock is set forward, or back; only where the machine is our own.
    SetClock { by_seconds: i64 },
    /// Time in which something must *not* happen.
    Sleep { ms: u64 },
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    pub(crate) words: Vec<String>,
    /// Leave it running; else its end is waited for and checked.
    #[serde(default)]
    pub(crate) background: bool,
    #[serde(default)]
    pub(crate) code: i32,
    #[serde(default)]
    pub(crate) stdout_has: Vec<String>,
    #[serde(default)]
    pub(crate) stdout_json: BTreeMap<String, Value>,
}

/// What must be observed. Values may be rules: see `expect.rs`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The exit code.
    pub(crate) code: Value,
    /// stdout, line by line and complete.
    pub(crate) stdout: Option<Vec<String>>,
    /// Texts in stdout.
    #[serde(default)]
    pub(crate) stdout_has: Vec<String>,
    /// Values in stdout, which is one JSON document, by JSON pointer.
    #[serde(default)]
    pub(crate) stdout_json: BTreeMap<String, Value>,
    /// Texts in stderr.
    #[serde(default)]
    pub(crate) stderr_has: Vec<String>,
    /// Events.
    #[serde(default)]
    pub(crate) events: Vec<ExpectedEvent>,
    /// Files in the out folder: their text without blanks at the ends, `null` for "not there".
    #[serde(default)]
    pub(crate) files: BTreeMap<String, Value>,
    /// The termination log's text at the end.
    pub(crate) termination_log: Option<Value>,
    /// Records in the folder `{out}/report`.
    pub(crate) records: Option<ExpectedRecords>,
    /// The answers to the requests, in the order in which these were made: the status line's code, or what is wrong.
    #[serde(default)]
    pub(crate) responses: Vec<Value>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedEvent {
    pub(crate) event: String,
    /// How many events of this name have these fields; at least one if not given.
    pub(crate) count: Option<Value>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, Value>,
}

/// What the supervisor must have written down of a container that was short of memory.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedRecords {
    /// How many are complete.
    pub(crate) complete: Value,
    /// A function that a traceback of the process that grows must show, in a complete one.
    pub(crate) grows_in: Option<String>,
    /// Values of the first complete one by kind of part and field, as `/memory/shmem`.
    #[serde(default)]
    pub(crate) parts: BTreeMap<String, Value>,
}

/// Every case below a lab folder, by name.
pub(crate) fn read_all(lab: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(lab.join("cases"))? {
        let folder = entry?.path();
        if folder.join("case.json").is_file() {
            cases.extend(read(&folder)?);
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn read(folder: &Path) -> Result<Vec<Case>> {
    let file = folder.join("case.json");
    let text = std::fs::read_to_string(&file)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let variants = vary::expand(text).map_err(|error| wrong(&error))?;
    let cases = variants.into_iter().map(|variant| {
        let mut case: Case = serde_json::from_value(variant.case).map_err(|error| wrong(&error))?;
        case.name = format!("{name}{}", variant.suffix);
        case.folder = name.clone().into_owned();
        case.is_long |= !variant.is_needed;
        if case.start.is_empty() == case.example.is_none() {
            return Err(wrong(&"either start or example says what is started").into());
        }
        complete(&mut case);
        Ok(case)
    });
    cases.collect()
}

/// Adds what follows from what a case does.
fn complete(case: &mut Case) {
    if !case.mounts.is_usual() {
        let why = "changes the container's mounts".to_owned();
        case.not_in.entry("host".to_owned()).or_insert(why);
    }
    if !case.refused_calls.is_empty() {
        let why = "has no seccomp profile".to_owned();
        case.not_in.entry("host".to_owned()).or_insert(why);
    }
    if case.example.is_some() {
        // it has ports of its own, and the image's folder
        let why = "starts what a container is given".to_owned();
        case.not_in.entry("host".to_owned()).or_insert(why);
    }
    if case.is_alone() {
        let why = "sets the machine's clock".to_owned();
        case.not_in.entry("real".to_owned()).or_insert(why);
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn every_case_of_the_lab_can_be_read() {
        let cases = super::read_all(&crate::tools::root().join("lab")).unwrap();
        assert!(cases.len() > 20, "{}", cases.len());
        // what a session says while the case runs is an expectation, too
        let judges = |step: &Step| matches!(step, Step::Exec(exec) if !exec.stdout_json.is_empty());
        for case in cases {
            let is_judged = case.steps.iter().any(judges)
                || !case.expect.events.is_empty()
                || case.expect.stdout.is_some()
                || !case.expect.stdout_has.is_empty()
                || !case.expect.stdout_json.is_empty()
                || case.expect.records.is_some()
                || !case.expect.files.is_empty();
            assert!(is_judged, "{} expects nothing but a code", case.name);
        }
    }

    #[test]
    fn a_misspelled_expectation_is_an_error() {
        let text = r#"{"promise":"p","start":["true"],"expect":{"code":0,"stdot":[]}}"#;
        let error = serde_json::from_str::<super::Case>(text).unwrap_err();
        assert!(error.to_string().contains("stdot"), "{error}");
    }
}
