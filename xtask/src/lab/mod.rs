//! `cargo xtask lab`: every end-to-end case in every place that can host it.
//!
//! A case is a folder under `lab/cases/`; `docs/lab.md` tells how to write one and what each place proves. Here is
//! what plays them.

pub(crate) mod case;
pub(crate) mod cgroup;
pub(crate) mod command;
mod emulator;
mod example;
mod expect;
mod image;
mod mutants;
mod oci;
mod options;
mod place;
mod request;
mod rootfs;
mod run;
mod seccomp;
mod table;
mod truth;
mod vary;
mod vm;

use crate::tools::{Result, complain, say, target_dir};
use case::Case;
use options::{Options, Set};
use place::{Place, Setting};
use rootfs::Python;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What came of a case in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Pass,
    Fail(Vec<String>),
    /// The place cannot show what the case is about.
    NotApplicable(String),
    /// The place could not be made here.
    Skipped(String),
}

/// A line of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    /// The case's folder, which cases that vary share.
    #[serde(default)]
    pub(crate) folder: String,
    pub(crate) promise: String,
    pub(crate) place: String,
    pub(crate) python: String,
    pub(crate) outcome: Outcome,
}

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    if let Some(("record-truth", rest)) =
        args.split_first().map(|(word, rest)| (word.as_str(), rest))
    {
        return truth::run(rest);
    }
    let options = Options::parse(args)?;
    if options.with_mutants {
        return mutants::run(&options);
    }
    let began = Instant::now();
    let mut cases = chosen(&options)?;
    let title = options.table.then(table::title).transpose()?;
    let work = Work::new(&options)?;
    if options.guest.is_none() {
        if options.program.is_none() && cases.iter().any(|case| case.example.is_some()) {
            crate::dist::build_check()?;
        }
        example::fill(&mut cases, &work)?;
    }
    let mut rows = Vec::new();
    for place in &options.places {
        rows.extend(play_in(*place, &cases, &options, &work)?);
    }
    for machine in &options.machines {
        rows.extend(vm::play(*machine, &cases, options.set, &work)?);
    }
    if options.guest.is_some() {
        for row in &rows {
            say(&format!("{}{}", vm::ROW, serde_json::to_string(row)?));
        }
    }
    if let Some(title) = title {
        table::write(&title, &rows)?;
    }
    let failed = summarize(&rows, began, &options);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn chosen(options: &Options) -> Result<Vec<Case>> {
    let mut cases = case::read_all(&options.lab_folder())?;
    for name in &options.cases {
        if !cases.iter().any(|case| case.is_called(name)) {
            return Err(format!("lab/cases has no case {name}").into());
        }
    }
    if !options.cases.is_empty() {
        cases.retain(|case| options.cases.iter().any(|name| case.is_called(name)));
    }
    // what takes long is played by its own name only, or where everything is
    cases.retain(|case| {
        !case.is_long || options.set == Set::Full || options.cases.contains(&case.name)
    });
    cases.retain(|case| case.ci_vm || options.set != Set::VmCi);
    Ok(cases)
}

/// The folder of one run of the lab: the program under test and a copy of the cases that every user can read.
struct Work {
    folder: PathBuf,
    program: PathBuf,
    /// The program where it was built, which has what containers lack beside it.
    checker: PathBuf,
    lab: PathBuf,
}

impl Work {
    fn new(options: &Options) -> Result<Self> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => crate::dist::build()?,
        };
        // a short name: sockets below it have at most 107 bytes
        let folder = std::env::temp_dir().join(format!("dunnage-lab-{}", std::process::id()));
        fs::create_dir_all(folder.join("bin"))?;
        let work = Self {
            program: folder.join("bin/dunnage"),
            lab: folder.join("lab"),
            folder,
            checker: program,
        };
        fs::copy(&work.checker, &work.program)
            .map_err(|error| format!("{}: {error}", work.checker.display()))?;
        run::must(
            Command::new("cp")
                .args(["-r", "--dereference"])
                .arg(options.lab_folder())
                .arg(&work.lab),
        )?;
        run::must(Command::new("chmod").args(["-R", "a+rX"]).arg(&work.folder))?;
        run::must(Command::new("chmod").arg("755").arg(&work.program))?;
        Ok(work)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Plays the cases in one place.
