//! A stall that no CPU graph shows: a service that uses a third of its quota, and one call every 4 s that holds the GIL
//! beyond the end of the quota. Then the thread that holds the GIL stands still, and all others wait for it.
//!
//! Nothing is compared with another init here: what is shown is that `dunnage record` names the cause, and that it names
//! another one for the same service without a quota, and on a host whose CPUs others use.

use super::Check;
use super::cgroup::{Group, Maker};
use super::judge::{Service, Stalled, Stalls, Verdict, judge_stalls};
use super::namespace::{Contained, Init, Lab};
use super::table::Row;
use anyhow::{Context as _, Result, bail};
use dunnage_timeline::verdict::Kind;
use dunnage_timeline::{Recording, Timeline, render_page};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the service serves and how long it is recorded: the last second is its own.
const SERVED: &str = "15";
const RECORDED: &str = "14s";
/// How often a second is looked.
const RATE: &str = "500";
const QUOTA_CPUS: f64 = 0.2;
/// A quota that this service never uses up.
const AMPLE_CPUS: f64 = 1.0;
const ATTEMPTS: usize = 2;
const LOOK: Duration = Duration::from_millis(20);

/// What is around the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A fifth of a CPU.
    Limited,
    /// No quota.
    Unlimited,
    /// An ample quota, and neighbours that want every CPU and have 20 times its weight.
    Contended,
}

pub(super) fn run(lab: &Lab, maker: &Maker, page: Option<&Path>) -> Result<Vec<Check>> {
    let mut attempt = 1;
    let (stalls, timeline) = loop {
        let measured = measure(lab, maker)?;
        if attempt == ATTEMPTS || judge_stalls(&measured.0) != Verdict::Inconclusive {
            break measured;
        }
        attempt += 1;
        super::tell(&format!(
            "stall: the quota made no difference, attempt {attempt} of {ATTEMPTS}"
        ));
    };
    let verdict = judge_stalls(&stalls);
    let mut check = Check::new("stall", "gil_held", &stalls, verdict, show(&stalls))?;
    check.notes = vec![
        format!("a fifth of a CPU: {}", stalls.limited.headline),
        format!("no quota: {}", stalls.unlimited.headline),
        format!("busy host: {}", stalls.contended.headline),
    ];
    if let Some(path) = page {
        let text = render_page(&timeline, &dunnage_timeline::Verdict::of(&timeline));
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        check
            .notes
            .push(format!("the page of the first is {}", path.display()));
    }
    if verdict == Verdict::Inconclusive {
        check.reason = Some(format!(
            "with a quota requests were not slower than twice those without in {ATTEMPTS} attempts: the machine is busy, or \
             the quota does not hold here"
        ));
    }
    Ok(vec![check])
}

/// All three, and what was seen of the first.
fn measure(lab: &Lab, maker: &Maker) -> Result<(Stalls, Timeline)> {
    let (limited, timeline) = measure_one(lab, maker, Place::Limited)?;
    let (unlimited, _) = measure_one(lab, maker, Place::Unlimited)?;
    let (contended, _) = measure_one(lab, maker, Place::Contended)?;
    let stalls = Stalls {
        limited,
        unlimited,
        contended,
    };
    Ok((stalls, timeline))
}

