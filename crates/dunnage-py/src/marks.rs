//! What the application says of itself while somebody records: [`mark`] and [`span`].
//!
//! They run for every request, recorded or not, so they do nothing but read the clock and write one slot of the ring in
//! `dunnage_sys`. What they say in Python stands in `python/dunnage/_pure.py` too, which does nothing instead.

use std::sync::atomic::{AtomicU64, Ordering};

use dunnage_sys::{monotonic_nanos, name_mark, write_mark};
use pyo3::prelude::*;

/// Marks a moment, for ``dunnage record``.
///
/// ``name`` says what happened, in at most 31 bytes of UTF-8, the rest is cut off; use few names, some hundred in all: of
/// more, only that something was marked is kept. ``id`` is your number for it, from 0 to 2**64 - 1.
///
/// Cheap enough for every request, recorded or not: it reads the clock and writes 64 bytes into a ring of 4096 marks,
/// without a lock, a system call or new memory. Nothing is kept longer than that. Where there is no native part it does
/// nothing.
#[pyfunction]
#[pyo3(signature = (name, id = 0))]
pub fn mark(name: &str, id: u64) {
    let now = monotonic_nanos();
    write_mark(name_mark(name), id, now, None);
}

/// A stretch of time that ends with its ``with`` block; made by ``dunnage.span()``.
#[pyclass(frozen, module = "dunnage._native")]
pub struct Span {
    name: u32,
    id: u64,
    /// When it should have begun, nanoseconds of the monotonic clock; 0 where that was not said.
    since: u64,
    begin: AtomicU64,
}

/// Marks how long a ``with`` block took, for ``dunnage record``: a request, say, whose latency is then told by its parts.
///
/// ``name`` and ``id`` are as for ``mark()``. ``since`` is when it should have begun, in seconds of
/// ``time.monotonic()``: the arrival of a request that then lay in a queue. Without it, and where it lies ahead, it begins
/// with the block. It is written once, when the block ends, with the thread that ends it: one that is still open at the
/// end of a recording is not seen. The same object can be used again, for one block at a time.
#[pyfunction]
#[pyo3(signature = (name, id = 0, since = None))]
pub fn span(name: &str, id: u64, since: Option<f64>) -> Span {
    Span {
        name: name_mark(name),
        id,
        // the cast brings what is no time to 0
        since: since.map_or(0, |seconds| (seconds * 1e9) as u64),
        begin: AtomicU64::new(0),
    }
}

#[pymethods]
impl Span {
    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        let now = monotonic_nanos();
        let is_stated = (1..=now).contains(&slf.since);
        let begin = if is_stated { slf.since } else { now };
        slf.begin.store(begin, Ordering::Relaxed);
        slf
    }

    #[pyo3(signature = (kind, error, traceback, /))]
    fn __exit__(
        &self,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) {
        let _ = (kind, error, traceback);
        let begin = self.begin.load(Ordering::Relaxed);
        write_mark(self.name, self.id, begin, Some(monotonic_nanos()));
    }
}
