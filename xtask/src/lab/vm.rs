//! The place `vm`: a stock Debian kernel with pure cgroup v2 and PSI, in QEMU's software emulation.
//!
//! The machine is booted once per kernel. This very program runs in it, as on any other machine, and plays the cases on its `host`
//! and in its `runc`; the rows of the result come back over the serial console. Emulation is some ten times slower and
//! keeps no time that could be asserted: counters and order hold there.

use super::case::Case;
use super::image::Kernel;
use super::options::Set;
use super::place::Place;
use super::rootfs::{BUILT, packages};
use super::run::must;
use super::{Outcome, Row, Work, emulator};
use crate::tools::{Result, complain, say};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Places inside the machine.
pub(crate) const INNER: [Place; 2] = [Place::Host, Place::Runc];
/// How a row looks on the console.
pub(crate) const ROW: &str = "lab-row ";
/// For the cases about swap.
const SWAP_BYTES: u64 = 256 << 20;
/// Comes before the rows of a trial.
const TRIAL: &str = "lab-trial ";
const END: &str = "lab-end ";
/// What is wrong with a case that was not played to its end.
pub(crate) const LOST: &str = "the machine ended before this case";
/// How much longer than usual cases may take. An emulated machine is some ten times slower, but a case's patience is far
/// more than ten times what it takes.
const SLOWNESS: u32 = 5;
/// The same for broken programs, where it is a hang that is often waited for.
pub(crate) const BROKEN_SLOWNESS: u32 = 2;

/// A program, the cases to play with it, and the places inside where they are.
pub(crate) struct Trial<'a> {
    pub(crate) places: Vec<Place>,
    pub(crate) slowness: u32,
    pub(crate) program: &'a Path,
    pub(crate) cases: Vec<&'a Case>,
}

impl Trial<'_> {
    /// A row for each place and case.
    fn rows(&self, kernel: Kernel, outcome: &Outcome) -> Vec<Row> {
        let row = |place: Place, case: &Case| Row {
            case: case.name.clone(),
            folder: case.folder.clone(),
            promise: case.promise.clone(),
            place: kernel.named(place.name()),
            python: String::new(),
            outcome: outcome.clone(),
        };
        let of_place = |place: &Place| {
            self.cases
                .iter()
                .map(|case| row(*place, case))
                .collect::<Vec<_>>()
        };
        self.places.iter().flat_map(of_place).collect()
    }
}

/// Plays the cases in the emulated machine: each in every place inside, with `--set ci` each in one.
pub(crate) fn play(kernel: Kernel, cases: &[Case], set: Set, work: &Work) -> Result<Vec<Row>> {
    let program = &work.program;
    let trial = |places: &[Place], cases| Trial {
        places: places.to_vec(),
        slowness: SLOWNESS,
        program,
        cases,
    };
    let trials = if set == Set::Ci {
        let [host, runc] = take_turns(cases, kernel.turn());
        vec![trial(&[Place::Host], host), trial(&[Place::Runc], runc)]
    } else {
        vec![trial(&INNER, cases.iter().collect())]
    };
    Ok(play_trials(kernel, &trials, work)?.concat())
}

/// The cases of `host` and those of `runc`: by turns, where both can host them; the next kernel has them the other way
/// round.
fn take_turns(cases: &[Case], turn: usize) -> [Vec<&Case>; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for (index, case) in cases.iter().enumerate() {
        let is_hosted = |place: Place| !case.not_in.contains_key(place.name());
        let mut place = (index + turn) % INNER.len();
        if !is_hosted(INNER[place]) {
            place = 1 - place;
        }
        taken[place].push(case);
    }
    taken
}

/// Boots once for all trials; the rows of each.
pub(crate) fn play_trials(kernel: Kernel, trials: &[Trial], work: &Work) -> Result<Vec<Vec<Row>>> {
    let image = match kernel.prepare() {
        Ok(image) => image,
        Err(why) => {
            complain(&format!("skipped: place {}: {why}", kernel.name));
            let skipped = Outcome::Skipped(why.to_string());
            return Ok(trials
                .iter()
                .map(|trial| trial.rows(kernel, &skipped))
                .collect());
        }
    };
    let job = job(kernel, trials, work)?;
    let swap = work.folder.join(format!("swap-{}", kernel.name));
    fs::File::create(&swap)?.set_len(SWAP_BYTES)?;
    let mut played = boot(kernel, &image, &[&job, &swap], trials.len())?;
    let lost = Outcome::Fail(vec![LOST.to_owned()]);
    for (trial, rows) in trials.iter().zip(&mut played) {
        for row in trial.rows(kernel, &lost) {
            let is_there = |other: &Row| other.case == row.case && other.place == row.place;
            if !rows.iter().any(is_there) {
                rows.push(row);
            }
        }
    }
    Ok(played)
}

