//! What an emulated machine is to do, as an archive on its second disk: this program, the programs under test, the
//! cases, the packages, and the commands that play what one boot plays.

use super::Work;
use super::boots::{Boot, Play};
use super::image::Kernel;
use super::rootfs::{BUILT, packages};
use super::run::must;
use super::vm::Trial;
use crate::tools::Result;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// On the console before the rows of a trial, with its number.
pub(crate) const TRIAL: &str = "lab-trial ";

/// Makes the archive of a boot.
pub(crate) fn archive(
    kernel: Kernel,
    trials: &[Trial],
    boot: &Boot,
    work: &Work,
) -> Result<PathBuf> {
    let folder = work.folder.join(format!("job-{}", kernel.name));
    // that of the boot before
    let _ = fs::remove_dir_all(&folder);
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
    for play in &boot.plays {
        let program = folder.join(program_of(play.trial));
        if !program.exists() {
            fs::copy(trials[play.trial].program, program)?;
        }
    }
    fs::write(folder.join("run"), script(kernel, trials, boot))?;
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

fn program_of(trial: usize) -> String {
    format!("dunnage-{trial}")
}

/// The shell's commands in the machine: one lab for the plays of a trial in a place.
fn script(kernel: Kernel, trials: &[Trial], boot: &Boot) -> String {
    let mut script =
        // only groups that ask for it may swap
        "mkswap /dev/vdc >/dev/null && swapon /dev/vdc\ncd /tmp/job\nexport XDG_CACHE_HOME=/tmp/job/cache CARGO_TARGET_DIR=/tmp/target\n"
            .to_owned();
    let is_same = |a: &Play, b: &Play| (a.trial, a.place) == (b.trial, b.place);
    for plays in boot.plays.chunk_by(is_same) {
        let (number, place) = (plays[0].trial, plays[0].place);
        let names = plays.iter().map(|play| play.case.name.as_str());
        script.push_str(&format!(
            "echo '{TRIAL}{number}'\n\
             ./xtask lab {} --guest {} --lab /tmp/job/lab --program /tmp/job/{} --rootfs /tmp/root --python {} --slowness {}{} --case {}\n",
            place.name(),
            kernel.name,
            program_of(number),
            kernel.python.version,
            trials[number].slowness,
            if boot.is_careful { " --jobs 1" } else { "" },
            names.collect::<Vec<_>>().join(" --case ")
        ));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::super::boots::Queue;
    use super::super::case::Case;
    use super::super::place::Place;
    use super::*;

    #[test]
    fn the_plays_of_a_trial_in_a_place_are_one_lab_and_suspects_are_played_one_by_one() {
        let text = r#"{"promise":"p","start":["true"],"expect":{"code":0}}"#;
        let cases = ["a", "b"].map(|name| {
            let mut case: Case = serde_json::from_str(text).unwrap();
            case.name = name.to_owned();
            case
        });
        let trial = |places: &[Place], slowness| Trial {
            places: places.to_vec(),
            slowness,
            program: std::path::Path::new("dunnage"),
            cases: cases.iter().collect(),
        };
        let trials = [
            trial(&[Place::Host, Place::Runc], 5),
            trial(&[Place::Runc], 2),
        ];
        let mut plays = Vec::new();
        for (number, trial) in trials.iter().enumerate() {
            for place in &trial.places {
                let play = |case| Play::new(number, *place, case, trial.slowness);
                plays.extend(cases.iter().map(play));
            }
        }
        let mut boot = Queue::new(plays).next().unwrap();
        let kernel = Kernel::ALL[0];
        insta::assert_snapshot!("script", script(kernel, &trials, &boot));
        boot.is_careful = true;
        let careful = script(kernel, &trials, &boot);
        assert_eq!(careful.matches(" --jobs 1 ").count(), 3);
    }
}
