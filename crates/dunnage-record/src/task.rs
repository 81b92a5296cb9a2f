//! One thread, and what is read of it at each look.
//!
//! `schedstat` says for how long it ran, for how long it was ready without a CPU, and how often it was put on one. If none
//! of the three has moved, the thread was on no CPU, so whatever it did at the look before it still does. (A thread that
//! was woken and still waits for its CPU is seen as asleep; the time is booked as waiting once it runs.) Only of a thread
//! that moved is asked in which call it is; not of one that waited for the GIL and cannot have had it since.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use dunnage_python::process::parse_stat;
use dunnage_timeline::recording::Seen;

/// Room for any of the files.
pub type Buffer = [u8; 1024];

/// No such process (`errno`), on every architecture.
const ESRCH: i32 = 3;

/// A file of `/proc` that is kept open while there are descriptors to spare, and opened anew at each read otherwise.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    kept: Option<File>,
}

impl Source {
    fn open(path: PathBuf, room: &mut usize) -> Self {
        let kept = (*room > 0).then(|| File::open(&path).ok()).flatten();
        if kept.is_some() {
            *room -= 1;
        }
        Self { path, kept }
    }

    fn read<'b>(&self, buffer: &'b mut Buffer) -> io::Result<&'b [u8]> {
        let size = match &self.kept {
            Some(file) => file.read_at(buffer, 0)?,
            None => File::open(&self.path)?.read_at(buffer, 0)?,
        };
        Ok(buffer.get(..size).unwrap_or_default())
    }

    /// Gives its descriptor back.
    fn close(&mut self, room: &mut usize) {
        if self.kept.take().is_some() {
            *room += 1;
        }
    }
}

/// What the scheduler has counted of a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Nanoseconds on a CPU.
    pub run: u64,
    /// Nanoseconds ready without one.
    pub wait: u64,
    /// How often it was put on one.
    pub count: u64,
}

/// Parses `schedstat`; `None` where the kernel does not count.
pub fn parse_schedstat(bytes: &[u8]) -> Option<Counters> {
    let mut fields = bytes.trim_ascii_end().split(|byte| *byte == b' ');
    let mut next = || parse_number(fields.next()?);
    let counters = Counters {
        run: next()?,
        wait: next()?,
        count: next()?,
    };
    Some(counters)
}

fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// What `/proc/PID/task/TID/syscall` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// On a CPU or ready for one.
    Running,
    /// In this call, with this first argument.
    In(i64, u64),
}

