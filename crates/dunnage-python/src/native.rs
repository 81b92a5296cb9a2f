//! Which kernel thread a Python thread is.
//!
//! From 3.11 on the interpreter keeps the kernel's id. Before, it keeps the `pthread_t`, which points to the C library's
//! own record of the thread, and there the kernel's id stands at a fixed place. Both are ids as the target sees them: it
//! may live in a PID namespace below ours.

use std::collections::BTreeMap;
use std::io;

use crate::layout::ThreadLayout;
use crate::memory::{Memory, Unreadable, add};
use crate::process::{read_status, read_tasks};

/// Where `struct pthread` keeps the kernel's id: glibc on x86_64 (all releases so far, `nptl/descr.h`) and aarch64, musl
/// (`src/internal/pthread_impl.h`) on x86_64 and aarch64. What stands there is believed only if it is a thread of the process.
const TID_IN_PTHREAD: [u64; 5] = [720, 208, 48, 56, 32];

/// The threads of a process: their ids there → here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(BTreeMap<i32, i32>);

impl Tasks {
    /// Looks at `/proc/PID/task`.
    pub(crate) fn read(pid: i32) -> io::Result<Self> {
        let tasks = read_tasks(pid)?;
        // one number a namespace, ours first
        let inner = |tid: i32| {
            let ids = read_status(&format!("{pid}/task/{tid}"), "NSpid")?;
            ids.last()?.parse().ok()
        };
        let is_below = read_status(&pid.to_string(), "NSpid").is_some_and(|ids| ids.len() > 1);
        Ok(Self(
            tasks
                .into_iter()
                .map(|tid| {
                    if is_below {
                        (inner(tid).unwrap_or(tid), tid)
                    } else {
                        (tid, tid)
                    }
                })
                .collect(),
        ))
    }

    /// The kernel thread behind a thread state; `None` where it is not set yet or not found.
    pub(crate) fn find(
        &self,
        memory: &impl Memory,
        layout: ThreadLayout,
        thread: u64,
    ) -> Result<Option<i32>, Unreadable> {
        if let Some(offset) = layout.native_id {
            let native = memory.word(add(thread, offset)?)?;
            return Ok(self.ours(native));
        }
        let record = memory.word(add(thread, layout.ident)?)?;
        Ok(TID_IN_PTHREAD.iter().find_map(|offset| {
            let mut bytes = [0; 4];
            memory.read(record.checked_add(*offset)?, &mut bytes).ok()?;
            self.ours(u32::from_le_bytes(bytes).into())
        }))
    }

    fn ours(&self, theirs: u64) -> Option<i32> {
        self.0.get(&i32::try_from(theirs).ok()?).copied()
    }
}
