//! The end of a run: what is said last, and what is written down.

use dunnage_policy::event::Event;
use dunnage_policy::shutdown::End;
use dunnage_policy::verdict::{Facts, Verdict, judge};

use super::Supervisor;
use crate::counters::Counters;
use crate::forward::living_descendants;
use crate::log::Log;
use crate::procfs::read_process_table;
use crate::record::{self, Ended};
use crate::setup::{milliseconds, refuse, shown_command};
use crate::termination_log;

impl Supervisor<'_> {
    /// The last words.
    pub(super) fn finish(&mut self, end: End, log: &mut Log) -> u8 {
        if let Some(refusal) = self.refusal.take() {
            self.end_memory(ended("exited", refusal.code, &refusal.reason), log);
            return refuse(self.config, &refusal, log);
        }
        self.take_report(log);
        let facts = Facts {
            command: shown_command(&self.config.command),
            child: self.status,
            end: Some(end),
            stop: self.stop.map(|(signal, _)| signal),
            killed_child: self.killed_child,
            killed: std::mem::take(&mut self.killed),
            waited_ms: self.waited.map(milliseconds),
            oom_kills: self.start.counters.as_mut().and_then(Counters::oom_kills),
            behind_shell: self.behind_shell.take(),
        };
        let verdict = judge(&facts);
        let code = self.config.conduct.exit_map.apply(verdict.code);
        self.say_left_behind(end, log);
        self.end_memory(ended(verdict.cause.name(), code, &verdict.sentence), log);
        self.write_termination_log(&verdict, log);
        let longest_throttled_usec = self.find_longest_window();
        let throttling = self.start.counters.as_mut().and_then(Counters::throttling);
        log.say(&Event::Ended {
            cause: verdict.cause,
            code,
            child_code: verdict.code,
            sentence: verdict.sentence,
            end,
            ran_ms: milliseconds(self.now()),
            periods: throttling.map(|(periods, _, _)| periods),
            throttled: throttling.map(|(_, throttled, _)| throttled),
            throttled_usec: throttling.map(|(_, _, usec)| usec),
            longest_throttled_usec,
        });
        self.finish_health();
        code
    }

    /// The longest window in which the group was throttled, with what the last second brought.
    fn find_longest_window(&mut self) -> Option<u64> {
        let now = self.now();
        let (watch, counters) = (self.start.throttling.as_mut()?, &mut self.start.counters);
        // what begins to matter now is in the last line
        let _ = watch.look_now(counters.as_mut()?, now);
        watch.longest_usec()
    }

    /// In observe mode: who would have been waited for.
    fn say_left_behind(&self, end: End, log: &mut Log) {
        if !self.config.conduct.observe || end == End::Killed {
            return;
        }
        let table = read_process_table();
        let left = living_descendants(&table, dunnage_sys::current_pid());
        if !left.is_empty() {
            let names: Vec<_> = left
                .iter()
                .take(4)
                .map(|process| format!("{} ({})", process.command, process.identity.pid))
                .collect();
            log.say(&Event::Observed {
                would: format!(
                    "wait for {} descendants that are left: {}",
                    left.len(),
                    names.join(", ")
                ),
            });
        }
    }

    fn write_termination_log(&self, verdict: &Verdict, log: &mut Log) {
        let Some(path) = &self.config.voice.termination_log else {
            return;
        };
        let result = if verdict.belongs_in_termination_log() {
            let record = self.rungs.last_record.as_deref();
            let text = record.map_or_else(
                || verdict.sentence.clone(),
                |record| format!("{}\n{record}", verdict.sentence),
            );
            termination_log::write(path, &text).map(|_| ())
        } else {
            termination_log::clear(path)
        };
        if let Err(error) = result
            && error.kind() != std::io::ErrorKind::NotFound
        {
            log.say(&Event::Degraded {
                what: format!("the termination log {}", path.display()),
                reason: error.to_string(),
            });
        }
    }
}

/// How it ended, for a record file.
fn ended(cause: &str, code: u8, sentence: &str) -> Ended {
    Ended {
        time: record::now(),
        cause: cause.to_owned(),
        code,
        sentence: sentence.to_owned(),
    }
}
