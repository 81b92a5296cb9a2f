//! Looks at threads, GIL and quota many times a second, and notes what is new.

mod marks;

pub use marks::{MarkReader, RawMark};
