//! The place `vm`: a stock Debian kernel with pure cgroup v2 and PSI, in QEMU's software emulation.
//!
//! This very program runs in the machine, as on any other, and plays the cases on its `host` and in its `runc`. The rows
//! of the result come back over the serial console, each when its case has ended, and `boots.rs` says what each boot
//! plays. Emulation is some ten times slower and keeps no time that could be asserted: counters and order hold there.

use super::boots::{Boot, Play, Progress, Queue};
use super::case::Case;
use super::cgroup::Version;
use super::image::Kernel;
use super::job::{self, TRIAL};
use super::options::Set;
use super::place::Place;
use super::results::{BEGIN, Outcome, ROW, Results, Row};
use super::{Work, emulator};
use crate::tools::{Result, complain, say};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

/// Places inside the machine.
pub(crate) const INNER: [Place; 2] = [Place::Host, Place::Runc];
/// For the cases about swap.
const SWAP_BYTES: u64 = 256 << 20;
const END: &str = "lab-end ";
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

/// Plays the cases in the emulated machine: each in every place inside, with `--set ci` each in one.
pub(crate) fn play(
    kernel: Kernel,
    cases: &[Case],
    set: Set,
    work: &Work,
    results: &Results,
) -> Result<Vec<Row>> {
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
    Ok(play_trials(kernel, &trials, work, results)?.concat())
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

/// Boots as often as all trials need; the rows of each.
pub(crate) fn play_trials(
    kernel: Kernel,
    trials: &[Trial],
    work: &Work,
    results: &Results,
) -> Result<Vec<Vec<Row>>> {
    let mut rows = vec![Vec::new(); trials.len()];
    let mut add = |trial: usize, row: Row, is_told: bool| {
        if !is_told {
            results.tell(&row);
        }
        rows[trial].push(row);
    };
    let row = |play: &Play, outcome| {
        let place = kernel.named(play.place.name());
        Row::new(play.case, &place, kernel.python.version, outcome)
    };
    let (chosen, unhosted) = plays(kernel, trials, results);
    for (trial, row) in unhosted {
        add(trial, row, false);
    }
    if chosen.is_empty() {
        results.write()?;
        return Ok(rows);
    }
    let image = match kernel.prepare() {
        Ok(image) => image,
        Err(why) => {
            complain(&format!("skipped: place {}: {why}", kernel.name));
            for play in &chosen {
                add(
                    play.trial,
                    row(play, Outcome::Skipped(why.to_string())),
                    false,
                );
            }
            results.write()?;
            return Ok(rows);
        }
    };
    let mut queue = Queue::new(chosen);
    while let Some(boot) = queue.next() {
        let seen = play_boot(kernel, &image, trials, &boot, work, results)?;
        for (play, why) in queue.settle(boot, |play| seen.progress(kernel, play)) {
            let outcome = Outcome::Fail(vec![why.to_owned()]);
            add(play.trial, row(&play, outcome), false);
        }
        for (trial, row) in seen.rows {
            add(trial, row, true);
        }
        results.write()?;
    }
    Ok(rows)
}

/// What is to be played, and rows of what these places do not host, with their trials.
fn plays<'a>(
    kernel: Kernel,
    trials: &[Trial<'a>],
    results: &Results,
) -> (Vec<Play<'a>>, Vec<(usize, Row)>) {
    let (mut chosen, mut unhosted, mut held) = (Vec::new(), Vec::new(), 0);
    let python = kernel.python.version;
    for (number, trial) in trials.iter().enumerate() {
        for place in &trial.places {
            let named = kernel.named(place.name());
            for case in &trial.cases {
                let here = [place.name(), Version::V2.name(), "vm"];
                let row = |python, why| Row::new(case, &named, python, Outcome::NotApplicable(why));
                if let Some(why) = case.why_not_in(&here) {
                    unhosted.push((number, row("", why)));
                } else if let Some(why) = case.why_not_in(&[python]) {
                    unhosted.push((number, row(python, why)));
                } else if results.holds(&named, case, python) {
                    held += 1;
                } else {
                    chosen.push(Play::new(number, *place, case, trial.slowness));
                }
            }
        }
    }
    if held > 0 {
        let left = chosen.len();
        say(&format!(
            "{}: passed before: {held}, left: {left}",
            kernel.name
        ));
    }
    (chosen, unhosted)
}

/// What a console has told, by number of the trial.
#[derive(Default)]
struct Seen {
    trial: usize,
    /// Place inside, blank, case.
    begun: Vec<(usize, String)>,
    rows: Vec<(usize, Row)>,
}

impl Seen {
    fn progress(&self, kernel: Kernel, play: &Play) -> Progress {
        let (place, case) = (play.place.name(), &play.case.name);
        let is_its = |(trial, row): &(usize, Row)| {
            *trial == play.trial && row.case == *case && row.place == kernel.named(place)
        };
        if self.rows.iter().any(is_its) {
            return Progress::Done;
        }
        let begun = (play.trial, format!("{place} {case}"));
        if self.begun.contains(&begun) {
            return Progress::Begun;
        }
        Progress::Untouched
    }

    /// Takes a line of the console; what is for a person is given back.
    fn take<'a>(&mut self, line: &'a str, kernel: Kernel, results: &Results) -> Option<&'a str> {
        if let Some(number) = line.strip_prefix(TRIAL) {
            self.trial = number.parse().unwrap_or_default();
        } else if let Some(begun) = line.strip_prefix(BEGIN) {
            self.begun.push((self.trial, begun.to_owned()));
        } else if let Some(row) = line.strip_prefix(ROW) {
            match serde_json::from_str::<Row>(row) {
                Ok(mut row) => {
                    row.place = kernel.named(&row.place);
                    results.tell(&row);
                    self.rows.push((self.trial, row));
                }
                // its case is played again
                Err(error) => complain(&format!("a row that cannot be read ({error}): {line}")),
            }
        } else if !line.is_empty() && !line.starts_with(END) {
            return Some(line);
        }
        None
    }
}