/// Parses `syscall`: `running`, or the number (-1 for none) and then the arguments in hexadecimal.
pub fn parse_syscall(bytes: &[u8]) -> Option<Call> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.split_ascii_whitespace();
    match fields.next()? {
        "running" => Some(Call::Running),
        number => {
            let first = fields.next()?.strip_prefix("0x")?;
            let first = u64::from_str_radix(first, 16).ok()?;
            Some(Call::In(number.parse().ok()?, first))
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod calls {
    pub(super) const FUTEX: i64 = 202;
    /// poll, select, recvfrom, recvmsg, nanosleep, pause, accept, wait4, clock_nanosleep, epoll_wait, pselect6, ppoll,
    /// epoll_pwait, accept4: they wait for something that may never come, so their sleep can be interrupted.
    pub(super) const WAITING: [i64; 14] =
        [7, 23, 45, 47, 35, 34, 43, 61, 230, 232, 270, 271, 281, 288];
}

#[cfg(not(target_arch = "x86_64"))]
mod calls {
    pub(super) const FUTEX: i64 = 98;
    /// epoll_pwait, pselect6, ppoll, nanosleep, clock_nanosleep, accept, recvfrom, recvmsg, accept4, wait4: see above.
    pub(super) const WAITING: [i64; 10] = [22, 72, 73, 101, 115, 202, 207, 212, 242, 260];
}

/// What a letter of `stat` means; `None` for a thread that has ended.
fn seen_by_state(state: char) -> Option<Seen> {
    match state {
        'R' => Some(Seen::Runnable),
        'D' => Some(Seen::Blocked),
        'T' | 't' => Some(Seen::Stopped),
        'Z' | 'X' => None,
        _ => Some(Seen::Sleeps),
    }
}

/// What is known of the GIL of a thread's interpreter.
#[derive(Debug, Clone, Default)]
pub struct Gil {
    /// Where it lies.
    pub span: Option<Range<u64>>,
    /// The two threads that may have had it since the look before; `None` where it may have been others too.
    pub had: Option<[u32; 2]>,
}

impl Gil {
    /// Whether a thread that waited for it at the look before waits for it still.
    fn keeps_waiting(&self, thread: u32) -> bool {
        self.had.is_some_and(|had| !had.contains(&thread))
    }
}

/// How often in a row it is taken for granted that a thread waits for the GIL still: an interpreter that ends holds some
/// of its threads up for good, elsewhere.
const MAX_GRANTED: u8 = 20;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing new.
    Same,
    /// What it gained.
    New(Counters, Seen),
    /// It has ended.
    Gone,
}

/// One thread that is looked at.
#[derive(Debug)]
pub struct Task {
    /// Its kernel id.
    pub tid: i32,
    /// Its number in the stream.
    pub number: u32,
    schedstat: Source,
    syscall: Source,
    stat: PathBuf,
    before: Counters,
    seen: Seen,
    /// For how many looks that it moved in it was taken for granted that it waits for the GIL.
    granted: u8,
    /// Whether in which call it is may be asked.
    shows_call: bool,
    counts: bool,
}

impl Task {
    /// Opens its files. `room` is how many descriptors may still be kept.
    pub fn open(pid: i32, tid: i32, number: u32, room: &mut usize) -> Self {
        let path = |name: &str| PathBuf::from(format!("/proc/{pid}/task/{tid}/{name}"));
        Self {
            tid,
            number,
            schedstat: Source::open(path("schedstat"), room),
            syscall: Source::open(path("syscall"), room),
            stat: path("stat"),
            before: Counters::default(),
            seen: Seen::Unknown,
            granted: 0,
            shows_call: true,
            counts: true,
        }
    }

    /// What it did at the last look.
    #[cfg(test)]
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// How long it ran, as far as it was seen.
    pub fn ran(&self) -> u64 {
        self.before.run
    }

    /// Whether it is asleep, as far as is known.
    pub fn sleeps(&self) -> bool {
        matches!(self.seen, Seen::Sleeps | Seen::Blocked | Seen::Stopped)
    }

    /// Whether it has to be looked at though it has not run.
    pub fn is_in_doubt(&self) -> bool {
        self.seen == Seen::Unknown || self.granted > 0
    }

    /// Whether its calls can be seen.
    pub fn shows_call(&self) -> bool {
        self.shows_call
    }

    /// Whether its files are kept open.
    pub fn is_kept(&self) -> bool {
        self.schedstat.kept.is_some() && self.syscall.kept.is_some()
    }

    /// Whether the scheduler's counters can be read.
    pub fn counts(&self) -> bool {
        self.counts
    }

    /// Closes its files.
    pub fn close(&mut self, room: &mut usize) {
        self.schedstat.close(room);
        self.syscall.close(room);
    }

    /// Begins to count from now on; whether it is there.
    pub fn forget_past(&mut self, buffer: &mut Buffer) -> bool {
        let found = self.look(&Gil::default(), buffer);
        self.seen = Seen::Unknown;
        found != Found::Gone
    }

    /// How long it has run and waited so far; `None` where it has ended.
    pub fn read_age(&mut self, buffer: &mut Buffer) -> Option<u64> {
        match self.read_counters(buffer) {
            Ok(counters) => Some(counters.run.saturating_add(counters.wait)),
            Err(Lost::Uncounted) => Some(0),
            Err(Lost::Gone) => None,
        }
    }

    /// Looks.
    pub fn look(&mut self, gil: &Gil, buffer: &mut Buffer) -> Found {
        let now = match self.read_counters(buffer) {
            Ok(now) => now,
            Err(Lost::Gone) => return Found::Gone,
            Err(Lost::Uncounted) => return self.look_without_counters(gil, buffer),
        };
        let keeps_waiting = self.seen == Seen::WaitsForGil && gil.keeps_waiting(self.number);
        let has_moved = now != self.before || self.seen == Seen::Unknown;
        // what was taken for granted is asked as soon as it is in doubt
        if !has_moved && (self.granted == 0 || keeps_waiting) {
            return Found::Same;
        }
        let gained = Counters {
            run: now.run.saturating_sub(self.before.run),
            wait: now.wait.saturating_sub(self.before.wait),
            count: now.count.saturating_sub(self.before.count),
        };
        self.before = now;
        if keeps_waiting && self.granted < MAX_GRANTED {
            self.granted += 1;
            return Found::New(gained, Seen::WaitsForGil);
        }
        self.granted = 0;
        let before = self.seen;
        let Some(seen) = self.see(gil, buffer) else {
            return Found::Gone;
        };
        self.seen = seen;
        if has_moved || seen != before {
            Found::New(gained, seen)
        } else {
            Found::Same
        }
    }

    fn read_counters(&mut self, buffer: &mut Buffer) -> Result<Counters, Lost> {
        if !self.counts {
            return Err(Lost::Uncounted);
        }
        match self.schedstat.read(buffer) {
            Ok(bytes) => match parse_schedstat(bytes) {
                Some(now) if now.count > 0 => Ok(now),
                // a thread that is about to run for the first time, or a kernel that counts nothing
                _ => Err(Lost::Uncounted),
            },
            Err(error) if error.raw_os_error() == Some(ESRCH) => Err(Lost::Gone),
            Err(_) if !self.stat.exists() => Err(Lost::Gone),
            Err(_) => {
                self.counts = false;
                Err(Lost::Uncounted)
            }
        }
    }

    /// The state alone, and the time that it ran in hundredths of a second.
    fn look_without_counters(&mut self, gil: &Gil, buffer: &mut Buffer) -> Found {
        let Ok(bytes) = std::fs::read(&self.stat) else {
            return Found::Gone;
        };
        let run = parse_cpu_time(&bytes).unwrap_or(self.before.run);
        self.counts &= run == 0;
        let gained = Counters {
            run: run.saturating_sub(self.before.run),
            ..Counters::default()
        };
        self.before.run = run;
        let Some(seen) = self.see(gil, buffer) else {
            return Found::Gone;
        };
        let is_same = seen == self.seen && gained.run == 0;
        self.seen = seen;
        if is_same {
            Found::Same
        } else {
            Found::New(gained, seen)
        }
    }

    /// What it is doing; `None` where it has ended, whether or not its parent has asked about it.
    fn see(&mut self, gil: &Gil, buffer: &mut Buffer) -> Option<Seen> {
        if self.shows_call {
            match self.syscall.read(buffer).map(parse_syscall) {
                Ok(Some(Call::Running)) => return Some(Seen::Runnable),
                Ok(Some(Call::In(calls::FUTEX, address))) => {
                    let waits = gil.span.as_ref().is_some_and(|gil| gil.contains(&address));
                    return Some(if waits {
                        Seen::WaitsForGil
                    } else {
                        Seen::Sleeps
                    });
                }
                Ok(Some(Call::In(number, _))) if calls::WAITING.contains(&number) => {
                    return Some(Seen::Sleeps);
                }
                // not permitted, or a kernel without this file
                Err(error) if is_refusal(&error) => self.shows_call = !self.stat.exists(),
                _ => {}
            }
        }
        let stat = std::fs::read(&self.stat).ok()?;
        seen_by_state(parse_stat(&stat)?.state)
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
    )
}

/// Why there are no counters.
enum Lost {
    Gone,
    Uncounted,
}

/// `utime` and `stime` of `stat` in nanoseconds; the kernel counts them in hundredths of a second.
fn parse_cpu_time(bytes: &[u8]) -> Option<u64> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    // the first behind the name is field 3; these are 14 and 15
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)?.checked_mul(10_000_000)
}

#[cfg(test)]
mod tests;
