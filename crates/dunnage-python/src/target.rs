//! A process that is ready to be read.

use std::sync::OnceLock;

use crate::dump::{Gil, ProcessDump, ThreadDump};
use crate::memory::{Blocks, Memory, ProcessMemory, Unreadable, add};
use crate::native::Tasks;
use crate::prepare::{Found, find};
use crate::process::{read_command, read_start, read_task};
use crate::refusal::explain;
use crate::stack::{Stack, StackReader};
use crate::still::SchedView;
use crate::tidy::{MAX_DUMP_BYTES, shorten, tidy_threads};
use crate::{Error, layout::Version};

/// The most threads of a process, and interpreters, that are read.
const MAX_THREADS: usize = 1024;
pub(crate) const MAX_INTERPRETERS: usize = 64;

/// How often the list of threads, or a stack, is read anew before it is called torn.
const LIST_ATTEMPTS: usize = 10;
const GIL_ATTEMPTS: usize = 4;
const FOLLOW_ATTEMPTS: usize = 8;
const FOLLOW_PAUSE: std::time::Duration = std::time::Duration::from_micros(50);
const BLIND_ATTEMPTS: usize = 8;

/// The stack of the thread that follows another one to its CPU.
const FOLLOWER_STACK: usize = 256 << 10;

/// A process with a CPython whose layout is known.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) pid: i32,
    start_ticks: u64,
    pub(crate) memory: ProcessMemory,
    pub(crate) found: Found,
    /// Where the main interpreter's GIL is, once it has one: it stays there.
    pub(crate) main_gil: OnceLock<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadRef {
    pub(crate) interpreter: u64,
    interpreter_id: i64,
    pub(crate) address: u64,
}

/// One thread's stack, and what is known of it.
struct Reading {
    stack: Stack,
    torn: bool,
    holds_gil: bool,
    is_linked: bool,
}

