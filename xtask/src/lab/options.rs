//! The words after `cargo xtask lab`.

use super::image::Kernel;
use super::place::Place;
use super::rootfs::{PYTHONS, Python};
use crate::tools::{Result, root};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: cargo xtask lab [PLACE...] [OPTION...]
       cargo xtask lab record-truth [WORKLOAD...] [OPTION...]
  places: host, runc, runc-hostns, crun, vm, vm-trixie; without one, the first four
  --case NAME          only this case; repeatable
  --python VERSION     in containers: 3.11, 3.13, 3.14, 3.15 or all; default 3.11
  --set ci|vm-ci|full  ci: the Pythons take turns over the cases; vm-ci: the few cases with `ci_vm`; full: each with each
  --table              write the result into docs/lab.md, as it comes
  --rest               as --table, without what this commit's table holds as passed: goes on where a run stopped
  --mutants            break the program on purpose, see whether the cases notice; --mutant NAME: only this one
  --program FILE       test this program instead of building one; for examples/, dunnage-check must lie beside it
  --rootfs FOLDER      use this root file system for containers
  --jobs N             so many cases at a time; default 2
  --slowness N         wait N times as long";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Set {
    #[default]
    Default,
    Ci,
    VmCi,
    Full,
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) places: Vec<Place>,
    pub(crate) cases: Vec<String>,
    pub(crate) pythons: Vec<Python>,
    pub(crate) set: Set,
    pub(crate) table: bool,
    /// Play only what the table of this commit does not hold as passed.
    pub(crate) rest: bool,
    pub(crate) with_mutants: bool,
    pub(crate) mutants: Vec<String>,
    pub(crate) program: Option<PathBuf>,
    pub(crate) rootfs: Option<PathBuf>,
    pub(crate) slowness: u32,
    pub(crate) machines: Vec<Kernel>,
    /// Its name, where we are the program inside an emulated machine.
    pub(crate) guest: Option<&'static str>,
    lab: Option<PathBuf>,
    pub(crate) jobs: usize,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            slowness: 1,
            jobs: 2,
            ..Self::default()
        };
        let mut args = args.iter();
        while let Some(word) = args.next() {
            if let Some(place) = Place::by_name(word) {
                options.places.push(place);
                continue;
            }
            if let Some(kernel) = Kernel::by_name(word) {
                options.machines.push(kernel);
                continue;
            }
            match word.as_str() {
                "--table" => options.table = true,
                "--rest" => {
                    options.table = true;
                    options.rest = true;
                }
                "--mutants" => options.with_mutants = true,
                _ => {
                    let value = args.next().ok_or_else(|| {
                        format!(
                            "{word} is no place and no option alone
{USAGE}"
                        )
                    })?;
                    options.set_value(word, value)?;
                }
            }
        }
        if options.places.is_empty() && options.machines.is_empty() {
            options.places = Place::ALL.to_vec();
        }
        Ok(options)
    }

    /// Where the cases are.
    pub(crate) fn lab_folder(&self) -> PathBuf {
        self.lab.clone().unwrap_or_else(|| root().join("lab"))
    }

    fn set_value(&mut self, word: &str, value: &str) -> Result<()> {
        match (word, value) {
            ("--case", name) => self.cases.push(name.to_owned()),
            ("--python", "all") => self.pythons = PYTHONS.to_vec(),
            ("--python", version) => {
                let python = PYTHONS.iter().find(|python| python.version == version);
                let python = python.ok_or_else(|| format!("no Python {version}\n{USAGE}"))?;
                self.pythons.push(*python);
            }
            ("--mutant", name) => {
                self.with_mutants = true;
                self.mutants.push(name.to_owned());
            }
            ("--guest", name) => {
                let kernel = Kernel::by_name(name).ok_or(USAGE)?;
                self.guest = Some(kernel.name);
            }
            ("--set", "ci") => self.set = Set::Ci,
            ("--set", "vm-ci") => self.set = Set::VmCi,
            ("--set", "full") => self.set = Set::Full,
            ("--program", file) => self.program = Some(file.into()),
            ("--lab", folder) => self.lab = Some(folder.into()),
            ("--rootfs", folder) => self.rootfs = Some(folder.into()),
            ("--jobs", number) => self.jobs = number.parse::<usize>()?.max(1),
            ("--slowness", factor) => self.slowness = factor.parse()?,
            _ => return Err(format!("{word} cannot be {value}\n{USAGE}").into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn places_cases_and_sets_are_understood() {
        let options = parse("runc --case a --case b --set ci").unwrap();
        assert_eq!(options.places, [Place::Runc]);
        assert_eq!(options.cases, ["a", "b"]);
        assert_eq!(parse("vm --set vm-ci").unwrap().set, Set::VmCi);
        assert_eq!(options.set, Set::Ci);
        assert_eq!(parse("--python all").unwrap().pythons.len(), 4);
        assert_eq!(parse("--table").unwrap().places, Place::ALL);
        assert!(!parse("vm --table").unwrap().rest);
        let options = parse("vm --rest").unwrap();
        assert!(options.rest && options.table);
        let options = parse("vm vm-trixie").unwrap();
        assert!(options.machines.len() == 2 && options.places.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in [
            "moon",
            "--case",
            "--set some",
            "--python 2.7",
            "--slowness x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
