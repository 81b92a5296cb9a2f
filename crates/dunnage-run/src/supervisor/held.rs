//! The loop while the container is full and a kill would take one process: what may be done without needing memory.
//!
//! See [`dunnage_policy::oom`]: whoever asks for a page then may be killed after the one that is. Signals and ended processes
//! need none; what else there is to do waits, for 250 ms at most.

use dunnage_policy::ladder::{Rung, Step};
use dunnage_policy::shutdown::Input;
use dunnage_sys::{Interest, SignalFd, poll};
use std::os::fd::AsFd;

use super::Supervisor;
use crate::log::Log;
use crate::memory::MemoryWatch;

impl Supervisor<'_> {
    /// A turn: signals, whoever has ended, and the memory watch.
    pub(super) fn turn_without_memory(&mut self, signals: &SignalFd, log: &mut Log) {
        let times = [self.sequence.wake_at(), self.rungs.wake_at(self.began)];
        let next = times.into_iter().flatten().min();
        let timeout = next.map(|at| at.saturating_sub(self.now()));
        let [alarm, _] = self.rungs.wakers();
        let wanted = [
            Some((signals.as_fd(), Interest::Read)),
            alarm.map(|fd| (fd, Interest::Read)),
        ];
        log.hold(true);
        let _ = poll(&wanted, timeout);
        self.take_signals(signals, log);
        self.reap(log);
        self.step(Input::Time, log);
        self.look_at_memory(log);
        log.hold(self.rungs.is_held());
        self.more = true;
    }

    /// While nothing may need memory a record is begun, which keeps to that itself, and what the user chose for the brink is done,
    /// since it is meant for this moment; the rest waits its turn.
    pub(super) fn steps_for_now(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let is_held = self.rungs.is_held();
        let deferred = &mut self.rungs.deferred;
        if !is_held {
            let rung = self
                .rungs
                .watch
                .as_ref()
                .map_or(Rung::Calm, MemoryWatch::rung);
            let mut all = std::mem::take(deferred);
            all.retain(|step| is_still_due(*step, rung));
            all.extend(steps);
            return all;
        }
        let (now, later) = steps
            .into_iter()
            .partition(|step| matches!(step, Step::Record(_) | Step::Stop | Step::Exit));
        let later: Vec<_> = later;
        deferred.extend(later);
        now
    }
}

/// Whether what had to wait is still wanted: memory may have fallen meanwhile.
fn is_still_due(step: Step, rung: Rung) -> bool {
    match step {
        Step::Recycle | Step::Shed(true) => rung >= Rung::Shed,
        Step::Release => rung >= Rung::Release,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_the_application_is_not_done_late_where_memory_has_fallen() {
        for step in [Step::Recycle, Step::Shed(true)] {
            assert!(is_still_due(step, Rung::Brink), "{step:?}");
            assert!(!is_still_due(step, Rung::Release), "{step:?}");
        }
        assert!(!is_still_due(Step::Release, Rung::Watch));
        assert!(is_still_due(Step::Shed(false), Rung::Calm));
    }
}
