//! What a process holds on to, and how to make it let go: the C library's heap, CPython's small-object allocator.

use std::ffi::{c_int, c_void};
use std::sync::Mutex;

use pyo3::prelude::*;

/// Gives free pages of the C library's heaps back; None where it has no such call, else whether anything was given back.
#[pyfunction]
pub fn trim_heap(py: Python<'_>) -> Option<bool> {
    // it takes as long as the heap is large, and other threads have no need to wait for it
    py.detach(dunnage_sys::trim_heap)
}

/// The file that malloc comes from, or None.
#[pyfunction]
pub fn malloc_provider() -> Option<String> {
    dunnage_sys::malloc_provider()
}

/// What the small-object allocator says of itself, as `sys._debugmallocstats` prints it, or None where there is none.
#[pyfunction]
pub fn allocator_statistics() -> Option<String> {
    let text = dunnage_sys::interpreter_allocator_statistics()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// What the main thread is to call.
static SOON: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// Calls `function` in the main thread as soon as that runs Python code again, and again as long as it returns something
/// true; False where that cannot be asked for. One function waits at a time: a later one takes its place.
#[pyfunction]
pub fn call_soon(function: Py<PyAny>) -> bool {
    let waited = match SOON.lock() {
        Ok(mut soon) => soon.replace(function),
        Err(_) => return false,
    };
    // dropped outside of the lock: that may run Python code
    drop(waited);
    dunnage_sys::call_in_main_thread(call_now)
}

extern "C" fn call_now(_: *mut c_void) -> c_int {
    Python::attach(|py| {
        let function = SOON.lock().ok().and_then(|mut soon| soon.take());
        let Some(function) = function else { return };
        match function.call0(py).and_then(|again| again.is_truthy(py)) {
            Ok(false) => {}
            // asked for here, not by the function: CPython 3.13 forgets a request at the next Python instruction of a
            // call that it is making for an earlier one
            Ok(true) => {
                call_soon(function);
            }
            // never raised into whatever the main thread is doing
            Err(error) => error.write_unraisable(py, None),
        }
    });
    0
}
