//! What a memory limit does to a service that leaks, to a batch that fragments and to workers that leak, each at 256 MiB.
//!
//! The kernel gives no notice: plain and below tini they end with 137 and no word. What is counted is what is known
//! afterwards, what was finished, and what was answered.

use super::cgroup::{Group, Maker};
use super::judge::{
    Answers, Death, Survival, Trio, Verdict, judge_answers, judge_deaths, judge_survivals,
};
use super::namespace::{Contained, Init, Lab};
use super::requests::is_answered;
use super::shutdown::for_each_init;
use super::table::Row;
use super::{Check, Machine, wanted};
use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: u64 = 256 << 20;
/// What a runtime reports of a container whose first process was killed.
const KILLED: i32 = 137;
const PATIENCE: Duration = Duration::from_mins(2);
const TABLES: usize = 3;
/// Workers leak fast up to here, then as fast as a leak that takes a while: by 4 MiB with each pair of requests.
const FULL_BYTES: u64 = LIMIT / 4 * 3;
const MOST_FAST: usize = 200;
const PACE: Duration = Duration::from_millis(1600);
/// Without dunnage memory runs out after some 16 of them.
const PAIRS: usize = 26;

pub(super) fn run(lab: &Lab, maker: &Maker, machine: &Machine) -> Result<Vec<Check>> {
    let workers = match &machine.gunicorn {
        Some(_) => run_workers(lab, maker)?,
        None => Check::part_not_run("oom", "workers", wanted("gunicorn", machine)),
    };
    Ok(vec![
        run_leak(lab, maker)?,
        run_fragments(lab, maker)?,
        workers,
    ])
}

/// One application below one init in a limited cgroup of its own.
struct Started {
    contained: Contained,
    group: Group,
    reports: PathBuf,
}

impl Started {
    fn new(
        lab: &Lab,
        maker: &Maker,
        init: Init,
        options: &[&str],
        command: &[&str],
    ) -> Result<Self> {
        let group = maker.make_limited("oom", LIMIT)?;
        let name = group
            .folders()
            .first()
            .and_then(|folder| folder.file_name());
        let name = name.unwrap_or_default().to_string_lossy();
        let reports = lab.scratch.join(format!("{name}-reports"));
        let folder = reports.to_string_lossy().into_owned();
        let mut options = options.to_vec();
        options.extend(["--report-dir", &folder]);
        fs::create_dir(&reports).with_context(|| format!("cannot make {}", reports.display()))?;
        let contained = lab.start_with(init, "3s", &options, command, Some(&group))?;
        Ok(Self {
            contained,
            group,
            reports,
        })
    }

    /// The exit code as a runtime reports it. `unshare` cannot pass on that its child was killed.
    fn wait(&mut self) -> Result<i32> {
        let code = self.contained.wait(PATIENCE)?;
        let code = code.context("an application that must end does not")?;
        let was_killed = self.group.read_memory_counts()?.oom_kills > 0;
        Ok(if was_killed && code != 0 {
            KILLED
        } else {
            code
        })
    }
}

fn run_leak(lab: &Lab, maker: &Maker) -> Result<Check> {
    let command = [lab.python.as_str(), "leak.py"];
    let deaths = for_each_init(lab, |init| {
        let mut started = Started::new(lab, maker, init, &[], &command)?;
        started.contained.expect_line("ready")?;
        let exit_code = started.wait()?;
        Ok(Death {
            exit_code,
            oom_kills: started.group.read_memory_counts()?.oom_kills,
            named: find_named(&started.contained.read_complaints(), &started.reports),
        })
    })?;
    let verdict = judge_deaths(&deaths);
    let rows = vec![
        Row::new(
            "pandas service that leaks, 256 MiB: exit code",
            &deaths,
            |death| death.exit_code.to_string(),
        ),
        Row::new("  the line that grew is named", &deaths, |death| {
            death.named.clone().unwrap_or_else(|| "no".to_owned())
        }),
    ];
    let mut check = Check::new("oom", "leak", &deaths, verdict, rows)?;
    if verdict == Verdict::Inconclusive {
        check.reason = Some(
            "a service that leaks was not ended by the kernel: the limit does not hold here"
                .to_owned(),
        );
    }
    Ok(check)
}

/// The place in the application's own code that was named, by a traceback on stderr or by a complete record.
fn find_named(complaints: &str, reports: &Path) -> Option<String> {
    let files = fs::read_dir(reports).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read(file.path()).ok());
    let records = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let named = records
        .into_iter()
        .find_map(|text| find_in_record(&text, "build_report"));
    // what an interpreter's own traceback looks like
    let traceback = || {
        complaints
            .lines()
            .find(|line| line.contains("leak.py\", line"))
    };
    named.or_else(|| traceback().map(|line| line.trim().to_owned()))
}

/// `FILE:LINE in FUNCTION` from a record that came to its end marker.
fn find_in_record(text: &str, function: &str) -> Option<String> {
    let parts = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut named = None;
    for part in parts {
        let of_function =
            |frame: &&Value| frame.get("function").is_some_and(|name| name == function);
        let frames = part.get("frames").and_then(Value::as_array);
        let frame = frames.and_then(|frames| frames.iter().find(of_function));
        named = named.or_else(|| frame.and_then(show_frame));
        if part.get("part").is_some_and(|kind| kind == "complete") && named.is_some() {
            return named;
        }
    }
    None
}

fn show_frame(frame: &Value) -> Option<String> {
    let file = frame.get("file")?.as_str()?;
    let name = file.rsplit('/').next().unwrap_or(file);
    Some(format!(
        "{name}:{} in {}",
        frame.get("line")?,
        frame.get("function")?.as_str()?
    ))
}

