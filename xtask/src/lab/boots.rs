//! Which plays go into which boot of an emulated machine.
//!
//! A machine that ends early, by its deadline or by a crash, loses what it has not played; so it gets few plays at a
//! time, and what it did not get to is played in another boot. What it was in the middle of may be what ended it: such
//! plays come last and one after the other, so that the next end has one cause. A play that ends the machine twice has
//! failed. Every boot ends a play, suspects one or is idle, and two idle ones in a row are the last: it always ends.

use super::case::Case;
use super::place::Place;
use std::time::Duration;

/// Most plays of one boot: some eight minutes on a busy machine, measured at 8 s each.
pub(crate) const MOST: usize = 60;
/// What each play adds to a boot's deadline; some four times what it takes on a busy machine.
const EACH: Duration = Duration::from_secs(30);
/// For the boot itself; a quiet machine needs some seconds.
const START: Duration = Duration::from_mins(4);

/// What is wrong with a case that the machine never came to.
pub(crate) const LOST: &str = "the machine ended before this case";
/// What is wrong with one that ended it.
pub(crate) const ENDED: &str = "the machine ended twice in the middle of this case";

/// A case in a place inside the machine, and the number of the trial that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Play<'a> {
    pub(crate) trial: usize,
    pub(crate) place: Place,
    pub(crate) case: &'a Case,
    /// Longest time of one of its steps on a machine that is not slow, times the slowness.
    pub(crate) patience: Duration,
    ended: bool,
}

impl<'a> Play<'a> {
    pub(crate) fn new(trial: usize, place: Place, case: &'a Case, slowness: u32) -> Self {
        Self {
            trial,
            place,
            case,
            patience: Duration::from_secs(case.patience) * slowness,
            ended: false,
        }
    }
}

/// What came of a play in a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Untouched,
    Begun,
    Done,
}

/// What one boot plays.
#[derive(Debug)]
pub(crate) struct Boot<'a> {
    pub(crate) plays: Vec<Play<'a>>,
    /// Plays that are left for later boots.
    pub(crate) left: usize,
    /// Whether each of them is played alone.
    pub(crate) is_careful: bool,
}

impl Boot<'_> {
    /// When the machine is ended: in proportion to its plays, and no sooner than the one that waits longest has failed.
    pub(crate) fn deadline(&self) -> Duration {
        let number = u32::try_from(self.plays.len()).unwrap_or(u32::MAX);
        let longest = self.plays.iter().map(|play| play.patience).max();
        START + EACH.saturating_mul(number) + longest.unwrap_or_default()
    }
}

