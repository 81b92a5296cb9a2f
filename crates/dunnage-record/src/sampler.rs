//! All processes and the quota, at one look.

use std::collections::BTreeSet;

use dunnage_cgroup::parse::parse_cpu_list;
use dunnage_cgroup::{CpuCounters, CpuWatch, Root};
use dunnage_python::process::read_status;
use dunnage_sys::descriptor_limit;
use dunnage_timeline::Nanos;

use crate::common::{Common, Names, Notes};
use crate::process::Watched;
use crate::stream::{Fact, Look, QuotaGain, Sink, Wanted};
use crate::task::Buffer;
use crate::turns::SKIPS_FROM;

/// The most processes that are looked at.
const MAX_PROCESSES: usize = 256;

/// Descriptors that are left to everybody else: the sampler may be a thread of PID 1.
const SPARED_DESCRIPTORS: u64 = 256;

/// The most files that are kept open. The kernel keeps a page for each, and charges it to the group that we are in.
const MAX_KEPT: u64 = 1024;

/// How many files may be kept open: half of the descriptors that nobody uses or may need soon, or fewer.
fn room(limit: u64, open: u64) -> usize {
    let spare = limit.saturating_sub(open.saturating_add(SPARED_DESCRIPTORS));
    (spare / 2).min(MAX_KEPT) as usize
}

fn count_descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64)
}

/// How often the group's counters are read where nothing is limited: they then serve for averages only.
const UNLIMITED_EVERY: Nanos = 50_000_000;

/// The counters of the group.
struct Counting {
    watch: CpuWatch,
    before: CpuCounters,
    /// Whether a quota is set, or periods pass, so that one was set meanwhile.
    is_limited: bool,
    next: Nanos,
}

/// Looks at processes that somebody found.
pub struct Sampler {
    processes: Vec<Watched>,
    told: u32,
    threads: u32,
    room: usize,
    notes: Notes,
    names: Names,
    lost_marks: u64,
    elsewhere: BTreeSet<i32>,
    begin: Nanos,
    /// Whether looks are so far apart that threads may be left out.
    skips: bool,
    quota: Option<Counting>,
    buffer: Buffer,
    look: Look,
}

impl Sampler {
    /// `begin` is the recording's beginning by `CLOCK_MONOTONIC`, `interval` the least time between two looks.
    pub fn new(begin: Nanos, interval: Nanos) -> Self {
        Self {
            processes: Vec::new(),
            told: 0,
            threads: 0,
            room: room(descriptor_limit(), count_descriptors()),
            notes: Notes::default(),
            names: Names::default(),
            lost_marks: 0,
            elsewhere: BTreeSet::new(),
            begin,
            skips: interval >= SKIPS_FROM,
            quota: None,
            buffer: [0; size_of::<Buffer>()],
            look: Look::default(),
        }
    }

    /// Whether there is nobody left to look at.
    pub fn is_idle(&self) -> bool {
        self.processes.is_empty()
    }

    /// Tells a person something.
    pub fn note(&mut self, text: String, sink: &mut dyn Sink) {
        self.notes.tell(text, sink);
    }

    /// Takes in the processes that are not known yet.
    pub fn add(&mut self, pids: &[i32], at: Nanos, sink: &mut dyn Sink) {
        let known: BTreeSet<i32> = self.processes.iter().map(|process| process.pid).collect();
        for pid in pids.iter().filter(|pid| !known.contains(pid)) {
            if self.processes.len() >= MAX_PROCESSES {
                let text = format!(
                    "there are more than {MAX_PROCESSES} processes: the others are not seen"
                );
                self.notes.tell(text, sink);
                return;
            }
            let number = self.told;
            let (processes, mut common) = self.split(sink);
            if let Some(process) = Watched::open(*pid, number, at, &mut common) {
                processes.push(process);
                self.told += 1;
                if number == 0 {
                    self.open_quota(*pid, sink);
                }
            }
        }
    }

    /// What is done between looks.
    pub fn keep_up(&mut self, at: Nanos, sink: &mut dyn Sink) {
        let (processes, mut common) = self.split(sink);
        for process in processes.iter_mut() {
            process.keep_up(at, &mut common);
        }
        processes.retain(|process| !process.has_ended());
    }

    /// Looks at everything.
    pub fn look(&mut self, at: Nanos, is_last: bool, sink: &mut dyn Sink) -> Wanted {
        let mut look = std::mem::take(&mut self.look);
        look.restart(at);
        look.quota = self.look_at_quota(at, is_last, sink);
        let (processes, mut common) = self.split(sink);
        common.may_skip &= !is_last;
        for process in processes {
            process.look(&mut look, is_last, &mut common);
        }
        let wanted = sink.look(&look);
        self.look = look;
        wanted
    }

