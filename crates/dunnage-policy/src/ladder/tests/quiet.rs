//! What looks like pressure and is none is not touched, whatever the user allowed.

use proptest::prelude::*;

use super::*;

/// Runs up to a level, and then stays there, give or take a point.
fn steady(play: &mut Play, rise: f64, level: f64, seconds: f64) {
    play.run(rise, |time| level * time / rise);
    play.run(seconds, |time| level - 0.01 + 0.02 * noise(7, time));
}

#[test]
fn a_steady_load_is_recorded_at_most_once_and_never_touched() {
    for (level, capacity, threads) in [
        (0.85, 256.0, 1),
        (0.90, 128.0, 20),
        (0.93, 1024.0, 1),
        (0.95, 256.0, 20),
        (0.98, 128.0, 1),
        (0.98, 1024.0, 20),
    ] {
        for (rise, hits) in [(0.05, true), (0.5, false), (2.0, true)] {
            let mut play = Play::new(capacity, eager());
            play.threads = threads;
            play.hits = hits;
            play.late = ms(5);
            steady(&mut play, rise, level, 100.0);
            let name = format!("{level} of {capacity} MiB in {rise} s: {:?}", play.steps);
            assert!(play.records().len() <= 1, "{name}");
            assert_eq!(play.count(Step::touches), 0, "{name}");
            assert_eq!(play.count(|step| step == Step::Release), 1, "{name}");
        }
    }
}

#[test]
fn once_it_stands_at_the_brink_it_is_not_ended_for_its_noise() {
    let mut play = Play::new(128.0, eager());
    steady(&mut play, 20.0, 0.96, 20.0);
    play.run(60.0, |time| 0.97 + 0.02 * noise(3, time));
    assert_eq!(play.acts(), [Step::Release, Step::Record(Why::Level)]);
}

#[test]
fn page_cache_that_fills_the_limit_is_no_pressure() {
    let mut play = Play::new(256.0, eager());
    play.hits = true;
    play.cache = 1.0;
    play.run(30.0, |time| 0.2 + 0.01 * noise(1, time));
    assert_eq!(play.acts(), []);
    assert_eq!(play.ladder.rung(), Rung::Calm);
}

#[test]
fn a_transient_that_comes_back_is_recorded_and_not_touched() {
    let mut play = Play::new(256.0, eager());
    play.run(10.0, |_| 0.4);
    play.run(0.8, |time| 0.4 + 0.58 * (time / 0.5).min(1.0));
    play.run(20.0, |_| 0.4);
    assert_eq!(play.acts().len(), 2, "{:?}", play.steps);
    assert_eq!(play.count(Step::touches), 0);
    assert_eq!(play.count(|step| step == Step::Release), 1);
    assert_eq!(play.ladder.rung(), Rung::Calm);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// As `lab/apps/flat.py` does: a fill, and then up to two points more or less every 20 ms.
    #[test]
    fn a_level_that_stays_is_recorded_at_most_once_and_never_touched(
        level in 0.85_f64..0.98,
        white: bool,
        mib in 128_u32..1024,
        rise in 0.02_f64..2.0,
        threads in 1_u32..21,
        seed: u64,
        hits: bool,
        late in 0_u64..200,
    ) {
        let mut play = Play::new(mib.into(), eager());
        play.threads = threads;
        play.hits = hits;
        play.late = ms(late);
        play.run(rise, |time| (level - 0.01) * time / rise);
        play.run(30.0, |time| {
            let step = if white { time } else { (time / 0.02).floor() };
            level - 0.01 + 0.02 * noise(seed, step)
        });
        prop_assert!(play.records().len() <= 1, "{:?}", play.steps);
        prop_assert_eq!(play.count(Step::touches), 0, "{:?}", play.steps);
        prop_assert_eq!(play.count(|step| step == Step::Release), 1);
    }

    #[test]
    fn a_peak_that_comes_back_within_a_second_is_not_touched(
        from in 0.05_f64..0.8,
        mib in 64_u32..4096,
        rise in 0.01_f64..0.9,
        stay in 0.0_f64..0.3,
        threads in 1_u32..21,
        hits: bool,
    ) {
        let mut play = Play::new(mib.into(), eager());
        play.threads = threads;
        play.hits = hits;
        for _ in 0..3 {
            play.run(0.5, |_| from);
            play.run(rise, |time| from + (0.98 - from) * time / rise);
            play.run(stay, |_| 0.98);
        }
        play.run(1.0, |_| from);
        prop_assert_eq!(play.count(Step::touches), 0, "{:?}", play.steps);
        prop_assert!(play.records().len() <= 1, "{:?}", play.steps);
    }
}
