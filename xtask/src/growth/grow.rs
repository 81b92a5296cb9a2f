//! Programs that grow until the kernel kills: whether the record was complete before that, and how long it took.

use super::play::{Run, Seen, Stage, play_at_once};
use super::statistics::{show_lower_bound, show_percentile};
use crate::tools::{Result, say};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WAYS: [&str; 6] = ["array", "chunks", "ints", "dicts", "concat", "json"];
const LIMITS_MIB: [u64; 3] = [128, 256, 1024];
const THREADS: [u32; 2] = [1, 4];
const QUOTAS: [Option<f64>; 2] = [None, Some(0.2)];
/// No common factor with the number of combinations: so that some of them are spread over all.
const STRIDE: usize = 31;

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Growth {
    way: &'static str,
    limit_mib: u64,
    /// So many grow.
    threads: u32,
    /// So many compute beside them.
    beside: u32,
    cpus: Option<f64>,
}

impl Growth {
    fn run(self, number: usize) -> Run {
        let words = [
            "lab/apps/grow.py",
            self.way,
            "--threads",
            &self.threads.to_string(),
            "--beside",
            &self.beside.to_string(),
        ];
        Run {
            name: format!("grow-{number}"),
            limit_mib: self.limit_mib,
            cpus: self.cpus,
            group_kill: true,
            options: Some(Vec::new()),
            words: words.map(str::to_owned).to_vec(),
            ..Run::default()
        }
    }

    fn describe(self) -> String {
        let quota = self
            .cpus
            .map_or_else(String::new, |cpus| format!(", {cpus} CPUs"));
        let beside = if self.beside > 0 {
            format!(" and {} that compute", self.beside)
        } else {
            String::new()
        };
        format!(
            "{} at {} MiB, threads: {}{beside}{quota}",
            self.way, self.limit_mib, self.threads
        )
    }
}

/// So many runs, over all combinations as evenly as they go.
pub(crate) fn plan(runs: usize) -> Vec<Growth> {
    let mut all = Vec::new();
    for cpus in QUOTAS {
        for threads in THREADS {
            for limit_mib in LIMITS_MIB {
                for way in WAYS {
                    all.push(Growth {
                        way,
                        limit_mib,
                        threads,
                        beside: 0,
                        cpus,
                    });
                }
            }
        }
    }
    (0..runs)
        .map(|number| all[number * STRIDE % all.len()])
        .collect()
}

/// One process with 20 threads, for the time that its record takes.
pub(crate) fn plan_threads(runs: usize) -> Vec<Growth> {
    let ways = ["chunks", "dicts", "json"];
    (0..runs)
        .map(|number| Growth {
            way: ways[number % ways.len()],
            limit_mib: 1024,
            threads: 1,
            beside: 19,
            cpus: None,
        })
        .collect()
}

/// What came of one.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    /// A complete record was there at the kill.
    Complete {
        /// From the rung to the end marker.
        ms: Option<f64>,
        /// Whether it shows the function that grew.
        is_named: bool,
    },
    /// There was none, and why.
    Missed(String),
    /// The run says nothing: the application did not start, or memory did not run out.
    Void(String),
}

/// Plays them all, some at a time; what there is to say, and whether the aim was met.
pub(crate) fn play(stage: &Stage, plan: &[Growth], at_once: usize) -> Result<(String, bool)> {
    let outcomes = play_at_once(plan, at_once, |number, growth| {
        let seen = stage.play(&growth.run(number));
        let outcome = judge(*growth, &seen.map_err(|error| error.to_string())?);
        let (number, of) = (number + 1, plan.len());
        say(&format!(
            "{number} of {of}: {}: {outcome:?}",
            growth.describe()
        ));
        Ok((*growth, outcome))
    })?;
    Ok(report(&outcomes))
}

