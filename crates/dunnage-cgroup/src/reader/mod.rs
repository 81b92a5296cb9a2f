//! Reads again and again what changes: [`Reader`].
//!
//! Finding a value costs far more than reading it (mountinfo alone is tens of microseconds), so the way is walked once and
//! the descriptors are kept; each read is then one `pread` from the start, at which the kernel writes the file anew. A
//! limit that changes is seen at the next read. Two things can turn a descriptor stale: the cgroup is removed (`ENODEV`,
//! noticed at once), or the process is moved to another, which nothing tells (so `/proc/self/cgroup` is looked at once a
//! second, when something is read). Both lead to looking the process up anew, and so does a file that could not be opened
//! because the process had no descriptor left.

mod bound;
mod cpu;
mod kept;
mod memory;
mod once;
mod quota;

pub use bound::MemoryBound;
pub use cpu::Throttling;
pub use memory::{Memory, MemoryEvents};
pub use once::{Beside, Pids};
pub use quota::{CpuCounters, CpuWatch};

use crate::parse::{Pressure, parse_pressure};
use crate::read::read_limits_of;
use crate::resolve::{CGROUP_FILE, Cgroups, Chain, Unseen};
use crate::root::Reading;
use crate::{Limits, Overrides, ReadError, Root};
use bound::BoundFiles;
use cpu::CpuFiles;
use kept::{Buffer, Kept, Opener};
use memory::{EventFiles, MemoryFiles};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often `/proc/self/cgroup` is looked at for a move.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What tasks wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PressureKind {
    /// `cpu.pressure`.
    Cpu,
    /// `memory.pressure`.
    Memory,
    /// `io.pressure`.
    Io,
}

/// Kept descriptors of the process's own cgroup. See the module's text for what it costs and what it notices.
#[derive(Debug)]
pub struct Reader {
    opener: Opener,
    /// `/proc/self/cgroup`, or that of the process that is looked at.
    file: String,
    /// The same below the root.
    membership: PathBuf,
    open: Open,
    buffer: Box<Buffer>,
    checked: Instant,
    check_every: Duration,
    /// Nothing is opened for now.
    is_held: bool,
    reopened: u64,
}

/// All that depends on which cgroup the process is in. Files are opened when they are first asked for.
#[derive(Debug)]
struct Open {
    cgroups: Cgroups,
    /// What there was to say about finding them.
    notes: Vec<String>,
    cpu: Option<CpuFiles>,
    memory: Option<MemoryFiles>,
    events: Option<EventFiles>,
    bound: Option<BoundFiles>,
    /// In the order of [`PressureKind`]; the unified hierarchy's, on hybrid too.
    pressure: Option<[Kept; 3]>,
}

impl Reader {
    /// Finds the process's cgroup; its files are opened when they are first asked for. It never fails: what is not there is
    /// said then.
    pub fn open(root: &Root) -> Self {
        Self::open_with(root, false, CGROUP_FILE.to_owned())
    }

    /// As [`Reader::open`], of another process's cgroup, by its `/proc/PID/cgroup`: below the mounts and the namespace that
    /// we see. [`Reader::limits`] then wants that process's affinity from the caller.
    pub fn open_of(root: &Root, pid: i32) -> Self {
        Self::open_with(root, false, format!("/proc/{pid}/cgroup"))
    }

    /// As [`Reader::open`], for a process whose other code may close descriptors that are not its own
    /// (`os.closerange`), after which their numbers stand for other files: each read first asks which file it is.
    pub fn open_guarded(root: &Root) -> Self {
        Self::open_with(root, true, CGROUP_FILE.to_owned())
    }

    fn open_with(root: &Root, is_guarded: bool, file: String) -> Self {
        let opener = Opener::new(root.clone(), is_guarded);
        Self {
            membership: root.locate(Path::new(&file)),
            open: Open::find(&opener, &file),
            opener,
            file,
            buffer: Box::new([0; size_of::<Buffer>()]),
            checked: Instant::now(),
            check_every: CHECK_EVERY,
            is_held: false,
            reopened: 0,
        }
    }

    /// Sets how often `/proc/self/cgroup` is looked at for a move; 0 is at every read, and the default a second.
    #[must_use]
    pub fn check_every(mut self, interval: Duration) -> Self {
        self.check_every = interval;
        self
    }

    /// Opens nothing but what was never read, until it is let go: where memory has run out, what is kept open can be read.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// How often the process was looked up anew, because its cgroup was gone or it was moved.
    pub fn times_reopened(&self) -> u64 {
        self.reopened
    }

