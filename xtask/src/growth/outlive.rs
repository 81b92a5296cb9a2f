//! Kills of single processes (cgroup v1, `memory.oom.group` 0): whether process 1 outlives them and tells of them.
//!
//! While the memory of a killed process with several threads is freed, the kernel may not see that one and kill the next
//! for whoever needs memory then. Under a quota that moment is long, so this is where `dunnage run` is in most danger.

use super::play::{Run, Seen, Stage, play_at_once};
use super::statistics::{show_lower_bound, show_percentile};
use crate::tools::{Result, say};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The ways that grow in small steps, so that several threads meet the limit together.
const WAYS: [&str; 3] = ["ints", "dicts", "json"];
const LIMIT_MIB: u64 = 128;
const THREADS: &str = "4";
const CPUS: f64 = 0.2;

/// What came of one.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    /// It told the end of the application, and left with its code.
    Outlived {
        /// Whether a record that shows the function that grew was complete in the end.
        is_told: bool,
        /// From the request for the first record to its end marker.
        ms: Option<f64>,
    },
    /// It was killed too, or told nothing.
    Lost(String),
    /// The run says nothing.
    Void(String),
}

/// Plays them, some at a time; what there is to say, and whether the aim was met.
pub(crate) fn play(stage: &Stage, runs: usize, at_once: usize) -> Result<(String, bool)> {
    let plan: Vec<&str> = WAYS.iter().copied().cycle().take(runs).collect();
    let outcomes = play_at_once(&plan, at_once, |number, way| {
        let words = ["lab/apps/grow.py", way, "--threads", THREADS];
        let seen = stage.play(&Run {
            name: format!("outlive-{number}"),
            limit_mib: LIMIT_MIB,
            cpus: Some(CPUS),
            options: Some(Vec::new()),
            words: words.map(str::to_owned).to_vec(),
            ..Run::default()
        });
        let outcome = judge(way, &seen.map_err(|error| error.to_string())?);
        say(&format!("{} of {runs}: {way}: {outcome:?}", number + 1));
        Ok((*way, outcome))
    })?;
    Ok(report(&outcomes))
}

fn judge(way: &str, seen: &Seen) -> Outcome {
    if !seen.was_started() || seen.out_of_memory.is_none() {
        return Outcome::Void(format!("memory did not run out, code {}", seen.code));
    }
    if seen.count("ended") == 0 || seen.code != 137 {
        let last = seen.stderr.trim().lines().last().unwrap_or("nothing");
        return Outcome::Lost(format!("code {}, the last line: {last}", seen.code));
    }
    let function = format!("grow_{way}");
    let mut records = seen.records.iter();
    Outcome::Outlived {
        ms: seen
            .records
            .first()
            .and_then(crate::record::Record::took_ms),
        is_told: records.any(|record| record.is_complete() && record.grows_in(&function)),
    }
}

#[derive(Default)]
struct Line {
    n: u32,
    outlived: u32,
    told: u32,
    ms: Vec<f64>,
}

fn report(outcomes: &[(&str, Outcome)]) -> (String, bool) {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut notes = String::new();
    for (way, outcome) in outcomes {
        match outcome {
            Outcome::Void(why) => {
                let _ = writeln!(notes, "- not counted: {way}: {why}");
                continue;
            }
            Outcome::Lost(why) => {
                let _ = writeln!(notes, "- lost: {way}: {why}");
            }
            Outcome::Outlived { .. } => {}
        }
        for key in ["**all**".to_owned(), format!("way: {way}")] {
            let line = lines.entry(key).or_default();
            line.n += 1;
            if let Outcome::Outlived { is_told, ms } = outcome {
                line.outlived += 1;
                line.told += u32::from(*is_told);
                line.ms.extend(ms);
            }
        }
    }
    let mut text = "| runs | n | `dunnage run` outlived the kill | lost | at least, with 95 % confidence | the record shows the function | request to end marker: p50, most (ms) |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (name, line) in &lines {
        let lost = line.n - line.outlived;
        let show = |share| show_percentile(&line.ms, share);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {lost} | {} | {} | {}, {} |",
            line.n,
            line.outlived,
            show_lower_bound(lost, line.n),
            line.told,
            show(0.5),
            show(1.0),
        );
    }
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    let is_met = notes.is_empty() && !lines.is_empty();
    (text, is_met)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(code: i32, event: &str) -> Seen {
        Seen {
            code,
            out_of_memory: Some(1.0),
            in_time: true,
            most_held: 0,
            stdout: "up\n".to_owned(),
            stderr: "the last".to_owned(),
            limit_hits: 3,
            throttled: String::new(),
            events: vec![json!({"event": event})],
            records: Vec::new(),
        }
    }

    #[test]
    fn a_process_1_that_did_not_tell_the_end_is_lost_and_fails_the_part() {
        let outlived = judge("ints", &seen(137, "ended"));
        assert!(
            matches!(&outlived, Outcome::Outlived { is_told: false, .. }),
            "{outlived:?}"
        );
        let lost = judge("ints", &seen(1, "memory_record"));
        assert!(
            matches!(&lost, Outcome::Lost(why) if why.contains("the last")),
            "{lost:?}"
        );
        let (_, is_met) = report(&[("ints", outlived.clone())]);
        let (text, is_met_with_one) = report(&[("ints", outlived), ("ints", lost)]);
        assert!(is_met && !is_met_with_one, "{text}");
        assert!(text.contains("| **all** | 2 | 1 | 1 |"), "{text}");
    }
}
