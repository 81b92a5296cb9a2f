//! The look once a minute: zombies that only the application can reap, and limits that were changed while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use dunnage_cgroup::{Limits, Overrides, Root, read_limits};
use dunnage_policy::event::Event;
use dunnage_policy::process::{Identity, ProcessTable};

use crate::config::Watched;
use crate::procfs::{describe, read_process_table};

/// How often.
pub const INTERVAL: Duration = Duration::from_mins(1);

/// What was seen at the last look.
pub struct Watch {
    supervisor: i32,
    overrides: Overrides,
    limits: Option<Limits>,
    zombies: Option<ZombieWatch>,
}

impl Watch {
    /// Starts from the limits at the start; `None` where nothing is to be watched.
    pub fn new(watched: Watched, limits: Limits, overrides: Overrides) -> Option<Self> {
        (watched.zombies || watched.limits).then(|| Self {
            supervisor: dunnage_sys::current_pid(),
            overrides,
            limits: watched.limits.then_some(limits),
            zombies: watched.zombies.then(ZombieWatch::default),
        })
    }

    /// How many zombies that stay the last look found; `None` where nobody looks, or has not yet.
    pub fn zombies(&self) -> Option<u64> {
        self.zombies.as_ref()?.count
    }

    /// Looks; returns what there is to say.
    pub fn look(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(zombies) = &mut self.zombies {
            events = zombies.look(&read_process_table(), self.supervisor);
        }
        events.extend(self.look_at_limits());
        events
    }

    /// Looks at the limits alone; what has changed since the last look.
    pub fn look_at_limits(&mut self) -> Option<Event> {
        let before = self.limits.as_mut()?;
        let now = read_limits(&Root::system(), &self.overrides, None);
        let event = changed(before, &now);
        *before = now;
        event
    }
}

fn changed(before: &Limits, now: &Limits) -> Option<Event> {
    let memory = |limits: &Limits| limits.memory.limit.as_ref().map(|limit| limit.value);
    let (cpus_before, cpus) = (before.cpu.effective.value, now.cpu.effective.value);
    let different = (cpus_before - cpus).abs() > 0.005 || memory(before) != memory(now);
    different.then(|| Event::LimitsChanged {
        cpus_before,
        cpus,
        memory_limit_bytes_before: memory(before),
        memory_limit_bytes: memory(now),
    })
}

/// Tells zombies that stay from those that are just being reaped: one is counted when two looks in a row saw it.
#[derive(Default)]
pub struct ZombieWatch {
    seen: Vec<Identity>,
    /// How many had been reported for each parent.
    reported: BTreeMap<Identity, usize>,
    before: BTreeMap<Identity, usize>,
    /// How many stayed at the last look.
    count: Option<u64>,
}

impl ZombieWatch {
    /// Takes a look at `table`; zombies of the supervisor itself are being reaped and are left out.
    pub fn look(&mut self, table: &ProcessTable, supervisor: i32) -> Vec<Event> {
        let zombies: Vec<_> = table
            .descendants(supervisor)
            .into_iter()
            .filter(|process| process.is_zombie() && process.parent != supervisor)
            .collect();
        let mut counts: BTreeMap<Identity, (usize, String)> = BTreeMap::new();
        for zombie in zombies
            .iter()
            .filter(|zombie| self.seen.contains(&zombie.identity))
        {
            let Some(parent) = table.get(zombie.parent) else {
                continue;
            };
            counts
                .entry(parent.identity)
                .or_insert_with(|| (0, zombie.command.clone()))
                .0 += 1;
        }
        self.count = Some(counts.values().map(|(count, _)| *count as u64).sum());
        self.seen = zombies.iter().map(|zombie| zombie.identity).collect();
        let mut events = Vec::new();
        for (parent, (count, example)) in &counts {
            let before = self.before.get(parent).copied();
            if self
                .reported
                .get(parent)
                .is_none_or(|reported| *count >= reported * 2)
            {
                self.reported.insert(*parent, *count);
                let name = table.get(parent.pid).map(describe).unwrap_or_default();
                let growing = before.is_some_and(|before| *count > before);
                events.push(Event::Zombies {
                    parent: name,
                    pid: parent.pid,
                    count: *count,
                    growing,
                    example: example.clone(),
                });
            }
        }
        self.reported
            .retain(|parent, _| counts.contains_key(parent));
        self.before = counts
            .into_iter()
            .map(|(parent, (count, _))| (parent, count))
            .collect();
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunnage_policy::process::Process;

    fn table(zombies: std::ops::Range<i32>) -> ProcessTable {
        let process = |pid, parent, state| Process {
            identity: Identity {
                pid,
                start_ticks: 1,
            },
            parent,
            group: 1,
            state,
            threads: 1,
            command: "worker".to_owned(),
        };
        zombies
            .map(|pid| process(pid, 7, 'Z'))
            .chain([process(1, 0, 'S'), process(7, 1, 'S'), process(8, 1, 'Z')])
            .collect()
    }

    fn count(events: &[Event]) -> Option<(usize, bool)> {
        match events {
            [
                Event::Zombies {
                    pid: 7,
                    count,
                    growing,
                    ..
                },
            ] => Some((*count, *growing)),
            [] => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn zombies_are_reported_when_they_stay_and_again_when_they_double() {
        let mut watch = ZombieWatch::default();
        assert_eq!(
            count(&watch.look(&table(100..110), 1)),
            None,
            "they may be reaped any moment"
        );
        assert_eq!(watch.count, Some(0));
        assert_eq!(count(&watch.look(&table(100..110), 1)), Some((10, false)));
        assert_eq!(watch.count, Some(10));
        assert_eq!(count(&watch.look(&table(100..115), 1)), None);
        assert_eq!(
            count(&watch.look(&table(100..130), 1)),
            None,
            "15 that stay are not twice 10"
        );
        assert_eq!(count(&watch.look(&table(100..130), 1)), Some((30, true)));
    }

    #[test]
    fn a_parent_that_reaped_them_all_starts_anew() {
        let mut watch = ZombieWatch::default();
        watch.look(&table(100..110), 1);
        assert_eq!(count(&watch.look(&table(100..110), 1)), Some((10, false)));
        assert_eq!(count(&watch.look(&table(0..0), 1)), None);
        watch.look(&table(100..101), 1);
        assert_eq!(count(&watch.look(&table(100..101), 1)), Some((1, false)));
    }
}