fn judge(growth: Growth, seen: &Seen) -> Outcome {
    if !seen.was_started() {
        let last = seen.stderr.trim().lines().last().unwrap_or("nothing");
        return Outcome::Void(format!("the application did not start: {last}"));
    }
    let Some(end) = seen.out_of_memory else {
        return Outcome::Void(format!(
            "memory did not run out (ended: {}, code {})",
            seen.in_time, seen.code
        ));
    };
    let completed = |record: &&crate::record::Record| {
        let at = record
            .began()
            .zip(record.took_ms())
            .map(|(began, took)| began + took / 1000.0);
        // times in a record are whole milliseconds
        let is_whole =
            record.is_complete() && record.stacks().iter().any(|stack| !stack.is_empty());
        is_whole && at.is_none_or(|at| at <= end + 0.001)
    };
    let Some(record) = seen.records.iter().find(completed) else {
        return Outcome::Missed(explain(seen, end));
    };
    let function = format!("grow_{}", growth.way);
    let told = |event| seen.time_of(event, Some(("rung", "record")));
    let rung = told("memory_pressure").or_else(|| told("memory_rung"));
    let began = record.began();
    let until_begun = rung
        .zip(began)
        .map_or(0.0, |(rung, began)| (began - rung).max(0.0) * 1000.0);
    Outcome::Complete {
        ms: record.took_ms().map(|took| took + until_begun),
        is_named: seen
            .records
            .iter()
            .any(|record| record.is_complete() && record.grows_in(&function)),
    }
}

/// What is known of a record that was not complete.
fn explain(seen: &Seen, end: f64) -> String {
    let before = |time: Option<f64>| time.map(|time| (end - time) * 1000.0);
    let mut parts = Vec::new();
    match before(seen.time_of("memory_pressure", None)) {
        Some(ms) => parts.push(format!("first step told {ms:.0} ms before the kill")),
        None => parts.push("no step was told".to_owned()),
    }
    match seen.records.last() {
        Some(record) if record.is_complete() && record.stacks().iter().all(Vec::is_empty) => {
            parts
                .push("it has an end marker and no traceback of the process that grows".to_owned());
        }
        Some(record) if record.is_complete() => {
            parts.push("its end marker came after the kernel's notice".to_owned());
        }
        Some(record) => {
            let began = before(record.began())
                .map_or_else(String::new, |ms| format!(", begun {ms:.0} ms before"));
            parts.push(format!(
                "the record ends with `{}`{began}",
                record.last_part()
            ));
        }
        None => parts.push("no record was begun".to_owned()),
    }
    if let Some(why) = seen
        .events
        .iter()
        .find(|event| event["event"] == "memory_record_failed")
    {
        parts.push(format!("failed: {}", why["reason"]));
    }
    let throttled = seen
        .throttled
        .lines()
        .find_map(|line| line.strip_prefix("nr_throttled "));
    if let Some(periods) = throttled.filter(|periods| *periods != "0") {
        parts.push(format!("throttled in {periods} periods"));
    }
    parts.push(format!("the limit was hit {} times", seen.limit_hits));
    parts.join("; ")
}

#[derive(Default)]
struct Line {
    n: u32,
    complete: u32,
    unnamed: u32,
    ms: Vec<f64>,
}

