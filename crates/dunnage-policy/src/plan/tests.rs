use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;

use dunnage_cgroup::{Bandwidth, CpuLimits, Hierarchy, MemoryLimits, Sourced};
use proptest::prelude::*;

use super::knobs::KNOBS;
use super::*;
use crate::agent::Agent;

const QUOTA_FILE: &str = "/sys/fs/cgroup/cpu.max";

fn limits(affinity: u32, quota: Option<f64>) -> Limits {
    let (value, source, confidence) = match quota {
        Some(quota) if quota < f64::from(affinity) => (quota, QUOTA_FILE, Confidence::Leaf),
        _ => (
            f64::from(affinity),
            "/proc/self/status",
            Confidence::Affinity,
        ),
    };
    Limits {
        hierarchy: Hierarchy::V2,
        cpu: CpuLimits {
            effective: Sourced {
                value,
                source: source.to_owned(),
                confidence,
            },
            limit: quota,
            bandwidth: quota.map(|quota| Bandwidth {
                quota_usec: (quota * 100_000.0) as u64,
                period_usec: 100_000,
                burst_usec: 0,
            }),
            affinity,
        },
        memory: MemoryLimits {
            limit: Some(Sourced {
                value: 512 << 20,
                source: "/sys/fs/cgroup/memory.max".to_owned(),
                confidence: Confidence::Leaf,
            }),
            confidence: Confidence::Leaf,
            high: None,
            swap: None,
        },
        notes: Vec::new(),
    }
}

type Variables = BTreeMap<String, OsString>;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
        .collect()
}

fn plan_with(limits: &Limits, variables: &Variables, options: &PlanOptions) -> Plan {
    plan(limits, &|name| variables.get(name).cloned(), options)
}

fn workers(count: u32) -> PlanOptions {
    PlanOptions {
        workers: Some(count),
        ..PlanOptions::default()
    }
}

fn agent() -> Agent {
    Agent::On("/usr/bin/dunnage".into())
}

/// Every choice that can set a variable.
fn everything() -> PlanOptions {
    PlanOptions {
        python_cpu_count: PythonCpuCount::Auto,
        agent: agent(),
        allocator: Allocator::ALL.to_vec(),
        ..PlanOptions::default()
    }
}

fn value_of<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.env
        .iter()
        .find(|setting| setting.name == name)?
        .value
        .as_deref()
}

#[test]
fn the_counts_follow_affinity_limit_workers_and_policy() {
    let mut table = format!(
        "{:>8} {:>5} {:>7}  {:<10} {:>5} {:>4} {:>4} {:>6}\n",
        "affinity", "limit", "workers", "policy", "count", "OMP", "VIPS", "Python"
    );
    for affinity in [2, 8, 64] {
        for limit in [Some(0.25), Some(1.0), Some(1.5), Some(3.9), Some(8.0), None] {
            for workers in [None, Some(1), Some(4)] {
                for policy in Policy::ALL {
                    let options = PlanOptions {
                        policy,
                        workers,
                        python_cpu_count: PythonCpuCount::Auto,
                        agent: agent(),
                        allocator: Vec::new(),
                    };
                    let plan = plan_with(&limits(affinity, limit), &Variables::new(), &options);
                    let value = |name| value_of(&plan, name).unwrap_or("-");
                    let _ = writeln!(
                        table,
                        "{affinity:>8} {:>5} {:>7}  {:<10} {:>5} {:>4} {:>4} {:>6}",
                        limit.map_or("none".to_owned(), |limit| limit.to_string()),
                        workers.map_or("-".to_owned(), |workers| workers.to_string()),
                        policy.name(),
                        plan.cpu.count,
                        value("OMP_NUM_THREADS"),
                        value("VIPS_CONCURRENCY"),
                        value("DUNNAGE_CPU_COUNT"),
                    );
                }
            }
        }
    }
    insta::assert_snapshot!("counts", table);
}

#[test]
fn the_text_says_what_is_set_from_where_and_what_it_costs() {
    let latency = plan_with(
        &limits(8, Some(1.9)),
        &variables(&[("OPENBLAS_NUM_THREADS", "4")]),
        &PlanOptions::default(),
    );
    insta::assert_snapshot!("text_latency", latency.render_text());
    let throughput = PlanOptions {
        policy: Policy::Throughput,
        workers: Some(2),
        ..everything()
    };
    let plan = plan_with(&limits(64, Some(3.9)), &Variables::new(), &throughput);
    insta::assert_snapshot!("text_throughput_with_everything", plan.render_text());
    let plan = plan_with(
        &limits(64, Some(0.25)),
        &variables(&[("WEB_CONCURRENCY", "auto")]),
        &PlanOptions::default(),
    );
    insta::assert_snapshot!("text_a_quarter", plan.render_text());
    let plan = plan_with(
        &limits(64, Some(1.0)),
        &variables(&[("WEB_CONCURRENCY", "4")]),
        &PlanOptions::default(),
    );
    insta::assert_snapshot!("text_more_workers_than_cpus", plan.render_text());
    let plan = plan_with(&limits(8, None), &Variables::new(), &PlanOptions::default());
    insta::assert_snapshot!("text_no_quota", plan.render_text());
}

