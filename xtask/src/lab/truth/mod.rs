//! `cargo xtask lab record-truth`: whether the recorder's attribution is true, by an independent source.
//!
//! Workloads run under quotas, recorded by `dunnage record` at 1 kHz and traced by the kernel at the same time: every switch
//! of every CPU, probes on CPython's `take_gil` and `drop_gil`, the kernel's own flag on the threads that it throttles. From the trace
//! follows what each thread did at each moment, in the recorder's words; each slow request's parts are compared. It needs root and touches no
//! other process: the probes are on a copy of the interpreter's library. `docs/record.md` holds the table.

mod compare;
mod judge;
mod lanes;
mod play;
mod reference;
mod report;
mod stage;
mod symbols;
mod trace;

use crate::tools::{DEMO_PACKAGES, Result, python_environment, say, stdout_of, target_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask lab record-truth [WORKLOAD...] [OPTION...]
  workloads: gil_call, python, threads, json, numpy1, numpy2, gthread, asyncio, processes; all without one
  --quota LIST       of 0.2, 0.5, 1, none, host (no quota, others want the CPUs and get more); all without it
  --seconds N        of each case; default 12
  --rate HZ          looks in a second; default 1000, which is what the table is of
  --program FILE     judge this program instead of building one
  --of TEXT          of which commit that program is
  --judge            play nothing: judge again what was played
  --explain N        show the N worst requests of each case, stretch by stretch
  --table            write all that was played into docs/record.md";

/// The rate of the table in `docs/record.md`.
const RATE: u32 = 1000;

/// Set where we are in our mount namespace already.
const INSIDE: &str = "DUNNAGE_TRUTH_INSIDE";

struct Workload {
    name: &'static str,
    script: &'static str,
    words: &'static [&'static str],
}

const WORKLOADS: [Workload; 9] = [
    workload("gil_call", "gil_call.py", &[]),
    workload("python", "python.py", &[]),
    workload("threads", "threads.py", &[]),
    workload("json", "json_loads.py", &[]),
    workload("numpy1", "numpy_product.py", &["1"]),
    workload("numpy2", "numpy_product.py", &["2"]),
    workload("gthread", "gthread.py", &[]),
    workload("asyncio", "asyncio_loop.py", &[]),
    workload("processes", "processes.py", &[]),
];

const fn workload(
    name: &'static str,
    script: &'static str,
    words: &'static [&'static str],
) -> Workload {
    Workload {
        name,
        script,
        words,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Quota {
    Cpus(f64),
    Unlimited,
    /// No quota, but others want the CPUs.
    Host,
}

const QUOTAS: [(&str, Quota); 5] = [
    ("0.2", Quota::Cpus(0.2)),
    ("0.5", Quota::Cpus(0.5)),
    ("1", Quota::Cpus(1.0)),
    ("none", Quota::Unlimited),
    ("host", Quota::Host),
];

struct Case {
    workload: &'static Workload,
    quota: Quota,
    quota_name: &'static str,
}

impl Case {
    fn name(&self) -> String {
        format!("{}@{}", self.workload.name, self.quota_name)
    }
}

#[derive(Debug, PartialEq)]
struct Options {
    workloads: Vec<String>,
    quotas: Vec<String>,
    seconds: f64,
    rate: u32,
    program: Option<PathBuf>,
    of: Option<String>,
    judge_only: bool,
    explain: usize,
    table: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            workloads: Vec::new(),
            quotas: Vec::new(),
            seconds: 12.0,
            rate: RATE,
            program: None,
            of: None,
            judge_only: false,
            explain: 0,
            table: false,
        };
        let mut args = args.iter();
        while let Some(word) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
            };
            match word.as_str() {
                "--quota" => {
                    let list = value()?.split(',').map(str::to_owned);
                    options.quotas.extend(list);
                }
                "--seconds" => options.seconds = value()?.parse()?,
                "--rate" => options.rate = value()?.parse()?,
                "--program" => options.program = Some(value()?.into()),
                "--of" => options.of = Some(value()?.clone()),
                "--judge" => options.judge_only = true,
                "--explain" => options.explain = value()?.parse()?,
                "--table" => options.table = true,
                name if WORKLOADS.iter().any(|one| one.name == name) => {
                    options.workloads.push(name.to_owned());
                }
                _ => return Err(format!("{word} is no workload and no option\n{USAGE}").into()),
            }
        }
        let is_known = |name: &&String| QUOTAS.iter().any(|(known, _)| known == name);
        if options.table && options.rate != RATE {
            return Err(format!("the table is of {RATE} looks in a second\n{USAGE}").into());
        }
        if let Some(name) = options.quotas.iter().find(|name| !is_known(name)) {
            return Err(format!("{name} is no quota\n{USAGE}").into());
        }
        Ok(options)
    }

    /// Of which commit the program is.
    fn tree(&self) -> String {
        match (&self.of, &self.program) {
            (Some(of), _) => of.clone(),
            (None, Some(_)) => "a program that was given".to_owned(),
            (None, None) => crate::bench::machine::describe_tree(),
        }
    }

    fn cases(&self) -> Vec<Case> {
        let is_chosen =
            |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
        let workloads = WORKLOADS
            .iter()
            .filter(|one| is_chosen(&self.workloads, one.name));
        workloads
            .flat_map(|workload| {
                let quotas = QUOTAS
                    .iter()
                    .filter(|(name, _)| is_chosen(&self.quotas, name));
                quotas.map(move |(quota_name, quota)| Case {
                    workload,
                    quota: *quota,
                    quota_name,
                })
            })
            .collect()
    }
}

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let options = Options::parse(args)?;
    // what was played at another rate is kept apart
    let scratch = target_dir().join(match options.rate {
        RATE => "truth".to_owned(),
        rate => format!("truth-{rate}"),
    });
    fs::create_dir_all(&scratch)?;
    if options.judge_only {
        let program = program(&options)?;
        judge_all(&options, &scratch, &program)?;
        return report::end(&scratch, options.table, &options.tree());
    }
    if std::env::var_os(INSIDE).is_none() {
        if let Some(why) = missing() {
            say(&format!("skipped: record-truth: {why}"));
            return Ok(ExitCode::from(2));
        }
        return enter(args);
    }
    // the workloads mark their requests
    crate::python::build_extension()?;
    let (library, library_folder, python) = interpreter(&scratch)?;
    let parts = play::Parts {
        program: program(&options)?,
        python,
        library_folder,
        seconds: options.seconds,
        rate: options.rate,
        tree: options.tree(),
    };
    let stage = stage::Stage::build(&scratch, &library)?;
    let played = play_all(&options, &parts, &stage, &scratch);
    stage.end()?;
    played?;
    report::end(&scratch, options.table, &options.tree())
}

