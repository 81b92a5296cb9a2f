//! Recordings of threads, GIL and quota: whom to look at, and looking on behalf of somebody who may not.

mod ask;
mod find;
mod packet;
mod post;
mod serve;

pub use ask::{AskError, Seen, ask, replay};
pub use find::Finder;
pub use serve::{Order, serve};
