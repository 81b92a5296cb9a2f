//! Looks at threads, GIL and quota many times a second, and notes what is new.
//!
//! One thread looks ([`record`]); what it sees goes to a [`Sink`], which is a [`Book`] where the recording is made in the
//! same process, and a socket where the supervisor looks for somebody who may not. The target is neither stopped nor
//! signalled and nothing runs inside it: everything is read from `/proc` and with `process_vm_readv(2)`. A look costs one
//! `pread` a thread, and a second one for each thread that ran; see `sampler`.

mod book;
mod common;
mod interpreter;
mod marks;
mod pace;
mod process;
mod sampler;
mod session;
pub mod stream;
mod task;
mod turns;

pub use book::{Book, Disorder};
pub use marks::{MarkReader, RawMark};
pub use session::{Settings, Spent, record};
pub use stream::{Fact, Look, Sink, Wanted};
