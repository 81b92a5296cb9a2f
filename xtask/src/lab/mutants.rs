//! `cargo xtask lab --mutants`: does the lab notice a broken program?
//!
//! Each file of `lab/mutants/` breaks one promise in a copy of the tree by replacing one piece of text, and names the
//! cases that must then fail, in each place that claims the promise. First the same cases must pass unbroken. A piece
//! of text instead of a patch with line numbers, so that a mutant lives as long as the line that it breaks; a test holds
//! that each piece is there exactly once.

use super::case::Case;
use super::image::Kernel;
use super::options::Options;
use super::place::Place;
use super::results::{Outcome, Results, Row};
use super::vm::{self, Trial};
use super::{Work, boots, case, play_in};
use crate::tools::{Result, cargo, must_succeed, root, say, stdout_of, target_dir};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Mutant {
    #[serde(skip)]
    name: String,
    /// What is broken, for a person.
    breaks: String,
    file: String,
    replace: String,
    by: String,
    /// The cases that must fail.
    cases: Vec<String>,
    /// Where they must, which holds inside emulated machines too; else in every place that hosts them. `vm`: only in
    /// emulated machines; `real`: only outside.
    #[serde(default)]
    places: Vec<String>,
}

impl Mutant {
    fn apply(&self, tree: &Path) -> Result<String> {
        let file = tree.join(&self.file);
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", self.file))?;
        let times = text.matches(&self.replace).count();
        if times != 1 {
            let name = &self.name;
            return Err(format!(
                "lab/mutants/{name}.json: its text is in {} {times} times",
                self.file
            )
            .into());
        }
        fs::write(&file, text.replace(&self.replace, &self.by))?;
        Ok(text)
    }

    fn is_for(&self, place: &str) -> bool {
        self.places.is_empty() || self.places.iter().any(|name| name == place)
    }

    fn is_for_real(&self, place: Place) -> bool {
        self.is_for("real") || self.is_for(place.name())
    }

    /// Where inside an emulated machine.
    fn inner_places(&self) -> Vec<Place> {
        let mut places = vm::INNER.to_vec();
        places.retain(|place| self.is_for("vm") || self.is_for(place.name()));
        places
    }

    /// Says whether it was noticed; its name where it was not.
    fn judge(&self, missed: &[String]) -> Option<String> {
        let (name, breaks) = (&self.name, &self.breaks);
        if missed.is_empty() {
            say(&format!("caught    {name}: {breaks}"));
            return None;
        }
        let missed = missed.join("; ");
        say(&format!("SURVIVED  {name}: {breaks}: {missed}"));
        Some(name.clone())
    }
}

/// The emulated machines: a boot plays many programs, the unbroken one first.
struct Emulated<'a> {
    cases: &'a [Case],
    unbroken: PathBuf,
    mutants: Vec<(&'a Mutant, PathBuf)>,
}

impl<'a> Emulated<'a> {
    fn new(cases: &'a [Case], work: &Work) -> Result<Self> {
        let unbroken = work.folder.join("unbroken");
        fs::copy(&work.program, &unbroken)?;
        Ok(Self {
            cases,
            unbroken,
            mutants: Vec::new(),
        })
    }

    fn add(&mut self, mutant: &'a Mutant, program: &Path, work: &Work) -> Result<()> {
        let kept = work.folder.join(format!("mutant-{}", mutant.name));
        fs::copy(program, &kept)?;
        self.mutants.push((mutant, kept));
        Ok(())
    }

