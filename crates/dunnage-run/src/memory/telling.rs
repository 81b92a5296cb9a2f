//! What a person is told of memory's rising and falling: a line when it rises up the ladder, one when that is over. The rungs
//! between them are for whoever looks closely: what is done there has lines of its own.

use std::time::Duration;

use dunnage_policy::ladder::Rung;

/// A rung that is no higher than the last that was told is told at most this often.
const SAME_AGAIN: Duration = Duration::from_mins(1);

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Memory has risen.
    Risen,
    /// It has risen further.
    Further,
    /// It has fallen below the ladder.
    Fallen(Rise),
}

/// A time in which memory was on the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rise {
    /// When it began.
    pub since: Duration,
    /// The most that was in use, in bytes.
    pub highest: u64,
    /// The highest rung.
    pub top: Rung,
    is_told: bool,
}

/// What was told.
#[derive(Debug, Default)]
pub struct Telling {
    rise: Option<Rise>,
    last: Option<(Rung, Duration)>,
    /// The rung of the last look.
    rung: Option<Rung>,
}

impl Telling {
    /// Takes a look.
    pub fn look(&mut self, rung: Rung, in_use: u64, now: Duration) -> Option<Word> {
        let before = self.rung.replace(rung).unwrap_or(Rung::Calm);
        if rung == Rung::Calm {
            let rise = self.rise.take().filter(|rise| rise.is_told)?;
            return Some(Word::Fallen(rise));
        }
        let rise = self.rise.get_or_insert(Rise {
            since: now,
            highest: in_use,
            top: rung,
            is_told: false,
        });
        rise.highest = rise.highest.max(in_use);
        rise.top = rise.top.max(rung);
        let is_new =
            |(told, at): (Rung, Duration)| rung > told || now.saturating_sub(at) >= SAME_AGAIN;
        if rung <= before || !self.last.is_none_or(is_new) {
            return None;
        }
        self.last = Some((rung, now));
        Some(if std::mem::replace(&mut rise.is_told, true) {
            Word::Further
        } else {
            Word::Risen
        })
    }

    /// There is no limit any more, which is said otherwise.
    pub fn forget(&mut self) {
        (self.rise, self.rung) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of these rungs, one a second.
    fn told(rungs: &[Rung]) -> String {
        let mut telling = Telling::default();
        let mut say = |(second, rung): (usize, &Rung)| {
            let now = Duration::from_secs(second as u64);
            match telling.look(*rung, *rung as u64, now) {
                None => ".".to_owned(),
                Some(Word::Risen) => "R".to_owned(),
                Some(Word::Further) => "f".to_owned(),
                Some(Word::Fallen(rise)) => {
                    format!(
                        "({} {} {})",
                        rise.top.name(),
                        rise.highest,
                        now.saturating_sub(rise.since).as_secs()
                    )
                }
            }
        };
        rungs.iter().enumerate().map(&mut say).collect()
    }

    #[test]
    fn a_rise_is_one_line_and_one_when_it_is_over() {
        use Rung::{Brink, Calm, Record, Release, Shed, Watch};
        let rise = [
            Calm, Watch, Release, Shed, Record, Brink, Record, Watch, Calm, Calm,
        ];
        assert_eq!(told(&rise), ".Rffff..(brink 5 7).");
        assert_eq!(told(&[Record, Record, Calm]), "R.(record 4 2)");
    }

    #[test]
    fn a_swing_is_told_once_a_minute_with_its_end_and_a_higher_one_at_once() {
        use Rung::{Calm, Record, Watch};
        assert_eq!(
            told(&[Watch, Calm, Watch, Calm, Watch, Record, Calm]),
            "R(watch 1 1)...R(record 4 2)"
        );
        let swing: Vec<_> = [Calm, Watch].into_iter().cycle().take(120).collect();
        let told = told(&swing);
        assert_eq!(told.matches('R').count(), 2, "{told}");
        assert_eq!(told.matches("(watch").count(), 2, "{told}");
    }
}
