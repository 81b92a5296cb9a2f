//! What the files of a case say: the errors of its slow requests, and whether the instrument itself can be trusted.

use super::compare::{Compared, Errors, Marks, Recorded, SLOW, parse_requests};
use super::lanes::{Lanes, Sched};
use super::play::{FACTS, Facts, RECORDING, REQUESTS, SWITCHES, TRACE};
use super::reference::{Span, WORDS, spans};
use super::trace::{self, Time};
use crate::tools::Result;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The result of a case: a file of the artefact.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Judged {
    pub(super) workload: String,
    pub(super) quota: String,
    pub(super) date: String,
    pub(super) tree: String,
    pub(super) requests: usize,
    pub(super) slow: Vec<Compared>,
    /// Throttled seconds by the group's counter, and by the trace.
    pub(super) throttled: [f64; 2],
    pub(super) periods_throttled: u64,
    /// Per cent: how far the time on CPUs by the trace is from that of the threads' own counters, and ready time likewise.
    pub(super) off: [f64; 2],
    pub(super) interval_ms: [f64; 2],
    /// The requests as `dunnage.span` marked them, beside what the workload noted.
    #[serde(default)]
    pub(super) marks: Marks,
    /// What makes the reference itself doubtful.
    pub(super) doubts: Vec<String>,
}

impl Judged {
    pub(super) fn errors(&self, error: impl Fn(&Compared) -> u64) -> Errors {
        Errors::of(self.slow.iter(), error)
    }
}

/// A request with what both say, stretch by stretch.
pub(super) struct Explained {
    pub(super) compared: Compared,
    pub(super) trace: Vec<Span>,
    pub(super) recording: Vec<Span>,
}

/// Reads the folder of a case and compares. `program` makes the timeline from the recording.
pub(super) fn judge(folder: &Path, program: &Path) -> Result<(Judged, Vec<Explained>)> {
    let read = |name: &str| {
        let file = folder.join(name);
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let facts: Facts = serde_json::from_str(&read(FACTS)?)?;
    let recorded = Recorded::parse(&timeline(folder, program)?)?;
    let events = trace::parse(&read(TRACE)?, &read(SWITCHES)?)?;
    let processes: HashMap<i32, i32> = facts
        .threads
        .iter()
        .map(|(tid, counted)| (*tid, counted.pid))
        .collect();
    let lanes = Lanes::build(&events, &processes);
    let ends = (
        events.first().map_or(0, |event| event.time),
        events.last().map_or(0, |event| event.time),
    );
    let requests = parse_requests(&read(REQUESTS)?)?;
    let (from, to) = (ends.0.max(recorded.begin), ends.1.min(recorded.end));
    let none = Vec::new();
    let slow: Vec<Explained> = requests
        .iter()
        .filter(|one| one.end - one.begin >= SLOW && one.begin >= from && one.end <= to)
        .map(|one| {
            let trace = spans(&lanes, one.pid, one.tid, one.begin, one.end);
            let recording = recorded.threads.get(&one.tid).unwrap_or(&none);
            Explained {
                compared: Compared::new(one, &trace, recording),
                recording: clip(recording, one.begin, one.end),
                trace,
            }
        })
        .collect();
    let (workload, quota) = facts.case.split_once('@').ok_or("a case has no quota")?;
    let judged = Judged {
        workload: workload.to_owned(),
        quota: quota.to_owned(),
        date: facts.date.clone(),
        tree: facts.tree.clone(),
        requests: requests.len(),
        slow: slow.iter().map(|one| one.compared.clone()).collect(),
        throttled: [
            facts.quota[2] as f64 / 1e9,
            lanes
                .windows
                .iter()
                .map(|one| one.end - one.start)
                .sum::<Time>() as f64
                / 1e9,
        ],
        periods_throttled: facts.quota[1],
        off: off(&facts, &lanes, ends),
        interval_ms: [
            recorded.interval.0 as f64 / 1e6,
            recorded.interval.1 as f64 / 1e6,
        ],
        marks: recorded.compare_marks(
            requests
                .iter()
                .filter(|one| one.begin >= from && one.end <= to),
        ),
        doubts: doubts(&facts, &lanes, ends),
    };
    Ok((judged, slow))
}

/// The timeline in JSON, made by the program from the recording, also by one that is newer than the recording.
fn timeline(folder: &Path, program: &Path) -> Result<String> {
    let file = folder.join("x.timeline.json");
    let output = Command::new(program)
        .args(["record", "--from"])
        .arg(folder.join(RECORDING))
        .arg("-o")
        .arg(&file)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", program.display(), said.trim()).into());
    }
    Ok(fs::read_to_string(file)?)
}