/// What the machine is to do, as an archive: this program, the programs under test, the cases, the packages.
fn job(kernel: Kernel, trials: &[Trial], work: &Work) -> Result<PathBuf> {
    let folder = work.folder.join(format!("job-{}", kernel.name));
    let packages = packages()?;
    let cached = folder.join("cache/dunnage-lab");
    fs::create_dir_all(&cached)?;
    fs::copy(std::env::current_exe()?, folder.join("xtask"))?;
    must(
        Command::new("cp")
            .arg("-r")
            .arg(&work.lab)
            .arg(folder.join("lab")),
    )?;
    // its memory is small
    let kept = cached.join(packages.file_name().unwrap_or_default());
    must(Command::new("cp").arg("-r").arg(packages).arg(cached))?;
    for (group, _) in BUILT {
        let _ = fs::remove_dir_all(kept.join(group));
    }
    let mut script =
        // only groups that ask for it may swap
        "mkswap /dev/vdc >/dev/null && swapon /dev/vdc\ncd /tmp/job\nexport XDG_CACHE_HOME=/tmp/job/cache CARGO_TARGET_DIR=/tmp/target\n"
            .to_owned();
    for (number, trial) in trials.iter().enumerate() {
        let program = format!("dunnage-{number}");
        fs::copy(trial.program, folder.join(&program))?;
        let places: Vec<_> = trial.places.iter().map(|place| place.name()).collect();
        let names = trial.cases.iter().map(|case| case.name.as_str());
        script.push_str(&format!(
            "echo '{TRIAL}{number}'\n\
             ./xtask lab {} --guest {} --lab /tmp/job/lab --program /tmp/job/{program} --rootfs /tmp/root --python {} --slowness {} --case {}\n",
            places.join(" "),
            kernel.name,
            kernel.python.version,
            trial.slowness,
            names.collect::<Vec<_>>().join(" --case ")
        ));
    }
    fs::write(folder.join("run"), script)?;
    let archive = work.folder.join(format!("job-{}.tar", kernel.name));
    must(
        Command::new("tar")
            .arg("-cf")
            .arg(&archive)
            .arg("-C")
            .arg(&folder)
            .arg("."),
    )?;
    Ok(archive)
}

/// Boots, shows what the machine says, collects the rows of each trial.
fn boot(
    kernel: Kernel,
    image: &Path,
    [job, swap]: &[&Path; 2],
    trials: usize,
) -> Result<Vec<Vec<Row>>> {
    let drive = |file: &Path| format!("file={},format=raw,if=virtio", file.display());
    let fixed = |file: &Path| format!("{},readonly=on", drive(file));
    say(&format!("booting the emulated machine {}", kernel.name));
    let mut machine = emulator::command()?
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"])
        .args([
            "-m",
            "2048",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ])
        .args(["-serial", "stdio", "-no-reboot", "-kernel"])
        .arg(image.join("kernel"))
        .arg("-initrd")
        .arg(image.join("initrd"))
        // the kernel's messages must not come in the middle of a row; an oops is shown all the same
        .args([
            "-append",
            "console=ttyS0 loglevel=1 panic=-1 mitigations=off cgroup_no_v1=all psi=1 rdinit=/init",
        ])
        .args(["-drive", &fixed(&image.join("disk"))])
        .args(["-drive", &fixed(job), "-drive", &drive(swap)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let console = machine.stdout.take().ok_or("no console")?;
    let mut played = vec![Vec::new(); trials];
    let mut current = 0;
    for line in BufReader::new(console).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if let Some(number) = line.strip_prefix(TRIAL) {
            current = number.parse()?;
        } else if let Some(row) = line.strip_prefix(ROW) {
            match serde_json::from_str::<Row>(row) {
                Ok(mut row) => {
                    row.place = kernel.named(&row.place);
                    let rows = played.get_mut(current).ok_or("a row of no trial")?;
                    rows.push(row);
                }
                Err(error) => complain(&format!("a row that cannot be read ({error}): {line}")),
            }
        } else if !line.is_empty() && !line.starts_with(END) {
            say(&format!("{}: {line}", kernel.name));
        }
    }
    machine.wait()?;
    Ok(played)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CI plays under emulation, on machines whose load nobody knows, may depend on no clock: no bound on time but the
    /// lab's patience, no second try, and nothing that a slow machine turns into another promise.
    #[test]
    fn what_ci_plays_in_a_machine_waits_for_no_clock() {
        use super::super::case::Step;
        let cases = super::super::case::read_all(&crate::tools::root().join("lab")).unwrap();
        let chosen: Vec<_> = cases.iter().filter(|case| case.ci_vm).collect();
        assert!((12..=24).contains(&chosen.len()), "{}", chosen.len());
        for case in chosen {
            let name = &case.name;
            let is_timed = |step: &Step| matches!(step, Step::Sleep { .. } | Step::SetClock { .. });
            assert!(!case.steps.iter().any(is_timed), "{name}");
            assert!((case.tries, case.is_long) == (1, false), "{name}");
            assert!(case.patience >= 60, "{name}");
            let own_times = ["--grace", "--stray-grace", "--drain-delay", "--tick"];
            let is_own = |word: &String| own_times.iter().any(|option| word.starts_with(option));
            assert!(!case.start.iter().any(is_own), "{name}");
            assert!(
                !["vm", "v2"]
                    .iter()
                    .any(|key| case.not_in.contains_key(*key)),
                "{name}"
            );
        }
    }

    #[test]
    fn two_kernels_play_every_case_in_every_place_that_hosts_it() {
        let cases = super::super::case::read_all(&crate::tools::root().join("lab")).unwrap();
        let turns = [take_turns(&cases, 0), take_turns(&cases, 1)];
        for (index, place) in INNER.iter().enumerate() {
            for case in &cases {
                let is_in = |turn: &[Vec<&Case>; 2]| {
                    turn[index].iter().any(|other| other.name == case.name)
                };
                let is_hosted = !case.not_in.contains_key(place.name());
                assert_eq!(
                    turns.iter().any(is_in),
                    is_hosted,
                    "{} {place:?}",
                    case.name
                );
            }
        }
    }
}