    /// What went wrong: names of mutants, cases that fail unbroken.
    fn play(&self, machine: Kernel, work: &Work) -> Result<Vec<String>> {
        let trial = |program, places, is_wanted: &dyn Fn(&String) -> bool| Trial {
            places,
            slowness: vm::BROKEN_SLOWNESS,
            program,
            cases: self
                .cases
                .iter()
                .filter(|case| is_wanted(&case.name))
                .collect(),
        };
        let named = |name: &String| {
            self.mutants
                .iter()
                .any(|(mutant, _)| mutant.cases.contains(name))
        };
        let unbroken = self.unbroken.as_path();
        let mut trials = vec![trial(unbroken, vm::INNER.to_vec(), &named)];
        for (mutant, program) in &self.mutants {
            let is_its = |name: &String| mutant.cases.contains(name);
            trials.push(trial(program, mutant.inner_places(), &is_its));
        }
        let mut played = vm::play_trials(machine, &trials, work, &Results::default())?.into_iter();
        let mut failed = failing(&played.next().unwrap_or_default());
        for ((mutant, _), rows) in self.mutants.iter().zip(played) {
            failed.extend(mutant.judge(&unnoticed(&rows)));
        }
        Ok(failed)
    }
}

fn read_all(folder: &Path) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let text = fs::read_to_string(&file)?;
        let mut mutant: Mutant =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        mutant.name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        mutants.push(mutant);
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

/// Plays the mutants, all or those named by `--mutant`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut mutants = read_all(&root().join("lab/mutants"))?;
    if !options.mutants.is_empty() {
        mutants.retain(|mutant| options.mutants.contains(&mutant.name));
    }
    let work = Work::new(options)?;
    let tree = work.folder.join("tree");
    copy_tree(&tree)?;
    let cases = case::read_all(&root().join("lab"))?;
    let mut emulated = Emulated::new(&cases, &work)?;
    let mut failed = unbroken(&mutants, options, &work)?;
    let is_played = |mutant: &Mutant| {
        (!options.machines.is_empty() && !mutant.inner_places().is_empty())
            || options
                .places
                .iter()
                .any(|place| mutant.is_for_real(*place))
    };
    for mutant in mutants.iter().filter(|mutant| !is_played(mutant)) {
        let (name, places) = (&mutant.name, mutant.places.join(", "));
        say(&format!(
            "skipped: mutant {name}: to be noticed in {places}"
        ));
    }
    mutants.retain(is_played);
    for mutant in &mutants {
        let original = mutant.apply(&tree)?;
        let built = build(&tree);
        fs::write(tree.join(&mutant.file), original)?;
        let program = match built {
            Ok(program) => program,
            Err(why) => {
                failed.extend(mutant.judge(&[format!("it does not build: {why}")]));
                continue;
            }
        };
        if !options.machines.is_empty() && !mutant.inner_places().is_empty() {
            emulated.add(mutant, &program, &work)?;
        }
        if options
            .places
            .iter()
            .any(|place| mutant.is_for_real(*place))
        {
            fs::copy(program, &work.program)?;
            failed.extend(mutant.judge(&play(mutant, options, &work)?));
        }
    }
    for machine in &options.machines {
        failed.extend(emulated.play(*machine, &work)?);
    }
    failed.sort();
    failed.dedup();
    say(&format!(
        "mutants: {} of {} caught{}",
        mutants.len() - failed.len().min(mutants.len()),
        mutants.len(),
        if failed.is_empty() {
            String::new()
        } else {
            format!("; not: {}", failed.join(", "))
        }
    ));
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The named cases with the program as it is: a case that fails anyway proves nothing.
fn unbroken(mutants: &[Mutant], options: &Options, work: &Work) -> Result<Vec<String>> {
    let names: Vec<&String> = mutants.iter().flat_map(|mutant| &mutant.cases).collect();
    let rows = played(|name| names.contains(&name), &options.places, options, work)?;
    Ok(failing(&rows))
}

fn failing(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .filter(|row| !matches!(row.outcome, Outcome::Pass | Outcome::NotApplicable(_)))
        .map(|row| format!("{} in {} fails unbroken", row.case, row.place))
        .collect()
}

/// Where a broken program was not noticed.
fn play(mutant: &Mutant, options: &Options, work: &Work) -> Result<Vec<String>> {
    let mut places = options.places.clone();
    places.retain(|place| mutant.is_for_real(*place));
    let rows = played(|name| mutant.cases.contains(name), &places, options, work)?;
    Ok(unnoticed(&rows))
}

