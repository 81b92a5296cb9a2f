//! One process: its threads as they come and go, and its interpreter.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use dunnage_python::process::{
    TaskStat, read_command, read_program, read_start, read_status, read_task, read_tasks,
};
use dunnage_sys::process_cpu_nanos;
use dunnage_timeline::Nanos;

use crate::common::Common;
use crate::interpreter::Interpreter;
use crate::stream::{Fact, GilGain, Look, MarkSeen, ThreadGain};
use crate::task::{Found, Gil, Task};
use crate::turns::{Account, Rest};

/// How long the list of threads is believed, unless one is found to have ended.
const LIST_FOR: Nanos = 20_000_000;

/// How long the program is believed to be the same one.
const PROGRAM_FOR: Nanos = 100_000_000;

/// The most threads of a process that are looked at.
const MAX_THREADS: usize = 4096;

/// The most ids that are kept of threads, also of some that have ended: marks of theirs may still come.
const MAX_INNER: usize = 2 * MAX_THREADS;

/// How often the name of a thread is asked for before the kernel's is left.
const MAX_NAMINGS: u8 = 3;

/// One process that is looked at.
pub struct Watched {
    /// Its id.
    pub pid: i32,
    /// Its number in the stream.
    pub number: u32,
    start_ticks: u64,
    tasks: Vec<Member>,
    account: Account,
    /// Kept open: its link count is asked for often.
    task_folder: Option<File>,
    /// The link count of the folder of threads, which tells how many there are.
    links: u64,
    listed: Option<Nanos>,
    program: Option<String>,
    program_checked: Nanos,
    interpreter: Interpreter,
    /// Ids of threads in its own PID namespace, and ours, where the two differ.
    inner: Option<BTreeMap<i32, i32>>,
    ended: bool,
}

/// A thread of it.
struct Member {
    task: Task,
    name: String,
    namings: u8,
    rest: Rest,
}

impl Member {
    /// For how long it has slept, if it sleeps.
    fn rest(&self) -> Option<Rest> {
        self.task.sleeps().then_some(self.rest)
    }
}

