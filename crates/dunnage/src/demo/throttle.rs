//! What a quota of 1 CPU does to NumPy as it comes, and as planned: products of matrices beside a thread that wants to
//! run every millisecond, as a request handler or a health check would.
//!
//! The application needs a little less than the quota. One that needs more is throttled under any plan: a thread that never
//! waits takes all of 1 CPU, and the probe's two per cent are then over the limit, for some two milliseconds a period.

use super::Check;
use super::cgroup::Maker;
use super::judge::{
    QUOTA_USED_AT_LEAST_PERCENT, Seen, Throttling, Trio, Verdict, judge_throttling,
};
use super::namespace::{Init, Lab};
use super::shutdown::for_each_init;
use super::table::{Row, grouped};
use anyhow::{Context as _, Result};
use std::time::Instant;

const QUOTA_CPUS: f64 = 1.0;
/// About 2.5 s of work on a CPU of 2023, 25 periods.
const ROUNDS: &str = "60";
const ATTEMPTS: usize = 3;

pub(super) fn run(lab: &Lab, maker: &Maker) -> Result<Vec<Check>> {
    let mut runs = measure(lab, maker)?;
    let mut verdict = judge_throttling(&runs);
    for attempt in 2..=ATTEMPTS {
        if verdict != Verdict::Inconclusive {
            break;
        }
        super::tell(&format!(
            "throttle: the machine was busy, attempt {attempt} of {ATTEMPTS}"
        ));
        runs = measure(lab, maker)?;
        verdict = judge_throttling(&runs);
    }
    let mut check = Check::new("throttle", "matmul", &runs, verdict, show(&runs))?;
    if verdict == Verdict::Inconclusive {
        check.reason = Some(format!(
            "a run got less than {QUOTA_USED_AT_LEAST_PERCENT:.0} % of its quota in each of {ATTEMPTS} attempts: the machine \
             is busy; try again when it is quiet"
        ));
    }
    Ok(vec![check])
}

fn measure(lab: &Lab, maker: &Maker) -> Result<Trio<Throttling>> {
    for_each_init(lab, |init| measure_one(lab, maker, init))
}

fn measure_one(lab: &Lab, maker: &Maker, init: Init) -> Result<Throttling> {
    let group = maker.make("throttle", Some(QUOTA_CPUS))?;
    let command = [lab.python.as_str(), "matmul.py", ROUNDS];
    let mut contained = lab.start(init, "3s", &command, Some(&group))?;
    // the start of Python is not what is measured
    contained.expect_line("begin")?;
    let (before, began) = (group.read_cpu_stat()?, Instant::now());
    let line = contained.next_line()?;
    let (after, wall) = (group.read_cpu_stat()?, began.elapsed());
    contained.kill()?;
    let json = line.strip_prefix("end ").unwrap_or(&line);
    let seen: Seen = serde_json::from_str(json)
        .with_context(|| format!("matmul.py said {line:?} instead of what it measured"))?;
    let used = after.usage_usec.saturating_sub(before.usage_usec);
    Ok(Throttling {
        periods: after.periods.saturating_sub(before.periods),
        throttled: after.throttled.saturating_sub(before.throttled),
        throttled_usec: after.throttled_usec.saturating_sub(before.throttled_usec),
        quota_used_percent: used as f64 * 100.0 / (wall.as_micros() as f64 * QUOTA_CPUS),
        seen,
    })
}

fn show(runs: &Trio<Throttling>) -> Vec<Row> {
    let ms = |usec: u64| format!("{:.1}", usec as f64 / 1000.0);
    vec![
        Row::new(
            "NumPy matmul, quota 1 CPU: throttled periods",
            runs,
            |run| format!("{} of {}", run.throttled, run.periods),
        ),
        Row::new("  throttled for, ms", runs, |run| {
            grouped(run.throttled_usec as usize / 1000)
        }),
        Row::new("  1 ms probe: p50 / p99 / max, ms", runs, |run| {
            let seen = &run.seen;
            format!(
                "{} / {} / {}",
                ms(seen.probe_p50_usec),
                ms(seen.probe_p99_usec),
                ms(seen.probe_max_usec)
            )
        }),
        Row::new("  wall time, s", runs, |run| {
            format!("{:.2}", run.seen.wall_usec as f64 / 1e6)
        }),
        Row::new("  threads, the probe among them", runs, |run| {
            run.seen.threads.to_string()
        }),
        Row::new("  CPU time got, of the quota", runs, |run| {
            format!("{:.0} %", run.quota_used_percent)
        }),
    ]
}