fn unnoticed(rows: &[Row]) -> Vec<String> {
    let hosted = rows
        .iter()
        .filter(|row| !matches!(row.outcome, Outcome::NotApplicable(_)));
    if hosted.clone().count() == 0 {
        return vec!["no place here hosts its cases".to_owned()];
    }
    let missed = |row: &Row| {
        let how = match &row.outcome {
            Outcome::Fail(wrong) if wrong.iter().any(|why| was_unplayed(why)) => "was not played",
            Outcome::Fail(_) => return None,
            Outcome::Skipped(_) => "is skipped",
            Outcome::Pass | Outcome::NotApplicable(_) => "passes",
        };
        Some(format!("{} in {} {how}", row.case, row.place))
    };
    hosted.filter_map(missed).collect()
}

fn was_unplayed(why: &str) -> bool {
    [boots::LOST, boots::ENDED].contains(&why)
}

fn played(
    is_wanted: impl Fn(&String) -> bool,
    places: &[Place],
    options: &Options,
    work: &Work,
) -> Result<Vec<Row>> {
    let mut cases = case::read_all(&root().join("lab"))?;
    cases.retain(|case| is_wanted(&case.name));
    let (mut rows, results) = (Vec::new(), Results::default());
    for place in places {
        rows.extend(play_in(*place, &cases, options, work, &results)?);
    }
    Ok(rows)
}

fn copy_tree(tree: &Path) -> Result<()> {
    fs::create_dir_all(tree)?;
    let parts = ["Cargo.toml", "Cargo.lock", "crates", "python", "xtask"];
    let parts = parts.iter().map(|part| root().join(part));
    must_succeed(Command::new("cp").arg("-r").args(parts).arg(tree))
}

/// A static program without optimization: it is to be wrong, not fast.
fn build(tree: &Path) -> Result<PathBuf> {
    let host = crate::dist::host_triple()?;
    let target = target_dir().join("lab-mutants");
    stdout_of(
        cargo(["build", "--locked", "--quiet", "-p", "dunnage", "--target"])
            .arg(&host)
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", &target)
            // all of them stand in the emulated machine's memory at a time
            .env("CARGO_PROFILE_DEV_STRIP", "symbols")
            .env("RUSTFLAGS", "-C target-feature=+crt-static -A warnings"),
    )?;
    let program = target.join("dunnage");
    let built = target.join(host).join("debug/dunnage");
    crate::dist::append_agent(tree, &built, &program)?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_was_not_played_notices_nothing() {
        let row = |outcome| Row {
            case: "c".into(),
            folder: "c".into(),
            promise: "p".into(),
            place: "vm host".into(),
            python: String::new(),
            outcome,
        };
        for why in [boots::LOST, boots::ENDED] {
            let lost = row(Outcome::Fail(vec![why.to_owned()]));
            assert_eq!(unnoticed(&[lost]), ["c in vm host was not played"]);
        }
        let noticed = row(Outcome::Fail(vec!["exit code".to_owned()]));
        assert!(unnoticed(&[noticed]).is_empty());
    }

    #[test]
    fn every_mutant_breaks_one_piece_of_text_and_names_cases_that_there_are() {
        let lab = root().join("lab");
        let cases = case::read_all(&lab).unwrap();
        let mutants = read_all(&lab.join("mutants")).unwrap();
        assert!(mutants.len() >= 10, "{}", mutants.len());
        for mutant in mutants {
            let text = fs::read_to_string(root().join(&mutant.file)).unwrap();
            let times = text.matches(&mutant.replace).count();
            assert_eq!(times, 1, "{}: {}", mutant.name, mutant.replace);
            assert!(!mutant.cases.is_empty(), "{}", mutant.name);
            for name in &mutant.cases {
                let is_there = cases.iter().any(|case| case.name == *name);
                assert!(is_there, "{}: no case {name}", mutant.name);
            }
            for place in &mutant.places {
                assert!(
                    ["vm", "real"].contains(&place.as_str()) || Place::by_name(place).is_some(),
                    "{}: {place}",
                    mutant.name
                );
            }
        }
    }
}
