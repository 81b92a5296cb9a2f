//! The plan: from limits to settings for the child.
//!
//! Compute libraries size their pools from the CPUs that they see, which in a container are the node's. Under a CFS quota
//! the surplus threads use a period's quota up early, and then every thread of the container, the event loop too, stands
//! still until the next period. The plan says which variables bring those pools down to what may really be used, and why.
//! It never takes anything away from the user: a variable that is set is kept, and one that would only *outrank* a
//! variable of the user's is left unset ([`knobs`]). Where no quota is known nothing is set at all.
//!
//! A variable that is set to the empty string counts as not set: libgomp, OpenBLAS, numexpr and pyarrow ignore it too,
//! and in a Kubernetes manifest it is the only way to take back what an image has set. Any other value, one that is not
//! UTF-8 included, is the user's.

mod allocator;
mod count;
pub mod knobs;
mod notes;
mod options;
mod pools;
mod render;
mod settings;

use std::ffi::OsString;

use dunnage_cgroup::{Confidence, Limits};
use serde::Serialize;

pub use allocator::Allocator;
pub use count::count_threads;
pub use options::{PlanOptions, Policy, PythonCpuCount, UnknownName};
pub use pools::{Pool, Pools, plan_pools};
pub use render::bytes_in_words;
pub use settings::count_of_cpus;

use count::Sizing;

/// The variable that marks an environment to which a plan has been applied, so that it is not applied twice.
pub const PLANNED: &str = "DUNNAGE_PLANNED";

/// Looks a variable up in the environment that the child would get without us.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What is done about a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The child gets our value.
    Set,
    /// The variable stays as the user left it.
    Kept,
}

/// One variable of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// The value that the child sees; `None` for a variable that is kept unset. Bytes of the user's that are not UTF-8
    /// are shown as `�` here; the child gets them as they are.
    pub value: Option<String>,
    /// What is done.
    pub action: Action,
    /// Why, with the source of the number.
    pub reason: String,
}

/// CPU time as the plan understood it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedCpu {
    /// The quota as a number of CPUs; `None` where none is known.
    pub limit: Option<f64>,
    /// The whole number of CPUs that the policy makes of it, before it is divided by the workers; at least 1.
    pub count: u32,
    /// Threads for each compute pool of each worker process, at least 1 and at most the affinity; `None` where pools are
    /// not capped.
    pub threads: Option<u32>,
    /// The file that bounds the CPUs, or what else does.
    pub source: String,
    /// How sure that is.
    pub confidence: Confidence,
}

/// Memory as the plan understood it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedMemory {
    /// The hard limit in bytes; `None` where none can be seen.
    pub limit_bytes: Option<u64>,
    /// The file it was read from; `None` without a limit.
    pub source: Option<String>,
    /// How sure the presence or absence of a limit is.
    pub confidence: Confidence,
}

/// Worker processes that share the CPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workers {
    /// How many; at least 1.
    pub count: u32,
    /// Who says so: `--workers`, `WEB_CONCURRENCY` or `default`.
    pub source: &'static str,
}

/// What `run` and `exec` put into the child's environment, and why (`dunnage.plan/1`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The name and version of this form.
    pub schema: &'static str,
    /// How CPUs were rounded.
    pub policy: Policy,
    /// The processes that the CPUs are divided by.
    pub workers: Workers,
    /// CPU time.
    pub cpu: PlannedCpu,
    /// Memory.
    pub memory: PlannedMemory,
    /// Whether Python processes get the agent: `on`, `outer` (an outer dunnage's), or why not.
    pub agent: String,
    /// The variables, those that are set first.
    pub env: Vec<Setting>,
    /// What a person should know, one sentence each; those of [`Limits::notes`] come first.
    pub notes: Vec<String>,
}

impl Plan {
    /// The pairs to put into the child's environment: what is set, and [`PLANNED`] when anything is.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = self
            .assignments()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if !pairs.is_empty() {
            pairs.push((PLANNED.to_owned(), "1".to_owned()));
        }
        pairs
    }

    /// The variables that are set, with their values.
    fn assignments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env
            .iter()
            .filter(|setting| setting.action == Action::Set)
            .filter_map(|setting| Some((setting.name.as_str(), setting.value.as_deref()?)))
    }
}

/// Makes the plan for a child that would otherwise start with `env`.
pub fn plan(limits: &Limits, env: Environment<'_>, options: &PlanOptions) -> Plan {
    let sizing = Sizing::new(limits, env, options);
    let mut notes = limits.notes.clone();
    let settings = if user_value(env, PLANNED).is_some() {
        notes.push(notes::nested());
        Vec::new()
    } else {
        let settings = settings::settings(&sizing, env, options);
        notes.extend(notes::notes(&sizing, &settings));
        settings
    };
    let memory = limits.memory.limit.as_ref();
    Plan {
        schema: "dunnage.plan/1",
        policy: options.policy,
        workers: sizing.workers.clone(),
        cpu: PlannedCpu {
            limit: sizing.quota,
            count: sizing.count,
            threads: sizing.caps_pools().then_some(sizing.threads),
            source: sizing.source.clone(),
            confidence: limits.cpu.effective.confidence,
        },
        memory: PlannedMemory {
            limit_bytes: memory.map(|limit| limit.value),
            source: memory.map(|limit| limit.source.clone()),
            confidence: limits.memory.confidence,
        },
        agent: options.agent.in_words().to_owned(),
        env: settings,
        notes,
    }
}

/// The user's value of a variable, for display; `None` where it is not set or empty.
fn user_value(env: Environment<'_>, name: &str) -> Option<String> {
    env(name)
        .filter(|value| !value.is_empty())
        .map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
