//! The Python extension `dunnage._native`.
//!
//! Conversions only: what is read stands in `dunnage-cgroup`, what is decided in `dunnage-policy`, so that the program and
//! the module cannot differ. Values cross as plain tuples, in the order of the fields of the named tuples in
//! `python/dunnage/_types.py`. `python/dunnage/_native.pyi` describes it, and stubtest holds the two together.

mod heap;
mod marks;
mod source;
mod watcher;

use pyo3::prelude::*;

/// What dunnage does in native code; use the functions of the package.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::heap::{allocator_statistics, call_soon, malloc_provider, trim_heap};
    #[pymodule_export]
    use crate::marks::{Span, mark, span};
    #[pymodule_export]
    use crate::source::Source;
    #[pymodule_export]
    use crate::watcher::Watcher;
}
