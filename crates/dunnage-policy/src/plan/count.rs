//! From a fraction of CPUs to whole threads.
//!
//! Limits arrive rounded: systemd rounds a quota up to a hundredth of a CPU, so that a limit of 2004m may be found as
//! 2.01. Up to that much above a whole number, rounding *up* takes the number itself: nobody asks for a third thread for
//! a hundredth of a CPU. Rounding *down* forgives only what floating point loses, since a quota of 1.99 is really used
//! up by two threads before the period ends.

use dunnage_cgroup::Limits;

use super::{Environment, PlanOptions, Policy, Workers, user_value};

/// The most that systemd adds to a quota: 10 ms in a second (`CPUQuotaPerSecUSec`).
const ROUNDED_UP_CPUS: f64 = 0.01;

/// What arithmetic on fractions may lose.
pub(super) const EPSILON: f64 = 1e-6;

/// The kernel's default period, for a quota whose period is not known.
const DEFAULT_PERIOD_USEC: u64 = 100_000;

/// Everything that the counts depend on, and the counts.
#[derive(Debug, Clone)]
pub(super) struct Sizing {
    /// The quota in CPUs, where one is known.
    pub(super) quota: Option<f64>,
    /// The quota, capped by the affinity; the affinity without a quota.
    pub(super) cpus: f64,
    /// CPUs in the affinity mask, at least 1.
    pub(super) affinity: u32,
    /// Where `cpus` comes from.
    pub(super) source: String,
    /// Whether levels above are hidden, so that a quota may exist all the same.
    pub(super) may_be_hidden: bool,
    /// Length of a period.
    pub(super) period_usec: u64,
    /// Whether the length is the kernel's default for want of a better one.
    pub(super) period_is_assumed: bool,
    pub(super) policy: Policy,
    pub(super) workers: Workers,
    /// A `WEB_CONCURRENCY` that is no positive integer.
    pub(super) bad_web_concurrency: Option<String>,
    /// Whole CPUs by the policy, not divided.
    pub(super) count: u32,
    /// Threads for each compute pool of each worker.
    pub(super) threads: u32,
}

impl Sizing {
    pub(super) fn new(limits: &Limits, env: Environment<'_>, options: &PlanOptions) -> Self {
        let cpu = &limits.cpu;
        let affinity = cpu.affinity.max(1);
        let quota = usable_quota(cpu.limit);
        let cpus = quota.map_or(f64::from(affinity), |cpus| cpus.min(f64::from(affinity)));
        let (workers, bad_web_concurrency) = count_workers(env, options);
        let threads = |workers| threads_per_pool(options.policy, cpus, workers, affinity);
        Self {
            quota,
            cpus,
            affinity,
            source: cpu.effective.source.clone(),
            may_be_hidden: cpu.effective.confidence == dunnage_cgroup::Confidence::Unknown,
            period_usec: cpu
                .bandwidth
                .map_or(DEFAULT_PERIOD_USEC, |bandwidth| bandwidth.period_usec),
            period_is_assumed: cpu.bandwidth.is_none(),
            policy: options.policy,
            count: threads(1),
            threads: threads(workers.count),
            workers,
            bad_web_concurrency,
        }
    }

    /// Whether the pools are to be capped: a quota is known, or the user asked for the affinity to be divided.
    pub(super) fn caps_pools(&self) -> bool {
        self.quota.is_some() || self.workers.source == "--workers"
    }

    /// What Python is told: the quota rounded up, at most the affinity, at least 2 so that `cpu_count() - 1` is a size; not
    /// divided by the workers, since applications size the workers by it. The agent never tells more than Python would see.
    pub(super) fn told_count(&self) -> u32 {
        round_up(self.cpus, 1).min(self.affinity).max(2)
    }

    /// How long a period's stall lasts when `running` threads compute at once, in milliseconds: period × (1 − quota /
    /// running). `None` where they fit into the quota.
    pub(super) fn stall_ms(&self, running: u32) -> Option<f64> {
        let running = f64::from(running.min(self.affinity));
        let quota = self.quota?;
        (running > quota).then(|| self.period_usec as f64 / 1000.0 * (1.0 - quota / running))
    }
}

/// Threads for one compute pool in each of `workers` processes, at least 1 and at most the affinity.
///
/// `quota` is the number of CPUs of the tightest quota; what is no positive number bounds nothing. Without one the
/// affinity is divided.
pub fn count_threads(policy: Policy, quota: Option<f64>, workers: u32, affinity: u32) -> u32 {
    let affinity = affinity.max(1);
    let cpus =
        usable_quota(quota).map_or(f64::from(affinity), |cpus| cpus.min(f64::from(affinity)));
    threads_per_pool(policy, cpus, workers.max(1), affinity)
}