fn run_fragments(lab: &Lab, maker: &Maker) -> Result<Check> {
    let command = [lab.python.as_str(), "fragments.py"];
    let survivals = for_each_init(lab, |init| {
        let mut started = Started::new(lab, maker, init, &[], &command)?;
        started.contained.expect_line("ready")?;
        let exit_code = started.wait()?;
        let lines = started.contained.rest();
        Ok(Survival {
            exit_code,
            tables: lines.iter().filter(|line| *line == "table").count(),
            of: TABLES,
            peak_bytes: started.group.read_memory_counts()?.peak_bytes,
        })
    })?;
    let verdict = judge_survivals(&survivals);
    let rows = vec![
        Row::new(
            "batch that fragments, 256 MiB: tables finished",
            &survivals,
            |survival| format!("{} of {}", survival.tables, survival.of),
        ),
        Row::new("  exit code", &survivals, |survival| {
            survival.exit_code.to_string()
        }),
        Row::new("  most memory in use, MiB", &survivals, |survival| {
            let peak = survival.peak_bytes.map(|bytes| (bytes >> 20).to_string());
            peak.unwrap_or_else(|| "unknown".to_owned())
        }),
    ];
    let mut check = Check::new("oom", "fragments", &survivals, verdict, rows)?;
    if verdict == Verdict::Inconclusive {
        check.reason = Some(
            "the batch lives without dunnage too: this C library gives back by itself".to_owned(),
        );
    }
    Ok(check)
}

fn run_workers(lab: &Lab, maker: &Maker) -> Result<Check> {
    // side by side: they wait most of the time
    let [plain, tini, dunnage] = std::thread::scope(|scope| {
        [Init::Plain, Init::Tini, Init::Dunnage]
            .map(|init| scope.spawn(move || ask_workers(lab, maker, init)))
            .map(|asked| {
                asked
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("a thread of the demo panicked")))
            })
    });
    let answers = Trio {
        plain: plain?,
        tini: lab.tini.is_some().then_some(tini).transpose()?,
        dunnage: dunnage?,
    };
    let verdict = judge_answers(&answers);
    let rows = vec![
        Row::new(
            "two gunicorn workers that leak, 256 MiB: answers lost",
            &answers,
            |answers| format!("{} of {}", answers.lost, answers.of),
        ),
        Row::new(
            "  killed by the kernel in the middle of it",
            &answers,
            |answers| answers.oom_kills.to_string(),
        ),
        Row::new(
            "  recycled before that (--recycle on)",
            &answers,
            |answers| answers.recycled.to_string(),
        ),
    ];
    let mut check = Check::new("oom", "workers", &answers, verdict, rows)?;
    if verdict == Verdict::Inconclusive {
        check.reason = Some("no answer was lost without dunnage either".to_owned());
    }
    Ok(check)
}

fn ask_workers(lab: &Lab, maker: &Maker, init: Init) -> Result<Answers> {
    let name = format!("gunicorn-{init:?}");
    let bind = format!("unix:{name}");
    let python = lab.python.as_str();
    let words = [
        "-m",
        "gunicorn",
        "--config",
        "leaking_wsgi.py",
        "--preload",
        "--workers",
        "2",
    ];
    let mut command = vec![python];
    command.extend(words);
    command.extend(["--bind", &bind, "leaking_wsgi:app"]);
    let started = Started::new(lab, maker, init, &["--recycle", "on"], &command)?;
    started.contained.expect_line("ready")?;
    started.contained.expect_line("ready")?;
    let socket = lab.scratch.join(name);
    let mut answered: Vec<bool> = Vec::new();
    while started.group.read_held_bytes()? < FULL_BYTES && answered.len() < MOST_FAST {
        answered.push(is_answered(&socket, "/"));
    }
    for _ in 0..PAIRS {
        let began = Instant::now();
        answered.extend(std::thread::scope(|scope| {
            let asked = [(); 2].map(|()| scope.spawn(|| is_answered(&socket, "/slow")));
            asked.map(|asked| asked.join().unwrap_or(false))
        }));
        std::thread::sleep(PACE.saturating_sub(began.elapsed()));
    }
    let log = started.contained.read_complaints();
    Ok(Answers {
        lost: answered.iter().filter(|answered| !**answered).count(),
        of: answered.len(),
        oom_kills: started.group.read_memory_counts()?.oom_kills,
        recycled: log
            .lines()
            .filter(|line| line.contains("\"event\":\"recycled\""))
            .count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: &str = r#"{"part":"thread","frames":[{"function":"rank","file":"/v/pandas/frame.py","line":9},{"function":"build_report","file":"/s/leak.py","line":14}]}"#;
    const COMPLETE: &str = r#"{"part":"complete","number":1}"#;

    #[test]
    fn the_applications_own_line_is_named_where_the_record_is_complete() {
        let named = |text: &str| find_in_record(text, "build_report");
        assert_eq!(
            named(&format!("{THREAD}\n{COMPLETE}\n\0\0")).as_deref(),
            Some("leak.py:14 in build_report")
        );
        assert_eq!(named(&format!("{THREAD}\n{{\"part\":\"com")), None);
        assert_eq!(named(COMPLETE), None);
    }

    #[test]
    fn a_traceback_on_stderr_counts_as_a_word_too() {
        let folder = Path::new("/no/such/folder");
        let text = "Traceback (most recent call last):\n  File \"/s/leak.py\", line 14, in build_report\nMemoryError\n";
        assert!(find_named(text, folder).is_some_and(|named| named.contains("line 14")));
        assert_eq!(find_named("Killed\n", folder), None);
    }
}