fn play_in(place: Place, cases: &[Case], options: &Options, work: &Work) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let row = |case: &Case, python: &str, outcome| Row {
        case: case.name.clone(),
        folder: case.folder.clone(),
        promise: case.promise.clone(),
        place: place.name().to_owned(),
        python: python.to_owned(),
        outcome,
    };
    let prepared = place.prepare().and_then(|()| rootfs::packages());
    let packages = match prepared {
        Ok(packages) => packages,
        Err(why) => {
            let why = why.to_string();
            complain(&format!("skipped: place {}: {why}", place.name()));
            let skipped = |case: &Case| row(case, "", Outcome::Skipped(why.clone()));
            return Ok(cases.iter().map(skipped).collect());
        }
    };
    let version = cgroup::version().name();
    let mut tasks = Vec::new();
    let mut made: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        let machine = if options.guest.is_some() {
            "vm"
        } else {
            "real"
        };
        let why = [place.name(), version, machine]
            .iter()
            .find_map(|key| case.not_in.get(*key));
        if let Some(why) = why {
            rows.push(row(case, "", Outcome::NotApplicable(why.clone())));
            continue;
        }
        for python in pythons(place, index, options) {
            if let Some(why) = case.not_in.get(python.version) {
                let why = Outcome::NotApplicable(why.clone());
                rows.push(row(case, python.version, why));
                continue;
            }
            let rootfs = match (place, &options.rootfs) {
                (Place::Host, _) => PathBuf::from("/"),
                (_, Some(rootfs)) => rootfs.clone(),
                (_, None) => match made.get(python.version) {
                    Some(rootfs) => rootfs.clone(),
                    None => made
                        .entry(python.version)
                        .or_insert(rootfs::rootfs(python)?)
                        .clone(),
                },
            };
            let setting = Setting {
                place,
                python: python.version.to_owned(),
                rootfs,
                program: work.program.clone(),
                lab: work.lab.clone(),
                packages: packages.clone(),
                slowness: options.slowness,
                guest: options.guest,
            };
            tasks.push((case, setting));
        }
    }
    let outcomes = play_all(&tasks, options.jobs, &work.folder);
    let played = tasks.iter().zip(outcomes);
    rows.extend(played.map(|((case, setting), outcome)| row(case, &setting.python, outcome)));
    Ok(rows)
}

/// Plays the tasks, some at a time: most of the time they wait.
fn play_all(tasks: &[(&Case, Setting)], jobs: usize, work: &Path) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<OnceLock<Outcome>> = tasks.iter().map(|_| OnceLock::new()).collect();
    let player = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((case, setting)) = tasks.get(index) else {
                break;
            };
            if !case.is_alone() {
                let _ = outcomes[index].set(play_case(case, setting, work));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(player);
        }
    });
    for ((case, setting), outcome) in tasks.iter().zip(&outcomes) {
        if case.is_alone() {
            let _ = outcome.set(play_case(case, setting, work));
        }
    }
    let lost = || Outcome::Fail(vec!["the player of this case ended early".to_owned()]);
    outcomes
        .into_iter()
        .map(|outcome| outcome.into_inner().unwrap_or_else(lost))
        .collect()
}

/// The Pythons of a case: on the host its own; in containers as the set says.
fn pythons(place: Place, index: usize, options: &Options) -> Vec<Python> {
    let all = rootfs::PYTHONS;
    // a guest's host is of the release that its containers are
    if place == Place::Host && options.guest.is_none() {
        return vec![all[0]];
    }
    if !options.pythons.is_empty() {
        return options.pythons.clone();
    }
    match options.set {
        Set::Default | Set::VmCi => vec![all[0]],
        // each case with one, each Python with a third of the cases; the variants of a place take turns too
        Set::Ci => {
            let settled = all.iter().filter(|python| python.is_settled());
            let next = settled.clone().count();
            settled
                .skip((index + place as usize) % next)
                .take(1)
                .copied()
                .collect()
        }
        Set::Full => all.to_vec(),
    }
}

