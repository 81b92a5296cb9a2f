//! One process: its threads as they come and go, and its GIL.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;

use dunnage_python::process::{read_command, read_program, read_start, read_task, read_tasks};
use dunnage_python::{Error, GilState, Target};
use dunnage_sys::monotonic_nanos;
use dunnage_timeline::Nanos;

use crate::stream::{Fact, GilGain, Look, Sink, ThreadGain};
use crate::task::{Buffer, Found, Task};

/// How long the list of threads is believed, unless one is found to have ended.
const LIST_FOR: Nanos = 20_000_000;

/// How long the program is believed to be the same one.
const PROGRAM_FOR: Nanos = 100_000_000;

/// The most threads of a process that are looked at.
const MAX_THREADS: usize = 4096;

/// Finding out which thread an unknown holder is may take at most one part in so many of the time.
const MAP_SHARE: Nanos = 50;

/// What all processes share while they are looked at.
pub struct Common<'a> {
    /// Where facts go.
    pub sink: &'a mut dyn Sink,
    /// Threads told so far: the next one's number.
    pub threads: &'a mut u32,
    /// Descriptors that may still be kept.
    pub room: &'a mut usize,
    /// Notes that were told already.
    pub notes: &'a mut Notes,
    /// Room for a file.
    pub buffer: &'a mut Buffer,
}

impl Common<'_> {
    pub fn note(&mut self, text: String) {
        self.notes.tell(text, self.sink);
    }
}

/// Each note is told once, and not more than a person reads.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    const MOST: usize = 50;

    pub fn tell(&mut self, text: String, sink: &mut dyn Sink) {
        if self.0.len() < Self::MOST && !self.0.contains(&text) {
            self.0.push(text.clone());
            sink.fact(Fact::Note { text });
        }
    }
}

/// One process that is looked at.
pub struct Watched {
    /// Its id.
    pub pid: i32,
    /// Its number in the stream.
    pub number: u32,
    start_ticks: u64,
    tasks: Vec<Task>,
    task_folder: String,
    /// The link count of the folder of threads, which tells how many there are.
    links: u64,
    listed: Option<Nanos>,
    program: Option<String>,
    program_checked: Option<Nanos>,
    python: Python,
    gil: Option<GilState>,
    holders: HashMap<u64, u32>,
    map_again_at: Nanos,
    ended: bool,
}

/// What is known of its interpreter.
enum Python {
    /// Not yet asked, or to be asked again: it may be starting.
    Unknown,
    /// None that can be read.
    None,
    Ready(Box<Target>),
}