impl Watched {
    /// Begins to look at a process; `None` where it is gone.
    pub fn open(pid: i32, number: u32, at: Nanos, common: &mut Common) -> Option<Self> {
        let start_ticks = read_start(pid)?;
        common.sink.fact(Fact::Process { pid, at });
        let is_below = read_status(&pid.to_string(), "NSpid").is_some_and(|inner| inner.len() > 1);
        let (interpreter, told) = Interpreter::find(pid);
        let mut watched = Self {
            pid,
            number,
            start_ticks,
            tasks: Vec::new(),
            account: Account::default(),
            task_folder: File::open(format!("/proc/{pid}/task")).ok(),
            links: 0,
            listed: None,
            program: read_program(pid).ok(),
            program_checked: at,
            interpreter,
            inner: is_below.then(BTreeMap::new),
            ended: false,
        };
        watched.tell_program(told, common);
        watched.list(at, common);
        Some(watched)
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What is done seldom: who are its threads, what are they called, is it still the same program.
    pub fn keep_up(&mut self, at: Nanos, common: &mut Common) {
        if self.ended {
            return;
        }
        if at >= self.program_checked + PROGRAM_FOR {
            self.check_program(at, common);
        }
        if self.listed.is_none_or(|listed| at >= listed + LIST_FOR) {
            let links = self.count_links();
            if links == self.links && links > 0 {
                self.listed = Some(at);
            } else {
                self.list(at, common);
            }
        }
        self.name_threads(at, common);
    }

    fn count_links(&self) -> u64 {
        let folder = self.task_folder.as_ref().map(File::metadata);
        folder
            .and_then(Result::ok)
            .map_or(0, |folder| folder.nlink())
    }

    /// One look at the GIL and at each thread.
    pub fn look(&mut self, look: &mut Look, is_last: bool, common: &mut Common) {
        if self.ended {
            return;
        }
        self.look_at_gil(look, common);
        let gone = self.look_at_threads(look, common);
        self.look_at_marks(look, is_last, common);
        if gone {
            self.list(look.at, common);
        }
    }

    /// Looks at the threads that may have done something; whether one has gone.
    fn look_at_threads(&mut self, look: &mut Look, common: &mut Common) -> bool {
        let gil = Gil {
            span: self.interpreter.gil_span(),
            had: self.interpreter.had_gil(),
        };
        let holder = self.interpreter.holder();
        let total = common
            .may_skip
            .then(|| process_cpu_nanos(self.pid))
            .flatten();
        let mut open = self.account.open(total, self.counted());
        let rests = self.tasks.iter().map(Member::rest);
        let order = self.account.order(rests);
        let mut gone = false;
        for (_, place) in &order {
            let Some(Member { task, rest, .. }) = self.tasks.get_mut(*place as usize) else {
                continue;
            };
            let is_known = open == Some(0) && !task.is_in_doubt() && holder != Some(task.number);
            let found = if is_known {
                Found::Same
            } else {
                task.look(&gil, common.buffer)
            };
            match found {
                Found::Same => rest.goes_on(),
                Found::New(gained, seen) => {
                    rest.ends();
                    open = open.map(|open| open.wrapping_sub(gained.run));
                    let gain = ThreadGain(task.number, gained.run, gained.wait, seen);
                    look.threads.push(gain);
                }
                Found::Gone => gone = true,
            }
        }
        self.account.give_back(order);
        if open != Some(0) {
            self.account.settle(total, self.counted());
        }
        gone
    }

    /// The sum of what was seen of its threads.
    fn counted(&self) -> u64 {
        let ran = self.tasks.iter().map(|member| member.task.ran());
        ran.fold(0, u64::wrapping_add)
    }

    /// Says what it runs, if that is not what it ran before.
    fn check_program(&mut self, at: Nanos, common: &mut Common) {
        self.program_checked = at;
        let Ok(program) = read_program(self.pid) else {
            // another user's, or it has ended
            self.list(at, common);
            return;
        };
        let is_same = Some(&program) == self.program.as_ref();
        if is_same && !self.interpreter.is_unknown() {
            return;
        }
        self.program = Some(program);
        let (interpreter, told) = Interpreter::find(self.pid);
        self.interpreter = interpreter;
        for member in &mut self.tasks {
            member.namings = 0;
        }
        if !is_same || !self.interpreter.is_unknown() {
            self.tell_program(told, common);
        }
    }

    fn tell_program(&self, told: crate::interpreter::Told, common: &mut Common) {
        if let Some(note) = told.note {
            common.note(note);
        }
        common.sink.fact(Fact::Program {
            process: self.number,
            command: read_command(self.pid).unwrap_or_default(),
            python: told.version,
            has_gil: told.has_gil,
        });
    }

    fn look_at_gil(&mut self, look: &mut Look, common: &mut Common) {
        let Some(change) = self.interpreter.look() else {
            return;
        };
        let mut holder = self.interpreter.thread_of(change.holder);
        if holder.is_none() && change.holder != 0 {
            self.map_holders(look.at, common);
            holder = self.interpreter.thread_of(change.holder);
        }
        look.gil
            .push(GilGain(self.number, change.locked, holder, change.switches));
    }

    /// The threads' numbers in the stream by their kernel ids.
    fn numbers(&self) -> HashMap<i32, u32> {
        let tasks = self.tasks.iter().map(|member| &member.task);
        tasks.map(|task| (task.tid, task.number)).collect()
    }

    /// Finds out which thread state is which of the threads.
    fn map_holders(&mut self, at: Nanos, common: &mut Common) {
        let Some(states) = self.interpreter.read_states(at) else {
            return;
        };
        let mut numbers = self.numbers();
        if !states.iter().all(|(_, tid)| numbers.contains_key(tid)) {
            self.list(at, common);
            numbers = self.numbers();
        }
        let known = states
            .into_iter()
            .filter_map(|(state, tid)| Some((state, *numbers.get(&tid)?)));
        self.interpreter.remember(known);
    }

    fn look_at_marks(&mut self, look: &mut Look, is_last: bool, common: &mut Common) {
        let Common {
            begin, names, sink, ..
        } = common;
        let lost = self.interpreter.read_marks(look.at, is_last, |mark| {
            // what ended before the recording began is not of it
            if mark.end.unwrap_or(mark.begin) < *begin {
                return;
            }
            let inner = self.inner.as_ref();
            let tid = inner.map_or(Some(mark.tid), |inner| inner.get(&mark.tid).copied());
            look.marks.push(MarkSeen(
                self.number,
                tid.unwrap_or(0),
                names.number_of(mark.name, *sink),
                mark.id,
                mark.begin.saturating_sub(*begin),
                mark.end.map(|end| end.saturating_sub(*begin)),
            ));
        });
        *common.lost_marks = common.lost_marks.saturating_add(lost);
    }

    /// Takes in threads that have come and lets those go that have ended.
    fn list(&mut self, at: Nanos, common: &mut Common) {
        let before = self.listed;
        self.listed = Some(at);
        self.links = self.count_links();
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
        let known = self.numbers();
        if let Some(inner) = self.inner.as_mut().filter(|inner| inner.len() > MAX_INNER) {
            inner.retain(|_, tid| known.contains_key(tid));
        }
        tids.retain(|tid| !known.contains_key(tid));
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
        let is_dead = |stat: TaskStat| matches!(stat.state, 'Z' | 'X');
        tids == [self.pid] && read_task(self.pid, self.pid).is_some_and(is_dead)
    }

    fn drop_tasks(&mut self, at: Nanos, common: &mut Common, stays: impl Fn(i32) -> bool) {
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tasks)
            .into_iter()
            .partition(|member| stays(member.task.tid));
        self.tasks = kept;
        for mut member in gone {
            let thread = member.task.number;
            member.task.close(common.room);
            self.interpreter.forget(thread);
            common.sink.fact(Fact::ThreadEnded { thread, at });
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
            name: name.clone(),
            at: first,
        });
        if let Some(inner) = &mut self.inner {
            let own = read_status(&format!("{}/task/{tid}", self.pid), "NSpid");
            let own = own.and_then(|ids| ids.last()?.parse().ok());
            inner.extend(own.map(|own: i32| (own, tid)));
        }
        let is_out_of_room = *common.room == 0 && !task.is_kept();
        note_refusals(self.pid, &task, common);
        if is_out_of_room {
            common.note("there are more threads than files may be kept open for: those of the others are opened anew at each look, which costs more".to_owned());
        }
        self.tasks.push(Member {
            task,
            name,
            namings: 0,
            rest: Rest::default(),
        });
    }

    /// Asks Python what threads are called that have come.
    fn name_threads(&mut self, at: Nanos, common: &mut Common) {
        if self
            .tasks
            .iter()
            .all(|member| member.namings >= MAX_NAMINGS)
        {
            return;
        }
        let Some(names) = self.interpreter.read_names(at) else {
            return;
        };
        let names: HashMap<i32, String> = names.into_iter().collect();
        for member in &mut self.tasks {
            if member.namings >= MAX_NAMINGS {
                continue;
            }
            member.namings += 1;
            if let Some(name) = names.get(&member.task.tid) {
                member.namings = MAX_NAMINGS;
                if *name != member.name {
                    member.name.clone_from(name);
                    common.sink.fact(Fact::ThreadName {
                        thread: member.task.number,
                        name: name.clone(),
                    });
                }
            }
        }
    }

    fn end(&mut self, at: Nanos, common: &mut Common) {
        self.drop_tasks(at, common, |_| false);
        self.ended = true;
        common.sink.fact(Fact::ProcessEnded {
            process: self.number,
            at,
        });
    }
}

fn note_refusals(pid: i32, task: &Task, common: &mut Common) {
    if !task.counts() {
        common.note(
            "/proc/PID/task/TID/schedstat cannot be read: waiting for a CPU, and so throttling of a thread, is not seen, and run time only in hundredths of a second".to_owned(),
        );
    }
    if !task.shows_call() {
        common.note(format!(
            "/proc/{pid}/syscall may not be read: who waits for the GIL is not told from who sleeps"
        ));
    }
}