impl Target {
    /// Finds the interpreter of a process and checks that its memory is laid out as that version's.
    pub fn prepare(pid: i32) -> Result<Self, Error> {
        let start_ticks = read_start(pid).ok_or(Error::Gone(pid))?;
        let target = Self {
            pid,
            start_ticks,
            memory: ProcessMemory { pid },
            found: find(pid)?,
            main_gil: OnceLock::new(),
        };
        target.check_identity()?;
        Ok(target)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its version of CPython.
    pub fn version(&self) -> Version {
        self.found.version
    }

    /// Reads the stacks of all threads, the innermost call first.
    pub fn dump(&self) -> Result<ProcessDump, Error> {
        let mut threads = Vec::new();
        let mut room = MAX_DUMP_BYTES;
        let threads_torn = self.dump_each(|mut thread| {
            shorten(&mut thread, &mut room);
            threads.push(thread);
        })?;
        tidy_threads(self.pid, &mut threads);
        Ok(ProcessDump {
            pid: self.pid,
            command: read_command(self.pid),
            python: Some(self.found.version.to_string()),
            gil: Some(true),
            threads,
            threads_torn,
            error: None,
        })
    }

    /// Gives out the stack of each thread as soon as it is read: first of the one that holds the GIL, then of the main
    /// thread. Whether the list of threads changed each time that it was read. What was given out before an error was
    /// real; [`tidy_threads`] makes one account of it.
    pub fn dump_each(&self, mut take: impl FnMut(ThreadDump)) -> Result<bool, Error> {
        self.check_identity()?;
        let tasks = Tasks::read(self.pid).map_err(|error| explain(self.pid, &error))?;
        let (threads, threads_torn) = self.list_threads().ok_or(Error::NoInterpreter(self.pid))?;
        let mut reader = StackReader::new(&self.memory, &self.found.layout, self.found.code_type);
        let tids = self.find_tids(&tasks, &threads);
        let trusts_gil = self.trusts_gil(&threads);
        let mut listed: Vec<_> = threads.into_iter().zip(tids).collect();
        listed
            .sort_by_cached_key(|(thread, tid)| (!self.holds_gil(*thread), *tid != Some(self.pid)));
        for (thread, tid) in listed {
            let reading = self.read_thread(&mut reader, thread, tid, trusts_gil);
            if reading.is_linked {
                take(self.describe(thread, tid, reading));
            }
        }
        self.check_identity()?;
        Ok(threads_torn)
    }

    fn check_identity(&self) -> Result<(), Error> {
        if read_start(self.pid) == Some(self.start_ticks) {
            Ok(())
        } else {
            Err(Error::Gone(self.pid))
        }
    }

    /// The threads of all interpreters, and whether the list changed each time that it was read.
    pub(crate) fn list_threads(&self) -> Option<(Vec<ThreadRef>, bool)> {
        let mut last = self.walk_threads();
        for _ in 0..LIST_ATTEMPTS {
            let again = self.walk_threads();
            if again.is_ok() && again == last {
                return Some((again.ok()?, false));
            }
            last = again.or(last);
        }
        // none could be followed to its end: the process has ended, or become another program
        Some((last.ok()?, true))
    }

    pub(crate) fn walk_threads(&self) -> Result<Vec<ThreadRef>, Unreadable> {
        let layout = &self.found.layout;
        let mut blocks = Blocks::new(&self.memory);
        let mut threads: Vec<ThreadRef> = Vec::new();
        let mut interpreter = blocks.word(add(self.found.runtime, layout.interpreters)?)?;
        for _ in 0..MAX_INTERPRETERS {
            if interpreter == 0 {
                break;
            }
            let interpreter_id = blocks.word(add(interpreter, layout.interpreter_id)?)?;
            let mut address = blocks.word(add(interpreter, layout.threads)?)?;
            while address != 0 && threads.len() < MAX_THREADS {
                let owner = blocks.word(add(address, layout.thread.interpreter)?)?;
                if owner != interpreter || threads.iter().any(|thread| thread.address == address) {
                    return Err(Unreadable);
                }
                threads.push(ThreadRef {
                    interpreter,
                    interpreter_id: interpreter_id.cast_signed(),
                    address,
                });
                address = blocks.word(add(address, layout.thread.next)?)?;
            }
            interpreter = blocks.word(add(interpreter, layout.next_interpreter)?)?;
        }
        Ok(threads)
    }

    /// Whether a thread is still in its interpreter's list, from memory and not from the cache.
    pub(crate) fn is_linked(&self, thread: u64, interpreter: u64) -> Result<bool, Unreadable> {
        let layout = &self.found.layout;
        let before = self.memory.word(add(thread, layout.thread.prev)?)?;
        let link = if before == 0 {
            add(interpreter, layout.threads)?
        } else {
            add(before, layout.thread.next)?
        };
        Ok(self.memory.word(link)? == thread)
    }

    fn read_linked(
        &self,
        reader: &mut StackReader<'_, '_, ProcessMemory>,
        thread: ThreadRef,
    ) -> Result<Option<Stack>, Unreadable> {
        if !self.is_linked(thread.address, thread.interpreter)? {
            return Ok(None);
        }
        reader.read_stack(thread.address).map(Some)
    }

    /// The kernel's threads behind these. Up to CPython 3.12 a sub-interpreter's thread state bears the id of the thread that
    /// made the interpreter, whichever thread executes in it: one that shares its id is of nobody.
    pub(crate) fn find_tids(&self, tasks: &Tasks, threads: &[ThreadRef]) -> Vec<Option<i32>> {
        let find = |thread: &ThreadRef| {
            let found = tasks.find(&self.memory, self.found.layout.thread, thread.address);
            found.ok().flatten()
        };
        let tids: Vec<_> = threads.iter().map(find).collect();
        let is_sure = |thread: &ThreadRef, tid: &Option<i32>| {
            !self.swaps_in_silence()
                || thread.interpreter_id == 0
                || tids.iter().filter(|other| *other == tid).count() == 1
        };
        threads
            .iter()
            .zip(&tids)
            .map(|(thread, tid)| tid.filter(|_| is_sure(thread, tid)))
            .collect()
    }

    /// Whether a thread can go from one interpreter to another without its GIL noticing (`PyThreadState_Swap`).
    fn swaps_in_silence(&self) -> bool {
        self.found.version.minor < 13
    }

    /// Whether the GIL's count tells of every change of threads.
    fn trusts_gil(&self, threads: &[ThreadRef]) -> bool {
        let is_one = threads.iter().all(|thread| thread.interpreter_id == 0);
        is_one || !self.swaps_in_silence()
    }

    /// Reads a stack, and proves that it did not move, in the cheapest way that works.
    fn read_thread(
        &self,
        reader: &mut StackReader<'_, '_, ProcessMemory>,
        thread: ThreadRef,
        tid: Option<i32>,
        trusts_gil: bool,
    ) -> Reading {
        for _ in 0..if trusts_gil { GIL_ATTEMPTS } else { 0 } {
            let Ok(Some(before)) = self.view_gil(thread.interpreter) else {
                break;
            };
            if before.holder == thread.address {
                break;
            }
            let stack = self.read_linked(reader, thread);
            let is_still = self.view_gil(thread.interpreter).is_ok_and(|after| {
                after.is_some_and(|after| before.proves_still(thread.address, after))
            });
            if let (true, Ok(stack)) = (is_still, stack) {
                return Reading::whole(stack, false);
            }
        }
        let followed = tid.and_then(|tid| {
            self.read_off_cpu(reader, thread, tid, None)
                .or_else(|| self.follow(thread, tid))
        });
        followed.unwrap_or_else(|| self.read_blindly(reader, thread))
    }

    /// Reads the stack of a thread that is not on a CPU; `None` if that cannot be proved.
    fn read_off_cpu(
        &self,
        reader: &mut StackReader<'_, '_, ProcessMemory>,
        thread: ThreadRef,
        tid: i32,
        own_cpu: Option<usize>,
    ) -> Option<Reading> {
        let before = SchedView::before(self.pid, tid)?;
        let stack = self.read_linked(reader, thread);
        let gil = self.view_gil(thread.interpreter).ok()?;
        let after = SchedView::after(self.pid, tid)?;
        let holds = gil.is_some_and(|gil| gil.locked && gil.holder == thread.address);
        let stack = stack
            .ok()
            .filter(|_| before.proves_still(&after, own_cpu))?;
        Some(Reading::whole(stack, holds))
    }

    /// Goes to the CPU of a running thread, so that it cannot run there while it is read. From a thread of our own, which
    /// then ends: our other threads, and children that they start, keep the CPUs that they may use.
    fn follow(&self, thread: ThreadRef, tid: i32) -> Option<Reading> {
        let work = || {
            let mut reader =
                StackReader::new(&self.memory, &self.found.layout, self.found.code_type);
            (0..FOLLOW_ATTEMPTS).find_map(|attempt| {
                if attempt > 0 {
                    // it may stand between two instructions that belong together: it needs its CPU to go on
                    std::thread::sleep(FOLLOW_PAUSE);
                }
                let cpu = read_task(self.pid, tid)?.cpu;
                dunnage_sys::keep_thread_on_cpu(cpu).ok()?;
                self.read_off_cpu(&mut reader, thread, tid, Some(cpu))
            })
        };
        std::thread::scope(|scope| {
            let follower = std::thread::Builder::new()
                .stack_size(FOLLOWER_STACK)
                .spawn_scoped(scope, work)
                .ok()?;
            follower.join().ok().flatten()
        })
    }

    /// Reads until two readings are the same: likely whole, but nothing proves it.
    fn read_blindly(
        &self,
        reader: &mut StackReader<'_, '_, ProcessMemory>,
        thread: ThreadRef,
    ) -> Reading {
        let mut last = Err(Unreadable);
        for _ in 0..BLIND_ATTEMPTS {
            let stack = self.read_linked(reader, thread);
            if stack.is_ok() && stack == last {
                let is_linked = stack.is_ok_and(|stack| stack.is_some());
                return Reading {
                    stack: last.ok().flatten().unwrap_or_default(),
                    torn: true,
                    holds_gil: self.holds_gil(thread),
                    is_linked,
                };
            }
            last = stack;
        }
        Reading {
            stack: Stack::default(),
            torn: true,
            holds_gil: self.holds_gil(thread),
            is_linked: self
                .is_linked(thread.address, thread.interpreter)
                .unwrap_or(false),
        }
    }

    fn describe(&self, thread: ThreadRef, tid: Option<i32>, reading: Reading) -> ThreadDump {
        let stat = tid.and_then(|tid| read_task(self.pid, tid));
        let gil = if reading.holds_gil {
            Some(Gil::Holds)
        } else {
            tid.filter(|tid| self.waits_for_gil(thread, *tid, stat.as_ref()))
                .map(|_| Gil::Waits)
        };
        // what `threading` calls the thread in which the interpreter was made
        let is_main = tid == Some(self.pid) && thread.interpreter_id == 0;
        ThreadDump {
            tid,
            name: reading
                .stack
                .name
                .or_else(|| is_main.then(|| "MainThread".to_owned()))
                .or_else(|| stat.as_ref().map(|stat| stat.name.clone())),
            interpreter: thread.interpreter_id,
            state: stat.map(|stat| stat.state),
            gil,
            torn: reading.torn,
            truncated: reading.stack.truncated,
            frames: reading.stack.frames,
        }
    }
}

impl Reading {
    fn whole(stack: Option<Stack>, holds_gil: bool) -> Self {
        Self {
            is_linked: stack.is_some(),
            stack: stack.unwrap_or_default(),
            torn: false,
            holds_gil,
        }
    }
}
