//! What giving memory back is worth: the demo's batch that fragments, without and with dunnage.

use super::play::{Run, Seen, Stage};
use super::statistics::{percentile, show_percentile};
use crate::tools::{Result, say};

const LIMIT_MIB: u64 = 256;
/// Where it need not give anything back.
const WIDE_MIB: u64 = 1024;
/// The aim.
const AT_LEAST_LOWER_PERCENT: f64 = 30.0;

fn play_some(
    stage: &Stage,
    name: &str,
    limit_mib: u64,
    with: bool,
    runs: usize,
) -> Result<Vec<Seen>> {
    (0..runs)
        .map(|number| {
            let seen = stage.play(&Run {
                name: format!("fragment-{name}-{number}"),
                limit_mib,
                sample: true,
                options: with.then(Vec::new),
                words: vec!["crates/dunnage/src/demo/fragments.py".to_owned()],
                ..Run::default()
            })?;
            let mib = seen.most_held >> 20;
            say(&format!(
                "fragments {name} {number}: code {}, at most {mib} MiB held",
                seen.code
            ));
            Ok(seen)
        })
        .collect()
}

/// Plays them; what there is to say, and whether the aim was met.
pub(crate) fn play(stage: &Stage, runs: usize) -> Result<(String, bool)> {
    let wide = play_some(stage, "wide", WIDE_MIB, false, runs)?;
    let plain = play_some(stage, "plain", LIMIT_MIB, false, runs)?;
    let with = play_some(stage, "with", LIMIT_MIB, true, runs)?;
    let row = |what: &str, all: &[Seen]| {
        let lived = all.iter().filter(|seen| has_finished(seen)).count();
        format!(
            "| {what} | {lived} of {} | {} |",
            all.len(),
            show_percentile(&most_held_mib(all), 0.5)
        )
    };
    let median = |all: &[Seen]| percentile(&most_held_mib(all), 0.5);
    let lower = median(&wide)
        .zip(median(&with))
        .map(|(without, with)| 100.0 * (1.0 - with / without));
    let lived = with.iter().all(has_finished);
    let died = !plain.iter().any(has_finished);
    let text = format!(
        "| batch that fragments | finished | most held, median (MiB) |\n|---|---|---|\n{}\n{}\n{}\n\n\
         With `dunnage run` at {LIMIT_MIB} MiB the peak is {:.0} % lower than without it where there is room.\n",
        row(&format!("plain, {WIDE_MIB} MiB"), &wide),
        row(&format!("plain, {LIMIT_MIB} MiB"), &plain),
        row(&format!("`dunnage run`, {LIMIT_MIB} MiB"), &with),
        lower.unwrap_or_default(),
    );
    let is_met = lived && (died || lower.is_some_and(|percent| percent >= AT_LEAST_LOWER_PERCENT));
    Ok((text, is_met))
}

fn has_finished(seen: &Seen) -> bool {
    seen.code == 0 && seen.stdout.matches("table").count() == 3
}

fn most_held_mib(all: &[Seen]) -> Vec<f64> {
    let mib = all.iter().map(|seen| seen.most_held >> 20);
    mib.map(|mib| mib as f64).collect()
}