    /// As [`crate::read_limits`], without finding the cgroup anew if the process is still in it.
    pub fn limits(&mut self, overrides: &Overrides, affinity: Option<u32>) -> Limits {
        if self.is_to_be_found_anew() {
            self.reopen();
        }
        let mut reading = Reading::new(&self.opener.root);
        reading.notes.clone_from(&self.open.notes);
        read_limits_of(&self.open.cgroups, reading, overrides, affinity)
    }

    /// The tightest quota over all visible levels now, as a number of CPUs; `None` where none is set.
    pub fn cpu_limit(&mut self) -> Result<Option<f64>, ReadError> {
        self.read(|open, opener, buffer| open.cpu(opener, buffer)?.limit(buffer))
    }

    /// The throttling counters of the level whose quota was the tightest when it was opened, else of the leaf: an
    /// ancestor's quota stops the process without a trace in the leaf's counters.
    pub fn throttling(&mut self) -> Result<Throttling, ReadError> {
        self.read(|open, opener, buffer| open.cpu(opener, buffer)?.throttling(buffer))
    }

    /// All memory charged to the cgroup, in bytes, the page cache included.
    pub fn memory_usage(&mut self) -> Result<u64, ReadError> {
        self.read(|open, opener, buffer| open.memory(opener)?.usage(buffer))
    }

    /// Memory by kind, with the working set and the limit now.
    pub fn memory(&mut self) -> Result<Memory, ReadError> {
        self.read(|open, opener, buffer| open.memory(opener)?.memory(buffer))
    }

    /// How often limits were met.
    pub fn memory_events(&mut self) -> Result<MemoryEvents, ReadError> {
        self.read(|open, opener, buffer| open.events(opener)?.read(buffer))
    }

    /// Looks at all limits anew, and finds the level whose limit is the tightest: where the next kill would come from. From
    /// then on the `bound_` methods tell of that level. `None` where nothing bounds. `stated` is a limit that the user
    /// knows of and the kernel does not show; it counts where it is the lowest.
    ///
    /// What is dear to read (free swap of the machine, v1's limit over hidden levels) is read again when a limit has
    /// changed, and else as often as the process's cgroup is looked at.
    pub fn memory_bound(&mut self, stated: Option<u64>) -> Result<Option<MemoryBound>, ReadError> {
        let max_age = if self.is_held {
            Duration::MAX
        } else {
            self.check_every
        };
        self.read(|open, opener, buffer| open.bound(opener)?.find(stated, max_age, opener, buffer))
    }

    /// What counts against [`MemoryBound::capacity`], in bytes: memory with the page cache, and swap where it may be used.
    /// One `pread`, with swap two or three.
    pub fn bound_usage(&mut self) -> Result<u64, ReadError> {
        self.read(|open, opener, buffer| open.bound(opener)?.usage(buffer))
    }

    /// As [`Reader::memory`], of the level that binds.
    pub fn bound_memory(&mut self) -> Result<Memory, ReadError> {
        self.read(|open, opener, buffer| open.bound(opener)?.memory(buffer))
    }

    /// How often the level that binds was about to go over its limit (`max` of `memory.events`; v1: `memory.failcnt`).
    pub fn bound_hits(&mut self) -> Result<Option<u64>, ReadError> {
        self.read(|open, opener, buffer| open.bound(opener)?.hits(buffer))
    }

    /// Whether an OOM kill takes the whole container (`memory.oom.group`, v2) or one process (v1, and v2 without it), at the
    /// level that binds. `None` where that is not told.
    pub fn bound_kills_group(&mut self) -> Option<bool> {
        let Self {
            open,
            opener,
            buffer,
            ..
        } = self;
        open.bound(opener).ok()?.kills_group(opener, buffer)
    }

    /// The file that the kernel tells changes of to inotify (v2 `memory.events`), at the level that binds.
    pub fn bound_events(&self) -> Option<PathBuf> {
        let path = self.open.bound.as_ref()?.events()?;
        Some(self.opener.root.locate(&path))
    }

    /// What is read once, by whoever looks at a container from beside.
    pub fn beside(&self) -> Beside {
        once::read(&self.opener.root, &self.open.cgroups)
    }

    /// Pressure stall information of the cgroup; on hybrid that of its cgroup on the v2 mount.
    pub fn pressure(&mut self, kind: PressureKind) -> Result<Pressure, ReadError> {
        self.read(|open, opener, buffer| {
            Ok(parse_pressure(open.pressure(opener, kind)?.read(buffer)?))
        })
    }

