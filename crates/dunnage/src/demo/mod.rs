//! `dunnage demo`: the five failures on this machine, without and with dunnage, counted.
//!
//! Each scenario runs the same small Python application as PID 1 of a real PID namespace and in a real cgroup: by itself,
//! below tini, below `dunnage run`. The kernel and the application count; [`judge`] compares; [`cleanup`] leaves nothing.

mod cgroup;
mod cleanup;
mod judge;
mod memory;
mod namespace;
mod oom;
mod requests;
mod shutdown;
mod stall;
mod table;
mod throttle;
mod zombies;

use anyhow::{Context as _, Result, bail};
use cgroup::Maker;
use clap::ValueEnum;
use cleanup::{Guard, Janitor};
use dunnage_cli::output::Format;
use judge::Verdict;
use namespace::Lab;
use serde::Serialize;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::SystemTime;

/// The applications of the scenarios.
const PROGRAMS: [(&str, &str); 9] = [
    ("fragments.py", include_str!("fragments.py")),
    ("graceful.py", include_str!("graceful.py")),
    ("grandchildren.py", include_str!("grandchildren.py")),
    ("ignore.py", include_str!("ignore.py")),
    ("leak.py", include_str!("leak.py")),
    ("leaking_wsgi.py", include_str!("leaking_wsgi.py")),
    ("orphans.py", include_str!("orphans.py")),
    ("matmul.py", include_str!("matmul.py")),
    ("stall.py", include_str!("stall.py")),
];

/// Show the failures that dunnage is for, in real cgroups and PID namespaces of this machine: plain Python as PID 1 beside
/// tini beside `dunnage run`. Ends with 0 if dunnage was better, 1 if not, 3 if that could not be judged.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Which scenarios to run; all five without a name
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How to show the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The Python to run them with; `throttle` needs its NumPy, `oom` its pandas and gunicorn
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// Where the page of the recording that `stall` makes is written (HTML)
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// A stop signal: shell form, grandchildren, an application that ignores it
    Shutdown,
    /// 20,000 orphans
    Zombies,
    /// NumPy at a quota of 1 CPU
    Throttle,
    /// A call that holds the GIL, at a quota of a fifth of a CPU: recorded and explained
    Stall,
    /// A limit of 256 MiB: a service that leaks, a batch that fragments, workers that leak
    Oom,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Zombies => "zombies",
            Self::Throttle => "throttle",
            Self::Stall => "stall",
            Self::Oom => "oom",
        }
    }
}

/// One comparison: what was counted, and what follows.
#[derive(Debug, Serialize)]
struct Check {
    scenario: &'static str,
    name: &'static str,
    verdict: Verdict,
    /// Why it was not run or could not be judged.
    reason: Option<String>,
    /// `plain`, `tini`, `dunnage`; null where it was not run.
    counted: serde_json::Value,
    #[serde(skip)]
    rows: Vec<table::Row>,
    /// What there is to say beside the table.
    #[serde(skip)]
    notes: Vec<String>,
}

impl Check {
    fn new<T: Serialize>(
        scenario: &'static str,
        name: &'static str,
        counted: &T,
        verdict: Verdict,
        rows: Vec<table::Row>,
    ) -> Result<Self> {
        Ok(Self {
            scenario,
            name,
            verdict,
            reason: None,
            counted: serde_json::to_value(counted)?,
            rows,
            notes: Vec::new(),
        })
    }

    fn not_run(scenario: &'static str, reason: String) -> Self {
        Self::part_not_run(scenario, scenario, reason)
    }

