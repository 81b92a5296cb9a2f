//! Watches the memory of the container without the GIL: [`Watcher`].

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dunnage_cgroup::{Memory, Reader, Root};
use dunnage_policy::pressure::{Level, Thresholds, Watch, interval};
use dunnage_policy::units::parse_size_bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How long a limit may be out of date, and how long to wait where nothing can be read.
const SECOND: Duration = Duration::from_secs(1);

/// Waits for memory to rise to a level. One thread waits at a time.
#[pyclass(frozen, module = "dunnage._native")]
pub struct Watcher {
    root: Root,
    /// What the user states as the limit, in bytes.
    stated: Option<u64>,
    thresholds: Thresholds,
    watch: Mutex<Watch>,
    stopped: Mutex<bool>,
    changed: Condvar,
}

#[pymethods]
impl Watcher {
    #[new]
    fn new(
        root: &str,
        memory_limit: Option<&str>,
        warn: f64,
        high: f64,
        critical: f64,
    ) -> PyResult<Self> {
        let thresholds = Thresholds::new(warn, high, critical)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        // what makes no sense is complained of by `limits()`
        let stated = memory_limit.and_then(|text| parse_size_bytes(text).ok());
        Ok(Self {
            root: Root::at(root),
            stated: stated.filter(|bytes| *bytes > 0),
            thresholds,
            watch: Mutex::new(Watch::new(thresholds)),
            stopped: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    /// Blocks, without the GIL, until memory has risen to a level, and names it; None once it is stopped.
    fn wait(&self, py: Python<'_>) -> Option<&'static str> {
        py.detach(|| self.wait_for_level()).map(Level::name)
    }

    /// Ends the wait, and every later one until `restart`.
    fn stop(&self) {
        self.set_stopped(true);
    }

    /// Lets it be waited for again. What was seen is not forgotten.
    fn restart(&self) {
        self.set_stopped(false);
    }

    /// The limit in bytes and the working set; None for what is not known.
    fn look(&self) -> (Option<u64>, Option<u64>) {
        let memory = self.read(&mut Reader::open_guarded(&self.root));
        (memory.limit, memory.working_set)
    }
}

impl Watcher {
    fn set_stopped(&self, stopped: bool) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = stopped;
        self.changed.notify_all();
    }

    fn read(&self, reader: &mut Reader) -> Memory {
        let mut memory = reader.memory().unwrap_or_default();
        memory.limit = self.stated.or(memory.limit);
        memory
    }

    fn wait_for_level(&self) -> Option<Level> {
        let mut reader = Reader::open_guarded(&self.root);
        let mut limit = None;
        let mut looked_at: Option<Instant> = None;
        loop {
            // reading the usage is ten times cheaper than finding out how much of it is page cache
            let usage = reader.memory_usage().ok();
            let is_calm = usage.zip(limit).is_some_and(|(usage, limit): (u64, u64)| {
                (usage as f64) < self.thresholds.calm() * limit as f64
            });
            let is_recent = looked_at.is_some_and(|at| at.elapsed() < SECOND);
            let mut pause = SECOND;
            if let Some((usage, limit)) = usage.zip(limit).filter(|_| is_calm && is_recent) {
                pause = interval(limit.saturating_sub(usage));
            } else {
                let memory = self.read(&mut reader);
                limit = memory.limit;
                looked_at = Some(Instant::now());
                if let (Some(limit), Some(working_set)) = (memory.limit, memory.working_set) {
                    let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(level) = watch.observe(working_set, limit) {
                        return Some(level);
                    }
                    pause = interval(limit.saturating_sub(working_set));
                }
            }
            if self.stops_within(pause) {
                return None;
            }
        }
    }

    fn stops_within(&self, pause: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(stopped, pause, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