fn program(options: &Options) -> Result<PathBuf> {
    match &options.program {
        Some(program) => Ok(fs::canonicalize(program)?),
        None => crate::dist::build(),
    }
}

/// Why it cannot be done here.
fn missing() -> Option<String> {
    let uid = stdout_of(Command::new("id").arg("-u")).unwrap_or_default();
    if uid.trim() != "0" {
        return Some("it needs root".to_owned());
    }
    if !Path::new("/sys/kernel/tracing").is_dir() {
        return Some("this kernel has no tracer".to_owned());
    }
    let program = "unshare";
    crate::tools::find_program(program)
        .is_none()
        .then(|| format!("{program} is not there; on Debian: apt-get install util-linux"))
}

/// Starts this task again where its mounts are its own.
fn enter(args: &[String]) -> Result<ExitCode> {
    let status = Command::new("unshare")
        .args(["-m", "--propagation", "private", "--"])
        .arg(std::env::current_exe()?)
        .args(["lab", "record-truth"])
        .args(args)
        .env(INSIDE, "1")
        .status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(2)))
}

/// The file with CPython's code, the folder to load it from, and the interpreter. A library is copied, so that no other process's Python
/// runs into the probes.
fn interpreter(scratch: &Path) -> Result<(PathBuf, Option<PathBuf>, PathBuf)> {
    let python = python_environment("demo-venv", DEMO_PACKAGES)?;
    let script = "import sys, sysconfig, os\n\
        get = sysconfig.get_config_var\n\
        shared = get('Py_ENABLE_SHARED') and os.path.join(get('LIBDIR'), get('INSTSONAME'))\n\
        print(shared or os.path.realpath(sys.executable))\n\
        print(bool(shared))";
    let told = stdout_of(Command::new(&python).args(["-c", script]))?;
    let (file, is_shared) = told
        .trim()
        .split_once('\n')
        .ok_or("python tells no library")?;
    let file = PathBuf::from(file);
    if is_shared != "True" {
        return Ok((file, None, python));
    }
    let folder = scratch.join("library");
    fs::create_dir_all(&folder)?;
    let copy = folder.join(file.file_name().ok_or("a library has a name")?);
    fs::copy(&file, &copy)?;
    Ok((copy, Some(folder), python))
}

fn play_all(
    options: &Options,
    parts: &play::Parts,
    stage: &stage::Stage,
    scratch: &Path,
) -> Result<()> {
    for case in options.cases() {
        let folder = scratch.join(case.name());
        play::play(&case, parts, stage, &folder)
            .map_err(|error| format!("{}: {error}", case.name()))?;
        judge_one(&folder, &parts.program, options.explain)?;
    }
    Ok(())
}

fn judge_all(options: &Options, scratch: &Path, program: &Path) -> Result<()> {
    for case in options.cases() {
        let folder = scratch.join(case.name());
        if folder.join(play::FACTS).exists() {
            judge_one(&folder, program, options.explain)?;
        }
    }
    Ok(())
}

fn judge_one(folder: &Path, program: &Path, explain: usize) -> Result<()> {
    let (judged, mut slow) =
        judge::judge(folder, program).map_err(|error| format!("{}: {error}", folder.display()))?;
    say(&report::line(&judged));
    for doubt in &judged.doubts {
        say(&format!("  doubt: {doubt}"));
    }
    slow.sort_by_key(|one| std::cmp::Reverse(one.compared.misplaced()));
    for one in slow.iter().take(explain) {
        say(&judge::explain(one));
    }
    fs::write(
        folder.join(report::JUDGED),
        serde_json::to_string_pretty(&judged)?,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn without_words_every_workload_is_played_under_every_quota() {
        let cases = parse("").unwrap().cases();
        assert_eq!(cases.len(), WORKLOADS.len() * QUOTAS.len());
        let cases = parse("json numpy2 --quota 0.2,host").unwrap().cases();
        let names: Vec<_> = cases.iter().map(Case::name).collect();
        assert_eq!(
            names,
            ["json@0.2", "json@host", "numpy2@0.2", "numpy2@host"]
        );
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        for line in [
            "jsonn",
            "--quota 0.3",
            "--quota",
            "--seconds x",
            "--rate 0.5",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_workload_has_its_script() {
        for workload in &WORKLOADS {
            let script = crate::tools::root().join("lab/truth").join(workload.script);
            assert!(script.is_file(), "{}", workload.script);
        }
    }
}
