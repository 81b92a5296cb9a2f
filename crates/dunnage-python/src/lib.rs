//! What another Python process is doing, read from outside: its interpreters, threads, stacks, and who holds the GIL.
//!
//! The process is neither stopped nor signalled, and nothing runs inside it: its memory is read with
//! `process_vm_readv(2)` while it works, so a long C call that holds the GIL hides nothing. [`Target::prepare`] finds the
//! interpreter once (some hundred microseconds); [`Target::dump`] then reads all stacks, and [`Target::gil_state`]
//! the GIL alone, in one call to the kernel. A stack is given out as whole only if it is proved that it did not move while it was read ([`still`]), and is
//! marked as torn otherwise. Known are 64 bit builds of CPython 3.9 to 3.15.

mod code;
pub mod dump;
pub mod elf;
mod error;
mod gil;
pub mod layout;
pub mod linetable;
pub mod memory;
mod name;
mod native;
pub mod pools;
mod prepare;
pub mod process;
mod refusal;
pub mod render;
pub mod stack;
pub mod still;
mod target;
mod tidy;

pub use dump::{Dump, Frame, Gil, ProcessDump, ThreadDump};
pub use error::Error;
pub use gil::GilHolder;
pub use still::GilState;
pub use target::Target;
pub use tidy::{shorten, tidy_threads};