    fn part_not_run(scenario: &'static str, name: &'static str, reason: String) -> Self {
        Self {
            scenario,
            name,
            verdict: Verdict::NotRun,
            reason: Some(reason),
            counted: serde_json::Value::Null,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// What it ran on.
#[derive(Debug, Serialize)]
struct Machine {
    kernel: String,
    /// CPUs that this process may use.
    cpus: usize,
    /// `v1` or `v2`; null where no cgroup could be made.
    cgroup: Option<&'static str>,
    python: String,
    numpy: Option<String>,
    pandas: Option<String>,
    gunicorn: Option<String>,
    tini: Option<String>,
    dunnage: &'static str,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    time: String,
    machine: &'a Machine,
    checks: &'a [Check],
    exit_code: u8,
}

/// Runs the scenarios, prints what was counted on stdout, and returns the verdict as the exit code.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode> {
    let janitor: Arc<Janitor> = Arc::default();
    janitor.watch()?;
    let _guard = Guard(Arc::clone(&janitor));
    let python = Python::find(&args.python)?;
    let maker = Maker::find(&janitor);
    let tini = find_tini();
    let machine = Machine {
        kernel: read_kernel(),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        cgroup: maker.as_ref().ok().map(|maker| maker.version().name()),
        python: python.version.clone(),
        numpy: python.numpy.clone(),
        pandas: python.pandas.clone(),
        gunicorn: python.gunicorn.clone(),
        tini: tini.as_deref().map(read_tini_version),
        dunnage: env!("CARGO_PKG_VERSION"),
    };
    let scenarios = if args.scenarios.is_empty() {
        Scenario::value_variants()
    } else {
        &args.scenarios
    };
    let checks = match namespace::find_unshare() {
        Ok(unshare) => {
            let scratch = janitor.make_scratch()?;
            for (name, text) in PROGRAMS {
                fs::write(scratch.join(name), text)
                    .with_context(|| format!("cannot write {name}"))?;
            }
            let lab = Lab {
                janitor,
                python: python.path,
                tini,
                program: std::env::current_exe().context("cannot find this program's own file")?,
                unshare,
                scratch,
                started: AtomicU32::new(0),
            };
            run_scenarios(scenarios, &lab, &maker, &machine, args.page.as_deref())?
        }
        Err(error) => scenarios
            .iter()
            .map(|scenario| Check::not_run(scenario.name(), format!("{error:#}")))
            .collect(),
    };
    print(args.format, &machine, &checks)
}

fn run_scenarios(
    scenarios: &[Scenario],
    lab: &Lab,
    maker: &Result<Maker>,
    machine: &Machine,
    page: Option<&Path>,
) -> Result<Vec<Check>> {
    if lab.tini.is_none() {
        tell("tini is not installed: its column stays empty (on Debian: apt-get install tini)");
    }
    if let Err(error) = maker {
        tell(&format!("without a cgroup of its own: {error:#}"));
    }
    let mut checks = Vec::new();
    for scenario in scenarios {
        tell(&format!("{} …", scenario.name()));
        let available = maker.as_ref().ok();
        checks.extend(match scenario {
            Scenario::Shutdown => shutdown::run(lab, available)?,
            Scenario::Zombies => zombies::run(lab, available)?,
            Scenario::Throttle => match (maker, find_obstacle(machine)) {
                (Err(error), _) => vec![Check::not_run("throttle", format!("{error:#}"))],
                (_, Some(obstacle)) => vec![Check::not_run("throttle", obstacle)],
                (Ok(maker), None) => throttle::run(lab, maker)?,
            },
            Scenario::Stall => match maker {
                Err(error) => vec![Check::not_run("stall", format!("{error:#}"))],
                Ok(maker) => stall::run(lab, maker, page)?,
            },
            Scenario::Oom => match (maker, &machine.pandas) {
                (Err(error), _) => vec![Check::not_run("oom", format!("{error:#}"))],
                (Ok(maker), _) if maker.memory_base().is_none() => {
                    let why =
                        "cgroups with a memory limit cannot be made where the demo is".to_owned();
                    vec![Check::not_run("oom", why)]
                }
                (_, None) => vec![Check::not_run("oom", wanted("pandas", machine))],
                (Ok(maker), Some(_)) => oom::run(lab, maker, machine)?,
            },
        });
    }
    Ok(checks)
}

/// Why the throttle scenario would show nothing.
fn find_obstacle(machine: &Machine) -> Option<String> {
    if machine.numpy.is_none() {
        return Some(wanted("numpy", machine));
    }
    (machine.cpus < 2).then(|| "a quota of 1 CPU is no limit where there is only 1 CPU".to_owned())
}

/// What to do where the interpreter lacks a package.
fn wanted(package: &str, machine: &Machine) -> String {
    format!(
        "Python {} has no {package}: give one that has with --python (python3 -m venv demo; demo/bin/pip install {package})",
        machine.python
    )
}

fn print(format: Format, machine: &Machine, checks: &[Check]) -> Result<ExitCode> {
    let verdicts: Vec<Verdict> = checks.iter().map(|check| check.verdict).collect();
    let exit_code = judge::exit_code(&verdicts);
    let text = match format {
        Format::Text => format!("{}\n\n{}", describe(machine), table::render(checks)),
        Format::Json => {
            let report = Report {
                schema: "dunnage.demo/1",
                time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
                machine,
                checks,
                exit_code,
            };
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(exit_code))
}

fn describe(machine: &Machine) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "dunnage {}, Python {}, NumPy {}, tini {}; {} CPUs, kernel {}, cgroup {}",
        machine.dunnage,
        machine.python,
        or_none(&machine.numpy),
        or_none(&machine.tini),
        machine.cpus,
        machine.kernel,
        machine.cgroup.unwrap_or("none")
    )
}

/// Progress, for the person who waits.
fn tell(line: &str) {
    // nobody has to read it
    let _ = writeln!(std::io::stderr(), "dunnage demo: {line}");
}

struct Python {
    path: String,
    version: String,
    numpy: Option<String>,
    pandas: Option<String>,
    gunicorn: Option<String>,
}

impl Python {
    /// Asks the interpreter where it really is: a shim that starts another program would be PID 1 for a while.
    fn find(given: &Path) -> Result<Self> {
        const ASK: &str = "import sys, platform\n\
            from importlib import metadata\n\
            print(sys.executable); print(platform.python_version())\n\
            for name in 'numpy', 'pandas', 'gunicorn':\n\
            \x20try: print(metadata.version(name))\n\
            \x20except metadata.PackageNotFoundError: print()";
        let output = Command::new(given)
            .args(["-c", ASK])
            .output()
            .with_context(|| {
                format!(
                    "cannot run {}: name a Python with --python",
                    given.display()
                )
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().map(str::to_owned);
        let is_there = |version: &String| !version.is_empty();
        match (output.status.success(), lines.next(), lines.next()) {
            (true, Some(path), Some(version)) => Ok(Self {
                path,
                version,
                numpy: lines.next().filter(is_there),
                pandas: lines.next().filter(is_there),
                gunicorn: lines.next().filter(is_there),
            }),
            _ => bail!(
                "{} is no Python 3: {}",
                given.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        }
    }
}

fn find_tini() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| Some(folder.join("tini")).filter(|file| file.is_file()))
}

/// The version that `tini version 0.19.0` tells.
fn read_tini_version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let words = text.unwrap_or_default();
    words
        .split_whitespace()
        .nth(2)
        .unwrap_or("unknown")
        .to_owned()
}

fn read_kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}