fn report(outcomes: &[(Growth, Outcome)]) -> (String, bool) {
    let mut lines: BTreeMap<(usize, String), Line> = BTreeMap::new();
    let mut misses = String::new();
    let mut is_met = true;
    for (growth, outcome) in outcomes {
        let keys = [
            (0, "**all**".to_owned()),
            (1, format!("way: {}", growth.way)),
            (2, format!("limit: {:4} MiB", growth.limit_mib)),
            (3, format!("threads that grow: {}", growth.threads)),
            (
                4,
                growth.cpus.map_or_else(
                    || "no quota".to_owned(),
                    |cpus| format!("quota of {cpus} CPUs"),
                ),
            ),
        ];
        match outcome {
            Outcome::Void(why) => {
                is_met = false;
                let _ = writeln!(misses, "- not counted: {}: {why}", growth.describe());
                continue;
            }
            Outcome::Missed(why) => {
                is_met = false;
                let _ = writeln!(misses, "- missed: {}: {why}", growth.describe());
            }
            Outcome::Complete {
                is_named: false, ..
            } => {
                let _ = writeln!(
                    misses,
                    "- complete, but without the function that grew: {}",
                    growth.describe()
                );
            }
            Outcome::Complete { .. } => {}
        }
        for key in keys {
            let line = lines.entry(key).or_default();
            line.n += 1;
            if let Outcome::Complete { ms, is_named } = outcome {
                line.complete += 1;
                line.unnamed += u32::from(!is_named);
                line.ms.extend(ms);
            }
        }
    }
    let mut text = "| runs | n | complete before the kill | misses | at least, with 95 % confidence | show the function | rung to end marker: p50, p99, most (ms) |\n|---|---|---|---|---|---|---|\n".to_owned();
    for ((_, name), line) in &lines {
        let show = |share| show_percentile(&line.ms, share);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {}, {}, {} |",
            line.n,
            line.complete,
            line.n - line.complete,
            show_lower_bound(line.n - line.complete, line.n),
            line.complete - line.unnamed,
            show(0.5),
            show(0.99),
            show(1.0)
        );
    }
    if !misses.is_empty() {
        text.push('\n');
        text.push_str(&misses);
    }
    (text, is_met)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_is_as_even_as_it_can_be() {
        let plan = plan(299);
        let mut counts = BTreeMap::new();
        for growth in &plan {
            *counts.entry(growth.describe()).or_insert(0) += 1;
        }
        assert_eq!(
            counts.len(),
            WAYS.len() * LIMITS_MIB.len() * THREADS.len() * QUOTAS.len()
        );
        assert!(
            counts.values().all(|count| (4..=5).contains(count)),
            "{counts:?}"
        );
        // the first few are not all of one kind
        assert!(
            WAYS.iter()
                .all(|way| plan[..12].iter().any(|growth| growth.way == *way))
        );
    }

    fn seen(records: &str, out_of_memory: Option<f64>) -> Seen {
        Seen {
            code: 137,
            out_of_memory,
            in_time: true,
            most_held: 0,
            stdout: "up\n".to_owned(),
            stderr: String::new(),
            limit_hits: 3,
            throttled: "nr_throttled 4".to_owned(),
            events: vec![
                json!({"event": "memory_rung", "rung": "record", "time": "2026-11-29T16:05:00.240Z"}),
            ],
            records: crate::record::parse(records),
        }
    }

    const RECORD: &str = r#"{"part":"begin","time":"2026-11-29T16:05:00.250Z"}
{"part":"process","pid":8,"growing":true}
{"part":"thread","pid":8,"frames":[{"function":"grow_ints","file":"a.py","line":3}]}
{"part":"complete","took_usec":2000}"#;
    const BEGUN: f64 = 1_795_968_300.25;

    fn ints() -> Growth {
        Growth {
            way: "ints",
            limit_mib: 128,
            threads: 1,
            beside: 0,
            cpus: None,
        }
    }

    #[test]
    fn a_record_counts_only_if_it_was_complete_before_the_kernels_notice() {
        let judged = judge(ints(), &seen(RECORD, Some(BEGUN + 0.1)));
        let Outcome::Complete {
            ms: Some(ms),
            is_named: true,
        } = judged
        else {
            panic!("{judged:?}");
        };
        assert!((ms - 12.0).abs() < 0.01, "{ms}");
        let late = judge(ints(), &seen(RECORD, Some(BEGUN)));
        assert!(
            matches!(&late, Outcome::Missed(why) if why.contains("after the kernel's notice")),
            "{late:?}"
        );
        let torn = judge(
            ints(),
            &seen(
                RECORD.split_once("{\"part\":\"thread").unwrap().0,
                Some(BEGUN + 0.1),
            ),
        );
        assert!(
            matches!(&torn, Outcome::Missed(why) if why.contains("`process`") && why.contains("throttled in 4")),
            "{torn:?}"
        );
    }

    #[test]
    fn a_run_that_proves_nothing_is_not_counted_as_a_success() {
        let outcomes = [(ints(), judge(ints(), &seen(RECORD, None)))];
        let (text, is_met) = report(&outcomes);
        assert!(!is_met && text.contains("not counted"), "{text}");
    }
}