/// What is still to be played.
#[derive(Debug, Default)]
pub(crate) struct Queue<'a> {
    fresh: Vec<Play<'a>>,
    suspects: Vec<Play<'a>>,
    was_idle: bool,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(plays: Vec<Play<'a>>) -> Self {
        Self {
            fresh: plays,
            ..Self::default()
        }
    }

    /// The plays of the next boot, in parts of about the same size.
    pub(crate) fn next(&mut self) -> Option<Boot<'a>> {
        let is_careful = self.fresh.is_empty();
        let from = if is_careful {
            &mut self.suspects
        } else {
            &mut self.fresh
        };
        if from.is_empty() {
            return None;
        }
        let boots = from.len().div_ceil(MOST);
        let plays = from.drain(..from.len().div_ceil(boots)).collect();
        Some(Boot {
            plays,
            left: self.fresh.len() + self.suspects.len(),
            is_careful,
        })
    }

    /// Takes back what a boot has not played; those that will not be tried again, and why.
    pub(crate) fn settle(
        &mut self,
        boot: Boot<'a>,
        progress: impl Fn(&Play) -> Progress,
    ) -> Vec<(Play<'a>, &'static str)> {
        let mut lost = Vec::new();
        let mut untouched = Vec::new();
        let mut is_idle = true;
        for mut play in boot.plays {
            let progress = progress(&play);
            is_idle &= progress == Progress::Untouched;
            match progress {
                Progress::Done => {}
                Progress::Untouched => untouched.push(play),
                Progress::Begun if play.ended => lost.push((play, ENDED)),
                Progress::Begun => {
                    play.ended = true;
                    self.suspects.push(play);
                }
            }
        }
        let from = if boot.is_careful {
            &mut self.suspects
        } else {
            &mut self.fresh
        };
        from.splice(..0, untouched);
        if is_idle && self.was_idle {
            let rest = self.fresh.drain(..).chain(self.suspects.drain(..));
            lost.extend(rest.map(|play| (play, LOST)));
        }
        self.was_idle = is_idle;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(number: usize) -> Vec<Case> {
        let case = |index| {
            let text = r#"{"promise":"p","start":["true"],"expect":{"code":0}}"#;
            let mut case: Case = serde_json::from_str(text).unwrap();
            case.name = format!("case-{index}");
            case
        };
        (0..number).map(case).collect()
    }

    fn queue(cases: &[Case]) -> Queue<'_> {
        let play = |case| Play::new(0, Place::Host, case, 5);
        Queue::new(cases.iter().map(play).collect())
    }

    fn names(plays: &[Play]) -> Vec<String> {
        plays.iter().map(|play| play.case.name.clone()).collect()
    }

    #[test]
    fn plays_are_cut_into_boots_of_about_the_same_size_and_each_is_in_one() {
        let cases = cases(2 * MOST + 3);
        let mut queue = queue(&cases);
        let mut played = Vec::new();
        let mut sizes = Vec::new();
        while let Some(boot) = queue.next() {
            sizes.push((boot.plays.len(), boot.left));
            played.extend(names(&boot.plays));
            assert!(queue.settle(boot, |_| Progress::Done).is_empty());
        }
        assert_eq!(sizes, [(41, 82), (41, 41), (41, 0)]);
        let wanted: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
        assert_eq!(played, wanted);
    }

    #[test]
    fn a_deadline_grows_with_the_plays_and_outlasts_the_most_patient() {
        let cases = cases(MOST);
        let mut queue = queue(&cases);
        let mut boot = queue.next().unwrap();
        assert_eq!(boot.deadline(), Duration::from_mins(4 + 30 + 5));
        boot.plays.truncate(1);
        assert_eq!(boot.deadline(), Duration::from_secs(240 + 30 + 300));
    }

    #[test]
    fn a_case_that_ends_the_machine_fails_alone_and_the_rest_goes_on() {
        let cases = cases(6);
        let mut queue = queue(&cases);
        let mut played = Vec::new();
        let mut lost = Vec::new();
        let mut boots = Vec::new();
        while let Some(boot) = queue.next() {
            // two at a time; case-3 ends the machine
            let all = names(&boot.plays);
            let killer = all.iter().position(|name| name == "case-3");
            let begun = killer.map_or(all.len(), |at| if boot.is_careful { at } else { at - 1 });
            let in_flight = if boot.is_careful { 1 } else { 2 };
            let progress = |play: &Play| {
                let at = all.iter().position(|name| *name == play.case.name);
                match at.unwrap() {
                    at if at < begun => Progress::Done,
                    at if at < begun + in_flight => Progress::Begun,
                    _ => Progress::Untouched,
                }
            };
            played.extend(all[..begun].to_vec());
            boots.push(all.clone());
            lost.extend(queue.settle(boot, progress));
        }
        let told: Vec<_> = lost
            .iter()
            .map(|(play, why)| (play.case.name.as_str(), *why))
            .collect();
        assert_eq!(told, [("case-3", ENDED)]);
        assert_eq!(played, ["case-0", "case-1", "case-4", "case-5", "case-2"]);
        assert_eq!(boots[1], ["case-4", "case-5"]);
        assert_eq!(boots[2], ["case-2", "case-3"]);
        assert_eq!(boots.len(), 3);
    }

    #[test]
    fn what_a_suspect_kept_from_being_played_is_played_after_it() {
        let cases = cases(2);
        let mut queue = queue(&cases);
        let boot = queue.next().unwrap();
        assert!(queue.settle(boot, |_| Progress::Begun).is_empty());
        let boot = queue.next().unwrap();
        assert!(boot.is_careful);
        let first_begun = |play: &Play| match play.case.name.as_str() {
            "case-0" => Progress::Begun,
            _ => Progress::Untouched,
        };
        assert_eq!(queue.settle(boot, first_begun)[0].1, ENDED);
        let boot = queue.next().unwrap();
        assert_eq!(names(&boot.plays), ["case-1"]);
        assert!(queue.settle(boot, |_| Progress::Done).is_empty());
        assert!(queue.next().is_none());
    }

    #[test]
    fn a_machine_that_twice_plays_nothing_is_given_up() {
        let cases = cases(MOST + 1);
        let mut queue = queue(&cases);
        let boot = queue.next().unwrap();
        assert!(queue.settle(boot, |_| Progress::Untouched).is_empty());
        let boot = queue.next().unwrap();
        let lost = queue.settle(boot, |_| Progress::Untouched);
        assert_eq!(lost.len(), cases.len());
        assert!(lost.iter().all(|(_, why)| *why == LOST));
        assert!(queue.next().is_none());
    }
}
