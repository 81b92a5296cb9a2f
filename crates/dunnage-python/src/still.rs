//! How it is known that a stack did not move while it was read.
//!
//! Reading twice and comparing proves nothing: a loop comes back to where it was. Two facts do prove it, and neither asks
//! anything of the target:
//!
//! - **The GIL's own count.** Only the thread that holds the GIL can call or return. `_gil_runtime_state` names its last
//!   holder, and counts in `switch_number` each time that another thread takes it. A thread that was not the last holder
//!   before, with the same count afterwards, did not move. This covers all threads but one, in two small reads.
//! - **The scheduler's count.** `/proc/PID/task/TID/schedstat` counts each time that a thread is put on a CPU. If that is
//!   the same before and after, and the thread was off its CPU before, it did not run. A thread in state S is off its CPU.
//!   One in state R is off its CPU if it belongs to the CPU that *we* run on; so a thread of ours goes to that CPU for the
//!   moment of the reading, which is what any other process on the machine does to it all day.

use crate::layout::{GIL_BYTES, GilLayout};
use crate::memory::{Memory, Unreadable, add};
use crate::process::{TaskStat, read_runs, read_task};

/// The state of a GIL at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilState {
    /// Whether it is held.
    pub locked: bool,
    /// The address of the `PyThreadState` that holds it, or held it last where it is not `locked`; 0 for none. That thread
    /// may have ended.
    pub holder: u64,
    /// How often it went to another thread.
    pub switches: u64,
}

impl GilState {
    /// Reads the GIL at this address, in one call.
    pub fn read(memory: &impl Memory, layout: GilLayout, address: u64) -> Result<Self, Unreadable> {
        // they lie side by side: one piece costs the kernel a third of what three do
        let offsets = [layout.holder, layout.locked, layout.switches];
        let first = offsets.into_iter().min().unwrap_or_default();
        let mut bytes = [0; GIL_BYTES as usize];
        let last = offsets.into_iter().max().unwrap_or_default();
        let size = usize::try_from(last - first).map_err(|_| Unreadable)?;
        let bytes = bytes.get_mut(..size.saturating_add(8)).ok_or(Unreadable)?;
        memory.read(add(address, first)?, bytes)?;
        let word = |offset: u64| {
            let at = (offset - first) as usize;
            let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
            word.map_or(0, u64::from_le_bytes)
        };
        Ok(Self {
            locked: word(layout.locked) as i32 == 1,
            holder: word(layout.holder),
            switches: word(layout.switches),
        })
    }

    /// Whether `thread`, which is not the holder in this view, cannot have moved until `after` was read.
    pub fn proves_still(self, thread: u64, after: Self) -> bool {
        self.holder != thread && after.holder == self.holder && after.switches == self.switches
    }
}

/// What the scheduler says of a thread at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedView {
    runs: u64,
    /// Its state, and the CPU it belongs to.
    pub stat: TaskStat,
}

impl SchedView {
    /// Looks before a reading: the count first, so that a run between the two looks is seen.
    pub fn before(pid: i32, tid: i32) -> Option<Self> {
        let runs = read_runs(pid, tid)?;
        let stat = read_task(pid, tid)?;
        Some(Self { runs, stat })
    }

    /// Looks after a reading: the count last.
    pub fn after(pid: i32, tid: i32) -> Option<Self> {
        let stat = read_task(pid, tid)?;
        let runs = read_runs(pid, tid)?;
        Some(Self { runs, stat })
    }

    /// Whether the thread cannot have run until `after` was taken. `own_cpu` is the CPU that we are kept on, if we are.
    pub fn proves_still(&self, after: &Self, own_cpu: Option<usize>) -> bool {
        let off_cpu = |view: &Self| view.stat.state != 'R' || Some(view.stat.cpu) == own_cpu;
        self.runs == after.runs
            && self.stat.start_ticks == after.stat.start_ticks
            && off_cpu(self)
            && off_cpu(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_thread_that_did_not_have_the_gil_is_proved_by_it() {
        let view = GilState {
            locked: true,
            holder: 1,
            switches: 7,
        };
        assert!(view.proves_still(2, view));
        assert!(!view.proves_still(1, view));
        assert!(!view.proves_still(
            2,
            GilState {
                switches: 8,
                ..view
            }
        ));
        assert!(!view.proves_still(2, GilState { holder: 2, ..view }));
    }

    #[test]
    fn only_a_thread_off_its_cpu_is_proved_by_the_scheduler() {
        let view = |state, cpu, runs| SchedView {
            runs,
            stat: TaskStat {
                name: String::new(),
                state,
                start_ticks: 5,
                cpu,
            },
        };
        assert!(view('S', 0, 3).proves_still(&view('S', 0, 3), None));
        assert!(!view('S', 0, 3).proves_still(&view('S', 0, 4), None));
        assert!(!view('R', 0, 3).proves_still(&view('R', 0, 3), None));
        assert!(view('R', 0, 3).proves_still(&view('R', 0, 3), Some(0)));
        assert!(!view('R', 1, 3).proves_still(&view('R', 1, 3), Some(0)));
        assert!(!view('S', 0, 3).proves_still(&view('R', 1, 3), Some(0)));
    }
}
