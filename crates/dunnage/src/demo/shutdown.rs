//! What a stop signal becomes: three applications, each stopped as `docker stop` and the kubelet do it (TERM to PID 1,
//! KILL to everything when the grace is over).

use super::Check;
use super::cgroup::{Group, Maker};
use super::judge::{Count, Ending, Trio, Verdict, judge_counts, judge_endings};
use super::namespace::{Contained, Init, Lab};
use super::table::Row;
use anyhow::{Result, anyhow};
use serde_json::Value;
use std::time::{Duration, Instant};

const GRACE: Duration = Duration::from_secs(3);
const GRACE_WORD: &str = "3s";
/// Enough to tell "always" from "by luck".
const RUNS: usize = 12;
const TERM: i32 = 15;
/// What a runtime reports of a container that it killed.
const KILLED: i32 = 137;

/// How a stop went.
struct Stopped {
    exit_code: i32,
    took: Duration,
    by_runtime: bool,
    finished: usize,
    complaints: String,
}

/// Starts the application, waits until its processes are ready, stops it.
fn run_and_stop(
    lab: &Lab,
    maker: Option<&Maker>,
    init: Init,
    command: &[&str],
    processes: usize,
) -> Result<Stopped> {
    let group: Option<Group> = maker
        .map(|maker| maker.make("shutdown", None))
        .transpose()?;
    let mut contained = lab.start(init, GRACE_WORD, command, group.as_ref())?;
    for _ in 0..processes {
        contained.expect_line("ready")?;
    }
    stop(&mut contained)
}

fn stop(contained: &mut Contained) -> Result<Stopped> {
    let told = Instant::now();
    contained.signal(TERM)?;
    let (exit_code, by_runtime) = if let Some(code) = contained.wait(GRACE)? {
        (code, false)
    } else {
        contained.kill()?;
        (KILLED, true)
    };
    let took = told.elapsed();
    let lines = contained.rest();
    Ok(Stopped {
        exit_code,
        took,
        by_runtime,
        finished: lines.iter().filter(|line| *line == "finished").count(),
        complaints: contained.read_complaints(),
    })
}

/// Measures under each init that is there.
pub(super) fn for_each_init<T>(
    lab: &Lab,
    mut measure: impl FnMut(Init) -> Result<T>,
) -> Result<Trio<T>> {
    Ok(Trio {
        plain: measure(Init::Plain)?,
        tini: lab
            .tini
            .is_some()
            .then(|| measure(Init::Tini))
            .transpose()?,
        dunnage: measure(Init::Dunnage)?,
    })
}

pub(super) fn run(lab: &Lab, maker: Option<&Maker>) -> Result<Vec<Check>> {
    Ok(vec![
        run_shell_form(lab, maker)?,
        run_grandchildren(lab, maker)?,
        run_ignoring(lab, maker)?,
    ])
}

fn run_shell_form(lab: &Lab, maker: Option<&Maker>) -> Result<Check> {
    let script = format!(
        "cd . && '{}' graceful.py",
        lab.python.replace('\'', r"'\''")
    );
    let command = ["sh", "-c", &script];
    let counts = for_each_init(lab, |init| {
        // side by side: they sleep most of the time, and a grace that runs out is waited for only once
        let runs: Vec<Result<Stopped>> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..RUNS)
                .map(|_| scope.spawn(|| run_and_stop(lab, maker, init, &command, 1)))
                .collect();
            let joined = started.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|run| run.unwrap_or_else(|_| Err(anyhow!("a thread of the demo panicked"))))
                .collect()
        });
        let runs: Vec<Stopped> = runs.into_iter().collect::<Result<_>>()?;
        let good = runs.iter().filter(|run| run.finished == 1).count();
        Ok(Count { good, of: RUNS })
    })?;
    let what = "sh -c \"cd . && python app.py\", 0.3 s cleanup: graceful";
    check_counts("shell_form", what, &counts)
}

fn run_grandchildren(lab: &Lab, maker: Option<&Maker>) -> Result<Check> {
    let command = [lab.python.as_str(), "grandchildren.py"];
    let counts = for_each_init(lab, |init| {
        let stopped = run_and_stop(lab, maker, init, &command, 3)?;
        Ok(Count {
            good: stopped.finished,
            of: 2,
        })
    })?;
    let what = "two grandchildren, 1 s cleanup: finished";
    check_counts("grandchildren", what, &counts)
}

fn check_counts(name: &'static str, what: &str, counts: &Trio<Count>) -> Result<Check> {
    let row = Row::new(what, counts, |count| {
        format!("{} of {}", count.good, count.of)
    });
    Check::new("shutdown", name, counts, judge_counts(counts), vec![row])
}

fn run_ignoring(lab: &Lab, maker: Option<&Maker>) -> Result<Check> {
    let command = [lab.python.as_str(), "ignore.py"];
    let endings = for_each_init(lab, |init| {
        let stopped = run_and_stop(lab, maker, init, &command, 1)?;
        Ok(Ending {
            exit_code: stopped.exit_code,
            took_ms: stopped.took.as_millis() as u64,
            grace_ms: GRACE.as_millis() as u64,
            by_runtime: stopped.by_runtime,
            culprits: if init == Init::Dunnage {
                find_culprits(&stopped.complaints)
            } else {
                Vec::new()
            },
        })
    })?;
    let verdict: Verdict = judge_endings(&endings);
    let rows = vec![
        Row::new("ignores TERM, grace 3 s: exit code", &endings, |ending| {
            let share = ending.took_ms * 100 / ending.grace_ms;
            format!("{} after {share} % of it", ending.exit_code)
        }),
        Row::new("  the log names what did not stop", &endings, |ending| {
            if ending.culprits.is_empty() {
                "no".to_owned()
            } else {
                ending.culprits.join(", ")
            }
        }),
    ];
    Check::new("shutdown", "ignores_term", &endings, verdict, rows)
}

/// The processes that the `killed` event names, in a log of one JSON object a line.
fn find_culprits(log: &str) -> Vec<String> {
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let killed = events.filter(|event| event.get("event").is_some_and(|name| name == "killed"));
    killed
        .filter_map(|event| event.get("processes")?.as_array().cloned())
        .flatten()
        .filter_map(|process| process.as_str().map(base_name))
        .collect()
}

/// `/opt/venv/bin/python app.py (7)` as a table has room for: without folders.
fn base_name(process: &str) -> String {
    let words = process
        .split(' ')
        .map(|word| word.rsplit('/').next().unwrap_or(word));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn culprits_are_those_of_the_killed_event_and_of_nothing_else() {
        let log = "not json\n\
            {\"event\":\"stopping\",\"processes\":[\"other (1)\"]}\n\
            {\"event\":\"killed\",\"processes\":[\"/opt/v/bin/python ignore.py (2)\"],\"count\":1}\n\
            {\"event\":\"killed\"}\n[]\n";
        assert_eq!(find_culprits(log), ["python ignore.py (2)"]);
        assert!(find_culprits("").is_empty());
    }
}
