//! Who reaps the orphans: counted from outside of the namespace, by parent and state.

use super::Check;
use super::cgroup::Maker;
use super::judge::{Zombies, judge_zombies};
use super::namespace::{Init, Lab, read_processes};
use super::shutdown::for_each_init;
use super::table::{Row, grouped};
use anyhow::Result;
use std::time::{Duration, Instant};

const ORPHANS: usize = 20_000;
/// A reaper has this long to come to its end.
const SETTLE: Duration = Duration::from_secs(10);
/// Zombies that did not get fewer for so long are not being reaped.
const STEADY: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(lab: &Lab, maker: Option<&Maker>) -> Result<Vec<Check>> {
    let count = ORPHANS.to_string();
    let command = [lab.python.as_str(), "orphans.py", &count];
    let zombies = for_each_init(lab, |init: Init| {
        let group = maker.map(|maker| maker.make("zombies", None)).transpose()?;
        let mut contained = lab.start(init, "3s", &command, group.as_ref())?;
        contained.expect_line("made")?;
        let left = count_settled(contained.init_pid()?);
        contained.kill()?;
        Ok(Zombies {
            orphans: ORPHANS,
            left,
        })
    })?;
    let what = format!("{} orphans: zombies left", grouped(ORPHANS));
    let rows = vec![Row::new(&what, &zombies, |zombies| grouped(zombies.left))];
    let verdict = judge_zombies(&zombies);
    Ok(vec![Check::new(
        "zombies", "orphans", &zombies, verdict, rows,
    )?])
}

/// Zombie children of `parent`, once there are none or they stay.
fn count_settled(parent: i32) -> usize {
    let deadline = Instant::now() + SETTLE;
    let mut fewest = count_zombies(parent);
    let mut since = Instant::now();
    while fewest > 0 && since.elapsed() < STEADY && Instant::now() < deadline {
        std::thread::sleep(LOOK);
        let now = count_zombies(parent);
        if now < fewest {
            fewest = now;
            since = Instant::now();
        }
    }
    fewest
}

fn count_zombies(parent: i32) -> usize {
    read_processes()
        .filter(|(_, process)| process.parent == parent && process.state == 'Z')
        .count()
}