#[test]
fn json_has_null_for_what_is_not_known() {
    let mut limits = limits(8, None);
    limits.memory.limit = None;
    limits.memory.confidence = Confidence::Unknown;
    limits.cpu.effective.confidence = Confidence::Unknown;
    let user = variables(&[("NUMEXPR_MAX_THREADS", "8")]);
    let plan = plan_with(&limits, &user, &workers(2));
    insta::assert_json_snapshot!("json_unknown", plan);
}

#[test]
fn without_a_quota_nothing_is_set() {
    for affinity in [1, 2, 64] {
        let options = PlanOptions {
            agent: agent(),
            ..PlanOptions::default()
        };
        let user = variables(&[("WEB_CONCURRENCY", "4")]);
        let plan = plan_with(&limits(affinity, None), &user, &options);
        assert_eq!(plan.environment(), []);
        assert_eq!(plan.notes.len(), 1, "{:?}", plan.notes);
    }
}

#[test]
fn python_is_told_its_count_only_by_an_agent_and_where_the_user_says_nothing() {
    let told = |agent, choice, user: &[(&str, &str)]| {
        let options = PlanOptions {
            agent,
            python_cpu_count: choice,
            workers: Some(4),
            ..PlanOptions::default()
        };
        let plan = plan_with(&limits(64, Some(2.5)), &variables(user), &options);
        value_of(&plan, "DUNNAGE_CPU_COUNT").map(str::to_owned)
    };
    let auto = PythonCpuCount::Auto;
    assert_eq!(told(agent(), auto, &[]).as_deref(), Some("3"));
    assert_eq!(told(Agent::default(), auto, &[]), None);
    assert_eq!(told(Agent::Outer, auto, &[]), None);
    assert_eq!(told(agent(), PythonCpuCount::Off, &[]), None);
    assert_eq!(told(agent(), auto, &[("PYTHON_CPU_COUNT", "9")]), None);
    let own = [("DUNNAGE_CPU_COUNT", "7")];
    assert_eq!(told(agent(), auto, &own).as_deref(), Some("7"));
}

#[test]
fn without_a_quota_explicit_workers_divide_the_affinity() {
    let plan = plan_with(&limits(8, None), &Variables::new(), &workers(4));
    assert_eq!(value_of(&plan, "OMP_NUM_THREADS"), Some("2"));
}

#[test]
fn a_smaller_affinity_bounds_the_counts_instead_of_the_quota() {
    let plan = plan_with(
        &limits(2, Some(8.0)),
        &Variables::new(),
        &PlanOptions::default(),
    );
    assert_eq!(value_of(&plan, "OMP_NUM_THREADS"), Some("2"));
    let reason = &plan.env.first().unwrap().reason;
    assert!(reason.contains("/proc/self/status"), "{reason}");
}

