//! The ways in which memory grows, each over time, as one table of steps.

use std::fmt::Write;

use super::*;

/// A way in which memory grows.
struct Shape {
    title: &'static str,
    capacity_mib: f64,
    /// The share that a release gives back.
    gives_back: Option<f64>,
    on_brink: OnBrink,
    seconds: f64,
    /// Shares of the capacity over seconds.
    course: fn(f64) -> f64,
}

/// A chunk of this share each so many seconds.
fn chunks(time: f64, every: f64, chunk: f64) -> f64 {
    (time / every).floor() * chunk
}

const SHAPES: [Shape; 10] = [
    Shape {
        title: "one huge array: 256 MiB at 4 GB/s after a calm start",
        capacity_mib: 256.0,
        gives_back: None,
        on_brink: OnBrink::Stop,
        seconds: 10.0,
        course: |time| 0.2 + (time - 5.0).max(0.0) * 4e9 / (256.0 * MIB),
    },
    Shape {
        title: "the same at 128 MiB and 8 GB/s",
        capacity_mib: 128.0,
        gives_back: None,
        on_brink: OnBrink::Continue,
        seconds: 10.0,
        course: |time| 0.2 + (time - 5.0).max(0.0) * 8e9 / (128.0 * MIB),
    },
    Shape {
        title: "chunks of 16 MB every 20 ms in 1 GiB",
        capacity_mib: 1024.0,
        gives_back: None,
        on_brink: OnBrink::Exit,
        seconds: 10.0,
        course: |time| 0.05 + chunks(time, 0.02, 16e6 / (1024.0 * MIB)),
    },
    Shape {
        title: "a list of ints: 1 GiB at 100 MB/s, a release is no help",
        capacity_mib: 1024.0,
        gives_back: Some(0.01),
        on_brink: OnBrink::Exit,
        seconds: 60.0,
        course: |time| 0.05 + time * 1e8 / (1024.0 * MIB),
    },
    Shape {
        title: "a slow leak: a quarter of a point each second",
        capacity_mib: 256.0,
        gives_back: Some(0.0),
        on_brink: OnBrink::Exit,
        seconds: 600.0,
        course: |time| 0.3 + 0.0025 * time,
    },
    Shape {
        title: "a leak by batches: three points every four seconds",
        capacity_mib: 256.0,
        gives_back: Some(0.0),
        on_brink: OnBrink::Continue,
        seconds: 600.0,
        course: |time| 0.3 + chunks(time, 4.0, 0.03),
    },
    Shape {
        title: "fragments: the same, and a release gives back 20 points",
        capacity_mib: 256.0,
        gives_back: Some(0.2),
        on_brink: OnBrink::Continue,
        seconds: 200.0,
        course: |time| 0.3 + chunks(time, 4.0, 0.03),
    },
    Shape {
        title: "a sawtooth: 60 to 93 % every three seconds",
        capacity_mib: 256.0,
        gives_back: Some(0.0),
        on_brink: OnBrink::Exit,
        seconds: 300.0,
        course: |time| 0.6 + 0.33 * (time / 3.0).fract(),
    },
    Shape {
        title: "a transient to 98 % that comes back",
        capacity_mib: 256.0,
        gives_back: Some(0.0),
        on_brink: OnBrink::Continue,
        seconds: 60.0,
        course: |time| match time {
            20.0..20.8 => 0.4 + 0.58 * ((time - 20.0) / 0.4).min(1.0),
            _ => 0.4,
        },
    },
    Shape {
        title: "steady at 95 %, give or take a point",
        capacity_mib: 256.0,
        gives_back: Some(0.0),
        on_brink: OnBrink::Exit,
        seconds: 120.0,
        course: |time| match time {
            ..2.0 => 0.47 * time,
            _ => 0.94 + 0.02 * noise(5, time),
        },
    },
];

fn table_of(shape: &Shape) -> String {
    let rules = Rules {
        recycle: true,
        on_brink: shape.on_brink,
        ..Rules::default()
    };
    let mut play = Play::new(shape.capacity_mib, rules);
    play.gives_back = shape.gives_back;
    play.run(shape.seconds, shape.course);
    let mut table = format!("## {}\n", shape.title);
    let mut repeated = 0;
    for (at, share, step) in &play.steps {
        // hooks are told at each rise, and the helper gets ready now and then
        if at.as_secs() >= 15 && matches!(step, Step::Tell(_) | Step::Prepare) {
            repeated += 1;
            continue;
        }
        let mark = if step.touches() { '!' } else { ' ' };
        let (at, share) = (at.as_secs_f64(), share * 100.0);
        let _ = writeln!(table, "{at:9.3} s {share:5.1} % {mark} {step:?}");
    }
    let end = play.now.as_secs_f64();
    let lives = if end > shape.seconds {
        "lives"
    } else {
        "is killed"
    };
    let (rung, looks) = (play.ladder.rung().name(), play.looks);
    let _ = writeln!(
        table,
        "{end:9.3} s         {lives} ({rung}, {looks} looks, {repeated} times told or prepared)\n"
    );
    table
}

#[test]
fn the_ways_in_which_memory_grows() {
    let table: String = SHAPES.iter().map(table_of).collect();
    insta::assert_snapshot!(table);
}