/// A quota that is no positive number bounds nothing; readers reject it, and so do we.
fn usable_quota(quota: Option<f64>) -> Option<f64> {
    quota.filter(|cpus| cpus.is_finite() && *cpus > 0.0)
}

fn threads_per_pool(policy: Policy, cpus: f64, workers: u32, affinity: u32) -> u32 {
    let threads = match policy {
        Policy::Latency => (cpus / f64::from(workers) + EPSILON).floor() as u32,
        Policy::Throughput => round_up(cpus, workers),
    };
    threads.max(1).min(affinity)
}

fn round_up(cpus: f64, workers: u32) -> u32 {
    ((cpus - ROUNDED_UP_CPUS) / f64::from(workers) - EPSILON).ceil() as u32
}

/// `--workers`, else `WEB_CONCURRENCY` (gunicorn, uvicorn), else 1; and a `WEB_CONCURRENCY` that means nothing.
fn count_workers(env: Environment<'_>, options: &PlanOptions) -> (Workers, Option<String>) {
    let workers = |count, source| Workers { count, source };
    if let Some(count) = options.workers {
        return (workers(count.max(1), "--workers"), None);
    }
    match user_value(env, "WEB_CONCURRENCY") {
        None => (workers(1, "default"), None),
        Some(text) => match text.trim().parse() {
            Ok(count) if count > 0 => (workers(count, "WEB_CONCURRENCY"), None),
            _ => (workers(1, "default"), Some(text)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_rounds_down_and_throughput_up_and_neither_to_0() {
        for (cpus, down, up) in [
            (0.001, 1, 1),
            (0.25, 1, 1),
            (1.0, 1, 1),
            (1.5, 1, 2),
            (1.9, 1, 2),
            (3.9, 3, 4),
            (8.0, 8, 8),
        ] {
            let threads = |policy| threads_per_pool(policy, cpus, 1, 64);
            assert_eq!(threads(Policy::Latency), down, "{cpus}");
            assert_eq!(threads(Policy::Throughput), up.max(1), "{cpus}");
        }
    }

    #[test]
    fn a_hundredth_that_systemd_added_is_no_reason_for_one_more_thread() {
        assert_eq!(threads_per_pool(Policy::Throughput, 2.01, 1, 64), 2);
        assert_eq!(threads_per_pool(Policy::Throughput, 4.1, 1, 64), 5);
        assert_eq!(threads_per_pool(Policy::Throughput, 8.01, 4, 64), 2);
        assert_eq!(threads_per_pool(Policy::Throughput, 2.02, 1, 64), 3);
    }

    #[test]
    fn a_hundredth_that_is_missing_is_not_made_up() {
        assert_eq!(threads_per_pool(Policy::Latency, 1.99, 1, 64), 1);
    }

    #[test]
    fn what_bounds_nothing_leaves_the_affinity_to_be_divided() {
        for quota in [
            None,
            Some(0.0),
            Some(-1.0),
            Some(f64::NAN),
            Some(f64::INFINITY),
        ] {
            assert_eq!(count_threads(Policy::Latency, quota, 1, 6), 6, "{quota:?}");
            assert_eq!(count_threads(Policy::Latency, quota, 4, 6), 1, "{quota:?}");
            assert_eq!(
                count_threads(Policy::Throughput, quota, 4, 6),
                2,
                "{quota:?}"
            );
            assert_eq!(
                count_threads(Policy::Throughput, quota, 0, 0),
                1,
                "{quota:?}"
            );
        }
        assert_eq!(count_threads(Policy::Latency, Some(3.9), 1, 64), 3);
        assert_eq!(count_threads(Policy::Latency, Some(3.9), 1, 2), 2);
    }

    #[test]
    fn floating_point_loses_no_thread() {
        for tenths in 1..=640_u32 {
            // summed up, a tenth loses what a product does not
            let cpus: f64 = (0..tenths).map(|_| 0.1).sum();
            assert_eq!(
                threads_per_pool(Policy::Latency, cpus, 1, 64),
                (tenths / 10).max(1)
            );
            assert_eq!(
                threads_per_pool(Policy::Throughput, cpus, 1, 64),
                tenths.div_ceil(10)
            );
        }
    }
}
