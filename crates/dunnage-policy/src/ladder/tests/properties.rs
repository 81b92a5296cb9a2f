//! What holds for any sequence of looks.

use proptest::prelude::*;

use super::*;

/// Looks as hostile as they come: nonsense, and values near the edges of types and thresholds.
fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0_u64..1100).prop_map(|thousandths| thousandths * 1_000_000),
        1 => any::<u64>(),
        1 => prop::sample::select(vec![0, 1, u64::MAX, u64::MAX - 1]),
    ]
}

fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(1_000_000_000), 1 => bytes()]
}

fn sample() -> impl Strategy<Value = Sample> {
    (
        bytes(),
        prop::option::weighted(0.8, bytes()),
        capacity(),
        prop::option::of(0_u64..5),
        prop_oneof![0_u32..40, Just(u32::MAX)],
    )
        .prop_map(|(usage, working_set, capacity, hits, threads)| Sample {
            usage,
            working_set,
            capacity,
            hits,
            threads,
        })
}

/// Milliseconds between two looks, hours now and then.
fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0_u64..100, 2 => 0_u64..5000, 1 => 0_u64..10_000_000]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let share = || prop_oneof![3 => 0.0..1.2, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)];
    (
        [share(), share(), share(), share(), share()],
        share(),
        (any::<u64>(), any::<u64>()),
        prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), Just(ms(30_000))],
        any::<bool>(),
    )
        .prop_map(|(shares, hysteresis, reserves, cool_down, recycle)| Rules {
            watch: shares[0],
            release: shares[1],
            shed: shares[2],
            record: shares[3],
            brink: shares[4],
            record_reserve: reserves.0,
            brink_reserve: reserves.1,
            hysteresis,
            cool_down,
            recycle,
            on_brink: OnBrink::Exit,
        })
}

proptest! {
    #[test]
    fn no_look_and_no_rule_makes_it_panic(
        rules in any_rules(),
        looks in prop::collection::vec((sample(), any::<u64>(), any::<Option<u64>>()), 1..60),
    ) {
        let mut ladder = Ladder::new(rules);
        for (sample, time, answer) in looks {
            // time that jumps to and fro, too
            let now = Duration::new(time, 0);
            ladder.observe(&sample, now);
            ladder.released(answer, now);
            ladder.recorded(now);
            let next = ladder.next_look();
            prop_assert!(next >= ms(1) && next <= ms(100));
            prop_assert!(ladder.bytes_per_second().is_finite());
            ladder.wants_working_set(sample.usage, sample.capacity);
            prop_assert!(ladder.time_to_limit().is_none_or(|time| time <= Duration::from_hours(24)));
        }
    }

    /// Noise of whatever shape on whatever height: what was held before is never growth.
    #[test]
    fn what_touches_never_comes_without_new_ground(
        heights in prop::collection::vec((0_u64..1000, pause()), 1..300),
        hits: bool,
    ) {
        let mut ladder = Ladder::new(Rules { recycle: true, on_brink: OnBrink::Exit, ..Rules::default() });
        let mut now = Duration::ZERO;
        let mut seen: Vec<(Duration, u64)> = Vec::new();
        for (look, (height, pause)) in heights.into_iter().enumerate() {
            now += ms(pause);
            let usage = height * 1_000_000;
            let sample = Sample {
                usage,
                working_set: Some(usage),
                capacity: 1_000_000_000,
                hits: Some(if hits { look as u64 } else { 0 }),
                threads: 1,
            };
            seen.push((now, height));
            let touches = ladder.observe(&sample, now).into_iter().any(Step::touches);
            ladder.released(None, now);
            ladder.recorded(now);
            if touches {
                // the spans of the crest, and what it remembers
                let recent = now.saturating_sub(ms(10_500));
                let forgotten = now.saturating_sub(ms(299_000));
                let old = seen.iter().filter(|(at, _)| (forgotten..recent).contains(at));
                let new = seen.iter().filter(|(at, _)| *at >= recent);
                prop_assert!(new.map(|(_, height)| height).max() > old.map(|(_, height)| height).max());
                let lowest = seen.iter().map(|(_, height)| *height).min();
                prop_assert!(lowest < Some(height));
                prop_assert!(height >= 850);
            }
        }
    }

    #[test]
    fn a_level_is_recorded_once_until_memory_has_fallen(
        heights in prop::collection::vec((851_u64..1000, pause()), 1..200),
    ) {
        let mut ladder = Ladder::new(Rules::default());
        let mut now = Duration::ZERO;
        let mut levels = 0;
        for (height, pause) in heights {
            now += ms(pause);
            let sample = Sample {
                usage: height * 1_000_000,
                working_set: Some(height * 1_000_000),
                capacity: 1_000_000_000,
                ..Sample::default()
            };
            let steps = ladder.observe(&sample, now);
            levels += steps.iter().filter(|step| **step == Step::Record(Why::Level)).count();
            ladder.recorded(now);
        }
        prop_assert!(levels <= 1);
    }

    /// Up to the fastest growth that is planned for, which is twice the fastest that was seen.
    #[test]
    fn growth_at_any_speed_is_recorded_before_the_limit(
        mib in 256_u64..16_384,
        megabytes_per_second in 1_u64..19_900,
        start in 0.0_f64..0.85,
        threads in 1_u32..64,
    ) {
        let capacity = mib * 1024 * 1024;
        let mut ladder = Ladder::new(Rules::default());
        let mut now = Duration::ZERO;
        let mut recorded = false;
        loop {
            let grown = now.as_secs_f64() * 1e6 * megabytes_per_second as f64;
            let usage = (start * capacity as f64 + grown) as u64;
            if usage >= capacity {
                break;
            }
            let wants = ladder.wants_working_set(usage, capacity);
            let sample = Sample { usage, working_set: wants.then_some(usage), capacity, hits: None, threads };
            let steps = ladder.observe(&sample, now);
            recorded |= steps.iter().any(|step| matches!(step, Step::Record(_)));
            // a slow one is recorded by its level, as any look shows
            now += if recorded { ms(1000) } else { ladder.next_look() };
        }
        prop_assert!(recorded);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A sawtooth that comes back to the same height is recorded, but not touched once it is known.
    #[test]
    fn what_swings_to_the_same_height_is_touched_in_its_first_swing_at_most(
        low in 100_u64..840,
        high in 850_u64..995,
        period in 500_u64..100_000,
    ) {
        let mut ladder = Ladder::new(Rules { recycle: true, on_brink: OnBrink::Exit, ..Rules::default() });
        let mut touched = Vec::new();
        // the top is looked at in each swing
        for look in 0..400_u64 {
            let now = ms(look * period / 20);
            let height = low + (high - low) * (look % 20) / 19;
            let sample = Sample {
                usage: height * 1_000_000,
                working_set: Some(height * 1_000_000),
                capacity: 1_000_000_000,
                hits: Some(look),
                threads: 4,
            };
            let steps = ladder.observe(&sample, now);
            ladder.released(Some(0), now);
            ladder.recorded(now);
            touched.extend(steps.into_iter().filter(|step| step.touches()).map(|_| look));
        }
        prop_assert!(touched.iter().all(|look| *look <= 20 + 20), "{touched:?}");
    }
}
