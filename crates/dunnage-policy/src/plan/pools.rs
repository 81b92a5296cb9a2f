//! The plan for pools that are there already: the same numbers, where a variable would come too late.

use dunnage_cgroup::Limits;

use super::count::Sizing;
use super::knobs::KNOBS;
use super::{Environment, PlanOptions, user_value};

/// What the pool of one line of [`KNOBS`] should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The line's library.
    pub library: &'static str,
    /// Threads, at least 1.
    pub threads: u32,
    /// The variable by which the user has decided it, which is then kept.
    pub kept_by: Option<&'static str>,
}

/// The sizes of all pools, and of a pool that no line governs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pools {
    /// Threads for each compute pool of each worker process; `None` where no quota is known and nothing is to be capped.
    pub threads: Option<u32>,
    /// Where the number comes from.
    pub source: String,
    /// One for each line.
    pub pools: Vec<Pool>,
}

/// What [`plan`](super::plan) would give each library that it governs. A variable that a plan has set counts as the
/// user's: the pool has followed it.
pub fn plan_pools(limits: &Limits, env: Environment<'_>, options: &PlanOptions) -> Pools {
    let sizing = Sizing::new(limits, env, options);
    let pools = KNOBS.iter().map(|knob| {
        let most = knob.most.map_or(u32::MAX, |(_, most)| most);
        Pool {
            library: knob.library,
            threads: sizing.threads.min(most),
            kept_by: knob
                .ranking
                .iter()
                .copied()
                .find(|name| user_value(env, name).is_some()),
        }
    });
    Pools {
        threads: sizing.caps_pools().then_some(sizing.threads),
        pools: pools.collect(),
        source: sizing.source,
    }
}
