//! `cargo xtask lab`: every end-to-end case in every place that can host it.
//!
//! A case is a folder under `lab/cases/`; `docs/lab.md` tells how to write one and what each place proves. Here is
//! what plays them.

mod boots;
pub(crate) mod case;
pub(crate) mod cgroup;
pub(crate) mod command;
mod emulator;
mod example;
mod expect;
mod image;
mod job;
mod mutants;
mod oci;
mod options;
mod place;
mod request;
mod results;
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
use results::{Outcome, Results, Row, summarize};
use rootfs::Python;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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
    let results = Results::new(&options)?;
    let work = Work::new(&options)?;
    if options.guest.is_none() {
        if options.program.is_none() && cases.iter().any(|case| case.example.is_some()) {
            crate::dist::build_check()?;
        }
        example::fill(&mut cases, &work)?;
    }
    let mut rows = Vec::new();
    for place in &options.places {
        rows.extend(play_in(*place, &cases, &options, &work, &results)?);
        results.write()?;
    }
    for machine in &options.machines {
        rows.extend(vm::play(*machine, &cases, options.set, &work, &results)?);
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
fn play_in(
    place: Place,
    cases: &[Case],
    options: &Options,
    work: &Work,
    results: &Results,
) -> Result<Vec<Row>> {
    let prepared = place.prepare().and_then(|()| rootfs::packages());
    let packages = match prepared {
        Ok(packages) => packages,
        Err(why) => {
            let why = why.to_string();
            complain(&format!("skipped: place {}: {why}", place.name()));
            let skipped =
                |case: &Case| Row::new(case, place.name(), "", Outcome::Skipped(why.clone()));
            let rows: Vec<Row> = cases.iter().map(skipped).collect();
            results.tell_all(&rows);
            return Ok(rows);
        }
    };
    let (mut rows, chosen) = plays(place, cases, options, results);
    results.tell_all(&rows);
    let mut tasks = Vec::new();
    let mut made: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for (case, python) in chosen {
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
    rows.extend(play_all(&tasks, options.jobs, &work.folder, results));
    Ok(rows)
}

/// What is to be played in a place, and rows of what it does not host.
fn plays<'a>(
    place: Place,
    cases: &'a [Case],
    options: &Options,
    results: &Results,
) -> (Vec<Row>, Vec<(&'a Case, Python)>) {
    let machine = if options.guest.is_some() {
        "vm"
    } else {
        "real"
    };
    let (mut rows, mut chosen, mut held) = (Vec::new(), Vec::new(), 0);
    let name = place.name();
    for (index, case) in cases.iter().enumerate() {
        if let Some(why) = case.why_not_in(&[name, cgroup::version().name(), machine]) {
            rows.push(Row::new(case, name, "", Outcome::NotApplicable(why)));
            continue;
        }
        for python in pythons(place, index, options) {
            if let Some(why) = case.why_not_in(&[python.version]) {
                let outcome = Outcome::NotApplicable(why);
                rows.push(Row::new(case, name, python.version, outcome));
            } else if results.holds(name, case, python.version) {
                held += 1;
            } else {
                chosen.push((case, python));
            }
        }
    }
    if held > 0 {
        say(&format!(
            "{name}: passed before: {held}, left: {}",
            chosen.len()
        ));
    }
    (rows, chosen)
}

/// Plays the tasks, some at a time: most of the time they wait.
fn play_all(tasks: &[(&Case, Setting)], jobs: usize, work: &Path, results: &Results) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows: Vec<OnceLock<Row>> = tasks.iter().map(|_| OnceLock::new()).collect();
    let row = |(case, setting): &(&Case, Setting), outcome| {
        Row::new(case, setting.place.name(), &setting.python, outcome)
    };
    let play = |index: usize, task: &(&Case, Setting)| {
        results.begin(task.1.place, task.0);
        let row = row(task, play_case(task.0, &task.1, work));
        results.tell(&row);
        let _ = rows[index].set(row);
    };
    let player = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(index) else {
                break;
            };
            if !task.0.is_alone() {
                play(index, task);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(player);
        }
    });
    for (index, task) in tasks.iter().enumerate() {
        if task.0.is_alone() {
            play(index, task);
        }
    }
    let lost = |task| {
        let why = "the player of this case ended early".to_owned();
        let row = row(task, Outcome::Fail(vec![why]));
        results.tell(&row);
        row
    };
    let ended = rows.into_iter().map(OnceLock::into_inner);
    let ended = tasks.iter().zip(ended);
    ended
        .map(|(task, row)| row.unwrap_or_else(|| lost(task)))
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