/// Boots, shows what the machine says, and collects what came of it.
fn play_boot(
    kernel: Kernel,
    image: &Path,
    trials: &[Trial],
    boot: &Boot,
    work: &Work,
    results: &Results,
) -> Result<Seen> {
    let job = job::archive(kernel, trials, boot, work)?;
    let swap = work.folder.join(format!("swap-{}", kernel.name));
    fs::File::create(&swap)?.set_len(SWAP_BYTES)?;
    let number = boot.plays.len();
    say(&format!(
        "booting the emulated machine {} for {number} plays, {:.0} min at most; left for later boots: {}",
        kernel.name,
        boot.deadline().as_secs_f64() / 60.0,
        boot.left
    ));
    let mut machine = start(image, &[&job, &swap], boot)?;
    let console = machine.stdout.take().ok_or("no console")?;
    let mut seen = Seen::default();
    for line in BufReader::new(console).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if let Some(line) = seen.take(line.trim_end(), kernel, results) {
            say(&format!("{}: {line}", kernel.name));
        }
    }
    let status = machine.wait()?;
    let done = seen.rows.len();
    if done < number || !status.success() {
        let why = match status.code() {
            Some(emulator::ENDED_BY_DEADLINE) => "by its deadline".to_owned(),
            _ => status.to_string(),
        };
        complain(&format!(
            "the emulated machine {} ended ({why}) after {done} of {number} plays",
            kernel.name
        ));
    }
    Ok(seen)
}

fn start(image: &Path, [job, swap]: &[&Path; 2], boot: &Boot) -> Result<Child> {
    let drive = |file: &Path| format!("file={},format=raw,if=virtio", file.display());
    let fixed = |file: &Path| format!("{},readonly=on", drive(file));
    let machine = emulator::command(boot.deadline())?
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
    Ok(machine)
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
        // one boot is enough
        assert!(chosen.len() * INNER.len() <= super::super::boots::MOST);
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

    #[test]
    fn a_row_counts_where_it_came_whole_and_a_case_that_only_began_may_have_ended_the_machine() {
        let text = r#"{"promise":"p","start":["true"],"expect":{"code":0}}"#;
        let cases = ["ended", "cut", "begun", "waits"].map(|name| {
            let mut case: Case = serde_json::from_str(text).unwrap();
            case.name = name.to_owned();
            case
        });
        let kernel = Kernel::ALL[0];
        let row = |name: &str| {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            let row = Row::new(case, "host", "3.11", Outcome::Pass);
            format!("{ROW}{}", serde_json::to_string(&row).unwrap())
        };
        let begin = |name: &str| format!("{BEGIN}host {name}");
        let cut = row("cut");
        let console = [
            format!("{TRIAL}1"),
            begin("ended"),
            begin("cut"),
            "pass  host-3.11-ended (0.1 s)".to_owned(),
            row("ended"),
            begin("begun"),
            cut[..cut.len() / 2].to_owned(),
        ];
        let mut seen = Seen::default();
        let results = Results::default();
        let shown: Vec<_> = console
            .iter()
            .filter_map(|line| seen.take(line, kernel, &results))
            .collect();
        assert_eq!(shown, ["pass  host-3.11-ended (0.1 s)"]);
        let progress = |trial, place| {
            let play = |case| Play::new(trial, place, case, 1);
            cases
                .each_ref()
                .map(|case| seen.progress(kernel, &play(case)))
        };
        let wanted = [
            Progress::Done,
            Progress::Begun,
            Progress::Begun,
            Progress::Untouched,
        ];
        assert_eq!(progress(1, Place::Host), wanted);
        assert_eq!(progress(0, Place::Host), [Progress::Untouched; 4]);
        assert_eq!(progress(1, Place::Runc), [Progress::Untouched; 4]);
    }
}