impl Watched {
    /// Begins to look at a process; `None` where it is gone.
    pub fn open(pid: i32, number: u32, at: Nanos, common: &mut Common) -> Option<Self> {
        let start_ticks = read_start(pid)?;
        common.sink.fact(Fact::Process { pid, at });
        let mut watched = Self {
            pid,
            number,
            start_ticks,
            tasks: Vec::new(),
            task_folder: format!("/proc/{pid}/task"),
            links: 0,
            listed: None,
            program: None,
            program_checked: None,
            python: Python::Unknown,
            gil: None,
            holders: HashMap::new(),
            map_again_at: 0,
            ended: false,
        };
        watched.check_program(at, common);
        watched.list(at, common);
        Some(watched)
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What is done seldom: who are its threads, is it still the same program.
    pub fn keep_up(&mut self, at: Nanos, common: &mut Common) {
        if self.ended {
            return;
        }
        if is_due(self.program_checked, PROGRAM_FOR, at) {
            self.check_program(at, common);
        }
        if is_due(self.listed, LIST_FOR, at) {
            let links = std::fs::metadata(&self.task_folder).map_or(0, |folder| folder.nlink());
            if links == self.links && links > 0 {
                self.listed = Some(at);
            } else {
                self.list(at, common);
            }
        }
    }

    /// One look at the GIL and at each thread.
    pub fn look(&mut self, look: &mut Look, common: &mut Common) {
        if self.ended {
            return;
        }
        self.look_at_gil(look, common);
        let gil = self.gil_span();
        let mut gone = false;
        for task in &mut self.tasks {
            match task.look(gil.as_ref(), common.buffer) {
                Found::Same => {}
                Found::New(gained, seen) => {
                    let gain = ThreadGain(task.number, gained.run, gained.wait, seen);
                    look.threads.push(gain);
                }
                Found::Gone => gone = true,
            }
        }
        if gone {
            self.list(look.at, common);
        }
    }

    fn gil_span(&self) -> Option<std::ops::Range<u64>> {
        match &self.python {
            Python::Ready(target) => target.gil_span(),
            _ => None,
        }
    }

    /// Says what it runs, if that is not what it ran before.
    fn check_program(&mut self, at: Nanos, common: &mut Common) {
        self.program_checked = Some(at);
        let program = read_program(self.pid).ok();
        let is_same = program == self.program;
        if is_same && !matches!(self.python, Python::Unknown) {
            return;
        }
        self.program = program;
        self.gil = None;
        self.holders.clear();
        let (python, version, has_gil) = match Target::prepare(self.pid) {
            Ok(target) => describe(target),
            Err(error) => {
                let python = match error {
                    // it is on its way: asked again until it is there
                    Error::NoInterpreter(_) | Error::Gone(_) => Python::Unknown,
                    _ => Python::None,
                };
                if !matches!(python, Python::Unknown) {
                    common.note(format!("{error}: who holds its GIL is not seen"));
                }
                (python, None, false)
            }
        };
        let was_told = is_same && matches!(python, Python::Unknown);
        self.python = python;
        if !was_told {
            common.sink.fact(Fact::Program {
                process: self.number,
                command: read_command(self.pid).unwrap_or_default(),
                python: version,
                has_gil,
            });
        }
    }

    fn look_at_gil(&mut self, look: &mut Look, common: &mut Common) {
        let Python::Ready(target) = &self.python else {
            return;
        };
        let Some(now) = target.gil_state() else {
            // it has ended, or became another program
            self.python = Python::Unknown;
            self.program_checked = None;
            return;
        };
        let before = self.gil;
        if before == Some(now) {
            return;
        }
        let mut holder = self.holders.get(&now.holder).copied();
        if holder.is_none() && now.holder != 0 && look.at >= self.map_again_at {
            self.map_holders(look.at, common);
            holder = self.holders.get(&now.holder).copied();
        }
        self.gil = Some(now);
        let switches = before.map_or(0, |before| now.switches.wrapping_sub(before.switches));
        // the counter starts anew after a fork or an exec
        let switches = if switches > u64::MAX / 2 { 0 } else { switches };
        look.gil
            .push(GilGain(self.number, now.locked, holder, switches));
    }

    /// Asks the interpreter which of its threads is which.
    fn map_holders(&mut self, at: Nanos, common: &mut Common) {
        let Python::Ready(target) = &self.python else {
            return;
        };
        let begin = monotonic_nanos();
        let states = target.threads_by_state();
        if states
            .iter()
            .any(|(_, tid)| !self.tasks.iter().any(|task| task.tid == *tid))
        {
            self.list(at, common);
        }
        let numbers: HashMap<i32, u32> = self
            .tasks
            .iter()
            .map(|task| (task.tid, task.number))
            .collect();
        self.holders = states
            .into_iter()
            .filter_map(|(state, tid)| Some((state, *numbers.get(&tid)?)))
            .collect();
        let took = monotonic_nanos().saturating_sub(begin);
        self.map_again_at = at + took * MAP_SHARE;
    }

    /// Takes in threads that have come and lets those go that have ended.
    fn list(&mut self, at: Nanos, common: &mut Common) {
        let before = self.listed;
        self.listed = Some(at);
        self.links = std::fs::metadata(&self.task_folder).map_or(0, |folder| folder.nlink());
        let mut tids = read_tasks(self.pid).unwrap_or_default();
        if tids.is_empty() || self.is_over(&tids) {
            self.end(at, common);
            return;
        }
        if tids.len() > MAX_THREADS {
            tids.truncate(MAX_THREADS);
            common.note(format!(
                "process {} has more than {MAX_THREADS} threads: the others are not seen",
                self.pid
            ));
        }
        self.drop_tasks(at, common, |tid| tids.binary_search(&tid).is_ok());
        tids.retain(|tid| !self.tasks.iter().any(|task| task.tid == *tid));
        tids.sort_by_key(|tid| *tid != self.pid);
        for tid in tids {
            self.add_task(tid, before, at, common);
        }
    }

    /// Whether nothing is left of it but what its parent has not asked about, or its id is another process's now.
    fn is_over(&self, tids: &[i32]) -> bool {
        if read_start(self.pid) != Some(self.start_ticks) {
            return true;
        }
        let is_dead = |stat: dunnage_python::process::TaskStat| matches!(stat.state, 'Z' | 'X');
        tids == [self.pid] && read_task(self.pid, self.pid).is_some_and(is_dead)
    }

    fn drop_tasks(&mut self, at: Nanos, common: &mut Common, stays: impl Fn(i32) -> bool) {
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tasks)
            .into_iter()
            .partition(|task| stays(task.tid));
        self.tasks = kept;
        for mut task in gone {
            task.close(common.room);
            // its PyThreadState's address may be the next thread's
            self.holders.retain(|_, number| *number != task.number);
            common.sink.fact(Fact::ThreadEnded {
                thread: task.number,
                at,
            });
        }
    }

