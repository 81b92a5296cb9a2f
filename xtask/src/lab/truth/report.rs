//! The error table: on the terminal, as the artefact `target/truth/results.json`, and in docs/record.md.

use super::compare::{Compared, Errors};
use super::judge::Judged;
use super::reference::WORDS;
use super::{QUOTAS, WORKLOADS};
use crate::tools::{Result, root, say};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

pub(super) const JUDGED: &str = "judged.json";
const BEGIN: &str = "<!-- truth: written by `cargo xtask lab record-truth --table` -->";
const END: &str = "<!-- end of truth -->";
/// The aim: median and 90th percentile of the stalled time's error, per cent of the request's latency.
const AIM: [f64; 2] = [3.0, 8.0];

/// A case on the terminal.
pub(super) fn line(judged: &Judged) -> String {
    let stalled = judged.errors(Compared::stalled_error);
    let misplaced = judged.errors(Compared::misplaced);
    format!(
        "{:<15} {:>3} slow of {:>3} | stalled off {} ms, {} % | misplaced {} ms, {} % | throttled {:.2} s, trace {:.2} s | counters off {:+.1} %, {:+.1} % | marks {} of {}, off {:.2} ms",
        format!("{}@{}", judged.workload, judged.quota),
        judged.slow.len(),
        judged.requests,
        three(stalled.ms),
        three(stalled.percent),
        three(misplaced.ms),
        three(misplaced.percent),
        judged.throttled[0],
        judged.throttled[1],
        judged.off[0],
        judged.off[1],
        judged.marks.found,
        judged.marks.noted,
        judged.marks.off as f64 / 1e6,
    )
}

fn three(values: [f64; 3]) -> String {
    values.map(|value| format!("{value:.1}")).join(" / ")
}

/// What all cases have in common, of errors: the artefact.
#[derive(Serialize)]
struct Results<'a> {
    schema: &'static str,
    stalled: Errors,
    misplaced: Errors,
    words: Vec<(&'static str, Errors)>,
    cases: &'a [Judged],
}

/// Tells all that was played, and writes it down.
pub(super) fn end(scratch: &Path, table: bool, tree: &str) -> Result<ExitCode> {
    let cases = read_all(scratch)?;
    let results = Results {
        schema: "dunnage.record-truth/1",
        stalled: all(&cases, Compared::stalled_error),
        misplaced: all(&cases, Compared::misplaced),
        words: (0..WORDS.len())
            .map(|what| (WORDS[what], all(&cases, |one| one.error(what))))
            .collect(),
        cases: &cases,
    };
    fs::write(
        scratch.join("results.json"),
        serde_json::to_string(&results)?,
    )?;
    let text = render(&results);
    say(&format!("\n{text}"));
    if table {
        let machine = crate::bench::machine::describe()?;
        let machine: Vec<_> = machine
            .iter()
            .filter(|(name, _)| ["date", "CPU", "kernel", "cgroup"].contains(name))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let machine = machine.join("; ");
        write(&format!("Judged by {tree}; {machine}.\n\n{text}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_all(scratch: &Path) -> Result<Vec<Judged>> {
    let mut cases = Vec::new();
    for workload in &WORKLOADS {
        for (quota, _) in QUOTAS {
            let file = scratch
                .join(format!("{}@{quota}", workload.name))
                .join(JUDGED);
            if let Ok(text) = fs::read_to_string(file) {
                cases.push(serde_json::from_str(&text)?);
            }
        }
    }
    Ok(cases)
}

fn all(cases: &[Judged], error: impl Fn(&Compared) -> u64) -> Errors {
    Errors::of(cases.iter().flat_map(|case| &case.slow), error)
}

fn render(results: &Results<'_>) -> String {
    let slow: usize = results.cases.iter().map(|case| case.slow.len()).sum();
    let is_met = (0..2).all(|index| results.stalled.percent[index] <= AIM[index]);
    let mut text = format!(
        "{slow} slow requests (20 ms or more) of {} cases. Off by, per cent of the request's latency, median / 90th percentile / largest: \
         the stalled time **{}**; time under a wrong word **{}**. The aim for the stalled time is {} % at the median and {} % at the 90th percentile: {}.\n\n",
        results.cases.len(),
        three(results.stalled.percent),
        three(results.misplaced.percent),
        AIM[0],
        AIM[1],
        if is_met { "met" } else { "not met" },
    );
    text.push_str(
        "| what | requests with it | off by, ms | % of the latency |\n|---|---|---|---|\n",
    );
    for (what, word) in WORDS.iter().enumerate() {
        let with: Vec<&Compared> = results
            .cases
            .iter()
            .flat_map(|case| &case.slow)
            .filter(|one| one.trace[what] + one.recording[what] > 0)
            .collect();
        if with.is_empty() {
            continue;
        }
        let errors = Errors::of(with.iter().copied(), |one| one.error(what));
        text.push_str(&format!(
            "| {word} | {} | {} | {} |\n",
            with.len(),
            three(errors.ms),
            three(errors.percent)
        ));
    }
    text.push_str(
        "\n| workload | quota | slow | median latency, ms | stalled off by, ms | % | under a wrong word, % | throttled: counter, trace, s | run, ready: trace against counters, % | commit, date |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for case in results.cases {
        text.push_str(&row(case));
    }
    let marks = results.cases.iter().map(|case| case.marks);
    let [noted, found, off] = marks.fold([0, 0, 0], |sum, one| {
        [sum[0] + one.noted, sum[1] + one.found, sum[2].max(one.off)]
    });
    text.push_str(&format!(
        "\nOf {noted} requests that the workloads noted {found} are in the recordings as `dunnage.span` marked them, begins and ends at most {:.2} ms off.\n",
        off as f64 / 1e6
    ));
    let doubts: Vec<String> = results
        .cases
        .iter()
        .flat_map(|case| {
            let name = format!("{}@{}", case.workload, case.quota);
            case.doubts
                .iter()
                .map(move |doubt| format!("- {name}: {doubt}\n"))
        })
        .collect();
    if doubts.is_empty() {
        text.push_str("\nThe instrument lost no event, its clock was the recorder's, and each thread's sums agree with its own counters.\n");
    } else {
        text.push_str("\nWhere the instrument itself is in doubt:\n\n");
        text.push_str(&doubts.concat());
    }
    text
}

fn row(case: &Judged) -> String {
    let head = format!(
        "| {} | {} | {} |",
        case.workload,
        case.quota,
        case.slow.len()
    );
    let counters = format!(
        "{:.2}, {:.2} | {:+.1}, {:+.1} | {}, {} |\n",
        case.throttled[0], case.throttled[1], case.off[0], case.off[1], case.tree, case.date
    );
    if case.slow.is_empty() {
        return format!("{head} – | – | – | – | {counters}");
    }
    let latency = case.errors(|one| one.latency);
    let stalled = case.errors(Compared::stalled_error);
    format!(
        "{head} {:.0} | {} | {} | {} | {counters}",
        latency.ms[0],
        three(stalled.ms),
        three(stalled.percent),
        three(case.errors(Compared::misplaced).percent),
    )
}

fn write(text: &str) -> Result<()> {
    let file = root().join("docs/record.md");
    let page = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let page = replace(&page, text)
        .ok_or_else(|| format!("{}: its markers of the table are missing", file.display()))?;
    fs::write(&file, page)?;
    say("wrote the table of docs/record.md");
    Ok(())
}

fn replace(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_written_anew() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replace(&page, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replace("no markers", "new"), None);
    }
}
