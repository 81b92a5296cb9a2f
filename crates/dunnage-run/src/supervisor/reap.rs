//! Whoever has ended or was stopped.

use dunnage_policy::event::Event;
use dunnage_policy::shutdown::Input;
use dunnage_policy::signal::Signal;
use dunnage_policy::verdict::Status;
use dunnage_sys::{Wait, wait_any};

use super::{BATCH, Supervisor};
use crate::config::JobControl;
use crate::counters::Counters;
use crate::log::Log;
use crate::terminal::can_be_continued;

impl Supervisor<'_> {
    /// Reaps whoever has ended, then tells the sequence who is left.
    pub(super) fn reap(&mut self, log: &mut Log) {
        let mut others = true;
        for turn in 0.. {
            if turn == BATCH {
                self.more = true;
                break;
            }
            match wait_any() {
                Ok(Wait::Ended(pid, status)) => self.take_ended(pid, status, log),
                Ok(Wait::Stopped(pid, signal)) => self.take_stopped(pid, signal, log),
                Ok(Wait::Nothing) | Err(_) => break,
                Ok(Wait::NoChildren) => {
                    others = false;
                    break;
                }
            }
        }
        if self.status.is_some() {
            self.step(
                Input::Family {
                    child: false,
                    others,
                },
                log,
            );
        }
    }

    fn take_ended(&mut self, pid: i32, status: dunnage_sys::Status, log: &mut Log) {
        let status = match status {
            dunnage_sys::Status::Exited(code) => Status::Exited(code),
            dunnage_sys::Status::Signaled(number) => {
                Signal::new(number).map_or(Status::Exited(128 + number), Status::Signaled)
            }
        };
        if pid == self.child {
            self.status = Some(status);
            if let Some(signal) = self.config.conduct.group_signal_at_end {
                let _ = dunnage_sys::kill_group(self.child, signal.number());
            }
        } else if let Some(command) = self.start.forwarder.command_behind_shell(pid) {
            self.behind_shell = Some((command.clone(), status));
        }
        if pid != self.child {
            self.counts.orphans_reaped += 1;
            if self.config.conduct.report_reaped {
                log.say(&Event::Reaped { pid });
            }
        }
        if status == Status::Signaled(Signal::KILL) {
            self.report_oom(log);
        }
    }

    fn report_oom(&mut self, log: &mut Log) {
        let kills = self
            .start
            .counters
            .as_mut()
            .and_then(Counters::oom_kills)
            .unwrap_or(0);
        if kills > self.oom_reported {
            self.oom_reported = kills;
            log.say(&Event::OomKill { count: kills });
        }
    }

    fn take_stopped(&mut self, pid: i32, signal: i32, log: &mut Log) {
        let conduct = &self.config.conduct;
        let Some(signal) = Signal::new(signal) else {
            return;
        };
        if pid != self.child || conduct.job_control != JobControl::Follow || !self.start.terminal {
            return;
        }
        // a debugger's or an operator's STOP is theirs to end
        let from_keyboard = matches!(signal, Signal::TSTP | Signal::TTIN | Signal::TTOU);
        if can_be_continued() {
            log.say(&Event::JobControl {
                signal,
                action: "stopped with it",
            });
            let _ = dunnage_sys::stop_self();
        } else if from_keyboard {
            log.say(&Event::JobControl {
                signal,
                action: "continued it, since nobody else could",
            });
            let _ = dunnage_sys::kill_group(self.child, Signal::CONT.number());
        }
    }
}
