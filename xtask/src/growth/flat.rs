//! Work that looks like pressure and is none: no rung may touch the application, and nothing of it may be lost.

use super::play::{Run, Seen, Stage, play_at_once};
use super::statistics::show_lower_bound;
use crate::tools::{Result, say};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const LIMITS_MIB: [u64; 3] = [128, 256, 1024];
const SHARES: [u32; 5] = [85, 90, 93, 95, 98];
const THREADS: [u32; 3] = [1, 4, 20];
/// What could touch an application and leaves it to it when memory ends: readiness and the replacing of workers.
const OPTIONS: [&str; 4] = ["--recycle", "on", "--textfile", "{files}"];
/// What ends it at the brink, besides.
const EXIT: [&str; 2] = ["--on-brink", "exit"];
/// What would be said if it did.
const TOUCHES: [&str; 5] = [
    "shedding",
    "recycled",
    "recycle_refused",
    "brink",
    "stopping",
];
/// They wait most of the time.
const AT_ONCE: usize = 3;

/// One piece of work.
#[derive(Debug, Clone)]
pub(crate) struct Flat {
    kind: &'static str,
    exits: bool,
    limit_mib: u64,
    words: Vec<String>,
}

impl Flat {
    fn new(kind: &'static str, limit_mib: u64, seconds: u32, words: &str) -> Self {
        let work = match kind {
            FIRST_PEAK => "transient",
            SLOW_RISE => "steady",
            work => work,
        };
        let words =
            format!("lab/apps/flat.py {work} --seconds {seconds} --folder {{files}} {words}");
        Self {
            kind,
            exits: kind.contains("exit"),
            limit_mib,
            words: words.split_whitespace().map(str::to_owned).collect(),
        }
    }

    fn describe(&self) -> String {
        let exits = if self.exits { ", --on-brink exit" } else { "" };
        format!(
            "{} MiB, {}{exits}",
            self.limit_mib,
            self.words[1..].join(" ")
        )
    }
}

/// All of them, each for so many seconds.
pub(crate) fn plan(seconds: u32) -> Vec<Flat> {
    let mut all = Vec::new();
    for limit in LIMITS_MIB {
        let mut add = |kind, words: &str| all.push(Flat::new(kind, limit, seconds, words));
        for share in SHARES {
            for threads in THREADS {
                add("steady", &format!("--share {share} --threads {threads}"));
            }
        }
        add("transient", "--share 98");
        for kind in ["gc", "alloc"] {
            add(kind, "--share 75");
            add(kind, "--share 88");
        }
        add("cache", "--share 40");
        add("stream", "--share 40");
        for share in [93, 98] {
            let words = format!("--share {share} --threads 4 --slowly 0.5");
            add(SLOW_RISE, &words);
        }
        add(FIRST_PEAK, "--share 98");
    }
    all
}

/// Not counted with the others, but for comparison: this is growth. Memory that rises past the brink for the first time, at
/// full speed, cannot be told from memory that runs out, and to end the application then is what the option is for.
const FIRST_PEAK: &str = "for comparison: transient, `--on-brink exit`";
/// A rise of half a per cent a second up to where it stays: shed for good reason, and not ended.
const SLOW_RISE: &str = "for comparison: slow rise, `--on-brink exit`";

/// What is wrong with a run; nothing if all is well.
fn judge(seen: &Seen) -> (bool, Vec<String>) {
    let mut wrong = Vec::new();
    let touches: Vec<&str> = TOUCHES
        .into_iter()
        .filter(|name| seen.count(name) > 0)
        .collect();
    if !touches.is_empty() {
        wrong.push(format!("touched: {}", touches.join(", ")));
    }
    if seen.code != 0 || !seen.stdout.contains("done") {
        let last = seen
            .stderr
            .trim()
            .lines()
            .rfind(|line| !line.starts_with('{'))
            .unwrap_or("nothing");
        wrong.push(format!("did not end well: code {}, {last}", seen.code));
    }
    let records = seen.records.len();
    if records > 1 {
        wrong.push(format!("{records} records"));
    }
    (!touches.is_empty(), wrong)
}

#[derive(Default)]
struct Line {
    n: u32,
    alarms: u32,
    broken: u32,
    records: usize,
    most: usize,
}

/// Plays them, some at a time.
pub(crate) fn play(stage: &Stage, plan: &[Flat]) -> Result<(String, bool)> {
    let all = play_at_once(plan, AT_ONCE, |number, flat| play_one(stage, number, flat))?;
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let mut wrongs = String::new();
    for (flat, seen) in plan.iter().zip(all) {
        let (is_alarm, wrong) = judge(&seen);
        let is_counted = !flat.exits;
        let names = ["**all**", flat.kind];
        for name in names.iter().skip(usize::from(!is_counted)) {
            let line = lines.entry(name).or_default();
            line.n += 1;
            line.alarms += u32::from(is_alarm);
            line.broken += u32::from(seen.code != 0);
            line.records += seen.records.len();
            line.most = line.most.max(seen.records.len());
        }
        if !wrong.is_empty() {
            let _ = writeln!(wrongs, "- {}: {}", flat.describe(), wrong.join("; "));
        }
    }
    let is_met = wrongs.lines().all(|line| line.contains(EXIT[0]));
    Ok((render(&lines, &wrongs), is_met))
}

fn play_one(stage: &Stage, number: usize, flat: &Flat) -> std::result::Result<Seen, String> {
    let mut options = OPTIONS.to_vec();
    if flat.exits {
        options.extend(EXIT);
    }
    let run = Run {
        name: format!("flat-{number}"),
        limit_mib: flat.limit_mib,
        options: Some(options),
        words: flat.words.clone(),
        ..Run::default()
    };
    let seen = stage.play(&run).map_err(|error| error.to_string())?;
    say(&format!(
        "flat {number}: {}: {:?}, {} records",
        flat.describe(),
        judge(&seen).1,
        seen.records.len()
    ));
    Ok(seen)
}

fn render(lines: &BTreeMap<&str, Line>, wrongs: &str) -> String {
    let mut text = "| work | n | touched | left alone in at least, with 95 % confidence | ended badly | records, most in a run |\n|---|---|---|---|---|---|\n".to_owned();
    for (name, line) in lines {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {}, {} |",
            line.n,
            line.alarms,
            show_lower_bound(line.alarms, line.n),
            line.broken,
            line.records,
            line.most
        );
    }
    if !wrongs.is_empty() {
        text.push('\n');
        text.push_str(wrongs);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(events: &[&str], code: i32, stdout: &str) -> Seen {
        Seen {
            code,
            out_of_memory: None,
            in_time: true,
            most_held: 0,
            stdout: stdout.to_owned(),
            stderr: String::new(),
            limit_hits: 0,
            throttled: String::new(),
            events: events.iter().map(|name| json!({"event": name})).collect(),
            records: Vec::new(),
        }
    }

    #[test]
    fn a_rung_that_touches_is_an_alarm_and_one_that_only_looks_is_none() {
        let quiet = judge(&seen(
            &["memory_pressure", "memory_released", "memory_record"],
            0,
            "up\ndone\n",
        ));
        assert_eq!(quiet, (false, Vec::new()));
        for touch in TOUCHES {
            assert!(judge(&seen(&[touch], 0, "up\ndone\n")).0, "{touch}");
        }
    }

    #[test]
    fn work_that_did_not_come_to_its_end_is_not_well() {
        assert_eq!(judge(&seen(&[], 137, "up\n")).1.len(), 1);
        assert_eq!(judge(&seen(&[], 0, "up\n")).1.len(), 1);
    }
}