/// Plays a case until it passes, as often as it may be tried.
fn play_case(case: &Case, setting: &Setting, work: &Path) -> Outcome {
    let mut outcome = play_once(case, setting, work);
    for _ in 1..case.tries {
        if matches!(outcome, Outcome::Fail(_)) {
            say(&format!("again {}", setting.name_of(case)));
            outcome = play_once(case, setting, work);
        }
    }
    outcome
}

fn play_once(case: &Case, setting: &Setting, work: &Path) -> Outcome {
    let began = Instant::now();
    let name = setting.name_of(case);
    let folder = work.join(&name);
    let outcome = match run::play(case, setting, &folder) {
        Ok(observed) => {
            let wrong = expect::judge(&case.expect, &observed, &setting.here());
            if wrong.is_empty() {
                Outcome::Pass
            } else {
                Outcome::Fail(wrong)
            }
        }
        Err(why) => Outcome::Fail(vec![why.to_string()]),
    };
    let logs = target_dir().join("lab").join(&name);
    let kept = keep(&folder, &logs);
    let took = began.elapsed().as_secs_f64();
    match &outcome {
        Outcome::Fail(wrong) => {
            say(&format!("FAIL  {name} ({took:.1} s)"));
            for line in wrong {
                say(&format!("      {line}"));
            }
            match kept {
                Ok(()) if setting.guest.is_some() => show_logs(&logs),
                Ok(()) => say(&format!("      logs: {}", logs.display())),
                Err(error) => say(&format!("      the logs could not be kept: {error}")),
            }
            say(&format!("      again: {}", again(case, setting)));
        }
        _ => say(&format!("pass  {name} ({took:.1} s)")),
    }
    outcome
}

/// Prints logs that nobody could look at later.
fn show_logs(logs: &Path) {
    for name in ["stdout", "stderr"] {
        let text = fs::read(logs.join(name)).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            say(&format!("      {name}: {line}"));
        }
    }
}

/// The command that repeats a case alone.
fn again(case: &Case, setting: &Setting) -> String {
    if let Some(machine) = setting.guest {
        return format!("cargo xtask lab {machine} --case {}", case.name);
    }
    let python = match setting.place {
        Place::Host => String::new(),
        _ => format!(" --python {}", setting.python),
    };
    format!(
        "cargo xtask lab {} --case {}{python}",
        setting.place.name(),
        case.name
    )
}

/// Moves a case's folder to where it can be looked at.
fn keep(folder: &Path, logs: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(logs);
    fs::create_dir_all(logs.parent().unwrap_or(logs))?;
    run::must(Command::new("mv").arg(folder).arg(logs))
}

/// The last lines; whether anything failed.
fn summarize(rows: &[Row], began: Instant, options: &Options) -> bool {
    let count = |is: fn(&Outcome) -> bool| rows.iter().filter(|row| is(&row.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Fail(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    for row in rows {
        if let Outcome::Fail(wrong) = &row.outcome {
            let first = wrong.first().map(String::as_str).unwrap_or_default();
            say(&format!("failed: {} in {}: {first}", row.case, row.place));
        }
    }
    say(&format!(
        "lab: {} passed, {failed} failed, {} not applicable, {skipped} skipped, in {:.0} s",
        count(|outcome| *outcome == Outcome::Pass),
        count(|outcome| matches!(outcome, Outcome::NotApplicable(_))),
        began.elapsed().as_secs_f64()
    ));
    // a set that is asked for by name must be whole
    failed > 0 || (skipped > 0 && options.set != Set::Default)
}