#[test]
fn by_default_only_compute_pools_are_capped() {
    let plan = plan_with(
        &limits(64, Some(2.0)),
        &Variables::new(),
        &PlanOptions::default(),
    );
    let pairs = [
        ("OMP_NUM_THREADS", "2"),
        ("VIPS_CONCURRENCY", "2"),
        (PLANNED, "1"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(plan.environment(), pairs);
    assert_eq!(plan.render_env(), "OMP_NUM_THREADS=2\nVIPS_CONCURRENCY=2\n");
}

#[test]
fn a_plan_is_not_applied_twice() {
    let outer = plan_with(&limits(64, Some(2.0)), &Variables::new(), &everything());
    let inner: Variables = outer
        .environment()
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    let plan = plan_with(&limits(64, Some(2.0)), &inner, &everything());
    assert_eq!((plan.env.len(), plan.environment().len()), (0, 0));
    assert_eq!(plan.notes.len(), 1, "{:?}", plan.notes);
}

#[test]
fn workers_come_from_the_option_then_web_concurrency_then_1() {
    let count = |value: &str, options: &PlanOptions| {
        let user = variables(&[("WEB_CONCURRENCY", value)]);
        plan_with(&limits(64, Some(8.0)), &user, options)
    };
    let default = PlanOptions::default();
    assert_eq!(count("4", &default).workers.count, 4);
    assert_eq!(count("4", &workers(2)).workers.count, 2);
    assert_eq!(count("", &default).workers.source, "default");
    for malformed in ["0", "-1", "auto", "2.5", "99999999999999999999"] {
        let plan = count(malformed, &default);
        assert_eq!(plan.workers.count, 1, "{malformed}");
        let about_it = plan
            .notes
            .iter()
            .filter(|note| note.contains("WEB_CONCURRENCY"));
        assert_eq!(about_it.count(), 1, "{malformed}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_the_users_and_an_empty_one_is_nobodys() {
    let user = |bytes: &[u8]| {
        Variables::from([(
            "OMP_NUM_THREADS".to_owned(),
            OsString::from_vec(bytes.to_vec()),
        )])
    };
    let limits = limits(64, Some(1.0));
    let plan = plan_with(&limits, &user(b"\xff"), &PlanOptions::default());
    let setting = plan
        .env
        .iter()
        .find(|setting| setting.name == "OMP_NUM_THREADS")
        .unwrap();
    assert_eq!(
        (setting.action, setting.value.as_deref()),
        (Action::Kept, Some("\u{fffd}"))
    );
    let plan = plan_with(&limits, &user(b""), &PlanOptions::default());
    assert!(
        plan.environment()
            .contains(&("OMP_NUM_THREADS".to_owned(), "1".to_owned()))
    );
}

#[test]
fn a_variable_that_would_outrank_the_users_is_kept_and_says_by_what() {
    for knob in KNOBS {
        for outranked in knob.outranked() {
            let user = variables(&[(outranked, "7")]);
            let plan = plan_with(&limits(64, Some(1.0)), &user, &PlanOptions::default());
            let setting = plan
                .env
                .iter()
                .find(|setting| setting.name == knob.variable)
                .unwrap();
            assert_eq!((setting.action, &setting.value), (Action::Kept, &None));
            assert!(
                setting.reason.contains(&format!("(by {outranked})")),
                "{}",
                setting.reason
            );
        }
    }
}

#[test]
fn a_library_that_breaks_above_its_own_most_is_told_that_most() {
    let numexpr = |quota: f64, own: &[(&str, &str)]| {
        let plan = plan_with(
            &limits(128, Some(quota)),
            &variables(own),
            &PlanOptions::default(),
        );
        value_of(&plan, "NUMEXPR_NUM_THREADS").map(str::to_owned)
    };
    assert_eq!(numexpr(16.0, &[]), None);
    assert_eq!(numexpr(17.0, &[]).as_deref(), Some("16"));
    assert_eq!(numexpr(65.0, &[]).as_deref(), Some("16"));
    assert_eq!(
        numexpr(65.0, &[("NUMEXPR_NUM_THREADS", "3")]).as_deref(),
        Some("3")
    );
    assert_eq!(
        numexpr(65.0, &[("OMP_NUM_THREADS", "40")]),
        None,
        "the user's value governs it"
    );
}

#[test]
fn a_hostile_limit_gives_no_hostile_count() {
    for quota in [
        f64::NAN,
        f64::INFINITY,
        -1.0,
        0.0,
        f64::MIN_POSITIVE,
        f64::MAX,
    ] {
        for affinity in [0, 1, u32::MAX] {
            let plan = plan_with(
                &limits(affinity, Some(quota)),
                &Variables::new(),
                &workers(u32::MAX),
            );
            assert_eq!(plan.cpu.threads, Some(1));
            assert!((1..=affinity.max(1)).contains(&plan.cpu.count));
        }
    }
}

#[test]
fn allocators_are_set_only_where_asked_for_and_never_over_the_users() {
    let limits = limits(64, None);
    for allocator in Allocator::ALL {
        let options = PlanOptions {
            allocator: vec![allocator, allocator],
            ..PlanOptions::default()
        };
        let choice = allocator.choice();
        let plan = plan_with(&limits, &Variables::new(), &options);
        assert_eq!(
            plan.environment().first(),
            Some(&(choice.variable.to_owned(), choice.value.to_owned()))
        );
        assert_eq!(plan.env.len(), 1);
        for own in std::iter::once(&choice.variable).chain(choice.outranks) {
            let user = variables(&[(own, "mine")]);
            assert_eq!(
                plan_with(&limits, &user, &options).environment(),
                [],
                "{own}"
            );
        }
    }
}

/// Every variable that any library in the table obeys.
fn every_variable() -> Vec<&'static str> {
    let mut names: Vec<_> = KNOBS
        .iter()
        .flat_map(|knob| knob.ranking)
        .copied()
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

proptest! {
    #[test]
    fn what_the_user_set_decides_for_every_library_that_obeys_it(
        own in proptest::sample::subsequence(every_variable(), 0..=every_variable().len()),
        quota in 0.01_f64..64.0,
    ) {
        let user: Variables = own.iter().map(|name| ((*name).to_owned(), "77".into())).collect();
        let plan = plan_with(&limits(64, Some(quota)), &user, &everything());
        let mut child = user.clone();
        child.extend(plan.environment().into_iter().map(|(name, value)| (name, value.into())));
        for knob in KNOBS {
            let winner = |variables: &Variables| {
                knob.ranking.iter().find_map(|name| Some((*name, variables.get(*name)?.clone())))
            };
            if let Some(users) = winner(&user) {
                prop_assert_eq!(winner(&child), Some(users), "{}", knob.library);
            }
        }
    }

    #[test]
    fn counts_are_at_least_1_within_the_affinity_and_grow_with_the_limit(
        affinity in 1_u32..300,
        low in 0.001_f64..300.0,
        more in 0.0_f64..300.0,
        workers in 1_u32..100,
        latency in any::<bool>(),
    ) {
        let options = PlanOptions {
            policy: if latency { Policy::Latency } else { Policy::Throughput },
            workers: Some(workers),
            ..everything()
        };
        let numbers = |quota| {
            let plan = plan_with(&limits(affinity, Some(quota)), &Variables::new(), &options);
            ["OMP_NUM_THREADS", "VIPS_CONCURRENCY", "DUNNAGE_CPU_COUNT"]
                .map(|name| value_of(&plan, name).unwrap().parse::<u32>().unwrap())
        };
        for (less, more) in numbers(low).into_iter().zip(numbers(low + more)) {
            // two is what Python is told at least
            prop_assert!(less >= 1 && more <= affinity.max(2) && less <= more);
        }
    }

    #[test]
    fn under_latency_a_pool_in_each_worker_fits_into_the_limit(
        quota in 1.0_f64..64.0,
        workers in 1_u32..64,
    ) {
        let plan = plan_with(&limits(64, Some(quota)), &Variables::new(), &super::tests::workers(workers));
        let running = plan.cpu.threads.unwrap() * workers;
        prop_assert!(f64::from(running) <= quota + 1e-3 || plan.cpu.threads == Some(1));
    }

    #[test]
    fn no_environment_makes_it_panic_and_lines_for_a_shell_stay_lines(bytes in any::<Vec<u8>>()) {
        // every variable has the same value, DUNNAGE_PLANNED only where it is not asked for
        let env = |name: &str| (name != PLANNED).then(|| OsString::from_vec(bytes.clone()));
        let plan = plan(&limits(64, Some(2.5)), &env, &everything());
        for line in plan.render_env().lines() {
            let safe = |c: char| c.is_ascii_alphanumeric() || "_:,=".contains(c);
            prop_assert!(line.contains('=') && line.chars().all(safe), "{}", line);
        }
    }
}

#[test]
fn pools_that_are_there_get_what_the_plan_would_set_and_the_users_are_kept() {
    let none = variables(&[]);
    let found = limits(64, Some(20.0));
    let pools = |variables: &Variables, options| {
        let found = found.clone();
        plan_pools(&found, &|name| variables.get(name).cloned(), options)
    };
    let plain = PlanOptions::default();
    let all = pools(&none, &plain);
    assert_eq!(all.threads, Some(20));
    assert_eq!(all.source, QUOTA_FILE);
    assert_eq!(all.pools.len(), KNOBS.len());
    for pool in &all.pools {
        let most = if pool.library.starts_with("numexpr") {
            16
        } else {
            20
        };
        assert_eq!(
            (pool.threads, pool.kept_by),
            (most, None),
            "{}",
            pool.library
        );
    }
    let own = variables(&[("OPENBLAS_NUM_THREADS", "4"), ("MKL_NUM_THREADS", "")]);
    for pool in pools(&own, &plain).pools {
        let kept_by = (pool.library == "OpenBLAS (NumPy, SciPy)").then_some("OPENBLAS_NUM_THREADS");
        assert_eq!(pool.kept_by, kept_by, "{}", pool.library);
    }
    let workers = PlanOptions {
        workers: Some(4),
        ..PlanOptions::default()
    };
    assert_eq!(pools(&none, &workers).threads, Some(5));
}

#[test]
fn without_a_quota_no_pool_is_to_be_changed() {
    let found = limits(64, None);
    let pools = plan_pools(&found, &|_| None, &PlanOptions::default());
    assert_eq!(pools.threads, None);
}