    /// `listed` is when it was not there yet, if that was looked at.
    fn add_task(&mut self, tid: i32, listed: Option<Nanos>, at: Nanos, common: &mut Common) {
        let name = read_task(self.pid, tid).map(|stat| stat.name);
        let Some(name) = name else { return };
        let mut task = Task::open(self.pid, tid, *common.threads, common.room);
        let first = match listed {
            // what it did before the recording does not count
            None => task.forget_past(common.buffer).then_some(at),
            // it is at least as old as the time that was counted of it, and was not there before
            Some(listed) => task
                .read_age(common.buffer)
                .map(|age| at.saturating_sub(age).max(listed)),
        };
        let Some(first) = first else {
            task.close(common.room);
            return;
        };
        *common.threads += 1;
        common.sink.fact(Fact::Thread {
            process: self.number,
            tid,
            name,
            at: first,
        });
        self.tasks.push(task);
        self.note_refusals(common);
    }

    fn note_refusals(&self, common: &mut Common) {
        if self.tasks.iter().any(|task| !task.counts()) {
            common.note(
                "/proc/PID/task/TID/schedstat cannot be read: waiting for a CPU, and so throttling of a thread, is not seen, and run time only in hundredths of a second".to_owned(),
            );
        }
        if self.tasks.iter().any(|task| !task.shows_call()) {
            common.note(format!(
                "/proc/{}/syscall may not be read: who waits for the GIL is not told from who sleeps",
                self.pid
            ));
        }
    }

    fn end(&mut self, at: Nanos, common: &mut Common) {
        self.drop_tasks(at, common, |_| false);
        self.ended = true;
        self.python = Python::None;
        common.sink.fact(Fact::ProcessEnded {
            process: self.number,
            at,
        });
    }
}

fn is_due(last: Option<Nanos>, interval: Nanos, at: Nanos) -> bool {
    last.is_none_or(|last| at >= last + interval)
}

/// What is known of an interpreter; it may not have made its GIL yet.
fn describe(target: Target) -> (Python, Option<String>, bool) {
    let version = target.version().to_string();
    // a few reads are needed the first time, so they are not left to a look
    let has_gil = target.gil_state().is_some();
    if !has_gil {
        return (Python::Unknown, Some(version), false);
    }
    (Python::Ready(Box::new(target)), Some(version), true)
}
