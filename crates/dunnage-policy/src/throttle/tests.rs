//! Loads as they are played to the watch, and what it makes of them.

use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

const MS: u64 = 1000;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A group with a period of 100 ms: in each period it runs or not, and is stopped for some time or not.
struct Group {
    counted: Counted,
    /// Time that is booked when the group is let go.
    held_usec: u64,
}

impl Group {
    /// A period in which it was stopped at the end for so long, on so many CPUs.
    fn period(&mut self, stopped_usec: u64, cpus: u64) {
        self.counted.periods += 1;
        if stopped_usec > 0 {
            self.counted.throttled += 1;
            self.counted.throttled_usec +=
                stopped_usec * cpus + std::mem::take(&mut self.held_usec);
        }
    }

    /// A period at whose end it stays stopped.
    fn stays_stopped(&mut self, stopped_usec: u64) {
        self.counted.periods += 1;
        self.counted.throttled += 1;
        self.held_usec += stopped_usec;
    }
}

/// Plays a load, period after period, to a watch that looks when it wants to. Returns what it said and when.
fn play(seconds: u64, mut load: impl FnMut(&mut Group, u64)) -> String {
    let mut group = Group {
        counted: Counted::default(),
        held_usec: 0,
    };
    let mut watch = Watch::new(ms(100), group.counted, Duration::ZERO);
    let (mut next, mut looks, mut text) = (CALM, 0, String::new());
    for period in 0..seconds * 10 {
        load(&mut group, period);
        let now = ms((period + 1) * 100);
        if now >= next {
            looks += 1;
            if let Some(stretch) = watch.observe(group.counted, now) {
                let counted = stretch.counted;
                let _ = writeln!(
                    text,
                    "at {:.1} s: {} of {} periods in {:.0} s, {} ms in all, longest {} ms",
                    now.as_secs_f64(),
                    counted.throttled,
                    counted.periods,
                    stretch.over.as_secs_f64(),
                    counted.throttled_usec / MS,
                    stretch.longest.as_millis()
                );
            }
            next = now + watch.next_look(now);
        }
    }
    let longest = watch.longest().unwrap_or_default().as_millis();
    let _ = write!(text, "{looks} looks in {seconds} s; longest {longest} ms");
    text
}

#[test]
fn what_is_said_of_loads() {
    let mut told = String::new();
    let mut tell = |name: &str, text: String| {
        let _ = writeln!(told, "{name}\n  {}\n", text.replace('\n', "\n  "));
    };
    tell("idle", play(60, |_, _| {}));
    tell(
        "busy below the limit",
        play(60, |group, _| group.period(0, 1)),
    );
    tell(
        "every 4 s a call of 80 ms at a fifth of a CPU",
        play(60, |group, period| {
            group.period(if period % 40 < 4 { 80 * MS } else { 0 }, 1);
        }),
    );
    tell(
        "throttled in each period for ten minutes and more",
        play(1200, |group, _| group.period(50 * MS, 1)),
    );
    tell(
        "eight CPUs at a time",
        play(30, |group, _| group.period(80 * MS, 8)),
    );
    tell(
        "slow only while it starts",
        play(60, |group, period| {
            group.period(if period < 60 { 80 * MS } else { 0 }, 1);
        }),
    );
    tell(
        "one window that goes on for three periods",
        play(30, |group, period| match period {
            // after the first it is looked at as often as there are periods
            102 => group.period(10 * MS, 1),
            112 | 113 => group.stays_stopped(100 * MS),
            114 => group.period(50 * MS, 1),
            _ => group.period(0, 1),
        }),
    );
    tell(
        "a few short ones an hour",
        play(3600, |group, period| {
            group.period(if period % 6000 < 3 { 40 * MS } else { 0 }, 1);
        }),
    );
    tell(
        "bad for 20 s, calm for 2 minutes, bad again, and once more after the cool-down",
        play(1000, |group, period| {
            let second = period / 10;
            let is_bad = second < 20 || (140..160).contains(&second) || second > 900;
            group.period(if is_bad { 50 * MS } else { 0 }, 1);
        }),
    );
    insta::assert_snapshot!(told.trim_end());
}

proptest! {
    #[test]
    fn a_window_is_never_longer_than_a_period_unless_a_look_saw_it_go_on(
        gains in prop::collection::vec((0..20_u64, 0..10_u64, 0..2_000_000_u64), 1..60),
    ) {
        let mut watch = Watch::new(ms(100), Counted::default(), Duration::ZERO);
        let mut counted = Counted::default();
        for (at, (periods, throttled, usec)) in gains.into_iter().enumerate() {
            // time only together with the periods that it was gained in
            let usec = if throttled == 0 { 0 } else { usec.max(1) };
            counted.periods += periods.max(throttled);
            counted.throttled += throttled;
            counted.throttled_usec += usec;
            watch.observe(counted, ms(at as u64 * 1000));
            prop_assert!(watch.longest().unwrap_or_default() <= ms(100));
        }
    }

    #[test]
    fn no_row_of_counters_makes_it_panic_keep_more_than_it_needs_or_talk_on(
        looks in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), 0..5_000_u64), 0..200),
        period in any::<u64>(),
    ) {
        let mut watch = Watch::new(Duration::from_micros(period), Counted::default(), Duration::ZERO);
        let (mut now, mut told) = (Duration::ZERO, Vec::new());
        for (periods, throttled, throttled_usec, wait) in looks {
            now += ms(wait);
            if watch.observe(Counted { periods, throttled, throttled_usec }, now).is_some() {
                told.push(now);
            }
            prop_assert!(watch.kept.len() <= 18);
            prop_assert!(watch.next_look(now) >= BUSY);
        }
        prop_assert!(told.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) >= COOL_DOWN));
    }
}
