//! Records of what every process does: asked of the black box, never waited for.

use dunnage_cgroup::Throttling;
use dunnage_policy::event::Event;
use dunnage_policy::ladder::Why;
use std::time::Duration;

use super::Supervisor;
use crate::black_box::{BlackBox, RecordRequest, Recorded, Refused, Settings};
use crate::counters::Counters;
use crate::log::Log;
use crate::memory::MemoryWatch;
use crate::memory::releasing::Releasing;
use crate::record::Ended;
use crate::setup::{milliseconds, shown_command};

impl Supervisor<'_> {
    /// Starts the black box when there is a limit for the first time, or a folder of records to look through.
    pub(super) fn start_black_box(&mut self, log: &mut Log) {
        let rungs = &mut self.rungs;
        let has_limit = rungs
            .watch
            .as_ref()
            .is_some_and(|watch| watch.capacity() > 0);
        let is_wanted = rungs.watch.is_some()
            && !self.config.conduct.observe
            && (has_limit || self.config.report_dir.is_some());
        if !is_wanted || rungs.black_box.is_some() || rungs.is_blind {
            return;
        }
        let settings = Settings {
            folder: self.config.report_dir.clone(),
            termination_log: self.config.voice.termination_log.clone(),
            command: shown_command(&self.config.command),
            limit: rungs.watch.as_ref().map(MemoryWatch::capacity),
            stated: self.config.overrides.memory_bytes,
            kills: self.config.oom_kills,
            supervisor: dunnage_sys::current_pid(),
        };
        match BlackBox::start(settings) {
            Ok(black_box) => rungs.black_box = Some(black_box),
            Err(error) => {
                rungs.is_blind = true;
                log.say(&Event::Degraded {
                    what: "no memory records are taken".to_owned(),
                    reason: error.to_string(),
                });
            }
        }
    }

    /// Has a record made, or says why not.
    pub(super) fn record(&mut self, why: Why, now: Duration, log: &mut Log) {
        let throttling = self.throttling();
        let rungs = &mut self.rungs;
        let Some(watch) = &mut rungs.watch else {
            return;
        };
        let evidence = watch.evidence(now);
        let releasing = rungs.releasing.as_ref().map(Releasing::to_record);
        let request = RecordRequest {
            why: why.name(),
            number: rungs.records + 1,
            memory: evidence.memory,
            capacity: evidence.capacity,
            rate: evidence.bytes_per_second,
            time_to_limit: evidence.time_to_limit,
            samples: evidence.samples,
            pressure: evidence.pressure,
            throttling,
            released: releasing
                .filter(|answers| !answers.is_empty())
                .unwrap_or_else(|| rungs.released.clone()),
            decisions: rungs.decisions.clone(),
        };
        let begun = match &mut rungs.black_box {
            Some(black_box) => black_box.record(request),
            None => Err(Refused::Dead),
        };
        match begun {
            Ok(()) => {
                rungs.records += 1;
                rungs.why = why.name();
            }
            Err(refused) => {
                watch.recorded(now);
                let reason = refused.to_string();
                let why = why.name();
                self.thaw(log);
                log.say(&Event::MemoryRecordFailed { why, reason });
            }
        }
    }

    /// What the CPU quota has counted since the start.
    fn throttling(&mut self) -> Option<Throttling> {
        let counted = self
            .start
            .counters
            .as_mut()
            .and_then(Counters::throttling)?;
        let (periods, throttled, throttled_usec) = counted;
        Some(Throttling {
            periods,
            throttled,
            throttled_usec,
        })
    }

    /// Says what came of a record.
    pub(super) fn take_record(&mut self, done: Recorded, log: &mut Log) {
        self.thaw(log);
        if let Some(watch) = &mut self.rungs.watch {
            watch.recorded(self.began.elapsed());
        }
        log.say(&Event::MemoryRecord {
            number: done.number,
            why: self.rungs.why,
            complete: done.complete,
            took_ms: milliseconds(done.took),
            path: done.path.map(|path| path.display().to_string()),
            headline: done.headline,
        });
        if let Some(reason) = done.error {
            let what = format!("memory record {}", done.number);
            log.say(&Event::Degraded { what, reason });
        }
        self.rungs.last_record = Some(done.text).filter(|text| !text.is_empty());
    }

    /// The run ends: a record file gets its last line, and nobody is left standing.
    pub(super) fn end_memory(&mut self, ended: Ended, log: &mut Log) {
        self.thaw(log);
        if let Some(black_box) = &mut self.rungs.black_box {
            black_box.finish(ended);
            self.take_memory_answers(log);
        }
    }
}