    fn read<T>(
        &mut self,
        read: impl Fn(&mut Open, &Opener, &mut Buffer) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if self.is_to_be_found_anew() {
            self.reopen();
        }
        match read(&mut self.open, &self.opener, &mut self.buffer) {
            Err(vanished @ ReadError::Vanished { .. }) => {
                self.reopen();
                match read(&mut self.open, &self.opener, &mut self.buffer) {
                    Err(ReadError::NotVisible { .. }) => Err(vanished),
                    answer => answer,
                }
            }
            answer => answer,
        }
    }

    fn is_to_be_found_anew(&mut self) -> bool {
        self.opener.take_starved() || self.is_stale()
    }

    fn is_stale(&mut self) -> bool {
        if self.is_held || self.checked.elapsed() < self.check_every {
            return false;
        }
        self.checked = Instant::now();
        // opened anew each time: a descriptor kept over a fork would go on telling of the parent
        let read =
            File::open(&self.membership).and_then(|mut file| file.read(&mut self.buffer[..]));
        let known = self.open.cgroups.membership();
        match read {
            Ok(length) => self.buffer[..length] != known[..known.len().min(self.buffer.len())],
            Err(_) => false,
        }
    }

    fn reopen(&mut self) {
        self.open = Open::find(&self.opener, &self.file);
        self.reopened += 1;
    }
}

impl Open {
    fn find(opener: &Opener, file: &str) -> Self {
        let mut reading = Reading::new(&opener.root);
        let cgroups = Cgroups::read_of(&mut reading, file);
        if !cgroups.is_whole() {
            // the want of a descriptor looks like a /proc that is not there: asked once more, it is told apart
            let _ = opener.open(Path::new(file));
        }
        Self {
            notes: reading.notes,
            cgroups,
            cpu: None,
            memory: None,
            events: None,
            bound: None,
            pressure: None,
        }
    }

    fn cpu(&mut self, opener: &Opener, buffer: &mut Buffer) -> Result<&CpuFiles, ReadError> {
        get_or_open(&mut self.cpu, || {
            let chain = visible("cpu", self.cgroups.cpu())?;
            Ok(CpuFiles::open(opener, chain, buffer))
        })
        .map(|files| &*files)
    }

    fn memory(&mut self, opener: &Opener) -> Result<&MemoryFiles, ReadError> {
        get_or_open(&mut self.memory, || {
            let chain = own("memory", self.cgroups.memory())?;
            Ok(MemoryFiles::open(opener, chain))
        })
        .map(|files| &*files)
    }

    fn events(&mut self, opener: &Opener) -> Result<&EventFiles, ReadError> {
        get_or_open(&mut self.events, || {
            let chain = own("memory", self.cgroups.memory())?;
            Ok(EventFiles::open(opener, chain))
        })
        .map(|files| &*files)
    }

    fn bound(&mut self, opener: &Opener) -> Result<&mut BoundFiles, ReadError> {
        get_or_open(&mut self.bound, || {
            let chain = own("memory", self.cgroups.memory())?;
            Ok(BoundFiles::open(opener, chain))
        })
    }

    fn pressure(&mut self, opener: &Opener, kind: PressureKind) -> Result<&Kept, ReadError> {
        let [cpu, memory, io] = get_or_open(&mut self.pressure, || {
            let chain = own("pressure", self.cgroups.unified())?;
            let keep = |name| opener.keep(chain.leaf().join(name));
            Ok([
                keep("cpu.pressure"),
                keep("memory.pressure"),
                keep("io.pressure"),
            ])
        })?;
        Ok(match kind {
            PressureKind::Cpu => cpu,
            PressureKind::Memory => memory,
            PressureKind::Io => io,
        })
    }
}

fn get_or_open<T>(
    place: &mut Option<T>,
    open: impl FnOnce() -> Result<T, ReadError>,
) -> Result<&mut T, ReadError> {
    if place.is_none() {
        *place = Some(open()?);
    }
    place.as_mut().ok_or(ReadError::NotVisible {
        controller: "cgroup",
    })
}

/// The folders of a controller, ancestors' alone too.
fn visible<'a>(
    controller: &'static str,
    chain: Result<&'a Chain, Unseen>,
) -> Result<&'a Chain, ReadError> {
    chain.map_err(|_| ReadError::NotVisible { controller })
}

/// The folders of a controller where the process's own is among them.
fn own<'a>(
    controller: &'static str,
    chain: Result<&'a Chain, Unseen>,
) -> Result<&'a Chain, ReadError> {
    visible(controller, chain).and_then(|chain| {
        if chain.has_leaf {
            Ok(chain)
        } else {
            Err(ReadError::NotVisible { controller })
        }
    })
}
