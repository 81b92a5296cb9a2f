//! What is told to the outside: health and metrics, where they were asked for.

use dunnage_policy::event::Event;

use super::Supervisor;
use crate::control::Control;
use crate::health::{Pulse, Snapshot};
use crate::log::Log;
use crate::watch::Watch;

/// What is counted for the metrics alone.
#[derive(Default)]
pub(super) struct Counts {
    /// Descendants other than the child that were reaped.
    pub(super) orphans_reaped: u64,
    /// Signals that were passed on.
    pub(super) signals_forwarded: u64,
}

impl Supervisor<'_> {
    /// Answers who asked whether the loop is alive, with what only it knows.
    pub(super) fn tell_health(&mut self, log: &mut Log) {
        let snapshot = self.snapshot();
        let Some(health) = &mut self.start.health else {
            return;
        };
        let pulse = health.turn(&snapshot);
        if let Some(event) = health.take_event() {
            log.say(&event);
        }
        if pulse == Pulse::Gone {
            self.start.health = None;
            log.say(&Event::Degraded {
                what: "no health and no metrics any more".to_owned(),
                reason: "their thread has ended".to_owned(),
            });
        }
    }

    /// Lets the metrics file have the last word.
    pub(super) fn finish_health(&mut self) {
        let last = self.snapshot();
        if let Some(health) = self.start.health.take() {
            health.finish(&last);
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            started: !self.starting && self.refusal.is_none(),
            draining: self.stop.is_some() || self.status.is_some(),
            shedding: self.rungs.shedding,
            memory: self.rungs.work(),
            orphans_reaped: self.counts.orphans_reaped,
            zombies: self.start.watch.as_ref().and_then(Watch::zombies),
            signals_forwarded: self.counts.signals_forwarded,
            notices_dropped: self
                .start
                .control
                .as_ref()
                .map_or(0, Control::notices_dropped),
            longest_throttled_usec: self
                .start
                .throttling
                .as_ref()
                .map(|watch| watch.longest_usec().unwrap_or(0)),
        }
    }
}