fn measure_one(lab: &Lab, maker: &Maker, place: Place) -> Result<(Stalled, Timeline)> {
    let quota = match place {
        Place::Limited => Some(QUOTA_CPUS),
        Place::Unlimited => None,
        Place::Contended => Some(AMPLE_CPUS),
    };
    let group = maker.make("stall", quota)?;
    let neighbours = (place == Place::Contended)
        .then(|| crowd(lab, maker, &group))
        .transpose()?;
    let command = [lab.python.as_str(), "stall.py", SERVED];
    let mut contained = lab.start(Init::Plain, "3s", &command, Some(&group))?;
    contained.expect_line("ready")?;
    let before = group.read_cpu_stat()?;
    let recording = record(lab, contained.init_pid()?)?;
    let line = contained.next_line()?;
    let after = group.read_cpu_stat()?;
    contained.kill()?;
    drop(neighbours);
    let json = line.strip_prefix("end ").unwrap_or(&line);
    let service: Service = serde_json::from_str(json)
        .with_context(|| format!("stall.py said {line:?} instead of what it measured"))?;
    let seconds: f64 = SERVED.parse().unwrap_or(1.0);
    let used = after.usage_usec.saturating_sub(before.usage_usec) as f64;
    let timeline = Timeline::build(&recording);
    let verdict = dunnage_timeline::Verdict::of(&timeline);
    let stalled = Stalled {
        service,
        cpu_percent: used / seconds / 1e4,
        periods: after.periods.saturating_sub(before.periods),
        throttled: after.throttled.saturating_sub(before.throttled),
        kind: verdict.kind,
        headline: verdict.headline,
    };
    Ok((stalled, timeline))
}

/// Those who want every CPU. They end with it, before their group does.
struct Crowd {
    _started: Vec<Contained>,
    _group: Group,
}

/// Neighbours of the service: as many as there are CPUs, with 20 times its weight.
fn crowd(lab: &Lab, maker: &Maker, service: &Group) -> Result<Crowd> {
    service.set_ordinary_weight()?;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let group = maker.make("neighbours", Some(cpus as f64 * 2.0))?;
    let burn = [lab.python.as_str(), "-c", "while True: pass"];
    let started = (0..cpus)
        .map(|_| lab.start(Init::Plain, "3s", &burn, Some(&group)))
        .collect::<Result<Vec<_>>>()?;
    Ok(Crowd {
        _started: started,
        _group: group,
    })
}

/// What `dunnage record` sees of a process.
fn record(lab: &Lab, pid: i32) -> Result<Recording> {
    let file: PathBuf = lab.scratch.join(format!("recording-{pid}.json"));
    let mut command = Command::new(&lab.program);
    command
        .args(["record", "--duration", RECORDED, "--rate", RATE, "--pid"])
        .arg(pid.to_string())
        .arg("--output")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = lab
        .janitor
        .spawn(&mut command)
        .context("cannot run dunnage record")?;
    let status = loop {
        if let Some(status) = lab.janitor.try_wait(&mut child)? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    if !status.success() {
        bail!("dunnage record ended with {status}: `dunnage record --pid PID` may say why");
    }
    let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    serde_json::from_str(&text).context("dunnage record wrote what is no recording")
}

fn show(stalls: &Stalls) -> Vec<Row> {
    let row = |what: &str, show: &dyn Fn(&Stalled) -> String| {
        Row::of_cells(
            what,
            [&stalls.limited, &stalls.unlimited, &stalls.contended].map(show),
        )
    };
    let ms = |usec: u64| format!("{:.1}", usec as f64 / 1000.0);
    vec![
        Row::of_cells(
            "service with one call of 80 ms CPU each 4 s",
            ["a fifth of a CPU", "no quota", "busy host"].map(str::to_owned),
        ),
        row("  requests: p50 / p99 / max, ms", &|run| {
            let service = &run.service;
            format!(
                "{} / {} / {}",
                ms(service.p50_usec),
                ms(service.p99_usec),
                ms(service.max_usec)
            )
        }),
        row("  CPU used, of a core", &|run| {
            format!("{:.1} %", run.cpu_percent)
        }),
        row("  throttled periods", &|run| {
            format!("{} of {}", run.throttled, run.periods)
        }),
        row("  the cause, as dunnage record says", &|run| {
            in_words(run.kind).to_owned()
        }),
    ]
}

fn in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::ThrottledGilHolder => "GIL holder throttled",
        Kind::Throttled => "throttled",
        Kind::Gil => "GIL held",
        Kind::HostContention => "others had the CPUs",
        Kind::Cpu => "own work",
        Kind::Outside => "waited for others",
        Kind::Nothing => "nothing slow",
        Kind::NotEnough => "too little seen",
    }
}