fn clip(spans: &[Span], from: Time, to: Time) -> Vec<Span> {
    spans
        .iter()
        .filter(|span| span.end > from && span.start < to)
        .map(|span| Span {
            start: span.start.max(from),
            end: span.end.min(to),
            what: span.what,
        })
        .collect()
}

/// Nanoseconds of each thread on a CPU and ready for one, by the trace.
fn sums(lanes: &Lanes, ends: (Time, Time)) -> BTreeMap<i32, [u64; 2]> {
    let sum = |row: &super::lanes::Row<Sched>| {
        let mut sums = [0; 2];
        let mut start = ends.0;
        let changes: Vec<Time> = row.changes(ends.0, ends.1).chain([ends.1]).collect();
        for end in changes {
            match row.at(start) {
                Some(Sched::Running) => sums[0] += end - start,
                Some(Sched::Ready | Sched::Throttled) => sums[1] += end - start,
                Some(Sched::Asleep) | None => {}
            }
            start = end;
        }
        sums
    };
    lanes
        .threads
        .iter()
        .map(|(tid, lane)| (*tid, sum(&lane.sched)))
        .collect()
}

fn off(facts: &Facts, lanes: &Lanes, ends: (Time, Time)) -> [f64; 2] {
    let traced = sums(lanes, ends);
    let total = |which: usize| traced.values().map(|sums| sums[which]).sum::<u64>() as f64;
    let counted = |which: fn(&super::play::Counted) -> u64| {
        facts.threads.values().map(which).sum::<u64>() as f64
    };
    [
        (total(0) / counted(|one| one.run).max(1.0) - 1.0) * 100.0,
        (total(1) / counted(|one| one.wait).max(1.0) - 1.0) * 100.0,
    ]
}

/// What the counters are behind at most for a thread: a tick of 4 ms before and after.
const TICKS: u64 = 8_000_000;
/// Between the moments at which the kernel ends one thread's account and begins the next one's, which the trace has as one.
const SWITCH: u64 = 10_000;

fn doubts(facts: &Facts, lanes: &Lanes, ends: (Time, Time)) -> Vec<String> {
    let mut doubts = Vec::new();
    if facts.lost > 0 {
        doubts.push(format!("the tracer lost {} events", facts.lost));
    }
    if facts.clock != "mono" {
        doubts.push(format!("the trace is by the clock {}", facts.clock));
    }
    if !facts.has_flag {
        doubts.push("this kernel does not tell which threads it throttles".to_owned());
    }
    let traced = sums(lanes, ends);
    for (tid, counted) in &facts.threads {
        let sums = traced.get(tid).copied().unwrap_or_default();
        let lane = lanes.threads.get(tid);
        let switches = lane.map_or(0, |lane| lane.sched.changes(ends.0, ends.1).count() as u64);
        for (name, counted, sum) in [
            ("on CPUs", counted.run, sums[0]),
            ("ready", counted.wait, sums[1]),
        ] {
            if counted.abs_diff(sum) > TICKS.max(counted / 100) + SWITCH * switches {
                doubts.push(format!(
                    "thread {tid} was {name} for {:.1} ms by its counter and {:.1} ms by the trace",
                    counted as f64 / 1e6,
                    sum as f64 / 1e6
                ));
            }
        }
    }
    doubts
}

/// A request in words, for whoever looks for the reason of an error.
pub(super) fn explain(one: &Explained) -> String {
    let begin = one.compared.begin;
    let line = |name: &str, spans: &[Span]| {
        let spans: Vec<String> = spans
            .iter()
            .filter(|span| span.end - span.start >= 200_000)
            .map(|span| {
                let at = |time: Time| (time - begin) as f64 / 1e6;
                let (start, end) = (at(span.start), at(span.end));
                format!("{start:.1}-{end:.1} {}", WORDS[span.what])
            })
            .collect();
        format!("    {name}: {}\n", spans.join(", "))
    };
    let parts: Vec<String> = (0..WORDS.len())
        .filter(|what| one.compared.trace[*what] + one.compared.recording[*what] > 0)
        .map(|what| {
            let ms = |nanos: u64| nanos as f64 / 1e6;
            let (recording, trace) = (one.compared.recording[what], one.compared.trace[what]);
            format!("{} {:.1} ({:.1})", WORDS[what], ms(recording), ms(trace))
        })
        .collect();
    format!(
        "  thread {}, at {:.6} s, {:.1} ms, misplaced {:.1} ms, stalled off by {:.1} ms\n    recording (trace): {}\n{}{}",
        one.compared.tid,
        begin as f64 / 1e9,
        one.compared.latency as f64 / 1e6,
        one.compared.misplaced() as f64 / 1e6,
        one.compared.stalled_error() as f64 / 1e6,
        parts.join(", "),
        line("trace    ", &one.trace),
        line("recording", &one.recording),
    )
}
