//! The GIL alone, for whoever asks often: who has it, who waits for it, and what the one that has it is doing.
//!
//! A recorder looks some hundred times a second. [`Target::gil_state`] is one call to the kernel of some two microseconds;
//! it tells the holder as the address of its `PyThreadState`, and [`Target::threads_by_state`] which kernel thread that
//! is, to be asked again only when an address turns up that is not known. Who waits is seen from outside the target's
//! memory: its system call is `futex(2)` on an address in [`Target::gil_span`].

use std::ops::Range;

use crate::dump::Frame;
use crate::layout::{GIL_BYTES, GilPlace};
use crate::memory::{Memory, Unreadable, add};
use crate::native::Tasks;
use crate::process::{TaskStat, read_futex};
use crate::stack::StackReader;
use crate::still::GilState;
use crate::target::{MAX_INTERPRETERS, Target, ThreadRef};

/// How often the innermost call is read before it is given up.
const TOP_ATTEMPTS: usize = 4;

/// Who has the GIL of the main interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilHolder {
    /// Whether it is held at all.
    pub locked: bool,
    /// The kernel id, as the target sees it, of the thread that holds it or held it last. `None` where it has none yet, is
    /// gone, or before CPython 3.11, which does not keep it.
    pub tid: Option<i32>,
    /// How often it went from one thread to another.
    pub switches: u64,
}

impl Target {
    /// The state of the main interpreter's GIL, in one `process_vm_readv(2)` (a few more the first time). `None` before
    /// the GIL is made, or where the process is gone or became another program; the last is not noticed if something
    /// readable lies there now, so look at who it is ([`crate::process::read_program`]) from time to time.
    pub fn gil_state(&self) -> Option<GilState> {
        GilState::read(&self.memory, self.found.layout.gil, self.main_gil()?).ok()
    }

    /// The addresses of the main interpreter's GIL: its condition variables and mutexes lie inside, so that a thread whose
    /// system call is `futex(2)` on one of these waits for the GIL ([`read_futex`]), or for its turn to be confirmed after
    /// it gave it up. With glibc; musl waits elsewhere. `None` as for [`Target::gil_state`].
    pub fn gil_span(&self) -> Option<Range<u64>> {
        let start = self.main_gil()?;
        Some(start..start.checked_add(GIL_BYTES)?)
    }

    /// The threads of all interpreters, as the addresses of their `PyThreadState`s and their kernel ids in our PID
    /// namespace. One whose id is not known is left out. Empty if the list cannot be read, as of a process that is gone.
    ///
    /// It takes a look at `/proc/PID/task` and a read or two a thread: not for each sample, but for those in which an
    /// unknown address is the holder.
    pub fn threads_by_state(&self) -> Vec<(u64, i32)> {
        let Ok(tasks) = Tasks::read(self.pid) else {
            return Vec::new();
        };
        let (threads, _) = self.list_threads().unwrap_or_default();
        let tids = self.find_tids(&tasks, &threads);
        threads
            .iter()
            .zip(tids)
            .filter_map(|(thread, tid)| Some((thread.address, tid?)))
            .collect()
    }

    /// The innermost call of the thread with the `PyThreadState` at this address, in some ten small reads. It was there at
    /// one moment during the reading, unless `None` is said: for a thread that is gone, is in no Python code, or went from
    /// call to call each time that it was looked at.
    pub fn function_of(&self, thread: u64) -> Option<Frame> {
        let interpreter = add(thread, self.found.layout.thread.interpreter).ok()?;
        let interpreter = self.memory.word(interpreter).ok()?;
        let mut reader = StackReader::new(&self.memory, &self.found.layout, self.found.code_type);
        (0..TOP_ATTEMPTS).find_map(|_| {
            let frame = reader.read_top(thread);
            // what was a thread may by now be anything
            self.is_linked(thread, interpreter).ok()?.then_some(())?;
            frame.ok()
        })?
    }

    /// The GIL of the main interpreter, and the kernel id of its holder, in two small reads. `None` as for
    /// [`Target::gil_state`].
    pub fn gil_holder(&self) -> Option<GilHolder> {
        let state = self.gil_state()?;
        let native = self.found.layout.thread.native_id;
        let tid = native
            .filter(|_| state.holder != 0)
            .and_then(|offset| self.memory.word(add(state.holder, offset).ok()?).ok())
            .and_then(|tid| i32::try_from(tid).ok())
            .filter(|tid| *tid > 0);
        Some(GilHolder {
            locked: state.locked,
            tid,
            switches: state.switches,
        })
    }

    /// Where the main interpreter's GIL is. It is found once: that interpreter is a part of `_PyRuntime`, or lives as long.
    fn main_gil(&self) -> Option<u64> {
        if let Some(address) = self.main_gil.get() {
            return Some(*address);
        }
        let main = self.find_main_interpreter().ok()?;
        let address = self.gil_address(main).ok()??;
        Some(*self.main_gil.get_or_init(|| address))
    }

    /// The interpreter with the number 0; the newest stands first in the list.
    fn find_main_interpreter(&self) -> Result<u64, Unreadable> {
        let layout = &self.found.layout;
        let mut next = self
            .memory
            .word(add(self.found.runtime, layout.interpreters)?)?;
        for _ in 0..MAX_INTERPRETERS {
            if next == 0 {
                break;
            }
            if self.memory.word(add(next, layout.interpreter_id)?)? == 0 {
                return Ok(next);
            }
            next = self.memory.word(add(next, layout.next_interpreter)?)?;
        }
        Err(Unreadable)
    }

    /// Where an interpreter's GIL is; `None` before it is made.
    fn gil_address(&self, interpreter: u64) -> Result<Option<u64>, Unreadable> {
        match self.found.layout.gil.place {
            GilPlace::Runtime(offset) => add(self.found.runtime, offset).map(Some),
            GilPlace::Interpreter(offset) => {
                let address = self.memory.word(add(interpreter, offset)?)?;
                Ok(Some(address).filter(|address| *address != 0))
            }
        }
    }

    /// The GIL of one interpreter.
    pub(crate) fn view_gil(&self, interpreter: u64) -> Result<Option<GilState>, Unreadable> {
        let read = |address| GilState::read(&self.memory, self.found.layout.gil, address);
        self.gil_address(interpreter)?.map(read).transpose()
    }

    pub(crate) fn holds_gil(&self, thread: ThreadRef) -> bool {
        let gil = self.view_gil(thread.interpreter).ok().flatten();
        gil.is_some_and(|gil| gil.locked && gil.holder == thread.address)
    }

    /// Whether the thread sleeps on a futex within the GIL: its condition variable or mutex. (A C library that waits
    /// elsewhere, as musl does, is not recognised.)
    pub(crate) fn waits_for_gil(
        &self,
        thread: ThreadRef,
        tid: i32,
        stat: Option<&TaskStat>,
    ) -> bool {
        if stat.is_none_or(|stat| stat.state != 'S') {
            return false;
        }
        let Ok(Some(gil)) = self.gil_address(thread.interpreter) else {
            return false;
        };
        read_futex(self.pid, tid)
            .is_some_and(|futex| (gil..gil.saturating_add(GIL_BYTES)).contains(&futex))
    }
}
