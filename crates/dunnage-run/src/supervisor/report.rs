//! How the program's execve went, which is known some time after the child was started.

use std::time::Duration;

use dunnage_policy::event::Event;
use dunnage_sys::{ExecFailure, Stage};

use super::Supervisor;
use crate::command::{Refusal, explain};
use crate::config::Manners;
use crate::log::Log;

/// How long after the start its pages are given back: an application that ends at once need not pay for it.
const SETTLE: Duration = Duration::from_secs(1);

impl Supervisor<'_> {
    /// Gives back what only the start or a look around needed: what comes now is mostly waiting, for days. The first
    /// signal then takes a tenth of a millisecond longer, since the pages on its way are mapped anew.
    pub(super) fn settle(&mut self) {
        self.settle_at = None;
        if self.rungs.keeps_pages() {
            return;
        }
        dunnage_sys::release_free_heap();
        dunnage_sys::release_program_pages();
    }

    /// How the program's execve went.
    pub(super) fn take_report(&mut self, log: &mut Log) {
        if !self.starting {
            return;
        }
        match self.start.spawned.outcome() {
            None => {}
            Some(None) => {
                self.starting = false;
                if let Some(Event::Started { pid, .. }) = &mut self.start.started {
                    *pid = self.child;
                }
                if let Some(event) = &self.start.started {
                    log.say(event);
                }
                self.settle_at = Some(self.now() + SETTLE);
                if self.config.conduct.manners == Manners::DumbInit {
                    let _ = std::env::set_current_dir("/");
                }
            }
            Some(Some(failure)) => {
                self.starting = false;
                self.refusal = Some(self.refused(failure));
            }
        }
    }

    fn refused(&self, failure: ExecFailure) -> Refusal {
        let conduct = &self.config.conduct;
        let mut refusal = explain(&self.start.program, failure);
        let errno = (failure.stage == Stage::Execute).then_some(failure.errno);
        refusal.code = conduct.manners.failure_code(errno, refusal.code);
        if conduct.manners == Manners::Tini {
            refusal.code = conduct.exit_map.apply(refusal.code);
        }
        refusal
    }
}