    fn split<'a>(&'a mut self, sink: &'a mut dyn Sink) -> (&'a mut Vec<Watched>, Common<'a>) {
        let common = Common {
            sink,
            threads: &mut self.threads,
            room: &mut self.room,
            notes: &mut self.notes,
            names: &mut self.names,
            lost_marks: &mut self.lost_marks,
            begin: self.begin,
            may_skip: self.skips,
            buffer: &mut self.buffer,
        };
        (&mut self.processes, common)
    }

    fn open_quota(&mut self, pid: i32, sink: &mut dyn Sink) {
        if let Some(cpus) = count_cpus(pid) {
            sink.fact(Fact::Cpus { cpus });
        }
        let opened = CpuWatch::open(&Root::system(), pid).and_then(|mut watch| {
            let counters = watch.read()?;
            Ok((watch, counters))
        });
        match opened {
            Ok((watch, counters)) => {
                let bandwidth = watch.bandwidth();
                sink.fact(Fact::Quota {
                    source: watch.source().display().to_string(),
                    limit: bandwidth.map(|bandwidth| bandwidth.cpus()),
                    period: bandwidth.map_or(100_000_000, |bandwidth| {
                        bandwidth.period_usec.saturating_mul(1000)
                    }),
                    cgroup_version: watch.cgroup_version(),
                });
                if !watch.counts_use() {
                    self.notes.tell(
                        "how much CPU time the cgroup used is not counted here".to_owned(),
                        sink,
                    );
                }
                self.quota = Some(Counting {
                    watch,
                    before: counters,
                    is_limited: bandwidth.is_some(),
                    next: 0,
                });
            }
            Err(error) => self.notes.tell(format!("no quota lane: {error}"), sink),
        }
    }

    /// The quota that we use up ourselves while we look, in CPUs.
    pub fn own_quota(&self) -> Option<f64> {
        let watch = &self.quota.as_ref()?.watch;
        let first = self.processes.first()?.pid;
        let membership = |of: &str| std::fs::read(format!("/proc/{of}/cgroup")).ok();
        let is_ours = membership("self")? == membership(&first.to_string())?;
        is_ours
            .then(|| watch.bandwidth())
            .flatten()
            .map(|bandwidth| bandwidth.cpus())
    }

    fn look_at_quota(
        &mut self,
        at: Nanos,
        is_last: bool,
        sink: &mut dyn Sink,
    ) -> Option<QuotaGain> {
        let quota = self.quota.as_mut()?;
        if !quota.is_limited && at < quota.next && !is_last {
            return None;
        }
        quota.next = at + UNLIMITED_EVERY;
        let now = match quota.watch.read() {
            Ok(now) => now,
            Err(error) => {
                self.quota = None;
                let text = format!("the quota's counters were lost: {error}");
                self.notes.tell(text, sink);
                return None;
            }
        };
        let before = std::mem::replace(&mut quota.before, now);
        if now == before {
            return None;
        }
        quota.is_limited |= now.periods != before.periods;
        let gain = QuotaGain(
            now.used_nsec.saturating_sub(before.used_nsec),
            now.periods.saturating_sub(before.periods),
            now.throttled.saturating_sub(before.throttled),
            now.throttled_nsec.saturating_sub(before.throttled_nsec),
        );
        Some(gain)
    }

    /// Says at the end what was missed.
    pub fn note_losses(&mut self, sink: &mut dyn Sink) {
        if self.lost_marks > 0 {
            let text = format!(
                "{} marks were overwritten before they were read: the application makes more than can be kept",
                self.lost_marks
            );
            self.notes.tell(text, sink);
        }
        if let (true, Some(first)) = (self.quota.is_some(), self.elsewhere.first()) {
            let text = format!(
                "{} of the processes (as {first}) are in other cgroups than the first: the quota lane is not theirs",
                self.elsewhere.len()
            );
            self.notes.tell(text, sink);
        }
    }

    /// Remembers which processes are not under the quota that is shown.
    pub fn check_cgroups(&mut self) {
        let membership = |pid: i32| std::fs::read(format!("/proc/{pid}/cgroup")).ok();
        let Some(first) = self
            .processes
            .first()
            .and_then(|first| membership(first.pid))
        else {
            return;
        };
        let others = self.processes.iter().skip(1);
        let elsewhere = others
            .filter(|process| membership(process.pid).is_some_and(|other| other != first))
            .map(|process| process.pid);
        self.elsewhere.extend(elsewhere);
    }
}

/// CPUs that a process may run on.
fn count_cpus(pid: i32) -> Option<u32> {
    let list = read_status(&pid.to_string(), "Cpus_allowed_list")?;
    parse_cpu_list(list.first()?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_to_everybody_else_and_few_are_kept_where_there_are_many() {
        assert_eq!(room(1024, 24), (1024 - 24 - 256) / 2);
        assert_eq!((room(256, 3), room(300, 290), room(0, 5)), (0, 0, 0));
        assert_eq!(room(1 << 20, 10), 1024);
        assert_eq!(room(u64::MAX, u64::MAX), 0);
    }
}
